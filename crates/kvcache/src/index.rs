//! Who in the fleet holds which prefix.

#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::lookup::{Lookup, lookup};
use crate::{BlockHash, CacheEvent, Overlap};

const NONE: u32 = u32::MAX;

/// One KV pool of the fleet: an engine, or one data-parallel rank of it. A dense number that [`FleetIndex::join`] gives
/// out and that is given out again after [`FleetIndex::leave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RankId(u32);

impl RankId {
    /// The number, for columns of the caller's own.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which rank holds which blocks, as far as the ranks' events have told.
///
/// The index never claims more than it was told: a break in a rank's sequence numbers drops all that is known of the
/// rank, and at the memory bound further blocks are left out (and counted), so an answer can be too small, never too
/// large, as long as the events are true.
///
/// Memory: under 100 bytes for each (rank, block) pair, and no more pairs than the bound allows.
#[derive(Clone, Debug)]
pub struct FleetIndex {
    max_pairs: u32,
    pairs: u32,
    left_out: u64,
    ranks: Vec<Rank>,
    vacant_ranks: Vec<RankId>,
    /// First node of a block's list.
    heads: Lookup,
    nodes: Vec<Node>,
    vacant_nodes: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rank {
    joined: bool,
    /// What its next event must carry; unknown until the first one.
    next_seq: Option<u64>,
    pairs: u32,
}

/// Those of 64 neighbouring ranks that hold a block. A block's nodes are linked by ascending group.
#[derive(Clone, Copy, Debug)]
struct Node {
    hash: BlockHash,
    /// Never 0 in a node that is in use.
    bits: u64,
    group: u32,
    next: u32,
}

/// Why an event was not applied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// No such rank, or it has left.
    #[error("rank {rank} has not joined")]
    UnknownRank {
        /// The number that was given.
        rank: usize,
    },
    /// Events are missing, came twice, or the engine began anew. What was known of the rank is dropped, and so is this
    /// event; the next one is expected to follow it. To know all again, have the engine replay from its start.
    #[error("rank {rank}: expected event {expected}, got {got}; its entries are dropped")]
    Gap {
        /// The rank.
        rank: usize,
        /// The number that would have continued its sequence.
        expected: u64,
        /// The number that came.
        got: u64,
    },
}

impl FleetIndex {
    /// Bound on pairs unless another is given: 4 Mi, under 400 MiB when full.
    pub const DEFAULT_MAX_PAIRS: u32 = 1 << 22;

    /// An index without ranks.
    ///
    /// ```
    /// let index = phalanx_kvcache::FleetIndex::new();
    /// assert_eq!((index.pairs(), index.max_pairs()), (0, 1 << 22));
    /// ```
    pub fn new() -> Self {
        Self::with_max_pairs(Self::DEFAULT_MAX_PAIRS)
    }

    /// An index that remembers at most `max_pairs` pairs of rank and block. At the bound, blocks that would be new are
    /// left out until others go.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, CacheEvent, FleetIndex};
    ///
    /// let mut index = FleetIndex::with_max_pairs(1);
    /// let rank = index.join();
    /// index.apply(rank, 0, &CacheEvent::Stored { parent: None, blocks: vec![BlockHash(1), BlockHash(2)] })?;
    /// assert_eq!((index.pairs(), index.left_out()), (1, 1));
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn with_max_pairs(max_pairs: u32) -> Self {
        Self {
            max_pairs: max_pairs.min(NONE - 1),
            pairs: 0,
            left_out: 0,
            ranks: Vec::new(),
            vacant_ranks: Vec::new(),
            heads: lookup(),
            nodes: Vec::new(),
            vacant_nodes: Vec::new(),
        }
    }

    /// A new rank that holds nothing. The number of one that left is used again, the last one to leave first.
    ///
    /// ```
    /// let mut index = phalanx_kvcache::FleetIndex::new();
    /// let (a, b) = (index.join(), index.join());
    /// assert_eq!((a.index(), b.index()), (0, 1));
    /// index.leave(a)?;
    /// assert_eq!(index.join(), a);
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn join(&mut self) -> RankId {
        let id = self.vacant_ranks.pop().unwrap_or_else(|| {
            self.ranks.push(Rank::default());
            RankId(self.ranks.len() as u32 - 1)
        });
        self.ranks[id.index()] = Rank { joined: true, ..Rank::default() };
        id
    }

