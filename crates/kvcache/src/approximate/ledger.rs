//! The approximate ledger of one rank.

mod replay;

use core::time::Duration;

use super::entries::{Entries, ROOT};
use super::evidence::{Evidence, Finding};
use super::{Accuracy, ApproximateConfig, Expectation};
use crate::{BlockHash, Change, Layer};

/// Blocks of one change at the most: more are told in several.
const TOLD: usize = 256;

/// A rank is never taken to keep less than this part of its capacity, whatever it reports.
const LEAST_PART: u32 = 16;

/// What one rank that tells no events probably holds.
///
/// It learns from each request that is sent to the rank, and tells what it believes as [`Change`]s, so that the rank
/// stands in the same index, and in the same answers, as ranks that tell events. The [crate's pool](crate::Pool) is the
/// exact counterpart: this ledger guesses what that one knows.
///
/// # What it believes
/// - A request leaves the blocks of its prompt behind. They are believed from [`learn`](Self::learn) on, though they are
///   computed a little later: whoever asks meanwhile does best to send a like prompt to the same rank.
/// - The rank keeps no more than its capacity, and drops the least recently used blocks first, of one prompt the last
///   ones first: what is believed always begins at the start of a prompt.
/// - Nothing outlives the [time bound](ApproximateConfig::ttl).
///
/// # How it is corrected
/// An engine reports, with its response, how much of the prompt was cached. Then all of the prompt is there, whatever was
/// believed, for it has just been computed; but the number tells what had become of the other blocks:
/// - *Fewer than believed.* The first block that was missing had been dropped. If it is one that an earlier report
///   confirmed (or else it may not have been computed yet), then so was everything not used since it was, which
///   includes all that continues it: all of this is believed no longer. And as many blocks as have been used since were
///   too many to keep: the [assumed capacity](Self::assumed_blocks) goes half the way down to that.
/// - *More than believed.* If there was no room lately for all that was learned, the assumed capacity grows: by as many
///   blocks, by an eighth at the most.
///
/// The assumed capacity stays between a sixteenth of the capacity and the whole. The last block of a prompt that is
/// believed as a whole counts as cached also when it is not reported: an engine computes the last token in any case.
///
/// Engines are not all alike, so a report is taken for less where it may not mean what it seems to:
/// - One that never reported a hit may not report at all: its misses correct nothing.
/// - Where all reports were multiples of some number of blocks, the engine reuses in such steps (hybrid models, stores of
///   large chunks): what is missing may be less than a step.
/// - Where more has been found that was not believed than was missed of late, the engine does not drop the least recently
///   used first, or is several: then nothing is given up until both kinds of errors are even again.
///
/// # Cost
/// A call takes constant time for each block of its prompt, and for each block that goes, amortised over those that
/// came. Known prefixes are compared, one hash is computed for each new block, and a call allocates only where the ledger
/// grows. Memory: at most [`ENTRY_BYTES`](Self::ENTRY_BYTES) for each block of the capacity, and
/// [`BASE_BYTES`](Self::BASE_BYTES), whatever is sent to the rank. Same calls, same changes: nothing here is random.
///
/// Moments are durations since an epoch of the caller's; an earlier one counts as the latest that was told. Calls in the
/// same nanosecond count as a nanosecond apart.
///
/// # Example
///
/// ```
/// use core::time::Duration;
/// use phalanx_kvcache::{ApproximateLedger, BlockHash, FleetIndex, Overlap};
///
/// let mut index = FleetIndex::new();
/// let rank = index.join();
/// let mut ledger = ApproximateLedger::new(1000);
///
/// let prompt = [11, 12, 13, 14].map(BlockHash);
/// let at = Duration::from_secs;
/// let expected = ledger.learn(&prompt, at(1), |change| index.apply(rank, change).map(drop).expect("it joined"));
/// assert_eq!(expected.believed_blocks(), 0, "as the rank was before");
///
/// let mut overlap = Overlap::new();
/// index.overlap(&[11, 12, 99].map(BlockHash), &mut overlap);
/// assert_eq!(overlap.blocks_of(rank), 2);
/// ```
#[derive(Clone, Debug)]
pub struct ApproximateLedger {
    config: ApproximateConfig,
    capacity: u32,
    assumed: u32,
    /// Whether blocks went for want of room since the assumed capacity grew last.
    crowded: bool,
    entries: Entries,
    /// The latest moment that was told, in nanoseconds.
    now: u64,
    /// The latest use, which may be ahead of it.
    used: u64,
    /// The latest use that is forgotten.
    cleared: u64,
    accuracy: Accuracy,
    evidence: Evidence,
    names: Vec<BlockHash>,
}

