//! A prompt of 16,384 tokens to hashes: the blocks' contents, their chain, and both in one pass.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use phalanx_kvcache::{BlockSize, ChainHasher};

const TOKENS: u32 = 16_384;

fn hashing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hashing");
    let tokens: Vec<u32> = (0..TOKENS).map(|at| at.wrapping_mul(2_654_435_761) >> 15).collect();
    group.throughput(Throughput::Elements(TOKENS.into()));
    for size in [16, 64, 256] {
        let hasher = ChainHasher::new(BlockSize::new(size).expect("a block size in range"));
        let (mut contents, mut chain) = (Vec::new(), Vec::new());
        group.bench_function(BenchmarkId::new("contents", size), |bencher| {
            bencher.iter(|| hasher.contents_into(black_box(&tokens), black_box(&mut contents)));
        });
        group.bench_function(BenchmarkId::new("chain", size), |bencher| {
            bencher.iter(|| hasher.hash_tokens_into(black_box(&tokens), black_box(&mut chain)));
        });
        group.bench_function(BenchmarkId::new("contents and chain", size), |bencher| {
            bencher.iter(|| {
                hasher.contents_and_chain_into(black_box(&tokens), black_box(&mut contents), black_box(&mut chain));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, hashing);
criterion_main!(benches);
