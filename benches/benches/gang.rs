//! Where 16 pods of 8 devices go on 1,024 nodes: anywhere in a rack of an empty cluster, in a block of one where most
//! nodes are half taken, and nowhere in a rack of that one.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use phalanx_benches::Cluster;

fn plan(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gang/plan 16x8 on 1024 nodes");
    let (empty, busy) = (Cluster::empty(), Cluster::busy());
    for (name, cluster, level) in
        [("empty, rack", &empty, "rack"), ("busy, block", &busy, "block"), ("busy, rack, rejected", &busy, "rack")]
    {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(cluster).plan(16, level));
        });
    }
    group.finish();
}

criterion_group!(benches, plan);
criterion_main!(benches);
