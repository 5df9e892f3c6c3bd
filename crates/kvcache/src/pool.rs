//! One rank's KV memory: what is free, what is held, what can be matched, and what goes first.

#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::lookup::{Lookup, lookup};
use crate::lru::Lru;
use crate::{BlockHash, CacheEvent};

/// The exact ledger of one rank's KV blocks.
///
/// A block is in one of three states, and the three counts always make the capacity:
/// - *free*: nothing in it;
/// - *cached*: no sequence uses it, but it can be matched; the least recently used one is evicted when room is needed;
/// - *held*: at least one sequence uses it; it is never evicted.
///
/// Sequences share blocks that have the same hash: reused ones from the start, and those computed twice from the moment
/// that they are sealed. A freed sequence gives its blocks back tail first, so a prefix outlives what continues it, and
/// what can be matched is closed under taking prefixes as long as hashes come from a chain.
///
/// Every call costs constant time for each block that it touches. No call depends on the order of a hash table.
#[derive(Clone, Debug)]
pub struct Pool {
    capacity: u32,
    /// Blocks that were in use at least once; the rest of the capacity is free and has no slot yet.
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    lru: Lru,
    by_hash: Lookup,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Present while the block can be matched.
    hash: Option<BlockHash>,
    /// Uses by sequences; one in which its hash is repeated uses it as often.
    refs: u32,
    /// It was counted among the blocks to wake: only within [`Pool::allocate`].
    waking: bool,
}

/// The blocks of one running sequence, in prompt order.
///
/// It belongs to the pool that made it and must be given back with [`Pool::free`]; dropping it leaks its blocks.
#[derive(Debug)]
#[must_use = "its blocks stay held until it is given back with `Pool::free`"]
pub struct Sequence {
    slots: Vec<u32>,
    reused: u32,
    sealed: u32,
}

/// Why a sequence got no blocks. The pool is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AllocateError {
    /// More blocks are asked for than are free or can be evicted.
    #[error("{needed} blocks needed, {available} available")]
    Full {
        /// Blocks needed beside the reused ones.
        needed: u32,
        /// Blocks that are free or cached, without the reused ones.
        available: u32,
    },
}

/// Why nothing was sealed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealError {
    /// More hashes than blocks without one.
    #[error("{hashes} hashes given, the sequence has {unsealed} blocks to seal")]
    TooMany {
        /// Hashes given.
        hashes: u32,
        /// Blocks that are not sealed yet.
        unsealed: u32,
    },
}

impl Pool {
    /// An empty pool of `capacity` blocks. Memory grows with use.
    ///
    /// ```
    /// let pool = phalanx_kvcache::Pool::new(800);
    /// assert_eq!((pool.free_blocks(), pool.cached_blocks(), pool.held_blocks()), (800, 0, 0));
    /// ```
    pub fn new(capacity: u32) -> Self {
        Self { capacity, slots: Vec::new(), vacant: Vec::new(), lru: Lru::new(), by_hash: lookup() }
    }

    /// A sequence of `blocks` blocks, of which as many as possible are the cached or held ones of `prefix`, counted from
    /// its start: [`match_prefix`](Self::match_prefix) says how many. The others are free blocks first, then evicted ones
    /// (told by [`CacheEvent::Removed`]). A hash that `prefix` repeats, as no chain does, is the same block each time.
    ///
    /// # Errors
    /// [`AllocateError::Full`]; nothing has changed then.
    ///
    /// ```
    /// use phalanx_kvcache::{AllocateError, BlockHash, Pool};
    ///
    /// let (mut pool, mut events) = (Pool::new(4), Vec::new());
    /// let sequence = pool.allocate(&[BlockHash(1)], 3, &mut events)?;
    /// assert_eq!((sequence.blocks(), sequence.reused_blocks()), (3, 0));
    /// assert!(matches!(pool.allocate(&[], 2, &mut events), Err(AllocateError::Full { needed: 2, available: 1, .. })));
    /// pool.free(sequence);
    /// assert_eq!(pool.free_blocks(), 4);
    /// # Ok::<(), AllocateError>(())
    /// ```
    pub fn allocate(
        &mut self,
        prefix: &[BlockHash],
        blocks: u32,
        events: &mut Vec<CacheEvent>,
    ) -> Result<Sequence, AllocateError> {
        let mut slots = Vec::new();
        let mut woken = 0;
        for hash in &prefix[..prefix.len().min(blocks as usize)] {
            let Some(&slot) = self.by_hash.get(hash) else { break };
            let Slot { refs, waking, .. } = &mut self.slots[slot as usize];
            if *refs == 0 && !*waking {
                *waking = true;
                woken += 1;
            }
            slots.push(slot);
        }
        for &slot in &slots {
            self.slots[slot as usize].waking = false;
        }
        let reused = slots.len() as u32;
        let (needed, available) = (blocks - reused, self.available_blocks() - woken);
        if needed > available {
            return Err(AllocateError::Full { needed, available });
        }
        for &slot in &slots {
            self.hold(slot);
        }
        slots.reserve_exact(needed as usize);
        self.take(needed, &mut slots, events);
        Ok(Sequence { slots, reused, sealed: reused })
    }

