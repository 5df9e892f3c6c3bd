//! Why a payload is no batch of events.

use thiserror::Error;

/// A payload that is no batch of events: where, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// The payload ends in the middle.
    #[error("byte {offset}: the payload ends, expected {expected}")]
    Ended {
        /// Where the value begins that is cut off.
        offset: usize,
        /// What was to come.
        expected: &'static str,
    },
    /// Something else than what belongs here.
    #[error("byte {offset}: expected {expected}, found {found}")]
    Unexpected {
        /// Where the value begins.
        offset: usize,
        /// What belongs here.
        expected: &'static str,
        /// What is here.
        found: &'static str,
    },
    /// A length that cannot be true.
    #[error("byte {offset}: {claimed} values or bytes are announced, at most {left} can follow")]
    Announced {
        /// Where the array, map, string or other value begins.
        offset: usize,
        /// How much it announces.
        claimed: usize,
        /// How much could be there at most.
        left: usize,
    },
    /// A field without which the value means nothing.
    #[error("byte {offset}: {value} without {field}")]
    Missing {
        /// Where the value begins.
        offset: usize,
        /// What it is.
        value: &'static str,
        /// What it lacks.
        field: &'static str,
    },
    /// Something follows the batch.
    #[error("byte {offset}: the batch is at its end, {bytes} more bytes follow")]
    Trailing {
        /// Where the batch ends.
        offset: usize,
        /// How much follows.
        bytes: usize,
    },
}

impl WireError {
    /// The byte of the payload where reading stopped; at most its length.
    ///
    /// ```
    /// use phalanx_kvcache::wire::EventBatch;
    ///
    /// let error = EventBatch::new().read(b"\x92\x01").unwrap_err(); // an array of two, and then only one
    /// assert_eq!(error.to_string(), "byte 0: 2 values or bytes are announced, at most 1 can follow");
    /// assert_eq!(error.offset(), 0);
    /// ```
    pub const fn offset(&self) -> usize {
        match *self {
            Self::Ended { offset, .. }
            | Self::Unexpected { offset, .. }
            | Self::Announced { offset, .. }
            | Self::Missing { offset, .. }
            | Self::Trailing { offset, .. } => offset,
        }
    }
}
