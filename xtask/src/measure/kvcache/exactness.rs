//! Whether answers are right.

use super::super::figures::Figures;
use super::super::proof::{Proof, row};
use super::super::row::{Row, Want};
use super::rivals::Rivals;
use crate::error::Error;

/// Proofs of the crate that run with many more cases than CI gives them, or are asked for by name.
const PROOFS: [Proof; 2] = [
    ("kvcache: index against the naive model, and hostile input", "phalanx-kvcache", &["index"], 2_000),
    ("kvcache: shared form against one index", "phalanx-kvcache", &["shared"], 1_000),
];

/// Wrong answers in the replays, with holes and after random operations; and the proofs.
pub(super) fn rows(rivals: &Rivals<'_>, replay: &Figures) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for (figure, about) in [("wrong answers", "answers in the replays"), ("wrong best", "best ranks in the replays")] {
        let (ours, cells) = replay.sum(figure, "ours");
        let theirs = ["chain", "crtc"].map(|index| format!("{index} {}", replay.sum(figure, index).0));
        rows.push(
            Row::new(format!("wrong {about}"))
                .want(Want::AtMost(0.0))
                .saw(if cells == 0 { f64::NAN } else { ours })
                .note(theirs.join(", ")),
        );
    }
    let operations = if rivals.setting.tiny { 20_000 } else { 1_000_000 };
    let arguments = ["holes", &format!("--operations={operations}")];
    let holes: Figures = rivals.run("exactness with holes", &arguments, false)?;
    let of = |figure, index| holes.of("holes", 16, figure, index).map_or(f64::NAN, |figure| figure.spread.median);
    let wrong = |index| of("answers overstated", index) + of("answers understated", index);
    let theirs = ["chain", "crtc"].map(|index| {
        format!("{index} {} over, {} under", of("answers overstated", index), of("answers understated", index))
    });
    let asked = of("answers", "ours");
    rows.push(
        Row::new("wrong answers with evictions that leave holes")
            .want(Want::AtMost(0.0))
            .saw(wrong("ours"))
            .note(format!("of {asked}; {}", theirs.join("; "))),
    );
    let random = |figure| holes.of("random", 16, figure, "ours").map_or(f64::NAN, |figure| figure.spread.median);
    rows.push(
        Row::new(format!("wrong answers after {operations} random operations"))
            .want(Want::AtMost(0.0))
            .saw(random("wrong answers"))
            .note(format!("of {}", random("answers"))),
    );
    if !rivals.setting.tiny {
        for proof in PROOFS {
            rows.push(row(rivals.setting, proof)?);
        }
    }
    Ok(rows)
}
