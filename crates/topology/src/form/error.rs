//! Why a form is no cluster.

use crate::{CapacityError, DemandError, ReserveError, TopologyError};

/// Why a form is no cluster: the field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FormError {
    field: String,
    problem: FormProblem,
}

impl FormError {
    pub(super) fn new(field: String, problem: FormProblem) -> Self {
        Self { field, problem }
    }

    /// The path of the field, `nodes[0].names`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> &FormProblem {
        &self.problem
    }
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormProblem {
    /// It holds something else than it should.
    #[error("found {found}, expected {expected}")]
    Expected {
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// It names a level that there is not. It is never ignored.
    #[error("found level {found:?}, expected one of {expected}")]
    UnknownLevel {
        /// The level.
        found: String,
        /// The names that there are, those of the first topology first.
        expected: String,
    },
    /// It names a node that there is not.
    #[error("found {found:?}, expected the name of a node")]
    UnknownNode {
        /// The node.
        found: String,
    },
    /// A node's place is given twice.
    #[error("found level {level:?}, but domains say already where nodes are in that topology")]
    PlacedTwice {
        /// The level.
        level: String,
    },
    /// There are more of something than a form may have.
    #[error("found {found} {what}, expected at most {max}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much there is, as far as it was counted.
        found: u64,
        /// How much there may be.
        max: u64,
    },
    /// The names make no tree.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A node cannot have what it says.
    #[error(transparent)]
    Capacity(#[from] CapacityError),
    /// There is no such demand.
    #[error(transparent)]
    Demand(#[from] DemandError),
    /// A pod that is there already does not fit where it is said to be.
    #[error(transparent)]
    Reserve(#[from] ReserveError),
}
