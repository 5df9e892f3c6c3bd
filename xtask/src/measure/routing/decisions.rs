//! What one step takes.

use super::super::figures::{Figures, beside, times_less};
use super::super::row::{Row, Want};
use super::selector::{Selector, Sizes};
use crate::error::Error;

/// Who is measured, ours first.
const WHO: [&str; 3] = ["ours", "dynamo", "dynamo selector"];

/// A step of ours with a target and a stretch for the 99th percentile, in microseconds.
struct Mark {
    cell: &'static str,
    about: &'static str,
    target: f64,
    stretch: f64,
    /// Whether it must do without allocations.
    is_lean: bool,
}

/// The steps that have one.
const MARKS: [Mark; 7] = [
    Mark::new("sparse", "decision, 64 prefix holders", 2.0, 0.7),
    Mark::new("subset", "decision, 64 prefix holders, random subset of 100, one exclusion", 5.0, 2.0),
    Mark::new("dense", "dense decision, three scorers, load changes at one endpoint", 25.0, 8.0),
    Mark::new("dense-ends", "dense decision, three scorers, the greatest and the least change", 25.0, 8.0),
    Mark::new("pair", "PD pair in 50 domains", 50.0, 10.0),
    Mark::new("refresh", "refresh after one endpoint's update", 1.0, 0.3),
    Mark { is_lean: false, ..Mark::new("explain", "full explanation", 200.0, 100.0) },
];

/// How many times as fast a whole decision must be on the small and on the large fleet.
const WHOLE: [(f64, f64); 2] = [(4.0, 8.0), (10.0, 20.0)];

impl Mark {
    const fn new(cell: &'static str, about: &'static str, target: f64, stretch: f64) -> Self {
        Self { cell, about, target, stretch, is_lean: true }
    }

    /// How many endpoints there are, as a number and in words.
    fn fleet(&self, sizes: &Sizes) -> (u32, String) {
        let of = sizes.pair;
        if self.cell == "pair" {
            return (of, format!("{of} x {of} endpoints"));
        }
        (sizes.endpoints, format!("{} endpoints", sizes.endpoints))
    }
}

/// Times, whole decisions beside Dynamo's, and allocations.
pub(super) fn rows(selector: &Selector<'_>) -> Result<Vec<Row>, Error> {
    let sizes = selector.sizes();
    let cells = MARKS.map(|mark| mark.cell).join(",") + ",whole";
    let times = selector.times("decisions", &cells, &[])?;
    let mut rows: Vec<_> = MARKS.iter().map(|mark| time(selector, mark, &sizes, &times)).collect();
    for (ranks, (target, stretch)) in sizes.ranks.into_iter().zip(WHOLE) {
        let ours = times.of("whole", ranks, "ns p50", "ours");
        let theirs = times.of("whole", ranks, "ns p50", "dynamo");
        let tails = ["ours", "dynamo"].map(|who| times.of("whole", ranks, "ns p99", who));
        let row = Row::new(format!("whole decision, 12k-token prompt, {ranks} ranks, p50: times as fast as dynamo"))
            .unit("x")
            .saw(times_less(ours, theirs))
            .note(format!(
                "p50 ns: {}; p99 ns: {}; share of the prompts that the chosen hold: {}",
                beside([ours, theirs]),
                beside(tails),
                beside(["ours", "dynamo"].map(|who| times.of("whole", ranks, "cached share", who)))
            ));
        rows.push(selector.setting.promise(row, Want::AtLeast(target), Want::AtLeast(stretch)));
    }
    let clock = times.of("clock", 0, "ns p50", "two readings").map_or(f64::NAN, |figure| figure.spread.median);
    rows.push(Row::new("two readings of the clock, part of every time above").unit("ns").saw(clock));
    let counts = selector.allocations(&cells)?;
    let fleets = MARKS.iter().map(|mark| {
        let (fleet, words) = mark.fleet(&sizes);
        (mark.cell, fleet, format!("{}, {words}", mark.about), mark.is_lean)
    });
    let whole = sizes.ranks.map(|ranks| ("whole", ranks, format!("whole decision, {ranks} ranks"), true));
    for (cell, fleet, about, is_lean) in fleets.chain(whole) {
        let count = counts.of(cell, fleet, "allocations a step", "ours");
        let row = Row::new(format!("allocations, {about}")).saw(count.map_or(f64::NAN, |count| count.spread.median));
        rows.push(if is_lean { row.want(Want::AtMost(0.0)) } else { row });
    }
    Ok(rows)
}

/// The 99th percentile of a step, and what goes with it.
fn time(selector: &Selector<'_>, mark: &Mark, sizes: &Sizes, times: &Figures) -> Row {
    let (fleet, words) = mark.fleet(sizes);
    let of = |figure| WHO.map(|who| times.of(mark.cell, fleet, figure, who));
    let (middles, tails) = (of("ns p50"), of("ns p99"));
    let mut note = format!("p50 ns: {}; p99 ns: {}", beside(middles), beside(tails));
    if middles[1].is_some() {
        let ratios = [times_less(middles[0], middles[1]), times_less(tails[0], tails[1])];
        note += &format!("; {:.0} x and {:.0} x less than dynamo", ratios[0], ratios[1]);
    }
    let row = Row::new(format!("{}, {words}: p99", mark.about))
        .unit("us")
        .saw(tails[0].map_or(f64::NAN, |figure| figure.spread.median / 1_000.0))
        .note(note);
    selector.setting.promise(row, Want::AtMost(mark.target), Want::AtMost(mark.stretch))
}
