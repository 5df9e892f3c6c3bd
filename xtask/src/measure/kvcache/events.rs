//! What events cost.

use super::super::figures::{Figures, beside, times_less};
use super::super::row::{Row, Want};
use super::rivals::Rivals;
use crate::error::Error;

/// The workloads, as the program and as people call them.
pub(super) const WORKLOADS: [(&str, &str); 3] =
    [("conv64", "conversation, 64-token blocks"), ("conv16", "conversation, 16-token blocks"), ("deep", "deep prefix")];

/// Churn and fill beside the best rival, and the store of a prefix that others hold.
pub(super) fn rows(rivals: &Rivals<'_>, replay: &Figures) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for (workload, about) in WORKLOADS {
        for &ranks in rivals.fleets() {
            rows.push(rivals.promise(
                times(replay, workload, ranks, "churn", about),
                Want::AtLeast(2.0),
                Want::AtLeast(4.0),
            ));
        }
    }
    for (workload, about) in WORKLOADS {
        for &ranks in rivals.fleets() {
            rows.extend(["fill", "remove"].map(|phase| times(replay, workload, ranks, phase, about)));
        }
    }
    let prefix: Figures = rivals.run("a prefix that others hold", &["prefix", rivals.rounds(5)], false)?;
    let figure = |index| prefix.of("deep", 256, "shared prefix ns/block", index);
    let row = Row::new("store of a prefix that others hold, ns a block")
        .saw(figure("ours").map_or(f64::NAN, |figure| figure.spread.median))
        .note(beside([figure("ours"), figure("ours-single"), figure("chain"), figure("crtc")]));
    rows.push(rivals.promise(row, Want::AtMost(1.0), Want::AtMost(0.4)));
    Ok(rows)
}

fn times(replay: &Figures, workload: &str, ranks: u32, phase: &str, about: &str) -> Row {
    let figure = format!("{phase} ns/block");
    let ours = replay.of(workload, ranks, &figure, "ours");
    let others = ["ours-single", "chain", "crtc"].map(|index| replay.of(workload, ranks, &figure, index));
    Row::new(format!("{phase}, ns a block, {about}, {ranks} ranks: times less than the best rival"))
        .unit("x")
        .saw(times_less(ours, replay.best_rival(workload, ranks, &figure)))
        .note(beside([ours].into_iter().chain(others)))
}