    /// One more block at the end of `sequence`.
    ///
    /// # Errors
    /// [`AllocateError::Full`]; nothing has changed then.
    ///
    /// ```
    /// # use phalanx_kvcache::Pool;
    /// let (mut pool, mut events) = (Pool::new(2), Vec::new());
    /// let mut sequence = pool.allocate(&[], 1, &mut events)?;
    /// pool.grow(&mut sequence, &mut events)?;
    /// assert!(pool.grow(&mut sequence, &mut events).is_err());
    /// pool.free(sequence);
    /// # Ok::<(), phalanx_kvcache::AllocateError>(())
    /// ```
    pub fn grow(&mut self, sequence: &mut Sequence, events: &mut Vec<CacheEvent>) -> Result<(), AllocateError> {
        if self.available_blocks() == 0 {
            return Err(AllocateError::Full { needed: 1, available: 0 });
        }
        self.take(1, &mut sequence.slots, events);
        Ok(())
    }

    /// Makes the next unsealed blocks of `sequence` matchable under `hashes`: their tokens have been computed.
    ///
    /// Where the pool already has a block of that hash, the sequence takes that one and its own comes free. New ones are
    /// told by [`CacheEvent::Stored`]. After [`clear`](Self::clear) a sequence that had sealed blocks stays private:
    /// a block whose parent cannot be matched is of no use.
    ///
    /// # Errors
    /// [`SealError::TooMany`]; nothing has changed then.
    ///
    /// ```
    /// # use phalanx_kvcache::{BlockHash, Pool};
    /// let (mut pool, mut events) = (Pool::new(4), Vec::new());
    /// let mut sequence = pool.allocate(&[], 2, &mut events)?;
    /// pool.seal(&mut sequence, &[BlockHash(1), BlockHash(2)], &mut events)?;
    /// pool.free(sequence);
    /// assert_eq!(pool.match_prefix(&[BlockHash(1), BlockHash(2), BlockHash(3)]), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn seal(
        &mut self,
        sequence: &mut Sequence,
        hashes: &[BlockHash],
        events: &mut Vec<CacheEvent>,
    ) -> Result<(), SealError> {
        let unsealed = sequence.blocks() - sequence.sealed;
        if hashes.len() > unsealed as usize {
            return Err(SealError::TooMany { hashes: hashes.len() as u32, unsealed });
        }
        let mut stored = Vec::new();
        let mut parent_of_stored = None;
        for &hash in hashes {
            let position = sequence.sealed as usize;
            let parent = position.checked_sub(1).map(|before| self.slots[sequence.slots[before] as usize].hash);
            sequence.sealed += 1;
            if parent == Some(None) {
                continue;
            }
            let own = sequence.slots[position];
            if let Some(&twin) = self.by_hash.get(&hash) {
                flush(&mut stored, parent_of_stored, events);
                self.hold(twin);
                self.release(own);
                sequence.slots[position] = twin;
            } else {
                if stored.is_empty() {
                    parent_of_stored = parent.flatten();
                }
                stored.push(hash);
                self.slots[own as usize].hash = Some(hash);
                self.by_hash.insert(hash, own);
            }
        }
        flush(&mut stored, parent_of_stored, events);
        Ok(())
    }

    /// Takes a sequence back: its matchable blocks stay cached until their room is needed, the others come free.
    ///
    /// ```
    /// # use phalanx_kvcache::Pool;
    /// let mut pool = Pool::new(4);
    /// let sequence = pool.allocate(&[], 4, &mut Vec::new())?;
    /// pool.free(sequence);
    /// assert_eq!(pool.free_blocks(), 4);
    /// # Ok::<(), phalanx_kvcache::AllocateError>(())
    /// ```
    pub fn free(&mut self, sequence: Sequence) {
        for &slot in sequence.slots.iter().rev() {
            self.release(slot);
        }
    }

    /// Forgets everything that could be matched: cached blocks come free, held ones become private to their sequences.
    /// Linear in the blocks ever used.
    ///
    /// ```
    /// # use phalanx_kvcache::{BlockHash, CacheEvent, Pool};
    /// let (mut pool, mut events) = (Pool::new(4), Vec::new());
    /// let mut sequence = pool.allocate(&[], 1, &mut events)?;
    /// pool.seal(&mut sequence, &[BlockHash(1)], &mut events)?;
    /// pool.clear(&mut events);
    /// assert_eq!(pool.match_prefix(&[BlockHash(1)]), 0);
    /// assert_eq!(events.last(), Some(&CacheEvent::Cleared));
    /// pool.free(sequence);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&mut self, events: &mut Vec<CacheEvent>) {
        while let Some(slot) = self.lru.pop_front() {
            self.slots[slot as usize].hash = None;
            self.vacant.push(slot);
        }
        for slot in &mut self.slots {
            slot.hash = None;
        }
        self.by_hash.clear();
        events.push(CacheEvent::Cleared);
    }

    /// How many blocks of `prefix`, counted from its start, a sequence could reuse now.
    ///
    /// ```
    /// # use phalanx_kvcache::{BlockHash, Pool};
    /// assert_eq!(Pool::new(4).match_prefix(&[BlockHash(1)]), 0);
    /// ```
    pub fn match_prefix(&self, prefix: &[BlockHash]) -> u32 {
        prefix.iter().take_while(|hash| self.by_hash.contains_key(hash)).count() as u32
    }

    /// Blocks in all.
    pub fn capacity_blocks(&self) -> u32 {
        self.capacity
    }

    /// Blocks with nothing in them.
    pub fn free_blocks(&self) -> u32 {
        self.capacity - self.slots.len() as u32 + self.vacant.len() as u32
    }

    /// Blocks that no sequence uses, but that can be matched, or evicted.
    pub fn cached_blocks(&self) -> u32 {
        self.lru.len()
    }

    /// Blocks that sequences use; a shared one counts once.
    pub fn held_blocks(&self) -> u32 {
        self.slots.len() as u32 - self.vacant.len() as u32 - self.lru.len()
    }

    /// Blocks that a new sequence could have: the free and the cached ones.
    pub fn available_blocks(&self) -> u32 {
        self.capacity - self.held_blocks()
    }

    /// One more user of a matchable block.
    fn hold(&mut self, slot: u32) {
        let refs = &mut self.slots[slot as usize].refs;
        if *refs == 0 {
            self.lru.remove(slot);
        }
        *refs += 1;
    }

    /// One user less of a block.
    fn release(&mut self, slot: u32) {
        let Slot { hash, refs, .. } = &mut self.slots[slot as usize];
        *refs -= 1;
        match (*refs, *hash) {
            (0, Some(_)) => self.lru.push_back(slot),
            (0, None) => self.vacant.push(slot),
            _ => {}
        }
    }

    /// Takes `count` blocks that the caller knows to be available.
    fn take(&mut self, count: u32, out: &mut Vec<u32>, events: &mut Vec<CacheEvent>) {
        let mut removed = Vec::new();
        for _ in 0..count {
            let slot = if let Some(slot) = self.vacant.pop() {
                slot
            } else if (self.slots.len() as u32) < self.capacity {
                self.slots.push(Slot::default());
                self.slots.len() as u32 - 1
            } else {
                let slot = self.lru.pop_front().expect("the caller counted the available blocks");
                let hash = self.slots[slot as usize].hash.take().expect("a cached block has a hash");
                self.by_hash.remove(&hash);
                removed.push(hash);
                slot
            };
            self.slots[slot as usize].refs = 1;
            out.push(slot);
        }
        if !removed.is_empty() {
            events.push(CacheEvent::Removed { blocks: removed });
        }
    }
}

impl Sequence {
    /// Blocks in all.
    pub fn blocks(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Blocks at the start that were in the pool when the sequence began.
    pub fn reused_blocks(&self) -> u32 {
        self.reused
    }

    /// Blocks at the start that are sealed, the reused ones among them.
    pub fn sealed_blocks(&self) -> u32 {
        self.sealed
    }
}

/// Tells of a run of new blocks, if there is one.
fn flush(stored: &mut Vec<BlockHash>, parent: Option<BlockHash>, events: &mut Vec<CacheEvent>) {
    if !stored.is_empty() {
        events.push(CacheEvent::Stored { parent, blocks: core::mem::take(stored) });
    }
}
