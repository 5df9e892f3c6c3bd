//! A thousand requests through one engine on virtual time: prompts of 2,048 tokens, half of each shared by ten, and 128
//! tokens of answer, one every 150 ms.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use phalanx_benches::Arrivals;

fn run(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine/run");
    let arrivals = Arrivals::new(1_000);
    group.sample_size(20).throughput(Throughput::Elements(1_000));
    group.bench_function(BenchmarkId::from_parameter("1000 requests"), |bencher| {
        bencher.iter(|| black_box(&arrivals).run());
    });
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
