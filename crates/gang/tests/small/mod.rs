//! Small clusters and gangs, the definition of a placement spelled out for them, and the answer by trying everything.

#![allow(dead_code, reason = "every test file uses a part")]

pub(crate) mod brute;
pub(crate) mod check;
pub(crate) mod cluster;
pub(crate) mod definition;
pub(crate) mod situation;
pub(crate) mod spec;
pub(crate) mod tight;

use proptest::prelude::*;

/// What proptest takes without a word from the environment.
const UNSAID: u32 = 256;

/// So many cases, unless the environment says otherwise for a longer run: `PROPTEST_CASES=100000 cargo test`.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if default.cases == UNSAID { cases } else { default.cases };
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_local_rejects: 100_000_000,
        max_global_rejects: 100_000_000,
        ..default
    }
}
