//! The ledger of 12,500 nodes with eight devices each (racks of 64, 16 racks a block) while 16 shapes are warm: 128 nodes at
//! random taken and given back, a new shape, a fork, and a whole column read.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use phalanx_benches::Ledger;
use phalanx_topology::Demand;

fn change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("topology_index/128 nodes, 16 shapes");
    let mut ledger = Ledger::default();
    let sets: Vec<_> = (0..64).map(|_| ledger.nodes(128)).collect();
    let mut sets = sets.iter().cycle();
    group.bench_function("reserve, commit and release", |bencher| {
        bencher.iter(|| {
            let receipt = ledger.commit(sets.next().expect("the sets go round"));
            ledger.inventory.release(receipt).expect("the receipt is of this ledger");
        });
    });
    group.bench_function("reserve and roll back", |bencher| {
        bencher.iter(|| ledger.roll_back(sets.next().expect("the sets go round")));
    });
    group.finish();
}

fn warm(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("topology_index/warm");
    let mut ledger = Ledger::default();
    // One shape at a time, so that each is new.
    ledger.inventory.set_index_limit(1);
    let mut resources = ledger.pod().resources().to_vec();
    let mut devices = 0;
    group.bench_function("devices", |bencher| {
        bencher.iter(|| {
            devices = devices % 8 + 1;
            ledger.inventory.warm(&Demand::devices(devices));
        });
    });
    group.bench_function("devices, cores and memory", |bencher| {
        bencher.iter(|| {
            devices = devices % 8 + 1;
            resources.iter_mut().for_each(|(_, amount)| *amount += 1);
            let demand = Demand::devices(devices);
            let demand = resources.iter().fold(demand, |demand, &(resource, amount)| demand.with(resource, amount));
            ledger.inventory.warm(&demand);
        });
    });
    group.finish();
}

fn fork(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("topology_index/fork");
    let mut ledger = Ledger::default();
    let nodes = ledger.nodes(128);
    group.bench_function("alone", |bencher| bencher.iter(|| black_box(&ledger.inventory).fork()));
    group.bench_function("first commit", |bencher| {
        let fork = || ledger.inventory.fork();
        bencher.iter_batched_ref(
            fork,
            |fork| {
                let mut transaction = fork.transaction();
                for &node in &nodes {
                    transaction.reserve(node, ledger.pod()).expect("the pod fits");
                }
                transaction.commit()
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("topology_index/read");
    let ledger = Ledger::default();
    let topology = ledger.inventory.topology();
    let rack = topology.level("rack").expect("there are racks");
    group.bench_function("racks that hold 64", |bencher| {
        bencher.iter(|| {
            let index = ledger.inventory.index(black_box(&ledger.shapes()[5])).expect("it is warm");
            topology.domains(rack).filter(|&rack| index.count(rack) >= 64).count()
        });
    });
    group.finish();
}

criterion_group!(benches, change, warm, fork, read);
criterion_main!(benches);
