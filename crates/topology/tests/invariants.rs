//! The ledger's promises, over random sequences of operations, against a model that keeps the list of what is held.

mod cases;
mod ledger;

use std::sync::Arc;

use ledger::{NODES, Op, World, ops, pod};
use phalanx_topology::{Delta, Demand, Inventory, NodeId, RebaseError, Topology};
use proptest::prelude::*;

/// What is free, left of each device, free of the resource, cordoned and removed.
type Row = (u64, Vec<u32>, u64, bool, bool);

/// What the ledger shows, column by column.
fn columns(inventory: &Inventory) -> Vec<Row> {
    let cpu = inventory.find_resource("cpu").expect("cpu is known");
    let row = |node| {
        let left = inventory.devices(node).iter().map(|device| inventory.left(node, device)).collect();
        let flags = (inventory.is_cordoned(node), inventory.is_removed(node));
        (inventory.free_devices(node).mask(), left, inventory.free(node, cpu), flags.0, flags.1)
    };
    inventory.topology().nodes().map(row).collect()
}

proptest! {
    #![proptest_config(cases::cases(1000))]

    #[test]
    fn invariant_2_no_node_or_device_or_place_is_ever_exceeded(ops in ops(60)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
            world.check();
        }
    }

    #[test]
    fn invariant_4_commit_then_release_is_identity(
        before in ops(30),
        pods in prop::collection::vec((0..NODES, pod()), 0..8),
    ) {
        let mut world = World::after(&before);
        let (hash, shown) = (world.inventory.state_hash(), columns(&world.inventory));
        let transact = |end: usize, commit| Op::Transact { pods: pods[..end].to_vec(), undo_from: usize::MAX, commit };
        world.apply(&transact(pods.len(), true));
        let receipt = world.receipts.pop().expect("it was committed");
        world.model.held.pop();
        let changed = receipt.reservations().iter().any(|held| !held.demand().is_empty());
        prop_assert_eq!(world.inventory.state_hash() != hash, changed);
        world.inventory.release(receipt).expect("the receipt is of this inventory");
        prop_assert_eq!(world.inventory.state_hash(), hash);
        prop_assert_eq!(columns(&world.inventory), shown.clone());
        // A rollback at any step, and any fork, likewise.
        for end in 0..=pods.len() {
            world.apply(&transact(end, false));
            let mut fork = World { inventory: world.inventory.fork(), receipts: Vec::new(), model: world.model.clone() };
            fork.apply(&transact(end, true));
            prop_assert_eq!(world.inventory.state_hash(), hash);
            prop_assert_eq!(columns(&world.inventory), shown.clone());
        }
    }

    #[test]
    fn invariant_4_releases_in_any_order_are_identity(
        before in ops(30),
        between in ops(30),
        order in prop::collection::vec(any::<usize>(), 30),
    ) {
        let mut world = World::after(&before);
        let (hash, shown, old) = (world.inventory.state_hash(), columns(&world.inventory), world.receipts.len());
        for op in &between {
            match op {
                Op::Transact { .. } | Op::Claim(..) | Op::Fork(..) => world.apply(op),
                Op::Release(at) if world.receipts.len() > old => {
                    world.apply(&Op::Release(old + at % (world.receipts.len() - old)));
                }
                // Others change what there is.
                _ => {}
            }
        }
        for at in order {
            if world.receipts.len() > old {
                world.apply(&Op::Release(old + at % (world.receipts.len() - old)));
            }
        }
        prop_assert_eq!(world.receipts.len(), old);
        prop_assert_eq!(world.inventory.state_hash(), hash);
        prop_assert_eq!(columns(&world.inventory), shown);
    }

    #[test]
    fn invariant_4_the_hash_depends_on_the_state_alone(ops in ops(40)) {
        let world = World::after(&ops);
        let changed = &world.inventory;
        let was = changed.find_resource("cpu").expect("cpu is known");
        // Rebuild the same state by another way, with another resource and other kinds interned first.
        let mut rebuilt = Inventory::new(changed.topology().clone());
        rebuilt.resource("memory");
        let cpu = rebuilt.resource("cpu");
        rebuilt.intern_kind("C").expect("few kinds are known");
        for node in changed.topology().clone().nodes().rev() {
            let kind = changed.kind(node).unwrap_or_default();
            rebuilt.set_devices(node, changed.devices(node).len(), kind).expect("nothing is held");
            rebuilt.set_capacity(node, cpu, changed.capacity(node, was)).expect("nothing is held");
        }
        let mut transaction = rebuilt.transaction();
        for held in world.model.held.iter().flatten().rev() {
            let pod = ledger::Pod { kinds: 0, ..held.pod };
            let devices = held.devices.iter().fold(0, |mask, device| mask | 1 << device);
            let devices = phalanx_topology::DeviceSet::from_mask(devices);
            transaction.claim(NodeId::new(held.node), devices, &pod.demand(cpu)).expect("it is held in the other");
        }
        drop(transaction.commit());
        for node in changed.topology().clone().nodes() {
            rebuilt.set_cordoned(node, changed.is_cordoned(node));
            if changed.is_removed(node) {
                rebuilt.apply(&Delta::Removed { node }).expect("the node is known");
            }
        }
        prop_assert_eq!(rebuilt.state_hash(), changed.state_hash());
        prop_assert_eq!(columns(&rebuilt), columns(changed));
    }

    #[test]
    fn a_foreign_receipt_changes_nothing(ops in ops(30), share in prop::option::of(1..1000u32)) {
        let mut world = World::after(&ops);
        let demand = share.map_or(Demand::devices(1), |milli| Demand::share(milli).expect("1 to 999"));
        for node in world.inventory.topology().clone().nodes() {
            let mut fork = world.inventory.fork();
            fork.set_cordoned(node, false);
            let free = fork.free_devices(node);
            let mut transaction = fork.transaction();
            // A share of a device that the other shares too cannot be told from a share held there.
            if transaction.reserve(node, &demand).is_ok_and(|devices| free.contains(devices)) {
                let receipt = transaction.commit();
                let hash = world.inventory.state_hash();
                prop_assert!(world.inventory.release(receipt).is_err());
                prop_assert_eq!(world.inventory.state_hash(), hash);
                world.check();
            }
        }
    }

    #[test]
    fn a_receipt_of_which_a_part_is_held_changes_nothing(ops in ops(30), share in prop::option::of(1..1000u32)) {
        let mut world = World::after(&ops);
        let demand = share.map_or(Demand::devices(1), |milli| Demand::share(milli).expect("1 to 999"));
        let nodes: Vec<NodeId> = world.inventory.topology().nodes().collect();
        for pair in nodes.windows(2) {
            let mut fork = world.inventory.fork();
            let mut transaction = fork.transaction();
            let free = transaction.inventory().free_devices(pair[1]);
            let both = pair.iter().map(|&node| transaction.reserve(node, &demand)).collect::<Vec<_>>();
            if let [Ok(_), Ok(second)] = &both[..] && free.contains(*second) {
                let receipt = transaction.commit();
                // The first is held here too, by somebody else.
                let mut transaction = world.inventory.transaction();
                transaction.reserve(pair[0], &demand).expect("it fits in the fork");
                let mine = transaction.commit();
                let hash = world.inventory.state_hash();
                prop_assert!(world.inventory.release(receipt).is_err());
                prop_assert_eq!(world.inventory.state_hash(), hash);
                world.inventory.release(mine).expect("it is held here");
                world.check();
            }
        }
    }

    #[test]
    fn fits_counts_what_can_be_reserved_and_limiting_names_what_cannot(
        ops in ops(40),
        pods in prop::collection::vec(pod(), 3),
    ) {
        let mut world = World::after(&ops);
        let cpu = world.inventory.find_resource("cpu").expect("cpu is known");
        for pod in &pods {
            let demand = pod.demand(cpu);
            let mut column = Vec::new();
            world.inventory.fits_everywhere(&demand, &mut column);
            prop_assert_eq!(column.len(), world.inventory.topology().len());
            for at in 0..NODES {
                let node = NodeId::new(at);
                let fits = world.inventory.fits(node, &demand);
                prop_assert_eq!(column[node.index()], fits);
                let limit = world.model.choose(at, pod).err();
                prop_assert_eq!(world.inventory.limiting(node, &demand), limit);
                if demand.is_empty() {
                    prop_assert_eq!(fits, if limit.is_some() { 0 } else { u32::MAX });
                    continue;
                }
                // A copy of the node hands out the same devices.
                let origin = world.inventory.fork();
                let mut state = origin.node_state(node);
                let mut transaction = world.inventory.transaction();
                for _ in 0..fits {
                    let devices = transaction.reserve(node, &demand);
                    prop_assert_eq!(state.take(&demand), devices.ok());
                    prop_assert_eq!(state.free_devices(), transaction.inventory().free_devices(node));
                    let left = |device| transaction.inventory().left(node, device);
                    prop_assert_eq!(state.left_total(), (0..64).map(left).sum::<u32>());
                }
                prop_assert!(transaction.reserve(node, &demand).is_err());
            }
        }
    }

    #[test]
    fn a_rebase_carries_every_node_by_name(ops in ops(40), gone in 0..NODES) {
        let mut world = World::after(&ops);
        world.inventory.warm(&Demand::devices(2));
        // All nodes move, a new one comes, and one goes.
        let rows = (0..NODES).rev().filter(|&node| node != gone);
        let rows = rows.fold(Topology::builder(["zone", "rack"]), |rows, node| {
            let rack = format!("r{}", NODES - node);
            rows.node(&format!("n{node}"), &[("zone", "z"), ("rack", &rack)])
        });
        let topology = Arc::new(rows.node("new", &[("zone", "a"), ("rack", "a")]).build().expect("the rows are sound"));
        let name = |inventory: &Inventory, node| inventory.topology().node_name(node).to_owned();
        let moved = world.inventory.rebase(Arc::clone(&topology));
        if world.model.held.iter().flatten().any(|held| held.node == gone && !held.pod.is_empty()) {
            prop_assert_eq!(moved.unwrap_err(), RebaseError::Held { node: format!("n{gone}") });
            return Ok(());
        }
        let mut moved = moved.expect("nothing is held there");
        let row = |inventory: &Inventory, columns: &[Row], node: &str| {
            let id = inventory.topology().node(node).expect("it is in both");
            let places = (inventory.islands(id).to_vec(), inventory.numa(id).to_vec());
            (columns[id.index()].clone(), places, inventory.kind(id).map(str::to_owned), inventory.devices(id))
        };
        let (here, there) = (columns(&world.inventory), columns(&moved));
        for node in topology.nodes().map(|node| name(&moved, node)).filter(|node| node != "new") {
            prop_assert_eq!(row(&moved, &there, &node), row(&world.inventory, &here, &node));
        }
        let sum: u64 = topology.nodes().map(|node| u64::from(moved.fits(node, &Demand::devices(2)))).sum();
        prop_assert_eq!(moved.index(&Demand::devices(2)).expect("it stays warm").total(), sum);
        // What is held can be released there, and nothing is left of it.
        let mut all = true;
        for receipt in &mut world.receipts {
            let stays = receipt.reservations().iter().all(|held| held.node() != NodeId::new(gone));
            prop_assert_eq!(receipt.rebase(world.inventory.topology(), &topology).is_ok(), stays);
            all &= stays;
        }
        if all {
            for receipt in world.receipts.drain(..) {
                moved.release(receipt).expect("the receipt was carried over");
            }
            let cpu = moved.find_resource("cpu").expect("resources keep their names");
            for node in topology.nodes() {
                prop_assert_eq!(moved.free_devices(node), moved.devices(node));
                prop_assert_eq!(moved.free(node, cpu), moved.capacity(node, cpu));
            }
        }
    }
}
