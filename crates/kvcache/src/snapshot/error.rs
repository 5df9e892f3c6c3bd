//! Why bytes are no snapshot.

use thiserror::Error;

/// Why nothing was restored.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The bytes do not begin as a snapshot does.
    #[error("byte 0: expected a snapshot of a fleet index, which begins with \"phxindex\"")]
    Foreign,
    /// A snapshot in a form that this version does not know.
    #[error("byte 8: version {found}: expected {expected}", expected = super::VERSION)]
    Version {
        /// The version that it has.
        found: u16,
    },
    /// The bytes are not those that were written: some are missing, or changed.
    #[error("byte {at}: checksum {found:016x} of what comes before: expected {expected:016x}")]
    Checksum {
        /// Where the checksum stands.
        at: usize,
        /// What stands there.
        found: u64,
        /// What should.
        expected: u64,
    },
    /// It has ranks for which there is no room below the bound on memory.
    #[error("byte {at}: {ranks} ranks, which take {needed} bytes: expected no more than {max_bytes}")]
    TooManyRanks {
        /// Where their number stands.
        at: usize,
        /// Ranks, vacant numbers between them included.
        ranks: u64,
        /// Bytes that they take without any block.
        needed: u64,
        /// The bound: see [`IndexConfig::max_bytes`](crate::IndexConfig::max_bytes).
        max_bytes: usize,
    },
    /// The checksum is right, but what it covers cannot be: whoever wrote it was wrong.
    #[error("byte {at}: expected {expected}")]
    Malformed {
        /// Where.
        at: usize,
        /// What should be there.
        expected: &'static str,
    },
}
