//! Who in the fleet holds which prefix.

mod config;
mod coverage;
mod forest;
pub(crate) mod holders;
mod listed;
mod listing;
mod names;
mod pages;
mod query;
mod remove;
mod reuse;
mod room;
mod run;
mod search;
mod slab;
mod snapshot;
mod store;
mod sweep;
pub(crate) mod table;
mod unlisted;

use thiserror::Error;

pub use self::config::IndexConfig;
use self::forest::Forest;
use self::names::Rank;
use self::pages::NONE;
pub(crate) use self::reuse::Survey;
use self::sweep::Sweep;
use crate::{Applied, Change, Layer, RankId};

/// Which rank holds which blocks, as far as the ranks' changes have told.
///
/// The index never claims more than it was told: at a bound further blocks are left out (and counted), so an answer can
/// be too small, never too large, as long as the changes are true. It is exact with holes, too: a rank's prefix ends
/// where its first block is missing, whatever lies behind.
///
/// # How it works, and what it costs
///
/// Blocks lie in a tree of runs, cut only where paths part, each with the set of ranks that hold all of it and a list
/// of those that hold some. A query compares its contents with the runs on its way, eight at a time; a change that
/// repeats what others hold is compared in the same way and costs one bit. What a change names is guessed first: most
/// ranks continue what they stored last and remove what lies before what they removed last. Only the names that are
/// likely to be asked for stand in a table; the others are found by a search through 16 bits of each, and every search
/// enters some of them into the table, so that searching stays in proportion to what was stored.
///
/// So the time of a change is in proportion to its names, taken over many changes; it does not depend on the number of
/// ranks or blocks, except for a word of each wide set for 64 ranks. The longest search goes through a quarter of a
/// million blocks that one rank holds, and enters 512 of them into the table: some tens of microseconds. When half of
/// such a list has come or gone, it is gone through page by page.
///
/// [`clear`](Self::clear) and [`leave`](Self::leave) do not look for what the rank held: it is ignored from then on, and
/// swept away by and by, a few runs with each later change (more of them while many ranks wait to leave).
///
/// An engine is expected to give a name to one block at a time. Of several blocks that it names alike at the same time,
/// a removal takes one; of more than some hundred that are named alike in the whole fleet, the others may be let go.
#[derive(Clone, Debug)]
pub struct FleetIndex {
    config: IndexConfig,
    forest: Forest,
    ranks: Vec<Rank>,
    /// Numbers that can be given out again, the last one first.
    vacant: Vec<RankId>,
    /// Layers by their numbers; the first is the main one.
    layers: Vec<Layer>,
    sweep: Sweep,
    pairs: u64,
    /// Bytes of the ranks' own names and copies.
    odd: usize,
    /// Runs that may have to be trimmed or cut when the change at hand is through.
    dirty: Vec<u32>,
    /// What going through a rank's list needs in between.
    sorted: Vec<(u32, u32)>,
}

/// Parts of one run beyond which it is cut.
const CROWD: usize = 16;

/// Layers that an index can tell apart.
const MAX_LAYERS: usize = 1024;

/// Why a change was not applied. Nothing is changed then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// No such rank, or it has left.
    #[error("rank {rank} has not joined")]
    UnknownRank {
        /// The number that was given.
        rank: usize,
    },
    /// There are neither as many contents as names, nor none.
    #[error("{names} names with {contents} contents: expected as many, or none")]
    Lengths {
        /// Names that were given.
        names: usize,
        /// Contents that were given.
        contents: usize,
    },
}

impl FleetIndex {
    /// An index without ranks, with the default bounds.
    ///
    /// ```
    /// let index = phalanx_kvcache::FleetIndex::new();
    /// assert_eq!((index.pairs(), index.blocks()), (0, 0));
    /// ```
    pub fn new() -> Self {
        Self::with_config(IndexConfig::new())
    }

    /// An index without ranks.
    ///
    /// ```
    /// use phalanx_kvcache::{FleetIndex, IndexConfig};
    ///
    /// let index = FleetIndex::with_config(IndexConfig::new().max_bytes(64 << 20));
    /// assert!(index.bytes() < 64 << 20);
    /// ```
    pub fn with_config(config: IndexConfig) -> Self {
        Self {
            forest: Forest::new(config.seed),
            config,
            ranks: Vec::new(),
            vacant: Vec::new(),
            layers: vec![Layer::MAIN],
            sweep: Sweep::default(),
            pairs: 0,
            odd: 0,
            dirty: Vec::new(),
            sorted: Vec::new(),
        }
    }

