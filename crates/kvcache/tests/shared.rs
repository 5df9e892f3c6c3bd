//! The shared index answers as one index would, whoever writes when and whichever of its copies is asked.

mod cases;

use std::sync::atomic::{AtomicU32, Ordering};

use phalanx_kvcache::{
    Applied, BlockHash, Change, ClaimError, FleetIndex, IndexConfig, IndexError, Layer, Overlap, RankId, RankWriter,
    SharedIndex, Tier,
};
use proptest::prelude::*;

/// What one step does, to the rank that is the `of`-th of those that have joined.
#[derive(Clone, Debug)]
enum Step {
    Join,
    Leave {
        of: usize,
    },
    /// The writer goes and another one comes for the same rank.
    Reclaim {
        of: usize,
    },
    Changes {
        of: usize,
        how: How,
        changes: Vec<Made>,
    },
    /// Changes of many ranks at once.
    All {
        changes: Vec<(usize, Made)>,
    },
}

/// The ways to make changes of one rank.
#[derive(Clone, Copy, Debug)]
enum How {
    Single,
    Batch,
    Staged,
}

#[derive(Clone, Debug)]
enum Made {
    Stored { tier: Tier, parent: Option<u64>, names: Vec<BlockHash>, contents: Vec<BlockHash> },
    Removed { tier: Tier, names: Vec<BlockHash> },
    Cleared,
}

impl Made {
    fn change(&self) -> Change<'_> {
        match self {
            Self::Stored { tier, parent, names, contents } => {
                let layer = Layer::new(0, *tier);
                Change::Stored { layer, parent: parent.map(BlockHash), names, contents }
            }
            Self::Removed { tier, names } => Change::Removed { layer: Layer::new(0, *tier), names },
            Self::Cleared => Change::Cleared,
        }
    }
}

/// Blocks of few prompts: block `i` of prompt `p` is called `10 p + i`, and its content is shared with other prompts.
fn blocks(prompt: u64, from: u64, to: u64) -> (Vec<BlockHash>, Vec<BlockHash>) {
    (from..to)
        .map(|at| (BlockHash(10 * prompt + at), BlockHash(if at < 3 { at } else { 10 * (prompt / 2) + at })))
        .unzip()
}

fn tier() -> impl Strategy<Value = Tier> {
    prop_oneof![4 => Just(Tier::Gpu), 1 => Just(Tier::Cpu)]
}

fn made() -> impl Strategy<Value = Made> {
    let range = || (0..6_u64, 0..10_u64, 0..10_u64).prop_map(|(prompt, a, b)| (prompt, a.min(b), a.max(b)));
    let stored = (tier(), range(), 0..12_u8).prop_map(|(tier, (prompt, from, to), odd)| {
        let (names, mut contents) = blocks(prompt, from, to);
        match odd {
            0 => contents.clear(),
            1 => drop(contents.pop()), // refused
            _ => {}
        }
        let parent = (from > 0).then(|| 10 * prompt + from - 1);
        Made::Stored { tier, parent, names, contents }
    });
    let removed = (tier(), range()).prop_map(|(tier, (prompt, from, to))| {
        let (names, _) = blocks(prompt, from, to);
        Made::Removed { tier, names }
    });
    prop_oneof![8 => stored, 4 => removed, 1 => Just(Made::Cleared)]
}

fn step() -> impl Strategy<Value = Step> {
    let of = || 0..8_usize;
    let how = prop_oneof![Just(How::Single), Just(How::Batch), Just(How::Staged)];
    prop_oneof![
        2 => Just(Step::Join),
        1 => of().prop_map(|of| Step::Leave { of }),
        1 => of().prop_map(|of| Step::Reclaim { of }),
        16 => (of(), how, prop::collection::vec(made(), 0..4))
            .prop_map(|(of, how, changes)| Step::Changes { of, how, changes }),
        4 => prop::collection::vec((of(), made()), 0..20).prop_map(|changes| Step::All { changes }),
    ]
}

/// All that can be asked: the ranks, and what each holds of every prompt in each tier.
type Answers = (u64, usize, Vec<(RankId, u32)>, Vec<Vec<(RankId, u32)>>);

fn answers(index: &FleetIndex) -> Answers {
    let ranks = index.ranks().map(|rank| (rank, index.blocks_of(rank))).collect();
    let mut overlap = Overlap::new();
    let mut pairs = Vec::new();
    for prompt in 0..6 {
        for tier in [Tier::Gpu, Tier::Cpu] {
            let mut out = Vec::new();
            index.overlap_in(Layer::new(0, tier), &blocks(prompt, 0, 10).1, &mut overlap);
            overlap.pairs_into(&mut out);
            pairs.push(out);
        }
    }
    (index.pairs(), index.bytes(), ranks, pairs)
}

