//! How many cases a property is held against.

use proptest::prelude::ProptestConfig;

/// What proptest takes without a word from the environment.
const UNSAID: u32 = 256;

/// So many cases, unless the environment says otherwise for a longer run: `PROPTEST_CASES=100000 cargo test`.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if default.cases == UNSAID { cases } else { default.cases };
    ProptestConfig { cases, failure_persistence: None, ..default }
}
