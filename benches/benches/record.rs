//! What it takes to write decisions down: one decision and its end, with and without a log, on 64 and 10,000 endpoints of
//! which 8 and 64 hold half of the prompt. A mebibyte of the log is taken away at a time.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use phalanx_benches::RoutedFleet;
use phalanx_routing::Policy;

fn record(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record/decide");
    for (endpoints, holders) in [(64, 8), (10_000, 64)] {
        let fleets = [
            ("off", RoutedFleet::new(endpoints, Policy::phalanx())),
            ("on", RoutedFleet::recording(endpoints, Policy::phalanx())),
        ];
        for (name, fleet) in fleets {
            let mut fleet = fleet.with_holders(holders);
            group.bench_function(BenchmarkId::new(name, endpoints), |bencher| {
                bencher.iter(|| black_box(fleet.decide()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, record);
criterion_main!(benches);
