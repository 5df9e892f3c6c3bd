//! What reports change, case by case.

use super::{at, blocks};
use crate::{ApproximateConfig, ApproximateLedger, BlockHash};

/// A ledger that has served these prompts one after another, with reports that agree.
fn served(capacity: u32, prompts: &[&[u64]]) -> ApproximateLedger {
    let mut ledger = ApproximateLedger::new(capacity);
    for prompt in prompts {
        serve(&mut ledger, prompt, None);
    }
    ledger
}

/// One request, answered before the next one. Unless it says otherwise, the report agrees with the belief.
fn serve(ledger: &mut ApproximateLedger, prompt: &[u64], cached: Option<u32>) {
    let expected = ledger.learn(&blocks(prompt), at(1), |_| {});
    let cached = cached.unwrap_or(expected.believed_blocks());
    ledger.report(&expected, &blocks(prompt), cached, at(1), |_| {});
}

fn matches(ledger: &ApproximateLedger, prompts: &[&[u64]]) -> Vec<u32> {
    prompts.iter().map(|prompt| ledger.match_prefix(&blocks(prompt))).collect()
}

#[test]
fn a_block_that_was_dropped_takes_along_what_was_used_no_later() {
    let prompts: [&[u64]; 4] = [&[1, 2, 3], &[1, 2, 4], &[7, 8], &[9]];
    let mut ledger = served(100, &prompts);
    // The second block was dropped: used last with [1, 2, 4]. The first one was not.
    serve(&mut ledger, &[1, 2, 5, 6], Some(1));
    assert_eq!(matches(&ledger, &prompts), [2, 2, 2, 1], "3 and 4 are gone, the later prompts stay");
    assert_eq!(matches(&ledger, &[&[1, 2, 5, 6]]), [4], "computed by the request itself");
}

#[test]
fn a_block_of_a_request_under_way_says_nothing() {
    let mut ledger = served(100, &[&[7, 8]]);
    let first = ledger.learn(&blocks(&[1, 2, 3]), at(2), |_| {});
    let second = ledger.learn(&blocks(&[1, 2, 4]), at(3), |_| {});
    assert_eq!(second.believed_blocks(), 2);
    // The second was computed before the first was: nothing was there yet, and nothing was dropped either.
    ledger.report(&second, &blocks(&[1, 2, 4]), 0, at(4), |_| {});
    ledger.report(&first, &blocks(&[1, 2, 3]), 0, at(5), |_| {});
    assert_eq!(matches(&ledger, &[&[1, 2, 3], &[1, 2, 4], &[7, 8]]), [3, 3, 2]);
    assert_eq!(ledger.assumed_blocks(), 100);
    assert_eq!(ledger.accuracy().precision(), Some(0.0), "the belief was wrong all the same");
}

#[test]
fn the_last_block_of_a_prompt_is_computed_in_any_case() {
    let mut ledger = served(100, &[&[1, 2, 3], &[9]]);
    serve(&mut ledger, &[1, 2, 3], Some(2));
    assert_eq!(ledger.assumed_blocks(), 100);
    assert_eq!(ledger.accuracy().precision(), Some(1.0));
    serve(&mut ledger, &[1, 2], Some(1));
    serve(&mut ledger, &[1, 2, 3], Some(1));
    assert!(ledger.assumed_blocks() < 100, "two of three are missing");
}

#[test]
fn the_assumed_capacity_goes_half_the_way_to_what_was_observed() {
    let mut ledger = served(160, &[&[1], &[1, 2, 3, 4]]);
    let others: Vec<u64> = (100..136).collect();
    for other in &others {
        serve(&mut ledger, &[*other], None);
    }
    // Of 40 blocks, the 36 later ones were enough to push out the first.
    serve(&mut ledger, &[1, 2, 3, 4, 5], Some(0));
    assert_eq!(ledger.assumed_blocks(), 36 + (160 - 36) / 2);
    assert_eq!(ledger.blocks(), 36 + 5);
}

#[test]
fn the_assumed_capacity_stays_within_its_bounds() {
    let mut ledger = served(160, &[&[1], &[1, 2, 3, 4]]);
    for round in 0..50 {
        serve(&mut ledger, &[1, 2, 3, 4], Some(0));
        assert!(ledger.assumed_blocks() >= 10, "round {round}");
    }
    assert_eq!(ledger.assumed_blocks(), 10, "a sixteenth");
    for round in 0..2000 {
        // What fell out is found again, each time.
        serve(&mut ledger, &[100 + round % 20, 0, 0], Some(3));
        assert!(ledger.assumed_blocks() <= 160);
    }
    assert!(ledger.assumed_blocks() >= 60, "all of what is asked for is kept now: {}", ledger.assumed_blocks());
}

#[test]
fn it_grows_only_where_room_was_missing() {
    let mut ledger = served(64, &[]);
    let elsewhere: [u64; 6] = [1, 2, 3, 4, 5, 6];
    serve(&mut ledger, &[1, 2, 3], None);
    serve(&mut ledger, &[1, 2, 3], Some(0)); // shrinks
    let assumed = ledger.assumed_blocks();
    serve(&mut ledger, &elsewhere, Some(6)); // another gateway's request was there before
    assert_eq!(ledger.assumed_blocks(), assumed);
}

