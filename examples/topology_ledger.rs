//! A cluster from node labels, and an exact ledger of its devices: reserve all or nothing, try things out on a fork.
//!
//! Paste it into a controller of your own: it needs `phalanx-topology` and the standard library.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::sync::Arc;

use phalanx_topology::{Demand, Inventory, LevelLabel, Topology};

/// Runs the example; panics if it does not do what it says.
pub fn main() {
    // What a watch of Nodes would give: names and labels.
    let labels = |zone: &str, rack: &str| {
        let pairs = [("topology.kubernetes.io/zone", zone), ("example.com/rack", rack)];
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect::<BTreeMap<_, _>>()
    };
    let nodes = [
        ("gpu-a", labels("z1", "r1")),
        ("gpu-b", labels("z1", "r1")),
        ("gpu-c", labels("z1", "r2")),
        ("cpu-only", BTreeMap::new()),
    ];
    let levels = [LevelLabel::new("zone", "topology.kubernetes.io/zone"), LevelLabel::new("rack", "example.com/rack")];
    let topology = Topology::from_labels(&levels, nodes.iter().map(|(name, labels)| (*name, labels)))
        .expect("the labels describe a tree");
    println!("{} nodes, {} outside the tree", topology.len(), topology.outside_len());

    // Eight devices on each node that has some; memory on all.
    let mut inventory = Inventory::new(Arc::new(topology));
    let topology = inventory.topology().clone();
    let memory = inventory.resource("memory");
    for node in topology.nodes() {
        if topology.in_tree(node) {
            inventory.set_devices(node, 8, "H100").expect("a node has at most 64 devices");
        }
        inventory.set_capacity(node, memory, 1 << 40).expect("nothing is held yet");
    }

    // Three pods together: the third does not fit, so none is placed.
    let pod = Demand::devices(4).with(memory, 200 << 30);
    let gpu_a = topology.node("gpu-a").expect("the node was listed");
    let before = inventory.state_hash();
    let mut transaction = inventory.transaction();
    let mut placed = 0;
    let refused = loop {
        match transaction.reserve(gpu_a, &pod) {
            Ok(devices) => println!("pod {placed} on gpu-a, devices {devices}"),
            Err(error) => break error,
        }
        placed += 1;
    };
    println!("pod {placed}: {refused}");
    transaction.rollback();
    assert_eq!(inventory.state_hash(), before, "nothing is left behind");

    // Try it on a fork: how many would each rack take?
    let mut what_if = inventory.fork();
    what_if.set_cordoned(gpu_a, true);
    let rack = topology.level("rack").expect("the level was named");
    let room = |inventory: &Inventory| -> Vec<(String, u32)> {
        let fits = |domain| topology.nodes_of(domain).map(|node| inventory.fits(node, &pod)).sum();
        topology.domains(rack).map(|domain| (topology.domain_path(domain), fits(domain))).collect()
    };
    for ((path, now), (_, then)) in room(&inventory).iter().zip(room(&what_if)) {
        println!("rack {path}: room for {now} pods, {then} with gpu-a cordoned");
    }

    assert_eq!((topology.len(), topology.outside_len()), (4, 1));
    assert_eq!(placed, 2);
    assert_eq!(refused.to_string(), "node \"gpu-a\" has 0 devices free, 4 are asked");
    assert_eq!(room(&inventory), [("z1/r1".to_owned(), 4), ("z1/r2".to_owned(), 2)]);
    assert_eq!(room(&what_if), [("z1/r1".to_owned(), 2), ("z1/r2".to_owned(), 2)]);
}
