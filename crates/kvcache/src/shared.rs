//! The fleet index for many threads.

mod changes;
mod left_right;
#[cfg(all(test, loom))]
mod loom_tests;
mod notes;
mod rank_writer;
mod sync;

use core::fmt;
use std::sync::Arc;

use thiserror::Error;

use self::changes::Changes;
use self::left_right::LeftRight;
use self::notes::Notes;
pub use self::rank_writer::RankWriter;
use self::sync::{Mutex, whole};
use crate::snapshot::{Restored, SnapshotError};
use crate::{Applied, BlockHash, CacheGroups, Change, FleetIndex};
use crate::{IndexConfig, IndexError, Layer, Overlap, RankId, Reuse};

/// A [`FleetIndex`] for many threads: one writer a rank, any number of readers, and readers never wait for writers.
///
/// A handle: clones are cheap and mean the same index. Anyone may ask by `&self`; each rank's changes come through its
/// one [`RankWriter`], which may sit on a thread of its own.
///
/// # How it works, and what it costs
///
/// There are two copies of the index. Readers are sent to the one while a writer works on the other; then they are sent
/// there, and the first copy gets the same changes before the next ones. So
/// - **memory** is twice that of one index ([`IndexConfig::max_bytes`] bounds each copy), and the changes of one write;
/// - **a change costs twice** what it costs a bare index, and writers take turns;
/// - **a question costs** two locks' worth of atomic operations more (13 ns when nobody else asks, more when many
///   processors do at once, since they share a counter). It never waits: it takes a second turn only if a writer has
///   published in between. Beside a writer that never pauses it takes about twice its time, as what was changed has to
///   come from the other processor's caches;
/// - **an answer** is that of one moment: all changes of a write are seen or none, and nobody who has seen a change, or
///   has been told of it, is answered without it.
///
/// Both copies get the same changes in the same order, in the order in which writers took their turns.
///
/// A panic in a change (there should be none) is contained: readers keep what they have, and the next writer makes both
/// copies anew from it.
///
/// # Example
///
/// ```
/// use phalanx_kvcache::{BlockHash, Change, IndexConfig, Layer, Overlap, SharedIndex};
///
/// let shared = SharedIndex::new(IndexConfig::new().max_bytes(64 << 20));
/// let blocks = [1, 2, 3].map(BlockHash);
/// std::thread::scope(|scope| {
///     for held in 1..=2 {
///         let mut writer = shared.join();
///         let blocks = &blocks[..held];
///         let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: blocks, contents: blocks };
///         scope.spawn(move || writer.apply(stored).map(drop));
///     }
/// });
/// let (mut overlap, mut pairs) = (Overlap::new(), Vec::new());
/// shared.overlap(&blocks, &mut overlap);
/// overlap.pairs_into(&mut pairs);
/// assert_eq!(pairs.iter().map(|&(_, held)| held).collect::<Vec<_>>(), [1, 2]);
/// assert_eq!(shared.read(|index| index.pairs()), 3);
/// ```
#[derive(Clone)]
pub struct SharedIndex(Arc<Inner>);

struct Inner {
    index: LeftRight<FleetIndex, Notes>,
    /// By rank, whether its writer is out. Locked before a write where both are.
    claims: Mutex<Vec<bool>>,
}

/// Why there is no writer to be had for a rank.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// No such rank, or it has left.
    #[error("rank {rank} has not joined")]
    UnknownRank {
        /// The number that was given.
        rank: usize,
    },
    /// Its one writer is there already.
    #[error("rank {rank} has a writer: expected that it is dropped first")]
    Taken {
        /// The rank.
        rank: usize,
    },
}

impl SharedIndex {
    /// An index without ranks.
    ///
    /// ```
    /// use phalanx_kvcache::{IndexConfig, SharedIndex};
    ///
    /// let shared = SharedIndex::new(IndexConfig::new());
    /// assert_eq!(shared.read(|index| index.ranks().count()), 0);
    /// ```
    pub fn new(config: IndexConfig) -> Self {
        Self::from(&FleetIndex::with_config(config))
    }

