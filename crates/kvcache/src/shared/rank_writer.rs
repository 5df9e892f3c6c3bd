//! The one writer of one rank.

use crate::{Applied, Change, IndexError, RankId, SharedIndex};

/// The one who tells a [`SharedIndex`] what a rank stores and removes. There is never a second one for the same rank, so
/// the rank's changes come in their order.
///
/// Dropped, it gives up its claim and nothing else: the rank stays with all that it holds, and
/// [`SharedIndex::writer`] gives out a new writer for it, to go on when a connection has been made again.
/// [`leave`](Self::leave) takes the rank away.
#[derive(Debug)]
pub struct RankWriter {
    shared: SharedIndex,
    rank: RankId,
    /// The rank's number may be another's by now.
    left: bool,
}

impl RankWriter {
    /// For a rank that is claimed.
    pub(super) fn new(shared: SharedIndex, rank: RankId) -> Self {
        Self { shared, rank, left: false }
    }

    /// The rank that it writes for.
    ///
    /// ```
    /// let shared = phalanx_kvcache::SharedIndex::default();
    /// let (a, b) = (shared.join(), shared.join());
    /// assert_eq!((a.rank().index(), b.rank().index()), (0, 1));
    /// ```
    pub fn rank(&self) -> RankId {
        self.rank
    }

    /// The index that it writes to.
    pub fn index(&self) -> &SharedIndex {
        &self.shared
    }

    /// Makes one change, as [`FleetIndex::apply`](crate::FleetIndex::apply) does: whoever asks from now on sees it whole.
    ///
    /// Costs what the change costs twice, as there are two copies, and a few locks that are free most of the time: it
    /// waits for other writers, and for readers that have been in one copy since before the last write.
    ///
    /// # Errors
    /// Those of [`FleetIndex::apply`](crate::FleetIndex::apply).
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, Change, Layer, Overlap, SharedIndex};
    ///
    /// let shared = SharedIndex::default();
    /// let mut writer = shared.join();
    /// let blocks = [BlockHash(1), BlockHash(2)];
    /// let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: &blocks, contents: &blocks };
    /// assert_eq!(writer.apply(stored)?.stored, 2);
    ///
    /// let mut overlap = Overlap::new();
    /// shared.overlap(&[BlockHash(1), BlockHash(2), BlockHash(3)], &mut overlap);
    /// assert_eq!(overlap.blocks_of(writer.rank()), 2);
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn apply(&mut self, change: Change<'_>) -> Result<Applied, IndexError> {
        self.apply_batch(&[change])
    }

    /// Makes many changes in their order, and shows them to readers at once: no reader sees some of them only. Faster
    /// than one by one.
    ///
    /// # Errors
    /// Those of [`FleetIndex::apply_batch`](crate::FleetIndex::apply_batch).
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, Change, Layer, SharedIndex};
    ///
    /// let mut writer = SharedIndex::default().join();
    /// let (old, new) = ([BlockHash(1)], [BlockHash(2)]);
    /// let stored = |blocks| Change::Stored { layer: Layer::MAIN, parent: None, names: blocks, contents: blocks };
    /// writer.apply(stored(&old))?;
    /// let applied = writer.apply_batch(&[Change::Removed { layer: Layer::MAIN, names: &old }, stored(&new)])?;
    /// assert_eq!((applied.removed, applied.stored), (1, 1));
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn apply_batch(&mut self, changes: &[Change<'_>]) -> Result<Applied, IndexError> {
        self.shared.change(self.rank, changes)
    }

    /// Takes the rank out of the index, with all that it holds.
    ///
    /// ```
    /// let shared = phalanx_kvcache::SharedIndex::default();
    /// let writer = shared.join();
    /// let rank = writer.rank();
    /// writer.leave();
    /// assert!(shared.writer(rank).is_err(), "it is not there any more");
    /// ```
    pub fn leave(mut self) {
        self.shared.remove(self.rank);
        self.left = true;
    }
}

impl Drop for RankWriter {
    fn drop(&mut self) {
        if !self.left {
            self.shared.release(self.rank);
        }
    }
}
