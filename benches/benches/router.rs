//! One decision on a busy fleet: 64 and 1,024 endpoints, a prompt of 4,096 tokens, half of it cached at every eighth.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use phalanx_benches::RoutedFleet;
use phalanx_routing::Policy;

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("router/decide");
    for endpoints in [64, 1_024] {
        for policy in Policy::all() {
            let mut fleet = RoutedFleet::new(endpoints, *policy);
            group.bench_function(BenchmarkId::new(policy.name(), endpoints), |bencher| {
                bencher.iter(|| black_box(fleet.decide()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