impl ApproximateLedger {
    /// Bytes for a block of the capacity, at the most.
    pub const ENTRY_BYTES: usize = 52;
    /// Bytes whatever the capacity, at the most.
    pub const BASE_BYTES: usize = 8192;

    /// A ledger of a rank that keeps up to `capacity` blocks, empty.
    ///
    /// ```
    /// let ledger = phalanx_kvcache::ApproximateLedger::new(1000);
    /// assert_eq!((ledger.blocks(), ledger.assumed_blocks(), ledger.capacity_blocks()), (0, 1000, 1000));
    /// ```
    pub fn new(capacity: u32) -> Self {
        Self::with_config(capacity, ApproximateConfig::new())
    }

    /// The same with settings.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::{ApproximateConfig, ApproximateLedger, BlockHash};
    ///
    /// let mut ledger = ApproximateLedger::with_config(8, ApproximateConfig::new().ttl(Duration::from_secs(60)));
    /// ledger.learn(&[BlockHash(1)], Duration::from_secs(5), |_| {});
    /// assert_eq!(ledger.next_timeout(), Some(Duration::from_secs(65)));
    /// ```
    pub fn with_config(capacity: u32, config: ApproximateConfig) -> Self {
        Self {
            config,
            capacity,
            assumed: capacity,
            crowded: false,
            entries: Entries::new(config.seed),
            now: 0,
            used: 0,
            cleared: 0,
            accuracy: Accuracy::default(),
            evidence: Evidence::default(),
            names: Vec::new(),
        }
    }

