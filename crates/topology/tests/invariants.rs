//! The ledger's promises, over random sequences of operations, against a model that keeps the list of what is held.

use std::collections::BTreeMap;
use std::sync::Arc;

use phalanx_topology::{Demand, Inventory, NodeId, Receipt, Topology};
use proptest::prelude::*;

const NODES: u32 = 5;

#[derive(Clone, Debug)]
enum Op {
    /// Reserve these in one transaction: (node, devices, cpu). Commit at the end, or roll back.
    Transact {
        pods: Vec<(u32, u32, u64)>,
        commit: bool,
    },
    /// Release the receipt at this position, modulo how many there are.
    Release(usize),
    Cordon(u32, bool),
    Devices(u32, u32),
    Cpu(u32, u64),
    /// Do a transaction on a fork and drop the fork.
    Fork(u32, u32),
}

fn op() -> impl Strategy<Value = Op> {
    let pod = (0..NODES, 0..6u32, 0..9u64);
    prop_oneof![
        4 => (prop::collection::vec(pod, 0..5), any::<bool>()).prop_map(|(pods, commit)| Op::Transact { pods, commit }),
        2 => any::<usize>().prop_map(Op::Release),
        1 => (0..NODES, any::<bool>()).prop_map(|(node, on)| Op::Cordon(node, on)),
        1 => (0..NODES, 0..70u32).prop_map(|(node, count)| Op::Devices(node, count)),
        1 => (0..NODES, 0..30u64).prop_map(|(node, amount)| Op::Cpu(node, amount)),
        1 => (0..NODES, 0..6u32).prop_map(|(node, count)| Op::Fork(node, count)),
    ]
}

fn inventory() -> Inventory {
    let topology = Topology::builder(["rack"])
        .node("n0", &[("rack", "a")])
        .node("n1", &[("rack", "a")])
        .node("n2", &[("rack", "b")])
        .node("n3", &[("rack", "b")])
        .node("n4", &[])
        .build()
        .expect("the rows are sound");
    let mut inventory = Inventory::new(Arc::new(topology));
    let cpu = inventory.resource("cpu");
    for node in inventory.topology().clone().nodes() {
        inventory.set_devices(node, 8, "").expect("nothing is held yet");
        inventory.set_capacity(node, cpu, 16).expect("nothing is held yet");
    }
    inventory
}

/// What the ledger shows, column by column.
fn columns(inventory: &Inventory) -> Vec<(u64, u64, bool)> {
    let cpu = inventory.find_resource("cpu").expect("cpu is known");
    let row = |node| (inventory.free_devices(node).mask(), inventory.free(node, cpu), inventory.is_cordoned(node));
    inventory.topology().nodes().map(row).collect()
}