    /// Lets a new rank join, and gives out its writer.
    ///
    /// ```
    /// let shared = phalanx_kvcache::SharedIndex::default();
    /// let writer = shared.join();
    /// assert!(shared.read(|index| index.ranks().eq([writer.rank()])));
    /// ```
    pub fn join(&self) -> RankWriter {
        let mut claims = whole(self.0.claims.lock());
        let rank = self.0.index.write(|index, notes| notes.join(index));
        claim(&mut claims, rank);
        RankWriter::new(self.clone(), rank)
    }

    /// The writer of a rank that has none: of an index that was restored with its ranks, or after the former one was
    /// dropped.
    ///
    /// # Errors
    /// [`ClaimError`] if the rank has not joined, or its writer is out.
    ///
    /// ```
    /// use phalanx_kvcache::{ClaimError, FleetIndex, SharedIndex};
    ///
    /// let mut restored = FleetIndex::new();
    /// let rank = restored.join();
    /// let shared = SharedIndex::from(&restored);
    /// let writer = shared.writer(rank)?;
    /// assert_eq!(shared.writer(rank).err(), Some(ClaimError::Taken { rank: 0 }));
    /// drop(writer);
    /// assert!(shared.writer(rank).is_ok());
    /// # Ok::<(), ClaimError>(())
    /// ```
    pub fn writer(&self, rank: RankId) -> Result<RankWriter, ClaimError> {
        // A rank leaves under this lock only, so it does not between the two questions.
        let mut claims = whole(self.0.claims.lock());
        if !self.read(|index| index.ranks().any(|joined| joined == rank)) {
            return Err(ClaimError::UnknownRank { rank: rank.index() });
        }
        if !claim(&mut claims, rank) {
            return Err(ClaimError::Taken { rank: rank.index() });
        }
        Ok(RankWriter::new(self.clone(), rank))
    }