/// A change that does nothing, and sends readers to the other copy.
fn turn(writer: &mut RankWriter) {
    let applied = writer.apply(Change::Removed { layer: Layer::MAIN, names: &[] });
    assert_eq!(applied, Ok(Applied::default()));
}

proptest! {
    #![proptest_config(cases::cases(256))]

    #[test]
    fn both_copies_answer_as_one_index_does(
        steps in prop::collection::vec(step(), 1..40),
        bytes in prop_oneof![Just(usize::MAX), 90_000..200_000_usize],
        rank_blocks in prop_oneof![Just(u32::MAX), 1..20_u32],
    ) {
        // A clone, as both copies are: what is left out at a bound may depend on the room that lists were made with.
        let mut plain = FleetIndex::with_config(IndexConfig::new().max_bytes(bytes).max_rank_blocks(rank_blocks)).clone();
        let shared = SharedIndex::from(&plain);
        let mut writers: Vec<RankWriter> = Vec::new();
        for step in steps {
            match step {
                Step::Join => {
                    writers.push(shared.join());
                    prop_assert_eq!(writers[writers.len() - 1].rank(), plain.join());
                }
                Step::Leave { of } if of < writers.len() => {
                    let writer = writers.swap_remove(of);
                    prop_assert_eq!(plain.leave(writer.rank()), Ok(()));
                    writer.leave();
                }
                Step::Reclaim { of } if of < writers.len() => {
                    let rank = writers[of].rank();
                    prop_assert_eq!(shared.writer(rank).err(), Some(ClaimError::Taken { rank: rank.index() }));
                    drop(writers.swap_remove(of));
                    writers.push(shared.writer(rank).expect("its writer is gone"));
                }
                Step::Changes { of, how: How::Single, changes } if of < writers.len() => {
                    let rank = writers[of].rank();
                    for change in changes.iter().map(Made::change) {
                        prop_assert_eq!(writers[of].apply(change), plain.apply(rank, change));
                    }
                }
                Step::Changes { of, how, changes } if of < writers.len() => {
                    let writer = &mut writers[of];
                    let rank = writer.rank();
                    let changes: Vec<_> = changes.iter().map(Made::change).collect();
                    let of_rank: Vec<_> = changes.iter().map(|&change| (rank, change)).collect();
                    let applied = match how {
                        How::Staged => {
                            changes.iter().for_each(|&change| writer.stage(change));
                            writer.publish()
                        }
                        _ => writer.apply_batch(&changes),
                    };
                    prop_assert_eq!(applied, plain.apply_batch(&of_rank));
                }
                Step::All { changes } if !writers.is_empty() => {
                    let of_writers: Vec<_> =
                        changes.iter().map(|(of, made)| (&writers[of % writers.len()], made.change())).collect();
                    let of_ranks: Vec<_> = of_writers.iter().map(|&(writer, change)| (writer.rank(), change)).collect();
                    prop_assert_eq!(shared.apply_batch(&of_writers), plain.apply_batch(&of_ranks));
                }
                _ => continue,
            }
            prop_assert_eq!(shared.read(answers), answers(&plain));
        }
        if let [writer, ..] = writers.as_mut_slice() {
            let one = shared.read(answers);
            turn(writer);
            prop_assert_eq!(shared.read(answers), one);
        }
    }
}

fn chain(first: u64, len: u64) -> Vec<BlockHash> {
    (first..first + len).map(BlockHash).collect()
}

fn stored(blocks: &[BlockHash]) -> Change<'_> {
    Change::Stored { layer: Layer::MAIN, parent: None, names: blocks, contents: blocks }
}

fn removed(blocks: &[BlockHash]) -> Change<'_> {
    Change::Removed { layer: Layer::MAIN, names: blocks }
}

fn held(index: &FleetIndex, contents: &[BlockHash], rank: RankId, overlap: &mut Overlap) -> u32 {
    index.overlap(contents, overlap);
    overlap.blocks_of(rank)
}

