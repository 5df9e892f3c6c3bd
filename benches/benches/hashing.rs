//! A prompt of 16,384 tokens to hashes: the blocks' contents, their chain, both in one pass, and engines' own names.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use phalanx_kvcache::{BlockSize, ChainHasher, SglangHasher, VllmAlgorithm, VllmHasher, VllmKeys};

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
    for size in [16, 64] {
        let size = BlockSize::new(size).expect("a block size in range");
        for algorithm in [VllmAlgorithm::Sha256, VllmAlgorithm::Sha256Cbor, VllmAlgorithm::XxhashCbor] {
            let hasher = VllmHasher::new(size, algorithm, VllmHasher::DEFAULT_SEED);
            let mut digests = Vec::new();
            group.bench_function(BenchmarkId::new(format!("vLLM {algorithm:?}"), size), |bencher| {
                bencher.iter(|| hasher.digests_into(black_box(&tokens), &VllmKeys::new(), black_box(&mut digests)));
            });
        }
        let hasher = SglangHasher::new(size);
        let mut digests = Vec::new();
        group.bench_function(BenchmarkId::new("SGLang", size), |bencher| {
            bencher.iter(|| hasher.digests_into(black_box(&tokens), black_box(&mut digests)));
        });
    }
    group.finish();
}

criterion_group!(benches, hashing);
criterion_main!(benches);
