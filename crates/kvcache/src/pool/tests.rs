use proptest::prelude::*;

use super::*;
use crate::ChainHasher;

/// The literal model: lists instead of slots and links.
#[derive(Default)]
struct Naive {
    capacity: usize,
    /// Matchable blocks: hash and users.
    stored: Vec<(BlockHash, usize)>,
    /// Matchable blocks without a user, least recently used first.
    idle: Vec<BlockHash>,
    private: usize,
    events: Vec<CacheEvent>,
}

/// A sequence in the model: `None` is a private block.
type NaiveSequence = Vec<Option<BlockHash>>;

impl Naive {
    fn free(&self) -> usize {
        self.capacity - self.private - self.stored.len()
    }

    fn hold(&mut self, hash: BlockHash) {
        self.idle.retain(|&h| h != hash);
        self.stored.iter_mut().find(|(h, _)| *h == hash).expect("stored").1 += 1;
    }

    fn release(&mut self, block: Option<BlockHash>) {
        let Some(hash) = block else {
            self.private -= 1;
            return;
        };
        let entry = self.stored.iter_mut().find(|(h, _)| *h == hash).expect("stored");
        entry.1 -= 1;
        if entry.1 == 0 {
            self.idle.push(hash);
        }
    }

    fn matched(&self, prefix: &[BlockHash]) -> usize {
        prefix.iter().take_while(|hash| self.stored.iter().any(|(h, _)| h == *hash)).count()
    }

    fn take(&mut self, count: usize) {
        let evicted = count.saturating_sub(self.free());
        let gone: Vec<_> = self.idle.drain(..evicted).collect();
        self.stored.retain(|(h, _)| !gone.contains(h));
        if !gone.is_empty() {
            self.events.push(CacheEvent::Removed { blocks: gone });
        }
        self.private += count;
    }

    fn allocate(&mut self, prefix: &[BlockHash], blocks: usize) -> Option<NaiveSequence> {
        let reused = &prefix[..self.matched(&prefix[..prefix.len().min(blocks)])];
        let idle = self.idle.iter().filter(|hash| !reused.contains(hash)).count();
        if blocks - reused.len() > self.free() + idle {
            return None;
        }
        for &hash in reused {
            self.hold(hash);
        }
        self.take(blocks - reused.len());
        let mut sequence: NaiveSequence = reused.iter().copied().map(Some).collect();
        sequence.resize(blocks, None);
        Some(sequence)
    }

