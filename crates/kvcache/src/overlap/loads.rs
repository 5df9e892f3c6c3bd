//! The load of each rank, kept so that the least is soon found.

use crate::RankId;

/// Neighbours whose least load is kept.
pub(super) const FEW: usize = 8;
/// Neighbours whose least load is kept as well: as many as a word of a set has bits.
pub(super) const GROUP: usize = 64;
/// What stands for the load of a rank that has none.
const NONE: u32 = u32::MAX;

/// A load for each rank, in blocks.
///
/// Beside the column itself it keeps the least load of each 8 and of each 64 neighbours, so that
/// [`Overlap::best`](crate::Overlap::best) looks at few ranks of a large fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loads {
    /// One more than the highest number of a rank that was given a load. The columns are longer: a whole number of groups.
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
    /// must not be picked is to be [removed](Self::remove), since a load only makes it less likely. `u32::MAX` counts as
    /// one less.
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
        self.put(at, load.min(NONE - 1));
    }

    /// A rank has no load from now on, until it is given one: it is not picked. `false` if it had none.
    ///
    /// Constant time: 16 loads are compared.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, Change, FleetIndex, Layer, Loads, Overlap};
    ///
    /// let mut index = FleetIndex::new();
    /// let (a, b) = (index.join(), index.join());
    /// let blocks = [BlockHash(1)];
    /// for rank in [a, b] {
    ///     let _ = index.apply(rank, Change::Stored { layer: Layer::MAIN, parent: None, names: &blocks, contents: &blocks })?;
    /// }
    /// let mut overlap = Overlap::new();
    /// index.overlap(&blocks, &mut overlap);
    ///
    /// let mut loads = Loads::from(vec![0, 7]);
    /// assert_eq!(overlap.best(&loads), Some((a, 1)));
    /// assert!(loads.remove(a)); // it drains
    /// assert_eq!((loads.get(a), overlap.best(&loads)), (None, Some((b, 1))));
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn remove(&mut self, rank: RankId) -> bool {
        let had = self.get(rank).is_some();
        if had {
            self.put(rank.index(), NONE);
        }
        had
    }

    fn put(&mut self, at: usize, load: u32) {
        self.loads[at] = load;
        let least = least(&self.loads, at / FEW);
        self.least_of_few[at / FEW] = least;
        self.least[at / GROUP] = self::least(&self.least_of_few, at / GROUP);
    }

    /// The load of a rank, if it has one.
    #[inline]
    pub fn get(&self, rank: RankId) -> Option<u32> {
        self.loads.get(rank.index()).copied().filter(|&load| load != NONE)
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
    /// Loads by [`RankId::index`]; `u32::MAX` counts as one less.
    fn from(loads: Vec<u32>) -> Self {
        let mut all = Self::new();
        all.grow(loads.len());
        all.loads.iter_mut().zip(loads).for_each(|(to, load)| *to = load.min(NONE - 1));
        all.recount(0);
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is given to a rank: a load, or none any more.
    fn given() -> impl Strategy<Value = Option<u32>> {
        prop_oneof![6 => (0u32..5).prop_map(Some), 1 => Just(Some(u32::MAX)), 3 => Just(None)]
    }

    proptest! {
        #[test]
        fn loads_are_a_column_with_the_least_of_each_group(
            gifts in prop::collection::vec((0u32..300, given()), 0..200),
            held in prop::collection::vec((0u32..320, 1u32..4), 0..60),
        ) {
            let (mut loads, mut naive) = (Loads::new(), Vec::new());
            for (rank, load) in gifts {
                let at = rank as usize;
                if let Some(load) = load {
                    loads.set(RankId(rank), load);
                    naive.resize(naive.len().max(at + 1), Some(0));
                    naive[at] = Some(load.min(u32::MAX - 1));
                } else {
                    let had = naive.get_mut(at).and_then(Option::take);
                    prop_assert_eq!(loads.remove(RankId(rank)), had.is_some());
                }
                for (word, group) in naive.chunks(GROUP).enumerate() {
                    prop_assert_eq!(loads.least(word), Some(group.iter().flatten().copied().min().unwrap_or(NONE)));
                    for (few, &least) in group.chunks(FEW).zip(loads.least_of_few(word)) {
                        prop_assert_eq!(few.iter().flatten().copied().min().unwrap_or(NONE), least);
                    }
                }
                for (rank, &load) in (0..).zip(&naive) {
                    prop_assert_eq!(loads.get(RankId(rank)), load);
                }
                prop_assert_eq!(loads.get(RankId(naive.len() as u32)), None);
            }
            let all: Vec<u32> = naive.iter().map(|load| load.unwrap_or(9)).collect();
            let mut again = Loads::from(all);
            (0..).zip(&naive).filter(|(_, load)| load.is_none()).for_each(|(rank, _)| {
                again.remove(RankId(rank));
            });
            prop_assert_eq!(&loads, &again);

            // And the best of those who hold something is one that has a load.
            let mut index = crate::FleetIndex::new();
            (0..320).for_each(|_| {
                index.join();
            });
            let names = [1, 2, 3].map(crate::BlockHash);
            let mut most = vec![0; 320];
            for &(rank, blocks) in &held {
                let names = &names[..blocks as usize];
                let stored = crate::Change::Stored { layer: crate::Layer::MAIN, parent: None, names, contents: names };
                let _ = index.apply(RankId(rank), stored).expect("it has joined");
                most[rank as usize] = blocks.max(most[rank as usize]);
            }
            let mut overlap = crate::Overlap::new();
            index.overlap(&names, &mut overlap);
            let scores = (0..).zip(&most).zip(&naive).filter_map(|((rank, &blocks), load)| {
                let load = (*load).filter(|_| blocks > 0)?;
                Some((i64::from(load) - i64::from(blocks), load, rank, blocks))
            });
            prop_assert_eq!(overlap.best(&loads), scores.min().map(|(.., rank, blocks)| (RankId(rank), blocks)));
        }
    }
}
