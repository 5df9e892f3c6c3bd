//! What a pair of a rank and a block takes.

use super::super::figures::beside;
use super::super::row::{Row, Want};
use super::rivals::Rivals;
use crate::error::Error;

/// Live bytes a pair when full, and when all was taken out again.
pub(super) fn rows(rivals: &Rivals<'_>) -> Result<Vec<Row>, Error> {
    let ranks = if rivals.setting.tiny { 8 } else { 512 };
    let figures = rivals.run_bytes(ranks)?;
    let row = |workload: &str, about: &str, state: &str| {
        let of = |index| figures.of(workload, ranks, &format!("bytes/pair, {state}"), index);
        Row::new(format!("live bytes a pair, {about}, {ranks} ranks, {state}"))
            .saw(of("ours").map_or(f64::NAN, |figure| figure.spread.median))
            .note(beside(["chain", "crtc"].map(of)))
    };
    let conversation = "conversation, 64-token blocks";
    Ok(vec![
        rivals.promise(row("conv64", conversation, "full"), Want::AtMost(30.0), Want::AtMost(22.0)),
        rivals.promise(row("deep", "deep prefix", "full"), Want::AtMost(12.0), Want::AtMost(9.0)),
        row("conv64", conversation, "drained"),
        row("deep", "deep prefix", "drained"),
    ])
}