/// Applies an operation; returns a receipt if it made one.
fn apply(inventory: &mut Inventory, receipts: &mut Vec<Receipt>, op: &Op) {
    let cpu = inventory.resource("cpu");
    match op {
        Op::Transact { pods, commit } => {
            let mut transaction = inventory.transaction();
            for &(node, devices, amount) in pods {
                let _ = transaction.reserve(NodeId::new(node), &Demand::devices(devices).with(cpu, amount));
            }
            if *commit {
                receipts.push(transaction.commit());
            } else {
                transaction.rollback();
            }
        }
        Op::Release(at) => {
            if !receipts.is_empty() {
                let receipt = receipts.swap_remove(at % receipts.len());
                inventory.release(receipt).expect("the receipt is of this inventory");
            }
        }
        &Op::Cordon(node, on) => inventory.set_cordoned(NodeId::new(node), on),
        &Op::Devices(node, count) => {
            let _ = inventory.set_devices(NodeId::new(node), count, "");
        }
        &Op::Cpu(node, amount) => {
            let _ = inventory.set_capacity(NodeId::new(node), cpu, amount);
        }
        &Op::Fork(node, devices) => {
            let mut fork = inventory.fork();
            let mut transaction = fork.transaction();
            let _ = transaction.reserve(NodeId::new(node), &Demand::devices(devices));
            drop(transaction.commit());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn invariant_2_no_node_or_device_is_ever_exceeded(ops in prop::collection::vec(op(), 0..60)) {
        let mut inventory = inventory();
        let cpu = inventory.resource("cpu");
        let mut receipts = Vec::new();
        for op in &ops {
            apply(&mut inventory, &mut receipts, op);
            // The model: everything held, summed from scratch; a device must not be summed twice.
            let mut devices = BTreeMap::<NodeId, u64>::new();
            let mut amounts = BTreeMap::<NodeId, u64>::new();
            for held in receipts.iter().flat_map(Receipt::reservations) {
                let mask = devices.entry(held.node()).or_default();
                prop_assert_eq!(*mask & held.devices().mask(), 0, "a device is given out once");
                *mask |= held.devices().mask();
                *amounts.entry(held.node()).or_default() += held.demand().amount(cpu);
            }
            for node in inventory.topology().clone().nodes() {
                let held = devices.get(&node).copied().unwrap_or(0);
                prop_assert_eq!(inventory.free_devices(node).mask(), inventory.devices(node).mask() & !held);
                prop_assert_eq!(held & !inventory.devices(node).mask(), 0, "what is held exists");
                let amount = amounts.get(&node).copied().unwrap_or(0);
                prop_assert_eq!(inventory.free(node, cpu) + amount, inventory.capacity(node, cpu));
            }
        }
    }

    #[test]
    fn invariant_4_commit_then_release_is_identity(
        before in prop::collection::vec(op(), 0..30),
        pods in prop::collection::vec((0..NODES, 0..6u32, 0..9u64), 0..8),
    ) {
        let mut inventory = inventory();
        let mut receipts = Vec::new();
        before.iter().for_each(|op| apply(&mut inventory, &mut receipts, op));
        let (hash, shown) = (inventory.state_hash(), columns(&inventory));
        let mut mine = Vec::new();
        apply(&mut inventory, &mut mine, &Op::Transact { pods: pods.clone(), commit: true });
        let receipt = mine.pop().expect("it was committed");
        let changed = receipt.reservations().iter().any(|held| !held.demand().is_empty());
        prop_assert_eq!(inventory.state_hash() != hash, changed);
        inventory.release(receipt).expect("the receipt is of this inventory");
        prop_assert_eq!(inventory.state_hash(), hash);
        prop_assert_eq!(columns(&inventory), shown.clone());
        // A rollback at any step, and any fork, likewise.
        for end in 0..=pods.len() {
            apply(&mut inventory, &mut mine, &Op::Transact { pods: pods[..end].to_vec(), commit: false });
            apply(&mut inventory.fork(), &mut mine, &Op::Transact { pods: pods[..end].to_vec(), commit: true });
            prop_assert_eq!(inventory.state_hash(), hash);
            prop_assert_eq!(columns(&inventory), shown.clone());
        }
    }

    #[test]
    fn invariant_4_the_hash_depends_on_the_state_alone(ops in prop::collection::vec(op(), 0..40)) {
        let mut changed = inventory();
        let mut receipts = Vec::new();
        ops.iter().for_each(|op| apply(&mut changed, &mut receipts, op));
        // Rebuild the same state by another way, with another resource interned first.
        let mut rebuilt = Inventory::new(changed.topology().clone());
        rebuilt.resource("memory");
        let cpu = rebuilt.resource("cpu");
        let was = changed.resource("cpu");
        for node in changed.topology().clone().nodes().rev() {
            rebuilt.set_devices(node, changed.devices(node).len(), "").expect("nothing is held");
            rebuilt.set_capacity(node, cpu, changed.capacity(node, was)).expect("nothing is held");
        }
        let mut transaction = rebuilt.transaction();
        for held in receipts.iter().rev().flat_map(|receipt| receipt.reservations().iter().rev()) {
            let demand = Demand::devices(held.devices().len()).with(cpu, held.demand().amount(was));
            transaction.claim(held.node(), held.devices(), &demand).expect("it is held in the other");
        }
        drop(transaction.commit());
        for node in changed.topology().clone().nodes() {
            rebuilt.set_cordoned(node, changed.is_cordoned(node));
        }
        prop_assert_eq!(rebuilt.state_hash(), changed.state_hash());
    }

    #[test]
    fn a_foreign_receipt_changes_nothing(ops in prop::collection::vec(op(), 0..30)) {
        let mut inventory = inventory();
        let mut receipts = Vec::new();
        ops.iter().for_each(|op| apply(&mut inventory, &mut receipts, op));
        for node in inventory.topology().clone().nodes() {
            let mut fork = inventory.fork();
            fork.set_cordoned(node, false);
            let mut transaction = fork.transaction();
            if transaction.reserve(node, &Demand::devices(1)).is_ok() {
                let receipt = transaction.commit();
                let hash = inventory.state_hash();
                prop_assert!(inventory.release(receipt).is_err());
                prop_assert_eq!(inventory.state_hash(), hash);
            }
        }
    }

    #[test]
    fn fits_counts_what_can_be_reserved_and_limiting_names_what_cannot(
        ops in prop::collection::vec(op(), 0..30),
        devices in 0..6u32,
        amount in 0..9u64,
    ) {
        let mut inventory = inventory();
        let mut receipts = Vec::new();
        ops.iter().for_each(|op| apply(&mut inventory, &mut receipts, op));
        let demand = Demand::devices(devices).with(inventory.resource("cpu"), amount);
        let mut column = Vec::new();
        inventory.fits_everywhere(&demand, &mut column);
        prop_assert_eq!(column.len(), inventory.topology().len());
        for node in inventory.topology().clone().nodes() {
            let fits = inventory.fits(node, &demand);
            prop_assert_eq!(column[node.index()], fits);
            prop_assert_eq!(inventory.limiting(node, &demand).is_some(), fits == 0);
            if demand.is_empty() {
                prop_assert_eq!(fits, if inventory.is_cordoned(node) { 0 } else { u32::MAX });
                continue;
            }
            let mut transaction = inventory.transaction();
            for _ in 0..fits {
                prop_assert!(transaction.reserve(node, &demand).is_ok());
            }
            prop_assert!(transaction.reserve(node, &demand).is_err());
        }
    }
}
