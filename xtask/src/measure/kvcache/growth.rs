//! How costs grow with the fleet and with what it holds.

use super::super::figures::{Figure, Figures, beside};
use super::super::row::Row;
use super::rivals::Rivals;
use crate::error::Error;

/// Our index at 64 to 16,384 ranks, and at 1 to 20 million pairs.
pub(super) fn rows(rivals: &Rivals<'_>) -> Result<Vec<Row>, Error> {
    let fleets: &[u32] = if rivals.setting.tiny { &[64, 128] } else { &[64, 256, 1024, 4096, 16384] };
    let words: Vec<_> = fleets.iter().map(ToString::to_string).collect();
    let ranks = format!("--ranks={}", words.join(","));
    let arguments = ["replay", "--only=ours", "--workload=conv64", "--phase=churn,query", "--unchecked", &ranks];
    let arguments: Vec<&str> = arguments.into_iter().chain([rivals.rounds(3)]).collect();
    let seen: Figures = rivals.run("growth with the fleet", &arguments, true)?;
    let mut rows: Vec<_> = fleets
        .iter()
        .map(|&ranks| {
            let of = |figure, index| seen.of("conv64", ranks, figure, index);
            let best = of("best ns p50, cold", "ours levels");
            row(
                format!("conversation, 64-token blocks, {ranks} ranks: ns a block of churn"),
                of("churn ns/block", "ours"),
            )
            .note(format!(
                "{}; best rank p50 ns, cold: {}; bare: {}",
                beside([of("churn ns/block", "ours")]),
                beside([best]),
                beside([of("bare ns p50, cold", "ours levels")])
            ))
        })
        .collect();
    let sizes: &[u64] = if rivals.setting.tiny {
        &[100_000, 1_000_000]
    } else {
        &[1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000]
    };
    let words: Vec<_> = sizes.iter().map(ToString::to_string).collect();
    let pairs = format!("--pairs={}", words.join(","));
    let seen: Figures = rivals.run("growth with what is held", &["growth", &pairs], false)?;
    for size in sizes.iter().filter(|&&size| size >= 1_000_000) {
        let million = size / 1_000_000;
        let of = |figure| seen.of(&format!("{million}M"), 512, figure, "ours");
        let median = |figure| of(figure).map_or(f64::NAN, |figure| figure.spread.median);
        let coming = of("come and go ns/block");
        rows.push(row(format!("512 ranks, {million} M pairs: ns a block of conversations that come and go"), coming).note(
            format!(
                "the last tenth of the way there {:.1} ns a block; best rank p50 {:.0} ns, p99 {:.0} ns; {:.1} bytes a pair",
                median("grow ns/block"),
                median("best ns p50"),
                median("best ns p99"),
                median("bytes/pair")
            ),
        ));
    }
    Ok(rows)
}

fn row(name: String, figure: Option<&Figure>) -> Row {
    Row::new(name).saw(figure.map_or(f64::NAN, |figure| figure.spread.median))
}
