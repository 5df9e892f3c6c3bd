//! An approximate ledger of 60,000 blocks, full: prompts of 875 blocks (14,000 tokens in blocks of 16) that are known, and
//! such as push out others; with the blocks told to nobody, and to an index.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use phalanx_kvcache::{ApproximateLedger, BlockHash, FleetIndex};

const CAPACITY: u32 = 60_000;
const BLOCKS: u64 = 875;

/// A conversation: the first 128 blocks are everyone's.
fn prompt(number: u64) -> Vec<BlockHash> {
    let content = |at: u64| if at < 128 { at } else { (number * BLOCKS + at).wrapping_mul(0x9e37_79b9_7f4a_7c15) };
    (0..BLOCKS).map(content).map(BlockHash).collect()
}

fn guessing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("guessing");
    group.throughput(Throughput::Elements(BLOCKS));
    let prompts: Vec<_> = (0..400).map(prompt).collect();
    let full = || {
        let mut ledger = ApproximateLedger::new(CAPACITY);
        for prompt in &prompts[..100] {
            ledger.learn(prompt, Duration::ZERO, |_| {});
        }
        ledger
    };
    let now = Duration::from_secs(1);

    let (mut ledger, mut at) = (full(), 0);
    group.bench_function("learn known", |bencher| {
        bencher.iter(|| {
            at = (at + 1) % 60;
            ledger.learn(black_box(&prompts[40 + at]), now, |change| _ = black_box(change))
        });
    });
    group.bench_function("learn and report", |bencher| {
        bencher.iter(|| {
            at = (at + 1) % 60;
            let prompt = &prompts[40 + at];
            let expected = ledger.learn(black_box(prompt), now, |_| {});
            ledger.report(&expected, prompt, expected.believed_blocks(), now, |_| {});
        });
    });
    group.bench_function("match", |bencher| {
        bencher.iter(|| {
            at = (at + 1) % 60;
            ledger.match_prefix(black_box(&prompts[40 + at]))
        });
    });
    let mut ledger = full();
    group.bench_function("learn new, others go", |bencher| {
        bencher.iter(|| {
            at = (at + 1) % 400;
            ledger.learn(black_box(&prompts[at]), now, |change| _ = black_box(change))
        });
    });
    let (mut ledger, mut index) = (ApproximateLedger::new(CAPACITY), FleetIndex::new());
    let rank = index.join();
    group.bench_function("learn new, others go, into an index", |bencher| {
        bencher.iter(|| {
            at = (at + 1) % 400;
            ledger.learn(black_box(&prompts[at]), now, |change| _ = black_box(index.apply(rank, change)))
        });
    });
    group.finish();
}

criterion_group!(benches, guessing);
criterion_main!(benches);
