//! The objective and its index against scoring every node by the ledger's own measures.

use std::sync::Arc;

use phalanx_topology::{Demand, DeviceSet, Inventory, KindSet, NodeId, Receipt, ShapeMix, Topology};
use proptest::prelude::*;

use super::{Fragmentation, FragmentationIndex, FragmentationScore};

const NODES: u32 = 21;

/// Nodes of three makes, some outside the tree, some with islands.
fn inventory() -> Inventory {
    let racks = ["r1", "r2", "r3"];
    let mut builder = Topology::builder(["rack"]);
    for node in 0..NODES {
        let rack = [("rack", racks[node as usize % 3])];
        builder = builder.node(&format!("n{node:02}"), if node < 18 { &rack } else { &[] });
    }
    let mut inventory = Inventory::new(Arc::new(builder.build().expect("the rows are sound")));
    let cpu = inventory.resource("cpu");
    for node in inventory.topology().clone().nodes() {
        let (devices, kind, cores) = [(2, "T4", 30), (8, "G2", 20), (4, "", 64)][node.index() / 2 % 3];
        inventory.set_devices(node, devices, kind).expect("nothing is held yet");
        inventory.set_capacity(node, cpu, cores).expect("nothing is held yet");
        if devices == 8 && node.index() % 5 != 0 {
            let islands = [0b0000_0111, 0b0011_1000].map(DeviceSet::from_mask);
            inventory.set_islands(node, &islands).expect("the devices are there");
            inventory.set_numa(node, &[0x0f, 0xf0].map(DeviceSet::from_mask)).expect("the devices are there");
        }
    }
    inventory
}

fn demand(inventory: &mut Inventory) -> impl Strategy<Value = Demand> + use<> {
    let (cpu, memory) = (inventory.resource("cpu"), inventory.resource("memory"));
    let kinds: Vec<_> = inventory.kinds().collect();
    let devices = prop_oneof![
        3 => prop::sample::select(vec![100_u32, 250, 300, 470, 500, 810, 999]).prop_map(|milli| Demand::share(milli)
            .expect("the share is sound")),
        3 => (0..5_u32).prop_map(Demand::devices),
        1 => prop::sample::select(vec![8, 9, 64, 65, u32::MAX]).prop_map(Demand::devices),
        1 => (1..4_u32).prop_map(|count| Demand::devices(count).within_island()),
        1 => (1..5_u32).prop_map(|count| Demand::devices(count).within_numa()),
    ];
    (devices, 0..12_u64, 0..30_u8, 0..4_u8).prop_map(move |(demand, cores, more, kind)| {
        let demand = if more == 0 { demand.with(memory, 1) } else { demand };
        let demand =
            if kind == 0 { demand.of_kinds(KindSet::from_iter(kinds.iter().copied().take(1))) } else { demand };
        demand.with(cpu, cores)
    })
}

#[derive(Clone, Debug)]
enum Op {
    /// Place the best of a demand.
    Place(usize),
    /// Claim the demand on a node, wherever it goes.
    Put(usize, u32),
    Release(usize),
    Cordon(u32, bool),
    Cpu(u32, u64),
    Devices(u32, u32),
    Islands(u32, u64),
    /// Ask while a transaction holds this, then roll back.
    Pending(usize, u32),
}

fn op() -> impl Strategy<Value = Op> {
    let at = any::<usize>;
    prop_oneof![
        6 => at().prop_map(Op::Place),
        2 => (at(), 0..NODES).prop_map(|(demand, node)| Op::Put(demand, node)),
        2 => at().prop_map(Op::Release),
        1 => (0..NODES, any::<bool>()).prop_map(|(node, on)| Op::Cordon(node, on)),
        1 => (0..NODES, 0..90_u64).prop_map(|(node, cores)| Op::Cpu(node, cores)),
        1 => (0..NODES, 0..12_u32).prop_map(|(node, count)| Op::Devices(node, count)),
        1 => (0..NODES, 0..8_u64).prop_map(|(node, mask)| Op::Islands(node, mask)),
        1 => (at(), 0..NODES).prop_map(|(demand, node)| Op::Pending(demand, node)),
    ]
}

/// The parts of a score: gradient, room lost, milli left.
type Parts = (u32, u64, u32);

