//! Places a ModelServing-like gang: roles of entry and worker pods, each replica within a rack, all within a block.
//!
//! Paste it into a scheduler of your own: it needs `phalanx-gang`, `phalanx-topology` and the standard library.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;

use phalanx_gang::{Gang, Group, Options, Outcome, Plan, plan};
use phalanx_topology::{Demand, Inventory, Topology};

/// Runs the example; panics if it does not do what it says.
pub fn main() {
    // One block of two racks with three nodes each, eight devices a node.
    let mut builder = Topology::builder(["block", "rack"]);
    for rack in ["r1", "r2"] {
        for node in 1..=3 {
            builder = builder.node(&format!("{rack}-n{node}"), &[("block", "b1"), ("rack", rack)]);
        }
    }
    let topology = Arc::new(builder.build().expect("the rows are sound"));
    let [block, rack] = ["block", "rack"].map(|name| topology.level(name).expect("the level was named"));
    let mut inventory = Inventory::new(topology.clone());
    inventory.set_devices_everywhere(8, "H100").expect("a node has at most 64 devices");
    let cpu = inventory.resource("cpu");
    for node in topology.nodes() {
        inventory.set_capacity(node, cpu, 96_000).expect("nothing is held yet");
    }

    // Prefill: one or two pods of a whole node. Decode: two replicas of an entry and one worker, each within a rack.
    let whole_node = Demand::devices(8).with(cpu, 32_000);
    let half_node = Demand::devices(4).with(cpu, 16_000);
    let prefill = Group::pods("prefill", 1, whole_node.clone()).between(1, 2);
    let decode =
        Group::of("decode", [Group::pods("entry", 1, half_node), Group::pods("worker", 1, whole_node.clone())]);
    let serving = Group::of("serving", [prefill, decode.replicas(2).hard(rack)]).hard(block);
    let gang = Gang::new(serving).expect("the gang is sound");

    let outcome = plan(&gang, &inventory, &Options::default()).expect("the cluster has these levels and resources");
    let Outcome::Placed(placed) = outcome else { panic!("an empty cluster has room") };
    for row in rows(&placed, &topology) {
        println!("{row}");
    }
    println!("{} extra prefill replica, {} pending", placed.extras()[0].placed(), placed.extras()[0].pending());

    // All of it is reserved, or nothing.
    let receipt = placed.commit(&mut inventory).expect("nothing has changed since the plan");
    println!("{} devices are left", inventory.free_devices_total());

    // What does not fit comes with the reason of every node, and with a change that was tried.
    let train = Gang::new(Group::pods("train", 4, whole_node).hard(rack)).expect("the gang is sound");
    let outcome = plan(&train, &inventory, &Options::default()).expect("the cluster has these levels and resources");
    let Outcome::Rejected(rejected) = outcome else { panic!("a rack has three nodes") };
    println!("{rejected}");
    inventory.release(receipt).expect("the receipt is of this inventory");

    assert_eq!(rows(&placed, &topology)[0], "serving/prefill[0.0]-0 on b1/r2/r2-n1, devices 0-7");
    assert_eq!((placed.min_pods(), placed.placements().len()), (5, 6));
    assert_eq!((placed.extras()[0].placed(), placed.extras()[0].pending()), (1, 0));
    assert!(placed.is_level_proven() && placed.level() == Some(block));
    let counted: u32 = rejected.reasons().iter().map(|(_, nodes)| nodes).sum();
    assert_eq!(counted + rejected.eligible(), 6, "every node is accounted for");
    assert_eq!(inventory.free_devices_total(), 48);
}

/// One line a pod, by rank.
fn rows(plan: &Plan, topology: &Topology) -> Vec<String> {
    let row = |pod: phalanx_gang::Placement<'_>| {
        let ordinals: Vec<String> = pod.ordinals().iter().map(u32::to_string).collect();
        let (group, node) = (plan.group_path(pod.group()), topology.node_path(pod.node()));
        format!("{group}[{}]-{} on {node}, devices {}", ordinals.join("."), pod.ordinal(), pod.devices())
    };
    plan.placements().map(row).collect()
}
