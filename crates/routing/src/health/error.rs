//! Why a breaker cannot be.

use thiserror::Error;

/// A field of a [`Breaker`](crate::Breaker) is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a breaker's {field}: expected {expected}")]
pub struct BreakerError {
    pub(super) field: &'static str,
    pub(super) expected: &'static str,
}