/// The score as it is defined, from the ledger's own measures before and after, and the devices that are best.
fn defined(inventory: &Inventory, node: NodeId, demand: &Demand, mix: &ShapeMix) -> Option<(Parts, DeviceSet)> {
    if inventory.fits(node, demand) == 0 {
        return None;
    }
    let before = (inventory.fragmentation(node, mix), inventory.room(node, mix));
    let mut best: Option<((u32, u64), Parts, DeviceSet)> = None;
    for devices in choices(inventory, node, demand) {
        let mut after = inventory.fork();
        let mut transaction = after.transaction();
        if transaction.claim(node, devices, demand).is_err() {
            continue;
        }
        drop(transaction.commit());
        let fall = before.0 as f64 - after.fragmentation(node, mix) as f64;
        let devices_of_mix = fall / mix.total_weight() as f64 / 1000.0;
        let gradient = (100.0 / (1.0 + (-devices_of_mix).exp())).floor().min(99.0) as u32;
        let lost = before.1 - after.room(node, mix);
        let left = after.devices(node).iter().map(|device| after.left(node, device)).sum();
        if best.is_none_or(|(score, ..)| (gradient, u64::MAX - lost) > score) {
            best = Some(((gradient, u64::MAX - lost), (gradient, lost, left), devices));
        }
    }
    let (_, parts, devices) = best.expect("what fits has devices");
    Some((parts, devices))
}

/// The devices that a demand may get, those that win ties first.
fn choices(inventory: &Inventory, node: NodeId, demand: &Demand) -> Vec<DeviceSet> {
    let free = inventory.free_devices(node);
    if demand.milli() > 0 {
        let mut devices: Vec<_> = inventory.devices(node).iter().collect();
        devices.sort_by_key(|&device| inventory.left(node, device));
        return devices.into_iter().map(|device| DeviceSet::from_mask(1 << device)).collect();
    }
    let places = match demand.locality() {
        phalanx_topology::Locality::Island => inventory.islands(node),
        phalanx_topology::Locality::Numa => inventory.numa(node),
        phalanx_topology::Locality::Node => &[],
    };
    let everywhere = [inventory.devices(node)];
    let places = if places.is_empty() { &everywhere } else { places };
    let mut places: Vec<_> = places.iter().map(|&place| free.intersection(place)).collect();
    places.sort_by_key(|place| place.len());
    places.into_iter().filter_map(|place| place.lowest(demand.device_count())).collect()
}

fn parts((score, devices): (FragmentationScore, DeviceSet)) -> (Parts, DeviceSet) {
    ((score.gradient(), score.room_lost(), score.milli_left()), devices)
}

/// The best of the nodes by looking at all of them.
fn best_of_all(objective: &Fragmentation, inventory: &Inventory, demand: &Demand) -> Option<(NodeId, DeviceSet)> {
    let scored = inventory.topology().nodes().filter_map(|node| {
        let (score, devices) = objective.score(inventory, node, demand)?;
        Some((std::cmp::Reverse(score), node, devices))
    });
    scored.min().map(|(_, node, devices)| (node, devices))
}

fn commit(inventory: &mut Inventory, node: NodeId, devices: DeviceSet, demand: &Demand) -> Receipt {
    let mut transaction = inventory.transaction();
    transaction.claim(node, devices, demand).expect("what is best fits");
    transaction.commit()
}