    /// A request with this prompt is sent to the rank: its blocks are believed to be there from now on, as many as the
    /// rank is taken to keep at all, and the least recently used others go for them. Says what was believed before.
    ///
    /// `tell` gets what changes, in order: blocks that are gone, then those that are new.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::{ApproximateLedger, BlockHash};
    ///
    /// let mut ledger = ApproximateLedger::new(3);
    /// let mut changes = Vec::new();
    /// ledger.learn(&[1, 2].map(BlockHash), Duration::from_secs(1), |_| {});
    /// ledger.learn(&[1, 3, 4].map(BlockHash), Duration::from_secs(2), |change| changes.push(format!("{change:?}")));
    /// assert!(changes[0].starts_with("Removed"), "the block 2, for there is room for three");
    /// assert!(changes[1].starts_with("Stored"), "the blocks 3 and 4");
    /// assert_eq!(ledger.match_prefix(&[1, 3, 4].map(BlockHash)), 3);
    /// ```
    pub fn learn(&mut self, prompt: &[BlockHash], now: Duration, mut tell: impl FnMut(Change<'_>)) -> Expectation {
        self.advance(now, &mut tell);
        self.touch(prompt, false, &mut tell)
    }

    /// The response of a request says that `cached` blocks of its prompt were in the cache: the ledger is corrected, see
    /// [there](Self#how-it-is-corrected).
    ///
    /// `contents` are the blocks of the prompt again; better still, those of the prompt and what was generated after it,
    /// which the rank now holds as well. Where they were not kept, none will do: then the request's own blocks count as
    /// used when it was sent, and stay unconfirmed. A report of a request from before the last [`clear`](Self::clear) is
    /// ignored.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::{ApproximateLedger, BlockHash};
    ///
    /// let mut ledger = ApproximateLedger::new(100);
    /// let at = Duration::from_secs;
    /// let (old, other, prompt) = ([1, 2, 3].map(BlockHash), [7, 8].map(BlockHash), [1, 2, 5, 6].map(BlockHash));
    /// for contents in [&other[..], &old[..]] {
    ///     let expected = ledger.learn(contents, at(1), |_| {});
    ///     ledger.report(&expected, contents, 0, at(2), |_| {});
    /// }
    ///
    /// let expected = ledger.learn(&prompt, at(3), |_| {});
    /// assert_eq!(expected.believed_blocks(), 2);
    /// ledger.report(&expected, &prompt, 1, at(4), |_| {}); // one: the engine had dropped the second
    /// assert_eq!(ledger.match_prefix(&prompt), 4, "computed again");
    /// assert_eq!(ledger.match_prefix(&old), 2, "3 was dropped with it");
    /// assert_eq!(ledger.match_prefix(&other), 0, "used still earlier");
    /// ```
    pub fn report(
        &mut self,
        expected: &Expectation,
        contents: &[BlockHash],
        cached: u32,
        now: Duration,
        mut tell: impl FnMut(Change<'_>),
    ) {
        self.advance(now, &mut tell);
        if expected.used <= self.cleared {
            return;
        }
        let Finding { cached, dropped } = self.evidence.weigh(expected, cached);
        let believed = expected.believed_blocks();
        self.accuracy.add(believed, cached);
        if let Some(block) = dropped {
            self.drop_unused_since(expected.last_use(block), &mut tell);
            // What is left was used since then, but for what this request added, at the most.
            let kept = self.entries.len().saturating_sub(expected.blocks - cached);
            if self.config.adapting && kept < self.assumed {
                self.assumed = (kept + (self.assumed - kept) / 2).max(self.least());
            }
        } else if cached > believed && self.crowded && self.config.adapting {
            let more = (cached - believed).min(self.assumed / 8 + 1);
            self.assumed = self.assumed.saturating_add(more).min(self.capacity);
            self.crowded = false;
        }
        self.touch(contents, true, &mut tell);
    }

    /// The request failed, or went elsewhere, before the rank computed it: what is believed since this request, and not
    /// for a later one as well, is believed no longer.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::{ApproximateLedger, BlockHash};
    ///
    /// let mut ledger = ApproximateLedger::new(100);
    /// ledger.learn(&[1, 2].map(BlockHash), Duration::from_secs(1), |_| {});
    /// let prompt = [1, 2, 3].map(BlockHash);
    /// let expected = ledger.learn(&prompt, Duration::from_secs(2), |_| {});
    /// ledger.retract(&expected, &prompt, |_| {});
    /// assert_eq!(ledger.match_prefix(&prompt), 2);
    /// ```
    pub fn retract(&mut self, expected: &Expectation, prompt: &[BlockHash], mut tell: impl FnMut(Change<'_>)) {
        let (mut depth, mut at) = (0, ROOT);
        for &content in prompt {
            let Some(child) = self.entries.child(at, content) else { break };
            (depth, at) = (depth + 1, child);
        }
        while depth > expected.believed_blocks() {
            let entry = *self.entries.get(at);
            // One that was used since may continue in others, and one that was not continues in none that is left.
            if entry.used != expected.used || entry.is_confirmed() {
                break;
            }
            self.remove(at, &mut tell);
            (depth, at) = (depth - 1, entry.parent);
        }
        self.flush_removed(&mut tell);
    }

    /// When there is something for [`handle_timeout`](Self::handle_timeout) to do, if ever.
    ///
    /// ```
    /// assert_eq!(phalanx_kvcache::ApproximateLedger::new(10).next_timeout(), None);
    /// ```
    pub fn next_timeout(&self) -> Option<Duration> {
        let oldest = self.entries.oldest()?;
        self.entries.get(oldest).used.checked_add(nanos(self.config.ttl)).map(Duration::from_nanos)
    }

    /// Lets go of what has not been used for too long. Every call with a moment does so first; this one is for ranks
    /// that are sent nothing.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::{ApproximateLedger, BlockHash};
    ///
    /// let mut ledger = ApproximateLedger::new(10);
    /// ledger.learn(&[BlockHash(1)], Duration::ZERO, |_| {});
    /// let due = ledger.next_timeout().expect("a block is there");
    /// ledger.handle_timeout(due, |_| {});
    /// assert_eq!(ledger.blocks(), 0);
    /// ```
    pub fn handle_timeout(&mut self, now: Duration, mut tell: impl FnMut(Change<'_>)) {
        self.advance(now, &mut tell);
    }

    /// The rank can keep so many blocks, as its metrics say. The share of its capacity that the rank was taken to keep
    /// stays as it was.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::{ApproximateLedger, BlockHash};
    ///
    /// let mut ledger = ApproximateLedger::new(10);
    /// let prompt = [1, 2, 3].map(BlockHash);
    /// ledger.learn(&prompt, Duration::ZERO, |_| {});
    /// ledger.set_capacity(2, |_| {});
    /// assert_eq!(ledger.match_prefix(&prompt), 2);
    /// ```
    pub fn set_capacity(&mut self, blocks: u32, mut tell: impl FnMut(Change<'_>)) {
        let share = u64::from(self.assumed) * u64::from(blocks);
        // Not more than `blocks`, as it was not more than the capacity.
        let assumed = share.checked_div(u64::from(self.capacity)).map_or(blocks, |share| share as u32);
        self.capacity = blocks;
        self.assumed = assumed.max(self.least());
        self.make_room(0, &mut tell);
    }

    /// The rank restarted, or dropped its cache: nothing is believed any more, and reports of requests from before are
    /// ignored. What was learned of its capacity stays.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::{ApproximateLedger, BlockHash, Change};
    ///
    /// let mut ledger = ApproximateLedger::new(10);
    /// ledger.learn(&[BlockHash(1)], Duration::ZERO, |_| {});
    /// ledger.clear(|change| assert_eq!(change, Change::Cleared));
    /// assert_eq!(ledger.blocks(), 0);
    /// ```
    pub fn clear(&mut self, mut tell: impl FnMut(Change<'_>)) {
        self.entries.clear();
        self.cleared = self.used;
        self.crowded = false;
        tell(Change::Cleared);
    }

    /// How many blocks of a prompt, counted from its start, are believed to be there.
    ///
    /// ```
    /// # use phalanx_kvcache::{ApproximateLedger, BlockHash};
    /// assert_eq!(ApproximateLedger::new(4).match_prefix(&[BlockHash(1)]), 0);
    /// ```
    pub fn match_prefix(&self, prompt: &[BlockHash]) -> u32 {
        let mut at = ROOT;
        let known = prompt.iter().map_while(|&content| {
            at = self.entries.child(at, content)?;
            Some(at)
        });
        known.count() as u32
    }

    /// Blocks that are believed to be there.
    pub fn blocks(&self) -> u32 {
        self.entries.len()
    }

    /// Blocks that the rank can keep, as it was said.
    pub fn capacity_blocks(&self) -> u32 {
        self.capacity
    }

    /// Blocks that the rank is taken to keep: what its reports make of the capacity. Less than that, as a rule, for
    /// running requests and what they generate need room as well.
    pub fn assumed_blocks(&self) -> u32 {
        self.assumed
    }

    /// How well reports agreed with what was believed.
    pub fn accuracy(&self) -> Accuracy {
        self.accuracy
    }

    /// Bytes that it has on the heap.
    pub fn bytes(&self) -> usize {
        self.entries.bytes() + self.names.capacity() * size_of::<BlockHash>()
    }

    /// The fewest blocks that the rank is taken to keep.
    fn least(&self) -> u32 {
        self.capacity.div_ceil(LEAST_PART)
    }

    fn advance(&mut self, now: Duration, tell: &mut impl FnMut(Change<'_>)) {
        self.now = self.now.max(nanos(now));
        let ttl = nanos(self.config.ttl);
        self.remove_oldest_while(tell, |this, used| used.checked_add(ttl).is_some_and(|due| due <= this.now));
    }

    /// Uses `contents`, which are all there afterwards, or as many as are kept at all.
    fn touch(&mut self, contents: &[BlockHash], confirmed: bool, tell: &mut impl FnMut(Change<'_>)) -> Expectation {
        let mut expected = Expectation::new(contents.len() as u32);
        self.used = self.now.max(self.used.saturating_add(1));
        expected.used = self.used;
        let contents = &contents[..contents.len().min(self.assumed as usize)];
        let mut deepest = ROOT;
        for &content in contents {
            let Some(child) = self.entries.child(deepest, content) else { break };
            let entry = self.entries.get(child);
            expected.believe(entry.used, entry.is_confirmed());
            self.entries.take_up(child);
            deepest = child;
        }
        let len = contents.len() as u32;
        self.crowded |= self.entries.len() > self.assumed - len;
        self.make_room(len, tell);
        let known = expected.believed_blocks() as usize;
        for run in contents[known..].chunks(TOLD) {
            let parent = deepest;
            for &content in run {
                deepest = self.entries.insert(deepest, content, self.capacity);
                self.names.push(self.entries.get(deepest).name);
            }
            tell(self.stored(parent, &self.names, run));
            self.names.clear();
        }
        self.entries.put_back(deepest, self.used, confirmed);
        expected
    }

    fn stored<'a>(&self, parent: u32, names: &'a [BlockHash], contents: &'a [BlockHash]) -> Change<'a> {
        let parent = (parent != ROOT).then(|| self.entries.get(parent).name);
        Change::Stored { layer: Layer::MAIN, parent, names, contents }
    }

    /// Lets the least recently used blocks go until `blocks` more are not too many.
    fn make_room(&mut self, blocks: u32, tell: &mut impl FnMut(Change<'_>)) {
        let most = self.assumed - blocks;
        self.remove_oldest_while(tell, |this, _| this.entries.len() > most);
    }

    fn drop_unused_since(&mut self, used: u64, tell: &mut impl FnMut(Change<'_>)) {
        self.remove_oldest_while(tell, |_, last| last <= used);
    }

    fn remove_oldest_while(&mut self, tell: &mut impl FnMut(Change<'_>), goes: impl Fn(&Self, u64) -> bool) {
        while let Some(oldest) = self.entries.oldest() {
            if !goes(self, self.entries.get(oldest).used) {
                break;
            }
            self.remove(oldest, tell);
        }
        self.flush_removed(tell);
    }

    fn remove(&mut self, slot: u32, tell: &mut impl FnMut(Change<'_>)) {
        let name = self.entries.remove(slot);
        self.names.push(name);
        if self.names.len() == TOLD {
            self.flush_removed(tell);
        }
    }

    fn flush_removed(&mut self, tell: &mut impl FnMut(Change<'_>)) {
        if !self.names.is_empty() {
            tell(Change::Removed { layer: Layer::MAIN, names: &self.names });
            self.names.clear();
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
