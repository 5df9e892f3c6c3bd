//! One decision on a busy fleet: 64, 1,024 and 10,000 endpoints, a prompt of 4,096 tokens, half of it cached at every eighth.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use phalanx_benches::RoutedFleet;
use phalanx_routing::Policy;

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("router/decide");
    for endpoints in [64, 1_024, 10_000] {
        for policy in Policy::presets() {
            let mut fleet = RoutedFleet::new(endpoints, policy.clone());
            group.bench_function(BenchmarkId::new(policy.name(), endpoints), |bencher| {
                bencher.iter(|| black_box(fleet.decide()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
