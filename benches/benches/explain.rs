//! Why a request goes where it goes: every candidate of 1,000 and of 10,000 endpoints with its parts, a prompt of 4,096
//! tokens, half of it cached at every eighth; all signals are known.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use phalanx_benches::RoutedFleet;
use phalanx_routing::Policy;

fn explain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("explain/all");
    for endpoints in [1_000, 10_000] {
        for policy in [Policy::phalanx(), Policy::llm_d(), Policy::kthena(), Policy::dynamo(), Policy::lmetric()] {
            let fleet = RoutedFleet::with_signals(endpoints, policy.clone());
            group.bench_function(BenchmarkId::new(policy.name(), endpoints), |bencher| {
                bencher.iter(|| black_box(fleet.explain()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, explain);
criterion_main!(benches);
