//! What each rank could reuse of a prompt, over all of its groups and tiers.

mod groups;
mod rule;

pub use self::groups::CacheGroups;
pub use self::rule::GroupRule;
use crate::index::Survey;
use crate::{RankId, Tier};

/// How much of a prompt one rank could reuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reusable {
    /// The rank.
    pub rank: RankId,
    /// Blocks from the start of the prompt that need not be computed.
    pub blocks: u32,
    /// Where they come from: blocks of each of [`Tier::ALL`], each counted in the fastest one that has it. They are those
    /// of the first group of full attention, and then they add up to `blocks`; in a model without such a group, those
    /// that the first group's rule needs.
    pub by_tier: [u32; Tier::ALL.len()],
}

/// The answer to [`FleetIndex::reuse`](crate::FleetIndex::reuse).
///
/// Meant to be kept and asked into again: once warm, no question allocates.
#[derive(Clone, Debug, Default)]
pub struct Reuse {
    pub(crate) ranks: Vec<Reusable>,
    pub(crate) survey: Survey,
}

impl Reuse {
    /// An empty answer.
    ///
    /// ```
    /// assert!(phalanx_kvcache::Reuse::new().ranks().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Each rank that could reuse anything, ascending.
    pub fn ranks(&self) -> &[Reusable] {
        &self.ranks
    }

    /// What one rank could reuse, if anything.
    ///
    /// ```
    /// use phalanx_kvcache::{FleetIndex, Reuse};
    ///
    /// let rank = FleetIndex::new().join();
    /// assert_eq!(Reuse::new().of(rank), None);
    /// ```
    pub fn of(&self, rank: RankId) -> Option<&Reusable> {
        self.ranks.binary_search_by_key(&rank, |reusable| reusable.rank).ok().map(|at| &self.ranks[at])
    }
}