#[test]
fn without_adapting_only_the_contents_are_corrected() {
    let mut ledger = ApproximateLedger::with_config(100, ApproximateConfig::new().adapting(false));
    for prompt in [[1, 2, 3], [1, 2, 4]] {
        serve(&mut ledger, &prompt, None);
    }
    serve(&mut ledger, &[1, 2, 5], Some(0));
    assert_eq!(matches(&ledger, &[&[1, 2, 3], &[1, 2, 4], &[1, 2, 5]]), [2, 2, 3]);
    assert_eq!(ledger.assumed_blocks(), 100);
}

#[test]
fn what_was_generated_is_there_for_the_next_turn() {
    let mut ledger = ApproximateLedger::new(100);
    let expected = ledger.learn(&blocks(&[1, 2]), at(1), |_| {});
    ledger.report(&expected, &blocks(&[1, 2, 3]), 0, at(2), |_| {});
    assert_eq!(matches(&ledger, &[&[1, 2, 3, 4]]), [3]);
}

#[test]
fn a_report_from_before_a_restart_is_ignored() {
    let mut ledger = served(100, &[&[1, 2]]);
    let expected = ledger.learn(&blocks(&[1, 2]), at(1), |_| {});
    ledger.clear(|_| {});
    let before = ledger.accuracy();
    ledger.report(&expected, &blocks(&[1, 2]), 2, at(2), |_| panic!("nothing changes"));
    assert_eq!((ledger.blocks(), ledger.accuracy()), (0, before));
    serve(&mut ledger, &[1, 2], None);
    assert_eq!(ledger.blocks(), 2);
}

#[test]
fn a_failed_request_leaves_what_others_spoke_for() {
    let mut ledger = served(100, &[&[1, 2]]);
    let first = ledger.learn(&blocks(&[1, 2, 3, 4]), at(2), |_| {});
    let second = ledger.learn(&blocks(&[1, 2, 3, 5]), at(3), |_| {});
    ledger.retract(&first, &blocks(&[1, 2, 3, 4]), |_| {});
    assert_eq!(matches(&ledger, &[&[1, 2, 3, 4], &[1, 2, 3, 5]]), [3, 4], "3 is on its way with the second");
    ledger.retract(&second, &blocks(&[1, 2, 3, 5]), |_| {});
    assert_eq!(matches(&ledger, &[&[1, 2, 3, 5]]), [3]);
    ledger.retract(&second, &blocks(&[1, 2, 3, 5]), |_| panic!("once is enough"));
}

#[test]
fn a_report_beyond_the_prompt_counts_as_the_prompt() {
    let mut ledger = served(100, &[&[1, 2]]);
    serve(&mut ledger, &[1, 2], Some(u32::MAX));
    assert_eq!(ledger.accuracy().cached, 2);
    serve(&mut ledger, &[], Some(7));
    assert_eq!(ledger.accuracy().cached, 2);
}

#[test]
fn a_capacity_of_nothing_believes_nothing() {
    let mut ledger = served(0, &[&[1, 2]]);
    assert_eq!((ledger.blocks(), ledger.assumed_blocks()), (0, 0));
    ledger.set_capacity(5, |_| {});
    serve(&mut ledger, &[1, 2], None);
    assert_eq!(ledger.blocks(), 2);
}

#[test]
fn names_are_the_chain() {
    let mut ledger = ApproximateLedger::new(600);
    let ids: Vec<u64> = (5..600).collect();
    let mut names: Vec<BlockHash> = Vec::new();
    ledger.learn(&blocks(&ids), at(1), |change| {
        let crate::Change::Stored { parent, names: told, .. } = change else { panic!("nothing goes") };
        assert_eq!(parent, names.last().copied());
        names.extend(told);
    });
    assert_eq!(names, crate::ChainHasher::chain_ids(&ids));
}

#[test]
fn an_engine_that_never_hit_may_not_report() {
    let mut ledger = served(100, &[&[1, 2, 3], &[7]]);
    for _ in 0..3 {
        serve(&mut ledger, &[1, 2, 4], Some(0));
    }
    assert_eq!(matches(&ledger, &[&[1, 2, 3], &[7]]), [3, 1]);
    assert_eq!(ledger.assumed_blocks(), 100);
}

#[test]
fn less_than_a_step_may_not_be_missing() {
    let long: Vec<u64> = (1..=12).collect();
    let mut ledger = served(100, &[&[7], &long]);
    serve(&mut ledger, &[&long[..9], &[90, 91]].concat(), Some(8)); // nine are there, and two steps of four are reused
    serve(&mut ledger, &[&long[..7], &[92, 93]].concat(), Some(4));
    assert_eq!(matches(&ledger, &[&[7], &long]), [1, 12]);
    serve(&mut ledger, &[&long[..9], &[94, 95]].concat(), Some(4)); // a whole step is missing
    assert_eq!(matches(&ledger, &[&long, &[7]]), [9, 0], "10 and what followed were dropped with it");
}

#[test]
fn an_engine_that_keeps_old_blocks_loses_the_right_to_take_them_along() {
    let mut ledger = served(100, &[&[1], &[1, 2], &[7, 8, 9]]);
    // Blocks that nobody believed in are there, several times.
    for n in 0..3 {
        serve(&mut ledger, &[20 + n, 0, 0, 0], Some(3));
    }
    serve(&mut ledger, &[1, 2, 3, 4], Some(1));
    assert_eq!(matches(&ledger, &[&[7, 8, 9]]), [3], "a miss says nothing about older blocks");
    for n in 0..9 {
        serve(&mut ledger, &[1, 2, 50 + n], Some(1));
    }
    assert_eq!(matches(&ledger, &[&[7, 8, 9]]), [0], "the errors are even again");
}
