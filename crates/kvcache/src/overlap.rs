//! The answer of the fleet index for one prompt.

use crate::RankId;

/// How many blocks of a prompt, counted from its start, each rank holds: ranks with none are left out.
///
/// Meant to be kept and asked into again: once warm, no question allocates.
#[derive(Clone, Debug, Default)]
pub struct Overlap {
    pub(crate) ranks: Vec<(RankId, u32)>,
    /// Scratch of the walk: (group of 64 ranks, those that hold every block so far).
    pub(crate) alive: Vec<(u32, u64)>,
}

impl Overlap {
    /// An empty answer.
    ///
    /// ```
    /// assert!(phalanx_kvcache::Overlap::new().as_slice().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Rank and blocks (at least 1), by ascending rank.
    pub fn as_slice(&self) -> &[(RankId, u32)] {
        &self.ranks
    }

    /// Blocks of one rank; 0 for one that holds none. Logarithmic in the ranks of the answer.
    ///
    /// ```
    /// use phalanx_kvcache::{FleetIndex, Overlap};
    ///
    /// let rank = FleetIndex::new().join();
    /// assert_eq!(Overlap::new().blocks_of(rank), 0);
    /// ```
    pub fn blocks_of(&self, rank: RankId) -> u32 {
        match self.ranks.binary_search_by_key(&rank, |&(rank, _)| rank) {
            Ok(at) => self.ranks[at].1,
            Err(_) => 0,
        }
    }
}
