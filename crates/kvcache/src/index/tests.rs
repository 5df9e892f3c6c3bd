use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::ChainHasher;

/// Ranks that are joined at first, so that their bits lie in more than one group.
const FLEET: usize = 67;

#[derive(Clone, Debug)]
enum Op {
    Stored {
        rank: usize,
        prompt: u64,
        from: usize,
        to: usize,
    },
    Removed {
        rank: usize,
        prompt: u64,
        at: usize,
    },
    Cleared {
        rank: usize,
    },
    /// An event that never arrives.
    Lost {
        rank: usize,
    },
    Leave {
        rank: usize,
    },
    Join,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let rank = || prop_oneof![0usize..3, 62usize..FLEET];
    let op = prop_oneof![
        8 => (rank(), 0u64..6, 0usize..5, 0usize..5)
            .prop_map(|(rank, prompt, a, b)| Op::Stored { rank, prompt, from: a.min(b), to: a.max(b) + 1 }),
        4 => (rank(), 0u64..6, 0usize..5).prop_map(|(rank, prompt, at)| Op::Removed { rank, prompt, at }),
        1 => rank().prop_map(|rank| Op::Cleared { rank }),
        1 => rank().prop_map(|rank| Op::Lost { rank }),
        1 => rank().prop_map(|rank| Op::Leave { rank }),
        1 => Just(Op::Join),
    ];
    prop::collection::vec(op, 0..100)
}

fn prompt(n: u64) -> Vec<BlockHash> {
    ChainHasher::chain_ids(&[0, n % 2, n % 3, n, n + 10])
}

/// The naive recount: what each rank was heard to hold since its last break, with a bound on the sum.
struct Naive {
    held: BTreeMap<usize, BTreeSet<BlockHash>>,
    left_out: u64,
    bound: usize,
}

impl Naive {
    fn pairs(&self) -> usize {
        self.held.values().map(BTreeSet::len).sum()
    }

    fn apply(&mut self, rank: usize, event: &CacheEvent) {
        match event {
            CacheEvent::Stored { blocks, .. } => {
                for &hash in blocks {
                    if self.held[&rank].contains(&hash) {
                        continue;
                    }
                    if self.pairs() == self.bound {
                        self.left_out += 1;
                    } else {
                        self.held.entry(rank).or_default().insert(hash);
                    }
                }
            }
            CacheEvent::Removed { blocks } => {
                self.held.entry(rank).or_default().retain(|hash| !blocks.contains(hash));
            }
            CacheEvent::Cleared => self.held.entry(rank).or_default().clear(),
        }
    }
}

fn run(bound: u32, ops: Vec<Op>) -> Result<(), TestCaseError> {
    let mut index = FleetIndex::with_max_pairs(bound);
    let mut naive = Naive { held: BTreeMap::new(), left_out: 0, bound: bound as usize };
    let mut seqs = BTreeMap::new();
    let mut lost = BTreeSet::new();
    for _ in 0..FLEET {
        let rank = index.join().index();
        naive.held.insert(rank, BTreeSet::new());
    }
    let mut overlap = Overlap::new();
    for op in ops {
        let (rank, event) = match op {
            Op::Stored { rank, prompt: n, from, to } => {
                let hashes = prompt(n);
                let parent = from.checked_sub(1).map(|at| hashes[at]);
                (rank, CacheEvent::Stored { parent, blocks: hashes[from..to].to_vec() })
            }
            Op::Removed { rank, prompt: n, at } => (rank, CacheEvent::Removed { blocks: vec![prompt(n)[at]] }),
            Op::Cleared { rank } => (rank, CacheEvent::Cleared),
            Op::Lost { rank } => {
                // The number is used up. Before a rank's first event there is nothing to lose.
                if let Some(seq) = seqs.get_mut(&rank) {
                    *seq += 1;
                    lost.insert(rank);
                }
                continue;
            }
            Op::Leave { rank } => {
                let left = index.leave(RankId(rank as u32)).is_ok();
                prop_assert_eq!(left, naive.held.remove(&rank).is_some());
                seqs.remove(&rank);
                lost.remove(&rank);
                continue;
            }
            Op::Join => {
                let rank = index.join().index();
                prop_assert!(naive.held.insert(rank, BTreeSet::new()).is_none(), "a number in use was given out");
                prop_assert_eq!(index.blocks_of(RankId(rank as u32)), 0, "a recycled number inherits nothing");
                continue;
            }
        };
        if !naive.held.contains_key(&rank) {
            let answer = index.apply(RankId(rank as u32), 0, &event);
            prop_assert_eq!(answer, Err(IndexError::UnknownRank { rank }));
            continue;
        }
        let seq = seqs.entry(rank).or_insert(100);
        let answer = index.apply(RankId(rank as u32), *seq, &event);
        *seq += 1;
        if lost.remove(&rank) {
            let noticed = matches!(answer, Err(IndexError::Gap { .. }));
            prop_assert!(noticed, "a loss went unnoticed");
            naive.held.insert(rank, BTreeSet::new());
        } else {
            prop_assert_eq!(answer, Ok(()));
            naive.apply(rank, &event);
        }
        prop_assert_eq!(index.pairs() as usize, naive.pairs());
        prop_assert!(index.pairs() <= bound && index.nodes.len() <= bound as usize);
        prop_assert_eq!(index.left_out(), naive.left_out);
        for n in 0..6 {
            let hashes = prompt(n);
            index.overlap(&hashes, &mut overlap);
            let expected: Vec<_> = naive
                .held
                .iter()
                .map(|(&rank, held)| {
                    (RankId(rank as u32), hashes.iter().take_while(|h| held.contains(h)).count() as u32)
                })
                .filter(|&(_, blocks)| blocks > 0)
                .collect();
            prop_assert_eq!(overlap.as_slice(), expected);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn invariant_9_the_index_equals_a_naive_recount_and_a_recycled_slot_inherits_nothing(ops in ops()) {
        run(FleetIndex::DEFAULT_MAX_PAIRS, ops)?;
    }

    #[test]
    fn invariant_10_memory_is_bounded_and_the_bound_leaves_out_what_is_new(bound in 0u32..12, ops in ops()) {
        run(bound, ops)?;
    }
}

#[test]
fn a_restarted_engine_is_a_gap() {
    let mut index = FleetIndex::new();
    let rank = index.join();
    let stored = CacheEvent::Stored { parent: None, blocks: vec![BlockHash(1)] };
    for seq in 0..3 {
        index.apply(rank, seq, &stored).expect("in order");
    }
    let error = index.apply(rank, 0, &stored).expect_err("numbers began anew");
    assert_eq!(error.to_string(), "rank 0: expected event 3, got 0; its entries are dropped");
    assert_eq!(index.blocks_of(rank), 0);
    index.apply(rank, 1, &stored).expect("it goes on from there");
    assert_eq!(index.blocks_of(rank), 1);
}

#[test]
fn asking_again_into_a_warm_answer_does_not_allocate() {
    let mut index = FleetIndex::new();
    let hashes = prompt(3);
    for seq in 0..200 {
        let rank = index.join();
        let blocks = hashes[..seq % 5 + 1].to_vec();
        index.apply(rank, 0, &CacheEvent::Stored { parent: None, blocks }).expect("a first event");
    }
    let mut overlap = Overlap::new();
    index.overlap(&hashes, &mut overlap);
    let warm = (overlap.ranks.as_ptr(), overlap.alive.as_ptr());
    index.overlap(&hashes, &mut overlap);
    assert_eq!((overlap.ranks.as_ptr(), overlap.alive.as_ptr()), warm);
    assert_eq!(overlap.as_slice().len(), 200);
}
