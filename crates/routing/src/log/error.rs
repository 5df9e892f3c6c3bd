//! Why a log cannot be read or replayed.

use thiserror::Error;

/// Where a log is wrong, and what was expected there. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LogError {
    /// It does not begin as a log does.
    #[error(
        "line 1: {problem}; expected the start of a log, such as {{\"log\":\"phalanx-routing\",\"version\":1,\"seed\":0}}"
    )]
    Head {
        /// What is wrong.
        problem: String,
    },
    /// It is of a version that is not known here.
    #[error("line 1: version {found}; expected version {expected}")]
    Version {
        /// Its version.
        found: u64,
        /// The one that is read.
        expected: u32,
    },
    /// A line that is none of a log.
    #[error("line {line}: {problem}")]
    Form {
        /// Which one.
        line: usize,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// The last line is not whole.
    #[error("line {line}: cut off; expected a whole line")]
    Cut {
        /// Which one.
        line: usize,
    },
    /// A line that does not go with those before it.
    #[error("line {line}: {problem}")]
    Order {
        /// Which one.
        line: usize,
        /// What is wrong, and what was expected.
        problem: String,
    },
}

impl LogError {
    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        match self {
            Self::Head { .. } | Self::Version { .. } => 1,
            Self::Form { line, .. } | Self::Cut { line } | Self::Order { line, .. } => *line,
        }
    }
}