    /// A new rank that holds nothing. The number of one that left is used again as soon as nothing of it is left, the
    /// last one first.
    ///
    /// ```
    /// let mut index = phalanx_kvcache::FleetIndex::new();
    /// let (a, b) = (index.join(), index.join());
    /// assert_eq!((a.index(), b.index()), (0, 1));
    /// index.leave(a)?;
    /// assert_eq!(index.join(), a, "it held nothing");
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn join(&mut self) -> RankId {
        let id = self.vacant.pop().unwrap_or_else(|| {
            self.ranks.push(Rank::new());
            self.odd += self.ranks[self.ranks.len() - 1].bytes();
            RankId(self.ranks.len() as u32 - 1)
        });
        self.ranks[id.index()].joined = true;
        id
    }

    /// Forgets a rank. Its blocks are swept away later: see [the index](Self).
    ///
    /// # Errors
    /// [`IndexError::UnknownRank`] if it is not there.
    ///
    /// ```
    /// let mut index = phalanx_kvcache::FleetIndex::new();
    /// let rank = index.join();
    /// index.leave(rank)?;
    /// assert!(index.leave(rank).is_err());
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn leave(&mut self, rank: RankId) -> Result<(), IndexError> {
        self.clear(rank)?;
        self.ranks[rank.index()].joined = false;
        self.note_leaving(rank);
        Ok(())
    }

    /// Forgets all that a rank holds; the rank stays. Its blocks are swept away later: see [the index](Self).
    ///
    /// # Errors
    /// [`IndexError::UnknownRank`] if it is not there.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, Change, FleetIndex, Layer};
    ///
    /// let mut index = FleetIndex::new();
    /// let rank = index.join();
    /// let blocks = [BlockHash(1), BlockHash(2)];
    /// let _ = index.apply(rank, Change::Stored { layer: Layer::MAIN, parent: None, names: &blocks, contents: &blocks })?;
    /// index.clear(rank)?;
    /// assert_eq!(index.blocks_of(rank), 0);
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn clear(&mut self, rank: RankId) -> Result<(), IndexError> {
        self.joined(rank)?;
        self.forget(rank);
        Ok(())
    }

    /// Takes note of one change of a rank.
    ///
    /// In what order changes come, which are missing and whether any came twice is not the index's concern.
    /// Storing a block twice or removing one that is not there is no error; [`Applied`] counts it.
    ///
    /// Under a nanosecond for a stored block that others hold, ten to some tens for one that is new or the last to go.
    ///
    /// # Errors
    /// [`IndexError::UnknownRank`], and [`IndexError::Lengths`] unless there are as many contents as names or none.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, Change, FleetIndex, Layer, Overlap};
    ///
    /// let mut index = FleetIndex::new();
    /// let rank = index.join();
    /// // The engine calls its blocks 71 and 72; a query knows their contents, 1 and 2.
    /// let (names, contents) = ([BlockHash(71), BlockHash(72)], [BlockHash(1), BlockHash(2)]);
    /// let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: &names, contents: &contents };
    /// assert_eq!(index.apply(rank, stored)?.stored, 2);
    /// assert_eq!(index.apply(rank, Change::Removed { layer: Layer::MAIN, names: &names[1..] })?.removed, 1);
    ///
    /// let mut overlap = Overlap::new();
    /// index.overlap(&contents, &mut overlap);
    /// assert_eq!(overlap.blocks_of(rank), 1);
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn apply(&mut self, rank: RankId, change: Change<'_>) -> Result<Applied, IndexError> {
        self.joined(rank)?;
        let applied = match change {
            Change::Stored { layer, parent, names, contents } => {
                if contents.len() != names.len() && !contents.is_empty() {
                    return Err(IndexError::Lengths { names: names.len(), contents: contents.len() });
                }
                self.store(rank, layer, parent, names, contents)
            }
            Change::Removed { layer, names } => self.remove(rank, layer, names),
            Change::Cleared => {
                self.forget(rank);
                Applied::default()
            }
        };
        self.tend_unlisted(rank);
        self.sweep_some();
        self.clean_up();
        Ok(applied)
    }

