//! What hashing tokens costs.

use super::super::figures::{Figures, beside};
use super::super::row::{Row, Want};
use super::rivals::Rivals;
use crate::error::Error;

/// A figure, its block size, its target and its stretch, as times Dynamo's.
const TARGETS: [(&str, u32, f64, f64); 4] = [
    ("contents", 16, 1.1, 1.2),
    ("contents", 64, 1.8, 1.9),
    ("contents and chain", 16, 1.1, 1.5),
    ("contents and chain", 64, 1.1, 1.5),
];

/// Content hashes, and chains with them, beside Dynamo's and kv-index's.
pub(super) fn rows(rivals: &Rivals<'_>) -> Result<Vec<Row>, Error> {
    let figures: Figures = rivals.run("hashing", &["tokens", rivals.rounds(15)], false)?;
    let mut rows = Vec::new();
    for (what, block, target, stretch) in TARGETS {
        let of = |index| figures.of(&format!("tokens{block}"), 0, &format!("{what} Mtok/s"), index);
        let ratio = of("ours").zip(of("dynamo")).map(|(ours, theirs)| ours.spread.median / theirs.spread.median);
        let row = Row::new(format!("hashing 16,384 tokens, {what}, block {block}: times as fast as dynamo"))
            .unit("x")
            .saw(ratio.unwrap_or(f64::NAN))
            .note(format!("Mtok/s: {}", beside(["ours", "dynamo", "chain"].map(of))));
        rows.push(rivals.promise(row, Want::AtLeast(target), Want::AtLeast(stretch)));
    }
    let same = [16, 64].map(|block| figures.of(&format!("tokens{block}"), 0, "same hashes as dynamo", "ours"));
    let held = same.iter().flatten().filter(|figure| figure.spread.min > 0.0).count() == same.len();
    rows.push(Row::new("the hashes are dynamo's, content and chain, block 16 and 64").want(Want::Yes).held(held));
    Ok(rows)
}