    /// Makes changes of many ranks in their order, for one who holds the writers of all of them, and shows them to readers
    /// at once. Faster than one by one: readers are sent to the other copy once, and see
    /// [`FleetIndex::apply_batch`].
    ///
    /// # Errors
    /// Those of [`FleetIndex::apply_batch`], and [`IndexError::UnknownRank`] for a writer of another index; then nothing
    /// is changed.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, Change, Layer, SharedIndex};
    ///
    /// let shared = SharedIndex::default();
    /// let (a, b) = (shared.join(), shared.join());
    /// let blocks = [BlockHash(1), BlockHash(2)];
    /// let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: &blocks, contents: &blocks };
    /// let applied = shared.apply_batch(&[(&a, stored), (&b, stored), (&a, Change::Cleared)])?;
    /// assert_eq!((applied.stored, shared.read(|index| index.pairs())), (4, 2));
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn apply_batch(&self, changes: &[(&RankWriter, Change<'_>)]) -> Result<Applied, IndexError> {
        if let Some((stranger, _)) = changes.iter().find(|(writer, _)| !Arc::ptr_eq(&writer.index().0, &self.0)) {
            return Err(IndexError::UnknownRank { rank: stranger.rank().index() });
        }
        self.change(|all| changes.iter().for_each(|&(writer, change)| all.push(writer.rank(), change)))
    }

    /// Like [`FleetIndex::overlap`], from any thread.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, Overlap, SharedIndex};
    ///
    /// let mut overlap = Overlap::new();
    /// SharedIndex::default().overlap(&[BlockHash(1)], &mut overlap);
    /// assert!(overlap.is_empty());
    /// ```
    pub fn overlap(&self, contents: &[BlockHash], out: &mut Overlap) {
        self.read(|index| index.overlap(contents, out));
    }

    /// Like [`FleetIndex::overlap_in`], from any thread.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, Layer, Overlap, SharedIndex, Tier};
    ///
    /// let mut overlap = Overlap::new();
    /// SharedIndex::default().overlap_in(Layer::new(0, Tier::Cpu), &[BlockHash(1)], &mut overlap);
    /// assert!(overlap.is_empty());
    /// ```
    pub fn overlap_in(&self, layer: Layer, contents: &[BlockHash], out: &mut Overlap) {
        self.read(|index| index.overlap_in(layer, contents, out));
    }

    /// Like [`FleetIndex::reuse`], from any thread.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, CacheGroups, Reuse, SharedIndex};
    ///
    /// let mut reuse = Reuse::new();
    /// SharedIndex::default().reuse(&[BlockHash(1)], &CacheGroups::new(), &mut reuse);
    /// assert!(reuse.ranks().is_empty());
    /// ```
    pub fn reuse(&self, contents: &[BlockHash], groups: &CacheGroups, out: &mut Reuse) {
        self.read(|index| index.reuse(contents, groups, out));
    }

    /// Any questions to the index as it is at one moment: for several answers that must fit together, or to clone it.
    ///
    /// Be quick: while `ask` runs, the second write from now waits for it, and other writes behind that. For the same
    /// reason `ask` must not write to this index itself.
    ///
    /// ```
    /// let shared = phalanx_kvcache::SharedIndex::default();
    /// let _writer = shared.join();
    /// let (ranks, pairs) = shared.read(|index| (index.ranks().count(), index.pairs()));
    /// assert_eq!((ranks, pairs), (1, 0));
    /// ```
    pub fn read<R>(&self, ask: impl FnOnce(&FleetIndex) -> R) -> R {
        ask(&self.0.index.look())
    }

    /// Like [`FleetIndex::snapshot`], from any thread. A look at the index as [`read`](Self::read) has it: the second
    /// write from now waits for its end.
    ///
    /// `tag` must say of each rank how far its stream is *in the index*: have writers pause between their batches, or
    /// take the snapshot on the one thread that applies them.
    ///
    /// ```
    /// use phalanx_kvcache::{IndexConfig, SharedIndex};
    ///
    /// let shared = SharedIndex::default();
    /// let writer = shared.join();
    /// let mut bytes = Vec::new();
    /// shared.snapshot(|rank| format!("pod-{}", rank.index()), &mut bytes);
    ///
    /// let restored = SharedIndex::restore(&bytes, IndexConfig::new())?;
    /// assert_eq!(restored.ranks, [(writer.rank(), b"pod-0".to_vec())]);
    /// assert!(restored.index.writer(writer.rank()).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn snapshot<T: AsRef<[u8]>>(&self, tag: impl FnMut(RankId) -> T, out: &mut Vec<u8>) {
        self.read(|index| index.snapshot(tag, out));
    }

    /// Like [`FleetIndex::restore`]. The ranks have no writers yet: see [`writer`](Self::writer).
    ///
    /// # Errors
    /// [`SnapshotError`].
    ///
    /// ```
    /// use phalanx_kvcache::{IndexConfig, SharedIndex};
    ///
    /// assert!(SharedIndex::restore(b"something else", IndexConfig::new()).is_err());
    /// ```
    pub fn restore(bytes: &[u8], config: IndexConfig) -> Result<Restored<Self>, SnapshotError> {
        let Restored { index, ranks, left_out } = FleetIndex::restore(bytes, config)?;
        Ok(Restored { index: Self::from(&index), ranks, left_out })
    }

    /// Makes the changes that `fill` puts into an empty list.
    fn change(&self, fill: impl FnOnce(&mut Changes)) -> Result<Applied, IndexError> {
        self.0.index.write(|index, notes| notes.change(index, fill))
    }

    fn remove(&self, rank: RankId) {
        let mut claims = whole(self.0.claims.lock());
        let left = self.0.index.write(|index, notes| notes.leave(index, rank));
        debug_assert!(left.is_ok(), "a rank that has a writer has joined");
        claims[rank.index()] = false;
    }

    fn release(&self, rank: RankId) {
        whole(self.0.claims.lock())[rank.index()] = false;
    }
}

/// Takes note that a rank's writer is out; `false` if it was.
fn claim(claims: &mut Vec<bool>, rank: RankId) -> bool {
    if claims.len() <= rank.index() {
        claims.resize(rank.index() + 1, false);
    }
    !std::mem::replace(&mut claims[rank.index()], true)
}

impl Default for SharedIndex {
    fn default() -> Self {
        Self::new(IndexConfig::new())
    }
}

/// Starts from two clones of an index. Its ranks have no writers yet: see [`SharedIndex::writer`].
impl From<&FleetIndex> for SharedIndex {
    fn from(index: &FleetIndex) -> Self {
        let claims = Mutex::new(Vec::new());
        Self(Arc::new(Inner { index: LeftRight::new(index, Notes::default()), claims }))
    }
}

impl fmt::Debug for SharedIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ranks, pairs) = self.read(|index| (index.ranks().count(), index.pairs()));
        f.debug_struct("SharedIndex").field("ranks", &ranks).field("pairs", &pairs).finish_non_exhaustive()
    }
}
