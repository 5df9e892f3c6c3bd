//! One decision for prefill and decode: 100 to 100,000 endpoints of each, in 50 domains, a prompt of 4,096 tokens, half of
//! it cached at every 32nd endpoint, or at 64 of each pool; idle and busy; joint, and in the other orders. And groups of
//! one endpoint of each.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use phalanx_benches::{Business, PairedFleet};
use phalanx_routing::{Local, PairOrder};

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pair/decide");
    for endpoints in [100, 2_000, 10_000, 100_000] {
        let cases = [
            ("joint-idle", PairOrder::Joint, Local::NEVER, Business::Idle),
            ("joint-busy", PairOrder::Joint, Local::NEVER, Business::Busy),
            ("joint-or-local-busy", PairOrder::Joint, Local::WHEN_CHEAPER, Business::Busy),
            ("decode-first-busy", PairOrder::DecodeFirst, Local::NEVER, Business::Busy),
            ("walk-5-busy", PairOrder::Walk { decodes: 5 }, Local::NEVER, Business::Busy),
        ];
        for (name, order, local, business) in cases {
            let mut fleet = PairedFleet::new(endpoints, 50, order, local, business);
            group.bench_function(BenchmarkId::new(name, endpoints), |bencher| {
                bencher.iter(|| black_box(fleet.decide()));
            });
        }
    }
    for groups in [1_000, 10_000] {
        for (name, business) in [("groups-idle", Business::Idle), ("groups-busy", Business::Busy)] {
            let mut fleet = PairedFleet::in_groups(groups, PairOrder::Joint, Local::NEVER, business);
            group.bench_function(BenchmarkId::new(name, groups), |bencher| {
                bencher.iter(|| black_box(fleet.decide()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
