//! Why parts make no policy.

use thiserror::Error;

use super::Measure;
use crate::explanation::Factor;

/// Why parts make no policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Nothing that is weighed.
    #[error("policy {policy:?}: {field} is empty; expected one part or more")]
    Empty {
        /// The policy's name.
        policy: String,
        /// The field.
        field: String,
    },
    /// Too many parts.
    #[error("policy {policy:?}: {field} has {found} parts; expected {most} at the most")]
    TooMany {
        /// The policy's name.
        policy: String,
        /// The field.
        field: String,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A number that is out of range.
    #[error("policy {policy:?}: {field} is {found}; expected {least} to {most}")]
    Range {
        /// The policy's name.
        policy: String,
        /// The field, with its place in a list.
        field: String,
        /// The number.
        found: u64,
        /// The least that is allowed.
        least: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// A term or a measure that stands twice.
    #[error("policy {policy:?}: {field} is {part} again; expected each once")]
    Twice {
        /// The policy's name.
        policy: String,
        /// The field, with its place in a list.
        field: String,
        /// The term or measure.
        part: Factor,
    },
    /// A measure of the request where only one of the endpoint makes sense.
    #[error(
        "policy {policy:?}: {field} is {measure}, which depends on the request; expected a measure of the endpoint"
    )]
    OfRequest {
        /// The policy's name.
        policy: String,
        /// The field, with its place in a list.
        field: String,
        /// The measure.
        measure: Measure,
    },
    /// A draw by score where something else than scores is weighed.
    #[error("policy {policy:?}: picker by-score needs scores; expected {field} to be a sum")]
    NeedsScores {
        /// The policy's name.
        policy: String,
        /// The combination that is none.
        field: String,
    },
}
