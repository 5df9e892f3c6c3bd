//! The one writer of one rank.

use super::changes::Changes;
use crate::{Applied, Change, IndexError, RankId, SharedIndex};

/// The one who tells a [`SharedIndex`] what a rank stores and removes. There is never a second one for the same rank, so
/// the rank's changes come in their order.
///
/// Dropped, it gives up its claim and nothing else: the rank stays with all that it holds, and
/// [`SharedIndex::writer`] gives out a new writer for it, to go on when a connection has been made again.
/// [`leave`](Self::leave) takes the rank away.
///
/// An engine's batches come to it by way of a [`Feed`](crate::feed::Feed), which knows which of them may be believed:
///
/// ```
/// use core::time::Duration;
/// use phalanx_kvcache::feed::{Action, Feed};
/// use phalanx_kvcache::wire::{Event, EventBatch, Translator};
/// use phalanx_kvcache::{BlockSize, RankWriter, SharedIndex};
///
/// /// Does what the feed says; the replays to ask the engine for are returned, as first number and ticket.
/// fn follow(
///     feed: &mut Feed<Vec<u8>>,
///     batch: &mut EventBatch,
///     translator: &mut Translator,
///     writer: &mut RankWriter,
/// ) -> Vec<(u64, u32)> {
///     let mut replays = Vec::new();
///     while let Some(action) = feed.poll() {
///         match action {
///             Action::Apply { payload, .. } => {
///                 if batch.read(&payload).is_err() {
///                     feed.on_unreadable();
///                     continue;
///                 }
///                 for event in batch.events() {
///                     match translator.change(&event) {
///                         Ok(change) => writer.stage(change),
///                         Err(_) => continue, // blocks of another size: the translator counts them
///                     }
///                 }
///                 // Readers see the whole batch, or nothing of it.
///                 let _ = writer.publish().expect("the rank stays until its writer says otherwise");
///                 if batch.events().any(|event| event == Event::Cleared) {
///                     feed.on_emptied();
///                 }
///             }
///             Action::Clear => writer.clear(),
///             Action::Ask { from, ticket } => replays.push((from, ticket)),
///         }
///     }
///     replays
/// }
///
/// let shared = SharedIndex::default();
/// let (mut feed, mut writer) = (Feed::new(), shared.join());
/// let (mut batch, mut translator) = (EventBatch::new(), Translator::new(BlockSize::new(16)?));
/// feed.on_live(0, b"no batch".to_vec(), Duration::ZERO);
/// assert_eq!(follow(&mut feed, &mut batch, &mut translator, &mut writer), []);
/// feed.check(Duration::ZERO); // the connection was made anew
/// assert_eq!(follow(&mut feed, &mut batch, &mut translator, &mut writer), [(0, 1)]);
/// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
/// ```
#[derive(Debug)]
pub struct RankWriter {
    shared: SharedIndex,
    rank: RankId,
    staged: Changes,
    /// The rank's number may be another's by now.
    left: bool,
}

impl RankWriter {
    /// For a rank that is claimed.
    pub(super) fn new(shared: SharedIndex, rank: RankId) -> Self {
        Self { shared, rank, staged: Changes::default(), left: false }
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
        self.shared.change(|changes| changes.push(self.rank, change))
    }

    /// Makes many changes in their order, and shows them to readers at once: no reader sees some of them only. Faster
    /// than one by one. For changes of many ranks see [`SharedIndex::apply_batch`].
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
        self.shared.change(|all| changes.iter().for_each(|&change| all.push(self.rank, change)))
    }

    /// Copies a change, to be made by [`publish`](Self::publish) together with others: for changes that are told one by
    /// one, such as those of an engine's batch of events. No allocation once warm.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, Change, Layer, SharedIndex};
    ///
    /// let shared = SharedIndex::default();
    /// let mut writer = shared.join();
    /// for number in 0..10 {
    ///     let block = [BlockHash(number)]; // need not live on
    ///     writer.stage(Change::Stored { layer: Layer::MAIN, parent: None, names: &block, contents: &block });
    /// }
    /// assert_eq!(shared.read(|index| index.pairs()), 0);
    /// assert_eq!(writer.publish()?.stored, 10);
    /// assert_eq!(shared.read(|index| index.pairs()), 10);
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn stage(&mut self, change: Change<'_>) {
        self.staged.push(self.rank, change);
    }

    /// Makes the staged changes, like [`apply_batch`](Self::apply_batch). Those that are not published when the writer is
    /// dropped are not made.
    ///
    /// # Errors
    /// Those of [`FleetIndex::apply_batch`](crate::FleetIndex::apply_batch). Nothing is staged any more then, either.
    ///
    /// ```
    /// let mut writer = phalanx_kvcache::SharedIndex::default().join();
    /// assert_eq!(writer.publish()?.stored, 0, "nothing is staged");
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn publish(&mut self) -> Result<Applied, IndexError> {
        if self.staged.len() == 0 {
            return Ok(Applied::default());
        }
        // What comes back is the list of an earlier write, emptied.
        let staged = &mut self.staged;
        self.shared.change(|changes| std::mem::swap(changes, staged))
    }

    /// Forgets all that the rank holds, and what is staged: nobody finds any of it from now on.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, Change, Layer, SharedIndex};
    ///
    /// let shared = SharedIndex::default();
    /// let mut writer = shared.join();
    /// let (old, new) = ([BlockHash(1)], [BlockHash(2)]);
    /// let stored = |blocks| Change::Stored { layer: Layer::MAIN, parent: None, names: blocks, contents: blocks };
    /// writer.apply(stored(&old))?;
    /// writer.stage(stored(&new));
    /// writer.clear();
    /// assert_eq!(writer.publish()?.stored, 0);
    /// assert_eq!(shared.read(|index| index.blocks_of(writer.rank())), 0);
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn clear(&mut self) {
        self.staged.clear();
        let cleared = self.apply(Change::Cleared);
        debug_assert!(cleared.is_ok(), "a rank that has a writer has joined");
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
