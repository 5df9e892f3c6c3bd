//! The measures over a mix against recounts that try every device, on random nodes.

use std::sync::Arc;

use phalanx_topology::{Demand, DeviceSet, Inventory, KindSet, Locality, NodeId, ShapeMix, Topology};
use proptest::prelude::*;

/// One node of eight devices in two islands, and a twin outside the tree without them.
fn inventory() -> Inventory {
    let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).node("n2", &[]).build();
    let mut inventory = Inventory::new(Arc::new(topology.expect("the rows are sound")));
    let cpu = inventory.resource("cpu");
    for node in inventory.topology().clone().nodes() {
        inventory.set_devices(node, 8, "H100").expect("nothing is held yet");
        inventory.set_capacity(node, cpu, 24).expect("nothing is held yet");
    }
    let islands = [0b0000_0111, 0b0111_1000].map(DeviceSet::from_mask);
    inventory.set_islands(NodeId::new(0), &islands).expect("the devices are there");
    inventory
}

fn demand() -> impl Strategy<Value = Demand> {
    let mut inventory = inventory();
    let cpu = inventory.resource("cpu");
    let [h100, other] = ["H100", "L4"].map(|kind| inventory.intern_kind(kind).expect("there are few kinds"));
    let kinds = prop::sample::select(vec![
        KindSet::default(),
        KindSet::from_iter([h100]),
        KindSet::from_iter([other]),
        KindSet::from_iter([h100, other]),
    ]);
    let devices = prop_oneof![
        (1..1000_u32).prop_map(|milli| Demand::share(milli).expect("the share is sound")),
        (0..9_u32).prop_map(Demand::devices),
        (1..5_u32).prop_map(|count| Demand::devices(count).within_island()),
    ];
    (devices, kinds, 0..9_u64).prop_map(move |(demand, kinds, cores)| demand.of_kinds(kinds).with(cpu, cores))
}

fn put(inventory: &mut Inventory, node: NodeId, demand: &Demand) -> bool {
    let mut transaction = inventory.transaction();
    let placed = transaction.reserve(node, demand).is_ok();
    drop(transaction.commit());
    placed
}

/// Every device on which the pod could run: those that some set of devices contains which a transaction lets it have.
fn possible(inventory: &Inventory, node: NodeId, shape: &Demand) -> Vec<u32> {
    let count = if shape.milli() > 0 { 1 } else { shape.device_count() };
    let sets = (0..1_u64 << 8).map(DeviceSet::from_mask).filter(|set| set.len() == count);
    let mut fork = inventory.fork();
    let possible = sets.filter(|&set| fork.transaction().claim(node, set, shape).is_ok());
    let possible = possible.fold(DeviceSet::default(), DeviceSet::union);
    possible.iter().collect()
}

fn left_of(inventory: &Inventory, node: NodeId, devices: impl IntoIterator<Item = u32>) -> u64 {
    devices.into_iter().map(|device| u64::from(inventory.left(node, device))).sum()
}

/// How much of the node's devices pods of this shape take until no more fits.
fn taken(inventory: &Inventory, node: NodeId, shape: &Demand) -> u64 {
    let mut fork = inventory.fork();
    let before = left_of(&fork, node, 0..8);
    while shape.device_count() + shape.milli() > 0 && put(&mut fork, node, shape) {}
    before - left_of(&fork, node, 0..8)
}

proptest! {
    #[test]
    fn the_measures_are_those_of_trying_every_device(
        shapes in prop::collection::vec((demand(), 1..5_u64), 1..5),
        held in prop::collection::vec(demand(), 0..6),
        cordoned in prop::bool::weighted(0.1),
    ) {
        let mut inventory = inventory();
        let mix = ShapeMix::new(shapes.iter().cloned()).expect("the weights are small");
        let mut sums = [0; 2];
        for node in inventory.topology().clone().nodes() {
            for demand in &held {
                put(&mut inventory, node, demand);
            }
            inventory.set_cordoned(node, cordoned);
            let (mut lost, mut room, mut used) = (0, 0, Vec::new());
            for (shape, weight) in &shapes {
                let possible = possible(&inventory, node, shape);
                lost += weight * (left_of(&inventory, node, 0..8) - left_of(&inventory, node, possible.iter().copied()));
                room += weight * taken(&inventory, node, shape);
                used.extend(possible);
            }
            prop_assert_eq!(inventory.fragmentation(node, &mix), lost);
            prop_assert_eq!(inventory.room(node, &mix), room);
            sums[0] += lost;
            if let Some(rack) = inventory.topology().domain_of(node, inventory.topology().level("rack").unwrap()) {
                let stranded = left_of(&inventory, node, (0..8).filter(|device| !used.contains(device)));
                prop_assert_eq!(inventory.stranded(rack, &mix), stranded);
                sums[1] += 1;
            }
        }
        prop_assert_eq!(inventory.fragmentation_total(&mix), sums[0]);
        prop_assert_eq!(sums[1], 1);
    }

    /// Placing a pod never makes room.
    #[test]
    fn room_never_grows(
        shapes in prop::collection::vec((demand(), 1..5_u64), 1..5),
        held in prop::collection::vec(demand(), 0..6),
    ) {
        let mut inventory = inventory();
        let mix = ShapeMix::new(shapes).expect("the weights are small");
        let node = NodeId::new(0);
        let mut room = inventory.room(node, &mix);
        for demand in &held {
            put(&mut inventory, node, demand);
            let now = inventory.room(node, &mix);
            prop_assert!(now <= room);
            room = now;
        }
    }
}

/// A shape that asks more than any node has is what it is: all of every node is of no use to it.
#[test]
fn shapes_beyond_any_node_are_measured_without_overflow() {
    let inventory = inventory();
    let huge = Demand::devices(u32::MAX);
    assert_eq!(huge.locality(), Locality::Node);
    let mix = ShapeMix::new([(huge, ShapeMix::MAX_WEIGHT)]).expect("the weight is the greatest");
    assert_eq!(inventory.fragmentation_total(&mix), 2 * 8_000 * ShapeMix::MAX_WEIGHT);
    assert_eq!(inventory.room(NodeId::new(0), &mix), 0);
}