    /// Forgets a rank. Linear in the size of the index unless the rank holds nothing.
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
        self.joined(rank)?;
        self.drop_entries(rank);
        self.ranks[rank.index()] = Rank::default();
        self.vacant_ranks.push(rank);
        Ok(())
    }

    /// Takes note of one event of a rank. `seq` counts the rank's events up by one; its first may have any number.
    ///
    /// Storing a block twice or removing one that is not there is no error. Constant time a block, except that
    /// [`CacheEvent::Cleared`] and a gap are linear in the size of the index unless the rank holds nothing.
    ///
    /// # Errors
    /// [`IndexError::Gap`] if `seq` does not continue the rank's sequence, and [`IndexError::UnknownRank`].
    ///
    /// ```
    /// use phalanx_kvcache::{CacheEvent, FleetIndex, IndexError};
    ///
    /// let mut index = FleetIndex::new();
    /// let rank = index.join();
    /// index.apply(rank, 7, &CacheEvent::Cleared)?;
    /// assert!(matches!(index.apply(rank, 9, &CacheEvent::Cleared), Err(IndexError::Gap { expected: 8, got: 9, .. })));
    /// index.apply(rank, 10, &CacheEvent::Cleared)?;
    /// # Ok::<(), IndexError>(())
    /// ```
    pub fn apply(&mut self, rank: RankId, seq: u64, event: &CacheEvent) -> Result<(), IndexError> {
        self.joined(rank)?;
        let expected = self.ranks[rank.index()].next_seq.replace(seq.wrapping_add(1));
        if let Some(expected) = expected
            && expected != seq
        {
            self.drop_entries(rank);
            return Err(IndexError::Gap { rank: rank.index(), expected, got: seq });
        }
        match event {
            CacheEvent::Stored { blocks, .. } => blocks.iter().for_each(|&hash| self.insert(rank, hash)),
            CacheEvent::Removed { blocks } => blocks.iter().for_each(|&hash| self.remove(rank, hash)),
            CacheEvent::Cleared => self.drop_entries(rank),
        }
        Ok(())
    }

    /// For each rank, the blocks of `prefix` that it holds without a hole, counted from the start.
    ///
    /// One look-up a block, for as long as some rank holds all of them so far; one word for each 64 ranks that hold it.
    /// No allocation once `out` is warm.
    ///
    /// ```
    /// # use phalanx_kvcache::{BlockHash, CacheEvent, FleetIndex, Overlap};
    /// let mut index = FleetIndex::new();
    /// let rank = index.join();
    /// index.apply(rank, 0, &CacheEvent::Stored { parent: None, blocks: vec![BlockHash(1), BlockHash(3)] })?;
    /// let mut overlap = Overlap::new();
    /// index.overlap(&[BlockHash(1), BlockHash(2), BlockHash(3)], &mut overlap);
    /// assert_eq!(overlap.blocks_of(rank), 1, "what lies behind a hole cannot be reused");
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn overlap(&self, prefix: &[BlockHash], out: &mut Overlap) {
        let Overlap { ranks, alive } = out;
        ranks.clear();
        alive.clear();
        let Some(first) = prefix.first() else { return };
        alive.extend(self.holders(*first).map(|node| (node.group, node.bits)));
        let mut walked = 1;
        for hash in &prefix[1..] {
            if alive.is_empty() {
                break;
            }
            let mut holders = self.holders(*hash).peekable();
            alive.retain_mut(|(group, bits)| {
                while holders.next_if(|node| node.group < *group).is_some() {}
                let holding = holders.peek().filter(|node| node.group == *group).map_or(0, |node| node.bits);
                push_ranks(*group, *bits & !holding, walked, ranks);
                *bits &= holding;
                *bits != 0
            });
            walked += 1;
        }
        for &(group, bits) in alive.iter() {
            push_ranks(group, bits, walked, ranks);
        }
        ranks.sort_unstable();
    }