#[test]
fn readers_see_every_batch_whole_and_in_order() {
    const ROUNDS: u32 = 1000;
    let shared = SharedIndex::default();
    let mut writers = [shared.join(), shared.join()];
    let ranks = [writers[0].rank(), writers[1].rank()];
    // Each rank holds the even prompt or the odd one, whole, and a count of the rounds so far.
    let (even, odd, count) = (chain(0, 40), chain(100, 40), chain(1000, u64::from(ROUNDS)));
    for writer in &mut writers {
        assert_eq!(writer.apply(stored(&even)).expect("it has joined").stored, 40);
    }
    let told = [AtomicU32::new(0), AtomicU32::new(0)];
    std::thread::scope(|scope| {
        for (writer, told) in writers.iter_mut().zip(&told) {
            let (even, odd, count) = (&even, &odd, &count);
            scope.spawn(move || {
                for round in 0..ROUNDS as usize {
                    let (old, new) = if round % 2 == 0 { (even, odd) } else { (odd, even) };
                    let parent = round.checked_sub(1).map(|before| count[before]);
                    let next = &count[round..=round];
                    let counted = Change::Stored { layer: Layer::MAIN, parent, names: next, contents: next };
                    let applied = writer.apply_batch(&[removed(old), stored(new), counted]).expect("it has joined");
                    assert_eq!((applied.removed, applied.stored), (40, 41));
                    told.store(round as u32 + 1, Ordering::Release);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                let mut overlap = Overlap::new();
                let mut last = [0; 2];
                while last != [ROUNDS; 2] {
                    let at_least = [0, 1].map(|of| told[of].load(Ordering::Acquire));
                    let now = shared.read(|index| {
                        [0, 1].map(|of| {
                            let [even, odd, count] =
                                [&even, &odd, &count].map(|prompt| held(index, prompt, ranks[of], &mut overlap));
                            let expected = if count % 2 == 0 { [40, 0] } else { [0, 40] };
                            assert_eq!([even, odd], expected, "part of a batch is seen in round {count}");
                            count
                        })
                    });
                    for of in 0..2 {
                        assert!(now[of] >= last[of], "{now:?} after {last:?}");
                        assert!(now[of] >= at_least[of], "{now:?} when {at_least:?} was told");
                    }
                    last = now;
                }
            });
        }
    });
    let pairs = 2 * (40 + u64::from(ROUNDS));
    assert_eq!(shared.read(FleetIndex::pairs), pairs);
    turn(&mut writers[0]);
    assert_eq!(shared.read(FleetIndex::pairs), pairs, "the other copy");
}

/// Changes of a rank, each time the same for the same seed: a mixture over prompts that all ranks share.
fn script(seed: u64) -> Vec<Made> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..400)
        .map(|_| {
            let (prompt, from, len) = (draw(6), draw(4), draw(7));
            let (names, contents) = blocks(prompt, from, from + len);
            let parent = (from > 0).then(|| 10 * prompt + from - 1);
            match draw(20) {
                0 => Made::Cleared,
                1..10 => Made::Removed { tier: Tier::Gpu, names },
                _ => Made::Stored { tier: Tier::Gpu, parent, names, contents },
            }
        })
        .collect()
}

#[test]
fn writers_on_their_threads_leave_what_they_would_one_after_the_other() {
    let shared = SharedIndex::default();
    let mut plain = FleetIndex::new();
    let mut writers: Vec<RankWriter> = (0..4).map(|_| shared.join()).collect();
    for seed in 0..4 {
        let rank = plain.join();
        for made in script(seed) {
            let _ = plain.apply(rank, made.change()).expect("it has joined");
        }
    }
    std::thread::scope(|scope| {
        for (writer, seed) in writers.iter_mut().zip(0..) {
            scope.spawn(move || {
                for made in script(seed) {
                    let _ = writer.apply(made.change()).expect("it has joined");
                }
            });
        }
    });
    let (pairs, _, ranks, overlaps) = answers(&plain);
    for _ in 0..2 {
        let (also_pairs, _, also_ranks, also_overlaps) = shared.read(answers);
        assert_eq!((also_pairs, also_ranks, also_overlaps), (pairs, ranks.clone(), overlaps.clone()));
        turn(&mut writers[0]);
    }
}

#[test]
fn a_number_that_is_used_again_has_one_writer() {
    let shared = SharedIndex::default();
    let first = shared.join();
    let rank = first.rank();
    first.leave();
    assert_eq!(shared.writer(rank).err(), Some(ClaimError::UnknownRank { rank: 0 }));
    let again = shared.join();
    assert_eq!(again.rank(), rank);
    assert_eq!(shared.writer(rank).err(), Some(ClaimError::Taken { rank: 0 }));
    assert_eq!(again.index().clone().writer(rank).err(), Some(ClaimError::Taken { rank: 0 }));
}

#[test]
fn the_writer_of_another_index_is_refused() {
    let (shared, other) = (SharedIndex::default(), SharedIndex::default());
    let (ours, stranger) = (shared.join(), other.join());
    let block = chain(0, 1);
    let refused = shared.apply_batch(&[(&ours, stored(&block)), (&stranger, stored(&block))]);
    assert_eq!(refused, Err(IndexError::UnknownRank { rank: 0 }));
    assert_eq!((shared.read(FleetIndex::pairs), other.read(FleetIndex::pairs)), (0, 0));
}

#[test]
fn a_reader_with_a_clone_of_the_index_is_in_nobodys_way() {
    let shared = SharedIndex::default();
    let mut writer = shared.join();
    let blocks = chain(0, 8);
    let before = shared.read(FleetIndex::clone);
    for len in 1..=8 {
        let _ = writer.apply(stored(&blocks[..len])).expect("it has joined");
    }
    assert_eq!((before.pairs(), shared.read(FleetIndex::pairs)), (0, 8));
}
