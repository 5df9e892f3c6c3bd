//! Who is too far from the others to be weighed.

use serde::{Deserialize, Serialize};

use super::Measure;

/// Endpoints whose measure is near that of the others are weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Near {
    /// What is measured. It must not depend on the request.
    pub measure: Measure,
    /// The greatest value that is near.
    pub limit: Limit,
}

/// Where near ends, by the candidates that the filters leave: the least of them is always near.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Limit {
    /// So many thousandths of the least, 1,000 or more, and so much.
    Least {
        /// Of the least.
        permille: u32,
        /// Beyond that.
        above: u32,
    },
    /// The mean and so many thousandths of the standard deviation, that of the whole population.
    Deviations(u32),
}