    fn seal(&mut self, sequence: &mut NaiveSequence, from: usize, hashes: &[BlockHash]) {
        let mut new_before = false;
        for (at, &hash) in (from..).zip(hashes) {
            let new = self.matched(&[hash]) == 0;
            match self.events.last_mut() {
                Some(CacheEvent::Stored { blocks, .. }) if new && new_before => blocks.push(hash),
                _ if new => {
                    let parent = at.checked_sub(1).and_then(|before| sequence[before]);
                    self.events.push(CacheEvent::Stored { parent, blocks: vec![hash] });
                }
                _ => {}
            }
            if new {
                self.stored.push((hash, 1));
            } else {
                self.hold(hash);
            }
            self.private -= 1;
            sequence[at] = Some(hash);
            new_before = new;
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Allocate { prompt: usize, blocks: u32, again: Option<(usize, usize)> },
    Grow { nth: usize },
    Seal { nth: usize, count: usize },
    Free { nth: usize },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        3 => (0usize..12, 0u32..7, prop::option::weighted(0.3, (0usize..6, 0usize..6)))
            .prop_map(|(prompt, blocks, again)| Op::Allocate { prompt, blocks, again }),
        1 => (0usize..8).prop_map(|nth| Op::Grow { nth }),
        4 => (0usize..8, 0usize..4).prop_map(|(nth, count)| Op::Seal { nth, count }),
        3 => (0usize..8).prop_map(|nth| Op::Free { nth }),
    ];
    prop::collection::vec(op, 0..120)
}

/// Twelve prompts of six blocks that share beginnings.
fn prompt(n: usize) -> Vec<BlockHash> {
    let n = n as u64;
    ChainHasher::chain_ids(&[n % 2, n % 3, n % 4, n, 10 + n, 20 + n])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn invariant_8_free_and_held_make_the_capacity_and_no_pinned_block_is_evicted(capacity in 0u32..16, ops in ops()) {
        let mut pool = Pool::new(capacity);
        let mut naive = Naive { capacity: capacity as usize, ..Naive::default() };
        let mut events = Vec::new();
        let mut live: Vec<(Sequence, NaiveSequence, Vec<BlockHash>)> = Vec::new();
        for op in ops {
            match op {
                Op::Allocate { prompt: n, blocks, again } => {
                    let mut hashes = prompt(n);
                    // No chain repeats a hash, but a caller can.
                    if let Some((from, to)) = again {
                        hashes[to] = hashes[from];
                    }
                    let got = pool.allocate(&hashes, blocks, &mut events);
                    let expected = naive.allocate(&hashes, blocks as usize);
                    prop_assert_eq!(got.is_ok(), expected.is_some());
                    if let (Ok(got), Some(expected)) = (got, expected) {
                        prop_assert_eq!(got.reused_blocks() as usize, expected.iter().flatten().count());
                        live.push((got, expected, hashes));
                    }
                }
                Op::Grow { nth } => if let Some((sequence, model, _)) = live.get_mut(nth) {
                    let room = naive.free() + naive.idle.len() > 0;
                    prop_assert_eq!(pool.grow(sequence, &mut events).is_ok(), room);
                    if room {
                        naive.take(1);
                        model.push(None);
                    }
                },
                Op::Seal { nth, count } => if let Some((sequence, model, hashes)) = live.get_mut(nth) {
                    let from = sequence.sealed_blocks() as usize;
                    let to = (from + count).min(hashes.len()).min(model.len());
                    let hashes = if from < to { &hashes[from..to] } else { &[] };
                    prop_assert_eq!(pool.seal(sequence, hashes, &mut events), Ok(()));
                    naive.seal(model, from, hashes);
                },
                Op::Free { nth } => if nth < live.len() {
                    let (sequence, model, _) = live.remove(nth);
                    pool.free(sequence);
                    for block in model.into_iter().rev() {
                        naive.release(block);
                    }
                },
            }
            prop_assert_eq!(pool.free_blocks() + pool.cached_blocks() + pool.held_blocks(), capacity);
            prop_assert_eq!(pool.free_blocks() as usize, naive.free());
            prop_assert_eq!(pool.cached_blocks() as usize, naive.idle.len());
            prop_assert_eq!(&events, &naive.events);
            for (_, model, hashes) in &live {
                let sealed = model.iter().flatten().count();
                prop_assert!(pool.match_prefix(hashes) as usize >= sealed, "a pinned block went");
            }
            for n in 0..12 {
                prop_assert_eq!(pool.match_prefix(&prompt(n)) as usize, naive.matched(&prompt(n)));
            }
        }
        for (sequence, ..) in live {
            pool.free(sequence);
        }
        prop_assert_eq!(pool.held_blocks(), 0);
    }
}

#[test]
fn a_repeated_hash_is_one_block() {
    let (mut pool, mut events) = (Pool::new(1), Vec::new());
    let (one, twice) = (BlockHash(1), [BlockHash(1), BlockHash(1)]);
    let mut sequence = pool.allocate(&[], 1, &mut events).expect("room");
    pool.seal(&mut sequence, &[one], &mut events).expect("one block");
    pool.free(sequence);
    let full = pool.allocate(&twice, 3, &mut events).expect_err("one block only");
    assert_eq!(full, AllocateError::Full { needed: 1, available: 0 });
    let sequence = pool.allocate(&twice, 2, &mut events).expect("the cached block, twice");
    assert_eq!((sequence.reused_blocks(), pool.match_prefix(&twice), pool.held_blocks()), (2, 2, 1));
    pool.free(sequence);
    assert_eq!((pool.cached_blocks(), pool.held_blocks()), (1, 0));
}

#[test]
fn the_tail_goes_first() {
    let (mut pool, mut events) = (Pool::new(3), Vec::new());
    let hashes = ChainHasher::chain_ids(&[1, 2, 3]);
    let mut sequence = pool.allocate(&hashes, 3, &mut events).expect("room");
    pool.seal(&mut sequence, &hashes, &mut events).expect("three blocks");
    pool.free(sequence);
    events.clear();
    let other = pool.allocate(&[], 2, &mut events).expect("room");
    assert_eq!(events, [CacheEvent::Removed { blocks: vec![hashes[2], hashes[1]] }]);
    assert_eq!(pool.match_prefix(&hashes), 1);
    pool.free(other);
}

#[test]
fn a_block_computed_twice_is_held_once() {
    let (mut pool, mut events) = (Pool::new(4), Vec::new());
    let hashes = ChainHasher::chain_ids(&[1]);
    let mut a = pool.allocate(&hashes, 1, &mut events).expect("room");
    let mut b = pool.allocate(&hashes, 1, &mut events).expect("room");
    assert_eq!(pool.held_blocks(), 2);
    pool.seal(&mut a, &hashes, &mut events).expect("one block");
    pool.seal(&mut b, &hashes, &mut events).expect("one block");
    assert_eq!((pool.held_blocks(), events.len()), (1, 1));
    pool.free(a);
    assert_eq!(pool.held_blocks(), 1);
    pool.free(b);
    assert_eq!((pool.cached_blocks(), pool.free_blocks()), (1, 3));
}

#[test]
fn a_cleared_sequence_stays_private() {
    let (mut pool, mut events) = (Pool::new(4), Vec::new());
    let hashes = ChainHasher::chain_ids(&[1, 2, 3]);
    let mut sequence = pool.allocate(&hashes, 3, &mut events).expect("room");
    pool.seal(&mut sequence, &hashes[..1], &mut events).expect("three blocks");
    pool.clear(&mut events);
    pool.seal(&mut sequence, &hashes[1..], &mut events).expect("two blocks");
    assert_eq!(events.last(), Some(&CacheEvent::Cleared), "what continues a forgotten block is not stored");
    pool.free(sequence);
    assert_eq!(pool.free_blocks(), 4);
}

#[test]
fn sealing_more_than_there_is_changes_nothing() {
    let (mut pool, mut events) = (Pool::new(4), Vec::new());
    let hashes = ChainHasher::chain_ids(&[1, 2]);
    let mut sequence = pool.allocate(&[], 1, &mut events).expect("room");
    let error = pool.seal(&mut sequence, &hashes, &mut events).expect_err("one block only");
    assert_eq!(error.to_string(), "2 hashes given, the sequence has 1 blocks to seal");
    assert_eq!((pool.match_prefix(&hashes), events.len()), (0, 0));
    pool.free(sequence);
}
