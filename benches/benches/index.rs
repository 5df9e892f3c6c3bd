//! Who holds how much of a prompt: 64 ranks, 1,024 conversations held twice, prompts of 256 blocks of 16 tokens. And the
//! index as bytes: 1.5 million blocks of 30,000 conversations, each behind one of 64 system prompts and held by two of
//! 64 ranks.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use phalanx_benches::Prefixes;
use phalanx_kvcache::{BlockHash, BlockSize, ChainHasher, Change, FleetIndex, IndexConfig, Layer};

fn overlap(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("index/overlap");
    let mut prefixes = Prefixes::new(64);
    group.bench_function(BenchmarkId::from_parameter("64 ranks"), |bencher| {
        bencher.iter(|| black_box(prefixes.look_up()));
    });
    group.finish();
}

fn hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("index/hash");
    let hasher = ChainHasher::new(BlockSize::new(16).expect("a block size in range"));
    let tokens: Vec<u32> = (0..4_096).collect();
    group.throughput(Throughput::Elements(4_096));
    group.bench_function(BenchmarkId::from_parameter("4096 tokens"), |bencher| {
        bencher.iter(|| hasher.hash_tokens(black_box(&tokens)));
    });
    group.finish();
}

/// Conversations of 50 blocks, each behind 32 blocks that others share; told as engines do, each block once.
fn conversations() -> FleetIndex {
    let mut index = FleetIndex::new();
    let ranks: Vec<_> = (0..64).map(|_| index.join()).collect();
    let hash = |word: u64| BlockHash((word + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
    let mut store = |rank: u64, parent: Option<BlockHash>, from: u64, blocks: u64| {
        let contents: Vec<BlockHash> = (from..from + blocks).map(hash).collect();
        let names: Vec<BlockHash> = contents.iter().map(|&BlockHash(content)| BlockHash(!content)).collect();
        let stored = Change::Stored { layer: Layer::MAIN, parent, names: &names, contents: &contents };
        let _ = index.apply(ranks[rank as usize], stored).expect("it has joined");
    };
    for rank in 0..64 {
        (0..64).for_each(|system| store(rank, None, system * 32, 32));
    }
    for conversation in 0..30_000 {
        let BlockHash(parent) = hash(conversation % 64 * 32 + 31);
        let first = conversation / 64 % 64;
        for rank in [first, (first + 1 + conversation % 63) % 64] {
            store(rank, Some(BlockHash(!parent)), (1 << 20) + (conversation << 32), 50);
        }
    }
    index
}

fn snapshot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("index/snapshot");
    group.sample_size(10);
    let index = conversations();
    group.throughput(Throughput::Elements(index.blocks()));
    let mut bytes = Vec::new();
    group.bench_function("write", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            black_box(&index).snapshot(|_| "pod", &mut bytes);
        });
    });
    group.bench_function("restore", |bencher| {
        bencher.iter_with_large_drop(|| FleetIndex::restore(black_box(&bytes), IndexConfig::new()));
    });
    group.finish();
}

criterion_group!(benches, overlap, hash, snapshot);
criterion_main!(benches);