fn cases() -> impl Strategy<Value = (Vec<(Demand, u64)>, Vec<Demand>, Vec<Op>)> {
    let demand = || demand(&mut inventory());
    (
        prop::collection::vec((demand(), 1..9_u64), 1..6),
        prop::collection::vec(demand(), 1..6),
        prop::collection::vec(op(), 1..50),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Every answer of the index is the first of the greatest scores, and every score is what its definition says.
    #[test]
    fn the_index_is_equal_to_scoring_every_node((shapes, demands, ops) in cases()) {
        let mut inventory = inventory();
        let objective = Fragmentation::new(ShapeMix::new(shapes).expect("the weights are small"));
        let mut index = FragmentationIndex::of(objective.clone());
        index.set_limit(4);
        let mut receipts = Vec::new();
        for op in ops {
            match op {
                Op::Place(at) => {
                    let demand = &demands[at % demands.len()];
                    let best = index.best(&inventory, demand);
                    prop_assert_eq!(best, best_of_all(&objective, &inventory, demand));
                    let rack = 3..9;
                    let in_rack = index.best_among(&inventory, demand, rack.clone());
                    if best.is_some_and(|(node, _)| rack.contains(&node.index())) {
                        prop_assert_eq!(in_rack, best);
                    }
                    prop_assert!(in_rack.is_none_or(|(node, _)| rack.contains(&node.index())));
                    if let Some((node, devices)) = best {
                        receipts.push(commit(&mut inventory, node, devices, demand));
                        let score = objective.score(&inventory, node, demand).map(parts);
                        prop_assert_eq!(score, defined(&inventory, node, demand, objective.mix()));
                    }
                }
                Op::Put(at, node) => {
                    let (demand, node) = (&demands[at % demands.len()], NodeId::new(node));
                    let score = objective.score(&inventory, node, demand).map(parts);
                    prop_assert_eq!(score, defined(&inventory, node, demand, objective.mix()));
                    let mut transaction = inventory.transaction();
                    if transaction.reserve(node, demand).is_ok() {
                        receipts.push(transaction.commit());
                    }
                }
                Op::Release(at) => {
                    if !receipts.is_empty() {
                        let receipt = receipts.swap_remove(at % receipts.len());
                        inventory.release(receipt).expect("the receipt is of this inventory");
                    }
                }
                Op::Cordon(node, on) => inventory.set_cordoned(NodeId::new(node), on),
                Op::Cpu(node, amount) => {
                    let cpu = inventory.resource("cpu");
                    let _ = inventory.set_capacity(NodeId::new(node), cpu, amount);
                }
                Op::Devices(node, count) => {
                    let _ = inventory.set_devices(NodeId::new(node), count, if count % 2 == 0 { "T4" } else { "" });
                }
                Op::Islands(node, mask) => {
                    let _ = inventory.set_islands(NodeId::new(node), &[DeviceSet::from_mask(mask)]);
                }
                Op::Pending(at, node) => {
                    let demand = &demands[at % demands.len()];
                    let mut transaction = inventory.transaction();
                    let _ = transaction.reserve(NodeId::new(node), demand);
                    let all = best_of_all(&objective, transaction.inventory(), demand);
                    prop_assert_eq!(index.best(transaction.inventory(), demand), all);
                }
            }
        }
    }
}

#[test]
fn an_index_that_was_away_too_long_starts_over() {
    let mut inventory = Inventory::from_notation("r1{n1:8 n2:8}").expect("the notation is sound");
    let one = Demand::devices(1);
    let objective = Fragmentation::new(ShapeMix::new([(Demand::devices(8), 1)]).expect("there is a shape"));
    let mut index = FragmentationIndex::of(objective.clone());
    assert_eq!(index.best(&inventory, &one), best_of_all(&objective, &inventory, &one));
    for _ in 0..3_000 {
        inventory.set_cordoned(NodeId::new(0), !inventory.is_cordoned(NodeId::new(0)));
    }
    drop(commit(&mut inventory, NodeId::new(1), DeviceSet::from_mask(1), &one));
    assert_eq!(inventory.changes_since(0).map(Iterator::count), None);
    assert_eq!(index.best(&inventory, &one), Some((NodeId::new(1), DeviceSet::from_mask(2))));
}

#[test]
fn a_demand_not_asked_about_for_long_is_scored_anew() {
    let mut inventory = Inventory::from_notation("r1{n1:8 n2:8}").expect("the notation is sound");
    let [one, two] = [1, 2].map(Demand::devices);
    let objective = Fragmentation::new(ShapeMix::new([(Demand::devices(8), 1)]).expect("there is a shape"));
    let mut index = FragmentationIndex::of(objective.clone());
    assert!(index.best(&inventory, &two).is_some());
    for _ in 0..5_000 {
        let (node, devices) = index.best(&inventory, &one).expect("there is room");
        let receipt = commit(&mut inventory, node, devices, &one);
        inventory.release(receipt).expect("it was just made");
    }
    drop(commit(&mut inventory, NodeId::new(0), DeviceSet::from_mask(0x7f), &Demand::devices(7)));
    assert_eq!(index.best(&inventory, &two), Some((NodeId::new(1), DeviceSet::from_mask(0b11))));
}

#[test]
fn an_inventory_over_another_topology_is_read_anew() {
    let one = Demand::devices(1);
    let mut index = FragmentationIndex::new(ShapeMix::new([(Demand::devices(8), 1)]).expect("there is a shape"));
    for (notation, node) in [("r1{n1:8 n2:8}", 0), ("r1{n1:8 n2:8 n3:7}", 2), ("r1{n1:0}", 9)] {
        let inventory = Inventory::from_notation(notation).expect("the notation is sound");
        let best = index.best(&inventory, &one).map(|(node, _)| node.index());
        assert_eq!(best, Some(node).filter(|&node| node < 9), "{notation}");
    }
}
