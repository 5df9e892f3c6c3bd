//! What sharing an index costs: the same questions and changes to a bare one and to a shared one, of 64 ranks, 1,024
//! conversations held twice, prompts of 256 blocks of 16 tokens.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

use criterion::{Bencher, Criterion, Throughput, criterion_group, criterion_main};
use phalanx_benches::Prefixes;
use phalanx_kvcache::{BlockHash, Change, FleetIndex, Layer, Overlap, RankId, RankWriter, SharedIndex};

/// Blocks at the end of a prompt that a change removes, and the next one stores again.
const TAIL: usize = 32;

/// Asks for one prompt after the other.
fn ask(bencher: &mut Bencher<'_>, prompts: &[Vec<BlockHash>], overlap: impl Fn(&[BlockHash], &mut Overlap)) {
    let (mut prompts, mut out) = (prompts.iter().cycle(), Overlap::new());
    bencher.iter(|| {
        overlap(prompts.next().expect("the cycle goes on"), &mut out);
        black_box(out.is_empty())
    });
}

/// The conversations of a rank, for changes that remove the tails of all and store them again.
fn held_by(index: &FleetIndex, prompts: &[Vec<BlockHash>], rank: RankId) -> Vec<Vec<BlockHash>> {
    let mut overlap = Overlap::new();
    let holds = |prompt: &&Vec<BlockHash>| {
        index.overlap(prompt, &mut overlap);
        overlap.blocks_of(rank) as usize == prompt.len()
    };
    prompts.iter().filter(holds).cloned().collect()
}

/// The endless changes: each removes a tail, or stores it again.
fn churn(prompts: &[Vec<BlockHash>]) -> impl Iterator<Item = Change<'_>> {
    let tails = prompts.iter().map(|prompt| prompt.split_at(prompt.len() - TAIL));
    let both = tails.flat_map(|(head, tail)| {
        let stored = Change::Stored { layer: Layer::MAIN, parent: head.last().copied(), names: tail, contents: tail };
        [Change::Removed { layer: Layer::MAIN, names: tail }, stored]
    });
    both.collect::<Vec<_>>().into_iter().cycle()
}

fn write(writer: &mut RankWriter, change: Change<'_>) {
    black_box(writer.apply(change).expect("the rank has joined").stored);
}

fn reads(criterion: &mut Criterion) {
    let prefixes = Prefixes::new(64);
    let (bare, prompts) = (prefixes.index(), prefixes.prompts());
    let shared = SharedIndex::from(bare);
    let rank = RankId::default();

    let mut group = criterion.benchmark_group("shared/number");
    group.bench_function("bare", |bencher| bencher.iter(|| black_box(bare).pairs()));
    group.bench_function("shared", |bencher| bencher.iter(|| black_box(&shared).read(FleetIndex::pairs)));
    group.finish();

    let mut group = criterion.benchmark_group("shared/overlap");
    group.bench_function("bare", |bencher| ask(bencher, prompts, |prompt, out| bare.overlap(prompt, out)));
    group.bench_function("shared", |bencher| ask(bencher, prompts, |prompt, out| shared.overlap(prompt, out)));
    let (tails, done) = (held_by(bare, prompts, rank), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = shared.writer(rank).expect("nobody has it");
            for change in churn(&tails) {
                write(&mut writer, change);
                if done.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        group.bench_function("beside a writer without pause", |bencher| {
            ask(bencher, prompts, |prompt, out| shared.overlap(prompt, out));
        });
        done.store(true, Ordering::Relaxed);
    });
    group.finish();
}

fn writes(criterion: &mut Criterion) {
    let prefixes = Prefixes::new(64);
    let mut bare = prefixes.index().clone();
    let shared = SharedIndex::from(&bare);
    let rank = RankId::default();
    let tails = held_by(&bare, prefixes.prompts(), rank);
    let mut group = criterion.benchmark_group("shared/change of 32 blocks");
    group.throughput(Throughput::Elements(TAIL as u64));
    group.bench_function("bare", |bencher| {
        let mut changes = churn(&tails);
        bencher.iter(|| bare.apply(rank, changes.next().expect("the cycle goes on")).expect("the rank has joined"));
    });
    group.bench_function("shared", |bencher| {
        let mut writer = shared.writer(rank).expect("nobody has it");
        let mut changes = churn(&tails);
        bencher.iter(|| write(&mut writer, changes.next().expect("the cycle goes on")));
    });
    group.finish();
}

criterion_group!(benches, reads, writes);
criterion_main!(benches);
