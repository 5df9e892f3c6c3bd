//! The load of each rank, kept so that the least is soon found.

use crate::RankId;

/// Neighbours whose least load is kept.
pub(super) const FEW: usize = 8;
/// Neighbours whose least load is kept as well: as many as a word of a set has bits.
pub(super) const GROUP: usize = 64;
/// What stands for the load of a rank that has none, behind the last one that has.
const NONE: u32 = u32::MAX;

/// A load for each rank, in blocks.
///
/// Beside the column itself it keeps the least load of each 8 and of each 64 neighbours, so that
/// [`Overlap::best`](crate::Overlap::best) looks at few ranks of a large fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loads {
    /// Ranks that have a load. The columns are longer: a whole number of groups.
    len: usize,
    loads: Vec<u32>,
    least_of_few: Vec<u32>,
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
        Self { len: 0, loads: Vec::new(), least_of_few: Vec::new(), least: Vec::new() }
    }

    /// The load of a rank is `load` from now on; that of a rank with a lower number which has none yet is 0. A rank that
    /// must not be picked is best left out of the answer, since a load only makes it less likely.
    ///
    /// Constant time: 16 loads are compared.
    ///
    /// ```
    /// use phalanx_kvcache::{FleetIndex, Loads};
    ///
    /// let rank = FleetIndex::new().join();
    /// let mut loads = Loads::new();
    /// loads.set(rank, 7);
    /// assert_eq!(loads.get(rank), Some(7));
    /// ```
    #[inline]
    pub fn set(&mut self, rank: RankId, load: u32) {
        let at = rank.index();
        if at >= self.len {
            self.grow(at + 1);
        }
        self.loads[at] = load;
        let least = least(&self.loads, at / FEW);
        self.least_of_few[at / FEW] = least;
        self.least[at / GROUP] = self::least(&self.least_of_few, at / GROUP);
    }

    /// The load of a rank, if it has one.
    #[inline]
    pub fn get(&self, rank: RankId) -> Option<u32> {
        self.loads.get(rank.index()).copied().filter(|_| rank.index() < self.len)
    }

    /// The least load of the ranks that belong to a word.
    pub(super) fn least(&self, word: usize) -> Option<u32> {
        self.least.get(word).copied()
    }

    /// The least loads of the ranks that belong to the bytes of a word, lowest first.
    pub(super) fn least_of_few(&self, word: usize) -> &[u32] {
        &self.least_of_few[word * (GROUP / FEW)..][..GROUP / FEW]
    }

    /// Gives a load of 0 to ranks up to a number of them.
    #[cold]
    fn grow(&mut self, len: usize) {
        let groups = len.div_ceil(GROUP);
        self.loads.resize(groups * GROUP, NONE);
        self.least_of_few.resize(groups * GROUP / FEW, NONE);
        self.least.resize(groups, NONE);
        self.loads[self.len..len].fill(0);
        let group = self.len / GROUP;
        self.len = len;
        self.recount(group);
    }

    /// Counts what is least from a group on.
    fn recount(&mut self, group: usize) {
        for few in group * GROUP / FEW..self.least_of_few.len() {
            self.least_of_few[few] = least(&self.loads, few);
        }
        for group in group..self.least.len() {
            self.least[group] = least(&self.least_of_few, group);
        }
    }
}

/// The least of eight neighbours: a number of them that is known, so that they are compared side by side.
#[inline]
fn least(of: &[u32], at: usize) -> u32 {
    let (eights, _) = of.as_chunks::<FEW>();
    let [a, b, c, d, e, f, g, h] = eights[at];
    a.min(b).min(c.min(d)).min(e.min(f).min(g.min(h)))
}

impl From<Vec<u32>> for Loads {
    /// Loads by [`RankId::index`].
    fn from(loads: Vec<u32>) -> Self {
        let mut all = Self::new();
        all.grow(loads.len());
        all.loads[..loads.len()].copy_from_slice(&loads);
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
                    for (few, least) in group.chunks(FEW).zip(loads.least_of_few(word)) {
                        prop_assert_eq!(Some(least), few.iter().min());
                    }
                }
                prop_assert_eq!(loads.get(RankId(naive.len() as u32)), None);
            }
        }
    }
}
