//! When something else is weighed.

use serde::{Deserialize, Serialize};

use super::{Combination, Measure};

/// What weighs the candidates while a condition holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// When it is open.
    pub when: Trigger,
    /// How endpoints are weighed then.
    pub combination: Combination,
}

/// What is true of the candidates that the filters leave, taken together. Their measures must not depend on the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Trigger {
    /// The most is more than so much above the least, and more than so many thousandths of it.
    Spread {
        /// What is measured.
        measure: Measure,
        /// The greatest difference that is no imbalance.
        above: u32,
        /// The greatest ratio that is none; at 0 it is enough that the most is not 0.
        permille: u32,
    },
    /// Some candidate's measure is greater.
    Most {
        /// What is measured.
        measure: Measure,
        /// The greatest value that leaves the gate shut.
        above: u32,
    },
    /// Every candidate's measure is greater.
    Least {
        /// What is measured.
        measure: Measure,
        /// The greatest value that leaves the gate shut.
        above: u32,
    },
    /// Nobody holds more than this share of the prompt's full blocks, in parts of a million.
    ShareAtMost(u32),
}
