//! What a ledger believes, told to an index or for another ledger.

use super::super::entries::Entry;
use super::{ApproximateLedger, ROOT, TOLD};
use crate::{BlockHash, Change};

impl ApproximateLedger {
    /// Tells all that is believed, from the start: for an index that is new, or that was full for a while.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::{ApproximateLedger, BlockHash, FleetIndex};
    ///
    /// let mut ledger = ApproximateLedger::new(10);
    /// ledger.learn(&[1, 2].map(BlockHash), Duration::ZERO, |_| {});
    ///
    /// let mut index = FleetIndex::new();
    /// let rank = index.join();
    /// ledger.replay(|change| index.apply(rank, change).map(drop).expect("it joined"));
    /// assert_eq!(index.pairs(), 2);
    /// ```
    pub fn replay(&self, mut tell: impl FnMut(Change<'_>)) {
        tell(Change::Cleared);
        let (mut names, mut contents) = (Vec::new(), Vec::new());
        let (mut parent, mut before) = (ROOT, ROOT);
        for slot in self.entries.newest_first() {
            let entry = self.entries.get(slot);
            if !names.is_empty() && (entry.parent != before || names.len() == TOLD) {
                tell(self.stored(parent, &names, &contents));
                names.clear();
                contents.clear();
            }
            if names.is_empty() {
                parent = entry.parent;
            }
            names.push(entry.name);
            contents.push(entry.content);
            before = slot;
        }
        if !names.is_empty() {
            tell(self.stored(parent, &names, &contents));
        }
    }

    /// All that is believed as prompts, the least recently used one first: another ledger that
    /// [learns](Self::learn) them in this order believes the same, and forgets in the same order. So a new gateway begins
    /// with what a peer has learned. Where the index came from the peer as well, [clear](crate::FleetIndex::clear) the rank
    /// in it first: it is told all that is learned.
    ///
    /// A prompt that others continue is told apart only if it was used later than they were. Linear in the blocks of the
    /// prompts, all together.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::{ApproximateLedger, BlockHash};
    ///
    /// let mut peer = ApproximateLedger::new(1000);
    /// peer.learn(&[1, 2, 3].map(BlockHash), Duration::from_secs(7), |_| {});
    /// peer.learn(&[1, 2, 4].map(BlockHash), Duration::from_secs(8), |_| {});
    ///
    /// let mut ledger = ApproximateLedger::new(1000);
    /// peer.prompts(|prompt| {
    ///     ledger.learn(prompt, Duration::from_secs(9), |_| {});
    /// });
    /// assert_eq!(ledger.blocks(), 4);
    /// ```
    pub fn prompts(&self, mut tell: impl FnMut(&[BlockHash])) {
        // A child comes before its parent; one that was used with it shows that the use went on.
        let mut went_on = vec![0u64; self.entries.slots().div_ceil(64)];
        let mut prompt = Vec::new();
        for slot in self.entries.oldest_first() {
            let entry = self.entries.get(slot);
            if entry.parent != ROOT && self.entries.get(entry.parent).used == entry.used {
                went_on[entry.parent as usize / 64] |= 1 << (entry.parent % 64);
            }
            if went_on[slot as usize / 64] & 1 << (slot % 64) != 0 {
                continue;
            }
            prompt.clear();
            let mut at = slot;
            while at != ROOT {
                let Entry { content, parent, .. } = *self.entries.get(at);
                prompt.push(content);
                at = parent;
            }
            prompt.reverse();
            tell(&prompt);
        }
    }
}
