//! How decisions grow with the fleet.

use super::super::figures::beside;
use super::super::row::Row;
use super::selector::Selector;
use crate::error::Error;

/// What is looked at.
const CELLS: [(&str, &str); 3] =
    [("sparse", "decision, 64 prefix holders"), ("dense", "dense decision, three scorers"), ("pair", "PD pair")];

/// Ours on each fleet, and Dynamo's as far as it is asked.
pub(super) fn rows(selector: &Selector<'_>) -> Result<Vec<Row>, Error> {
    let growth = selector.sizes().growth;
    let times = selector.times("growth", &CELLS.map(|(cell, _)| cell).join(","), growth)?;
    let row = |cell: &str, about: &str, endpoints: u32| {
        let of = |figure, who| times.of(cell, endpoints, figure, who);
        let fleet =
            if cell == "pair" { format!("{endpoints} x {endpoints}") } else { format!("{endpoints} endpoints") };
        let tails = beside(["ours", "dynamo"].map(|who| of("ns p99", who)));
        Row::new(format!("growth, {about}, {fleet}: p50"))
            .unit("us")
            .saw(of("ns p50", "ours").map_or(f64::NAN, |figure| figure.spread.median / 1_000.0))
            .note(format!("p50 ns: {}; p99 ns: {tails}", beside(["ours", "dynamo"].map(|who| of("ns p50", who)))))
    };
    let cells = CELLS.iter().flat_map(|(cell, about)| growth.iter().map(|&endpoints| row(cell, about, endpoints)));
    Ok(cells.collect())
}