    /// Applies changes one after the other, of any ranks, and adds up what they did.
    ///
    /// The same as [`apply`](Self::apply) for each, but faster on an index that is larger than the processor's caches:
    /// what the next changes need is fetched together.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), at the first change that has one: those before it are applied.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, Change, FleetIndex, Layer};
    ///
    /// let mut index = FleetIndex::new();
    /// let (a, b) = (index.join(), index.join());
    /// let blocks = [BlockHash(1), BlockHash(2)];
    /// let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: &blocks, contents: &blocks };
    /// let applied = index.apply_batch(&[(a, stored), (b, stored), (a, Change::Cleared)])?;
    /// assert_eq!((applied.stored, index.pairs()), (4, 2));
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn apply_batch(&mut self, changes: &[(RankId, Change<'_>)]) -> Result<Applied, IndexError> {
        let mut applied = Applied::default();
        for some in changes.chunks(8) {
            self.fetch(some);
            for &(rank, change) in some {
                applied += self.apply(rank, change)?;
            }
        }
        Ok(applied)
    }

    /// Pairs of a rank and a block that it holds, over all layers.
    pub fn pairs(&self) -> u64 {
        self.pairs
    }

    /// Distinct blocks that are kept: those that some rank holds, those before them, and what is not swept away yet of
    /// ranks that were cleared.
    pub fn blocks(&self) -> u64 {
        self.forest.blocks()
    }

    /// Memory that the index has asked for, in bytes.
    pub fn bytes(&self) -> usize {
        self.forest.bytes() + self.ranks.capacity() * size_of::<Rank>() + self.odd
    }

    /// The bounds and habits that it was made with.
    pub fn config(&self) -> &IndexConfig {
        &self.config
    }

    /// Blocks that one rank is known to hold, over all layers; 0 for one that has not joined.
    pub fn blocks_of(&self, rank: RankId) -> u32 {
        self.ranks.get(rank.index()).map_or(0, |rank| rank.held)
    }

    /// Ranks that have joined, ascending.
    pub fn ranks(&self) -> impl Iterator<Item = RankId> {
        self.ranks.iter().zip(0..).filter(|(rank, _)| rank.joined).map(|(_, id)| RankId(id))
    }

    fn joined(&self, rank: RankId) -> Result<(), IndexError> {
        match self.ranks.get(rank.index()) {
            Some(Rank { joined: true, .. }) => Ok(()),
            _ => Err(IndexError::UnknownRank { rank: rank.index() }),
        }
    }

    /// Number of a layer that is in use.
    fn layer(&self, layer: Layer) -> Option<u16> {
        if layer == Layer::MAIN {
            return Some(0);
        }
        self.layers.iter().position(|&of| of == layer).map(|at| at as u16)
    }

    /// Number of a layer that is in use from now on, if there is room for one more.
    fn open_layer(&mut self, layer: Layer) -> Option<u16> {
        self.layer(layer).or_else(|| {
            (self.layers.len() < MAX_LAYERS).then(|| {
                self.layers.push(layer);
                self.layers.len() as u16 - 1
            })
        })
    }

    /// Whether a rank holds a block in any layer.
    pub(super) fn holds(&self, rank: RankId, run: u32, depth: u32) -> bool {
        let run = self.forest.run(run);
        !self.is_stale(rank, run) && run.held_somewhere(rank.0, depth)
    }

    /// Whether a rank holds a block in one layer.
    fn holds_in(&self, rank: RankId, layer: u16, run: u32, depth: u32) -> bool {
        let run = self.forest.run(run);
        let at = depth - run.start;
        !self.is_stale(rank, run) && run.coverage(layer).is_some_and(|of| of.held(rank.0, at, at + 1) == 1)
    }

    /// Whether the rank calls all blocks by their own names, and holds one copy of each.
    fn is_plain(&self, rank: RankId) -> bool {
        self.ranks[rank.index()].is_plain()
    }

    /// Changes a rank's names or copies, with an eye on their memory.
    fn edit_rank<R>(&mut self, rank: RankId, edit: impl FnOnce(&mut Rank, u64) -> R) -> R {
        let rank = &mut self.ranks[rank.index()];
        self.odd -= rank.bytes();
        let result = edit(rank, self.config.seed);
        self.odd += rank.bytes();
        result
    }

    /// Trims and cuts the runs that the change at hand has touched.
    fn clean_up(&mut self) {
        while let Some(block) = self.forest.take_lost() {
            // It may be listed by now, or gone.
            if self.forest.pages.is_unlisted(block) {
                self.lose(block);
            }
        }
        while let Some(run) = self.dirty.pop() {
            if self.forest.run(run).len == 0 {
                continue;
            }
            self.forest.trim(run);
            // What was cut and is whole again is made one, with the run before and with the one behind.
            let parent = self.forest.run(run).parent;
            if parent != NONE && self.forest.run(run).len > 0 {
                self.forest.merge(parent);
            }
            if self.forest.merge(run) {
                continue;
            }
            let of = self.forest.run(run);
            let crowded = of.coverages().find(|(_, coverage)| coverage.parts().len() > CROWD);
            if let Some(at) = crowded.and_then(|(_, coverage)| coverage.middle(of.len)) {
                let depth = of.start + at;
                let head = self.forest.split(run, depth);
                self.dirty.extend([head, run]);
            }
        }
    }
}

impl Default for FleetIndex {
    fn default() -> Self {
        Self::new()
    }
}
