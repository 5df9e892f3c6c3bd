//! Who holds how much of a prompt: 64 ranks, 1,024 conversations held twice, prompts of 256 blocks of 16 tokens.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use phalanx_benches::Prefixes;
use phalanx_kvcache::{BlockSize, ChainHasher};

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

criterion_group!(benches, overlap, hash);
criterion_main!(benches);
