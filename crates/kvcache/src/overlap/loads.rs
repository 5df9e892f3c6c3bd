//! The load of each rank, kept so that the least is soon found.

use crate::RankId;

/// Ranks whose least load is kept: as many as a word of a set has bits.
pub(super) const GROUP: usize = 64;

/// A load for each rank, in blocks.
///
/// Beside the column itself it keeps the least load of each 64 neighbours, so that
/// [`Overlap::best`](crate::Overlap::best) looks at few ranks of a large fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loads {
    loads: Vec<u32>,
    least: Vec<u32>,
}

impl Loads {
    /// No load is known.
    ///
    /// ```
    /// use phalanx_kvcache::{FleetIndex, Loads};
    ///
    /// let rank = FleetIndex::new().join();
    /// assert_eq!(Loads::new().get(rank), None);
    /// ```
    pub const fn new() -> Self {
        Self { loads: Vec::new(), least: Vec::new() }
    }

    /// The load of a rank is `load` from now on; that of a rank with a lower number which has none yet is 0.
    ///
    /// Constant time, except that a load which was the least of its 64 neighbours and grows has all of them compared.
    ///
    /// ```
    /// use phalanx_kvcache::{FleetIndex, Loads};
    ///
    /// let rank = FleetIndex::new().join();
    /// let mut loads = Loads::new();
    /// loads.set(rank, 7);
    /// assert_eq!(loads.get(rank), Some(7));
    /// ```
    pub fn set(&mut self, rank: RankId, load: u32) {
        let at = rank.index();
        if at >= self.loads.len() {
            self.loads.resize(at + 1, 0);
            self.recount(self.least.len().saturating_sub(1));
        }
        let group = at / GROUP;
        let before = core::mem::replace(&mut self.loads[at], load);
        if load <= self.least[group] {
            self.least[group] = load;
        } else if before == self.least[group] {
            self.least[group] = self.least_of(group);
        }
    }

    /// The load of a rank, if it has one.
    pub fn get(&self, rank: RankId) -> Option<u32> {
        self.loads.get(rank.index()).copied()
    }

    /// The least load of the ranks that belong to a word.
    pub(super) fn least(&self, word: usize) -> Option<u32> {
        self.least.get(word).copied()
    }

    fn least_of(&self, group: usize) -> u32 {
        let loads = &self.loads[group * GROUP..];
        match loads.first_chunk::<GROUP>() {
            // A known number of them, so that a vector unit can take some at a time.
            Some(loads) => loads.iter().fold(u32::MAX, |least, &load| least.min(load)),
            None => loads.iter().fold(u32::MAX, |least, &load| least.min(load)),
        }
    }

    /// Counts the groups from one on again.
    fn recount(&mut self, group: usize) {
        self.least.truncate(group);
        for group in group..self.loads.len().div_ceil(GROUP) {
            self.least.push(self.least_of(group));
        }
    }
}

impl From<Vec<u32>> for Loads {
    /// Loads by [`RankId::index`].
    fn from(loads: Vec<u32>) -> Self {
        let mut all = Self { loads, least: Vec::new() };
        all.recount(0);
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_least_of_each_group_is_kept(sets in prop::collection::vec((0u32..300, 0u32..5), 0..200)) {
            let (mut loads, mut naive) = (Loads::new(), Vec::new());
            for (rank, load) in sets {
                loads.set(RankId(rank), load);
                naive.resize(naive.len().max(rank as usize + 1), 0);
                naive[rank as usize] = load;
                prop_assert_eq!(&loads, &Loads::from(naive.clone()));
                for (word, group) in naive.chunks(GROUP).enumerate() {
                    prop_assert_eq!(loads.least(word), group.iter().copied().min());
                }
            }
        }
    }
}
