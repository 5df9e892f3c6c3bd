//! Ranks that are guessed at stand in one index with ranks that tell events, and are answered alike.

use proptest::prelude::*;

use super::properties::{cases, prompt};
use super::{at, blocks};
use crate::{Applied, ApproximateLedger, BlockHash, ChainHasher, Change, FleetIndex, Overlap, Pool, RankId};

/// Applies a change that does what it says, to the last block.
fn apply(index: &mut FleetIndex, rank: RankId, change: Change<'_>) {
    let done = index.apply(rank, change).expect("it joined");
    let said = match change {
        Change::Stored { names, .. } => Applied { stored: names.len() as u32, ..Applied::default() },
        Change::Removed { names, .. } => Applied { removed: names.len() as u32, ..Applied::default() },
        Change::Cleared => Applied::default(),
    };
    assert_eq!(done, said);
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn the_index_answers_what_ledgers_and_pools_hold(
        requests in prop::collection::vec((0usize..4, prompt(), 0u32..6, 0u32..40), 1..80),
    ) {
        let mut index = FleetIndex::new();
        let ranks: Vec<RankId> = (0..4).map(|_| index.join()).collect();
        let mut ledgers: Vec<_> = (0..3).map(|_| ApproximateLedger::new(14)).collect();
        let (mut pool, mut events) = (Pool::new(14), Vec::new());
        let mut overlap = Overlap::new();
        for (second, (to, prompt, cached, rare)) in (0..).zip(requests) {
            let (rank, now) = (ranks[to], at(second));
            // The pool speaks of chained hashes, so all do.
            let contents = ChainHasher::chain_ids(&prompt);
            if to == 3 {
                if let Ok(mut sequence) = pool.allocate(&contents, contents.len() as u32, &mut events) {
                    let reused = sequence.reused_blocks() as usize;
                    pool.seal(&mut sequence, &contents[reused..], &mut events).expect("as many as blocks");
                    pool.free(sequence);
                }
                for event in events.drain(..) {
                    apply(&mut index, rank, Change::from(&event));
                }
            } else {
                let ledger = &mut ledgers[to];
                let expected = ledger.learn(&contents, now, |change| apply(&mut index, rank, change));
                match rare {
                    0 => ledger.clear(|change| apply(&mut index, rank, change)),
                    1 => ledger.retract(&expected, &contents, |change| apply(&mut index, rank, change)),
                    2 => ledger.replay(|change| apply(&mut index, rank, change)),
                    3..20 => ledger.report(&expected, &contents, cached, now, |change| apply(&mut index, rank, change)),
                    _ => {}
                }
            }
            index.overlap(&contents, &mut overlap);
            for (&rank, ledger) in ranks.iter().zip(&ledgers) {
                prop_assert_eq!(overlap.blocks_of(rank), ledger.match_prefix(&contents));
                prop_assert_eq!(index.blocks_of(rank), ledger.blocks());
            }
            prop_assert_eq!(overlap.blocks_of(ranks[3]), pool.match_prefix(&contents));
        }
    }
}

#[test]
fn an_index_that_was_full_is_told_again() {
    let mut index = FleetIndex::with_config(crate::IndexConfig::new().max_rank_blocks(3));
    let rank = index.join();
    let mut ledger = ApproximateLedger::new(100);
    let prompt: Vec<BlockHash> = blocks(&[1, 2, 3, 4, 5]);
    let mut left_out = 0;
    ledger.learn(&prompt, at(1), |change| left_out += index.apply(rank, change).expect("it joined").left_out);
    assert_eq!(left_out, 2);

    let mut larger = FleetIndex::new();
    let rank = larger.join();
    ledger.replay(|change| apply(&mut larger, rank, change));
    assert_eq!(larger.blocks_of(rank), 5);
}

#[test]
fn a_new_gateway_starts_warm() {
    let (mut index, mut ledger) = (FleetIndex::new(), ApproximateLedger::new(100));
    let rank = index.join();
    for prompt in [&[1, 2, 3][..], &[1, 2, 4, 5], &[7]] {
        ledger.learn(&blocks(prompt), at(1), |change| apply(&mut index, rank, change));
    }
    let mut bytes = Vec::new();
    index.snapshot(|_| [], &mut bytes);

    let mut restored = FleetIndex::restore(&bytes, crate::IndexConfig::new()).expect("our own bytes").index;
    assert_eq!(restored.blocks_of(rank), 6, "all that was believed, and nobody takes it away");
    restored.clear(rank).expect("it joined");
    let mut heir = ApproximateLedger::new(100);
    ledger.prompts(|prompt| {
        heir.learn(prompt, at(2), |change| apply(&mut restored, rank, change));
    });
    assert_eq!((restored.blocks_of(rank), heir.blocks()), (6, 6));
    heir.set_capacity(1, |change| apply(&mut restored, rank, change));
    assert_eq!((restored.blocks_of(rank), heir.match_prefix(&blocks(&[7]))), (1, 1), "used last");
}
