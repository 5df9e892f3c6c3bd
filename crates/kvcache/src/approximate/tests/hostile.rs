//! Prompts without end leave the ledger within its bound.

use super::at;
use crate::{ApproximateConfig, ApproximateLedger, BlockHash};

fn bound(ledger: &ApproximateLedger) -> usize {
    ApproximateLedger::BASE_BYTES + ApproximateLedger::ENTRY_BYTES * ledger.capacity_blocks() as usize
}

#[test]
fn invariant_10_a_flood_of_distinct_prompts_stays_within_the_bound() {
    for capacity in [0, 1, 7, 100, 333, 1000, 2000, 4096, 9999, 30_000] {
        let mut ledger = ApproximateLedger::new(capacity);
        let mut block = 0u64;
        for round in 0..3000u64 {
            let len = round % 50;
            let prompt: Vec<_> =
                (block..block + len).map(|n| BlockHash(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
            block += len;
            ledger.learn(&prompt, at(round), |_| {});
            assert!(ledger.blocks() <= capacity);
            assert!(ledger.bytes() <= bound(&ledger), "{} bytes for {capacity} blocks", ledger.bytes());
        }
        assert!(ledger.bytes() > ledger.blocks() as usize * 40, "the bound is not far from what is used");
    }
}

#[test]
fn a_prompt_longer_than_the_rank_is_kept_from_its_start() {
    let mut ledger = ApproximateLedger::new(1000);
    let prompt: Vec<_> = (0..100_000).map(BlockHash).collect();
    let expected = ledger.learn(&prompt, at(1), |_| {});
    ledger.report(&expected, &prompt, 0, at(2), |_| {});
    assert_eq!((ledger.blocks(), ledger.match_prefix(&prompt)), (1000, 1000));
    assert!(ledger.bytes() <= bound(&ledger));
}

#[test]
fn a_flood_in_one_moment_and_at_the_end_of_time() {
    let mut ledger = ApproximateLedger::with_config(50, ApproximateConfig::new().ttl(at(1)));
    for now in [core::time::Duration::ZERO, core::time::Duration::MAX] {
        for n in 0..500 {
            let prompt = [1, n, n].map(BlockHash);
            let expected = ledger.learn(&prompt, now, |_| {});
            ledger.report(&expected, &prompt, (n % 4) as u32, now, |_| {});
            assert!(ledger.blocks() <= 50);
        }
        ledger.handle_timeout(now, |_| {});
    }
    assert_eq!(ledger.next_timeout(), None, "no moment is later");
}

#[test]
fn memory_comes_back_after_a_clear() {
    let mut ledger = ApproximateLedger::new(100_000);
    let prompt: Vec<_> = (0..100_000).map(BlockHash).collect();
    ledger.learn(&prompt, at(1), |_| {});
    assert!(ledger.bytes() > 4_000_000);
    ledger.clear(|_| {});
    assert!(ledger.bytes() <= ApproximateLedger::BASE_BYTES);
}