    /// Pairs of rank and block that are remembered.
    pub fn pairs(&self) -> u32 {
        self.pairs
    }

    /// The bound on pairs.
    pub fn max_pairs(&self) -> u32 {
        self.max_pairs
    }

    /// Pairs that were left out at the bound since the index was made.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Blocks that one rank is known to hold; 0 for one that has not joined.
    pub fn blocks_of(&self, rank: RankId) -> u32 {
        self.ranks.get(rank.index()).map_or(0, |rank| rank.pairs)
    }

    fn joined(&self, rank: RankId) -> Result<(), IndexError> {
        match self.ranks.get(rank.index()) {
            Some(Rank { joined: true, .. }) => Ok(()),
            _ => Err(IndexError::UnknownRank { rank: rank.index() }),
        }
    }

    fn holders(&self, hash: BlockHash) -> impl Iterator<Item = &Node> {
        let mut at = self.heads.get(&hash).copied().unwrap_or(NONE);
        core::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            at = node.next;
            Some(node)
        })
    }

    /// The block's node of `group`, and the one before it in the block's list.
    fn find(&self, hash: BlockHash, group: u32) -> (u32, u32) {
        let (mut before, mut at) = (NONE, self.heads.get(&hash).copied().unwrap_or(NONE));
        while at != NONE && self.nodes[at as usize].group < group {
            (before, at) = (at, self.nodes[at as usize].next);
        }
        (before, at)
    }

    fn insert(&mut self, rank: RankId, hash: BlockHash) {
        let (group, bit) = (rank.0 / 64, 1 << (rank.0 % 64));
        let (before, at) = self.find(hash, group);
        let node = self.nodes.get_mut(at as usize).filter(|node| node.group == group);
        if node.as_ref().is_some_and(|node| node.bits & bit != 0) {
            return;
        }
        if self.pairs == self.max_pairs {
            self.left_out += 1;
            return;
        }
        self.pairs += 1;
        self.ranks[rank.index()].pairs += 1;
        if let Some(node) = node {
            node.bits |= bit;
            return;
        }
        let node = Node { hash, bits: bit, group, next: at };
        let new = match self.vacant_nodes.pop() {
            Some(slot) => {
                self.nodes[slot as usize] = node;
                slot
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        self.link(hash, before, new);
    }

    fn remove(&mut self, rank: RankId, hash: BlockHash) {
        let (group, bit) = (rank.0 / 64, 1 << (rank.0 % 64));
        let (before, at) = self.find(hash, group);
        let Some(node) = self.nodes.get_mut(at as usize) else { return };
        if node.group != group || node.bits & bit == 0 {
            return;
        }
        node.bits &= !bit;
        let (empty, next) = (node.bits == 0, node.next);
        self.pairs -= 1;
        self.ranks[rank.index()].pairs -= 1;
        if empty {
            self.link(hash, before, next);
            self.vacant_nodes.push(at);
        }
    }

    /// Lets `next` follow `before` in a block's list, or begin it.
    fn link(&mut self, hash: BlockHash, before: u32, next: u32) {
        if before != NONE {
            self.nodes[before as usize].next = next;
        } else if next != NONE {
            self.heads.insert(hash, next);
        } else {
            self.heads.remove(&hash);
        }
    }

    fn drop_entries(&mut self, rank: RankId) {
        let (group, bit) = (rank.0 / 64, 1 << (rank.0 % 64));
        // Vacant nodes have no bits left, so the walk passes over them.
        for at in 0..self.nodes.len() {
            if self.ranks[rank.index()].pairs == 0 {
                break;
            }
            let Node { hash, bits, group: of, .. } = self.nodes[at];
            if of == group && bits & bit != 0 {
                self.remove(rank, hash);
            }
        }
    }
}

impl Default for FleetIndex {
    fn default() -> Self {
        Self::new()
    }
}

/// Notes `blocks` for each rank of `group` whose bit is set.
fn push_ranks(group: u32, mut bits: u64, blocks: u32, out: &mut Vec<(RankId, u32)>) {
    while bits != 0 {
        out.push((RankId(group * 64 + bits.trailing_zeros()), blocks));
        bits &= bits - 1;
    }
}
