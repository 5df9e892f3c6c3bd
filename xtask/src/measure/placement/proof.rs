//! The proofs that CI runs with a thousand cases, once with many.

use super::super::Row;
use super::super::proof::{Proof, row};
use super::Setting;
use crate::error::Error;

/// The proofs of the placement engine.
const PROOFS: [Proof; 3] = [
    ("gang: invariants 1 to 7 and properties against brute force", "phalanx-gang", &["invariants"], 100_000),
    ("gang: objectives against slow references on mid-size clusters", "phalanx-gang", &["references"], 10_000),
    ("topology: ledger and index against models", "phalanx-topology", &["invariants", "index"], 100_000),
];

/// A row for each proof.
pub(super) fn rows(setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
    PROOFS.into_iter().map(|proof| row(setting, proof)).collect()
}
