//! The index and the change log against recounts from scratch, over random sequences of operations.

mod cases;

use std::sync::Arc;

use phalanx_topology::{Delta, Demand, DeviceSet, Inventory, KindSet, NodeId, Receipt, ShapeIndex, Topology};
use proptest::prelude::*;

const NODES: u32 = 9;

#[derive(Clone, Debug)]
enum Op {
    /// Reserve these in one transaction: (node, pod). Undo the last ones, then commit, or roll back.
    Transact {
        pods: Vec<(u32, Pod)>,
        undo: usize,
        commit: bool,
    },
    /// Release the receipt at this position, modulo how many there are.
    Release(usize),
    /// Release it to a fork, and nothing here.
    ReleaseFork(usize),
    Cordon(u32, bool),
    /// So many devices, of the kind at this position.
    Devices(u32, u32, usize),
    /// Islands, or NUMA zones, of so many devices.
    Places(u32, u32, bool),
    Cpu(u32, u64),
    Removed(u32),
    Added(u32, u32, usize),
    Resized(u32, u32, u64),
    /// Go on over the same nodes in other trees.
    Rebase,
    Warm(usize),
    /// Go on with a fork, made while this many pods are reserved and given up.
    Fork(Vec<(u32, Pod)>),
}

#[derive(Clone, Copy, Debug)]
enum Pod {
    /// Devices and cpu.
    Whole(u32, u64),
    Share(u32),
    Island(u32),
}

fn pod() -> impl Strategy<Value = (u32, Pod)> {
    let pod = prop_oneof![
        3 => (0..6u32, 0..9u64).prop_map(|(devices, cpu)| Pod::Whole(devices, cpu)),
        1 => (1..=1000_u32).prop_map(Pod::Share),
        1 => (0..4u32).prop_map(Pod::Island),
    ];
    (0..NODES, pod)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (prop::collection::vec(pod(), 0..8), 0..3_usize, any::<bool>())
            .prop_map(|(pods, undo, commit)| Op::Transact { pods, undo, commit }),
        2 => any::<usize>().prop_map(Op::Release),
        1 => any::<usize>().prop_map(Op::ReleaseFork),
        1 => (0..NODES, any::<bool>()).prop_map(|(node, on)| Op::Cordon(node, on)),
        1 => (0..NODES, 0..70u32, 0..3_usize).prop_map(|(node, count, kind)| Op::Devices(node, count, kind)),
        1 => (0..NODES, 1..5u32, any::<bool>()).prop_map(|(node, len, numa)| Op::Places(node, len, numa)),
        1 => (0..NODES, 0..30u64).prop_map(|(node, amount)| Op::Cpu(node, amount)),
        1 => (0..NODES).prop_map(Op::Removed),
        1 => (0..NODES, 0..9u32, 0..3_usize).prop_map(|(node, count, kind)| Op::Added(node, count, kind)),
        1 => (0..NODES, 0..9u32, 0..30u64).prop_map(|(node, count, amount)| Op::Resized(node, count, amount)),
        1 => Just(Op::Rebase),
        1 => any::<usize>().prop_map(Op::Warm),
        1 => prop::collection::vec(pod(), 0..3).prop_map(Op::Fork),
    ]
}

/// Ragged, with two nodes outside, one of which the second tree has inside; the third has no node of the primary one.
fn three_trees() -> Topology {
    let network = Topology::builder(["block", "rack"])
        .node("n0", &[("block", "a"), ("rack", "1")])
        .node("n1", &[("block", "a"), ("rack", "1")])
        .node("n2", &[("block", "a"), ("rack", "2")])
        .node("n3", &[("block", "b")])
        .node("n4", &[("block", "b"), ("rack", "1")])
        .node("n5", &[("rack", "1")])
        .node("n6", &[("block", "c"), ("rack", "1")])
        .node("n7", &[])
        .node("n8", &[])
        .build()
        .expect("the rows are sound");
    let mut power = Topology::builder(["hall", "feed"]);
    for (node, hall, feed) in
        [("n7", "h1", "z"), ("n0", "h2", "y"), ("n1", "h1", "x"), ("n6", "h1", "z"), ("n3", "h2", "y"), ("n2", "", "x")]
    {
        power = power.node(node, &[("hall", hall), ("feed", feed)]);
    }
    let power = power.build().expect("the rows are sound");
    let rooms = Topology::builder(["room"]).node("n8", &[("room", "1")]).node("n7", &[("room", "1")]);
    let rooms = rooms.build().expect("the rows are sound");
    let topology = network.with_tree("power", &power).and_then(|topology| topology.with_tree("rooms", &rooms));
    topology.expect("the names differ")
}

/// The same nodes in another order, and all in the tree.
fn one_tree() -> Topology {
    let rows = (0..NODES).map(|node| (format!("n{node}"), format!("r{}", node * 7 % 4)));
    let builder = rows.fold(Topology::builder(["row"]), |rows, (node, row)| rows.node(&node, &[("row", &row)]));
    builder.build().expect("the rows are sound")
}

fn inventory() -> Inventory {
    let mut inventory = Inventory::new(Arc::new(three_trees()));
    let cpu = inventory.resource("cpu");
    for node in inventory.topology().clone().nodes() {
        inventory.set_devices(node, 8, "").expect("nothing is held yet");
        inventory.set_capacity(node, cpu, 16).expect("nothing is held yet");
    }
    inventory
}

fn shapes(inventory: &mut Inventory) -> Vec<Demand> {
    let (cpu, memory) = (inventory.resource("cpu"), inventory.resource("memory"));
    let [h100, a100] = ["H100", "A100"].map(|kind| inventory.intern_kind(kind).expect("there are few"));
    vec![
        Demand::devices(1),
        Demand::devices(3),
        Demand::devices(65),
        Demand::devices(0),
        Demand::devices(0).with(cpu, 3),
        Demand::devices(2).with(cpu, 5),
        Demand::devices(1).with(memory, 1),
        Demand::devices(1).with(cpu, 1).of_kinds(KindSet::from_iter([h100])),
        Demand::devices(2).within_island(),
        Demand::devices(2).within_numa().with(cpu, 2).of_kinds(KindSet::from_iter([h100, a100])),
        Demand::share(300).expect("a share of a device"),
        Demand::share(501).expect("a share of a device").with(cpu, 1).of_kinds(KindSet::from_iter([a100])),
    ]
}

/// Applies an operation; returns a receipt if it made one.
fn apply(inventory: &mut Inventory, receipts: &mut Vec<Receipt>, op: &Op) {
    let cpu = inventory.resource("cpu");
    let demand = |pod| match pod {
        Pod::Whole(devices, amount) => Demand::devices(devices).with(cpu, amount),
        Pod::Share(milli) => Demand::share(milli).expect("a share of a device"),
        Pod::Island(devices) => Demand::devices(devices).within_island(),
    };
    match op {
        Op::Transact { pods, undo, commit } => {
            let mut transaction = inventory.transaction();
            let mut marks = vec![transaction.mark()];
            for &(node, pod) in pods {
                if transaction.reserve(NodeId::new(node), &demand(pod)).is_ok() {
                    marks.push(transaction.mark());
                }
            }
            transaction.undo_to(marks[marks.len() - 1 - undo.min(&(marks.len() - 1))]);
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
        Op::ReleaseFork(at) => {
            if !receipts.is_empty() {
                let receipt = receipts.swap_remove(at % receipts.len());
                inventory.fork().release(receipt).expect("the receipt is of the fork's origin");
            }
        }
        &Op::Cordon(node, on) => inventory.set_cordoned(NodeId::new(node), on),
        &Op::Devices(node, count, kind) => {
            let _ = inventory.set_devices(NodeId::new(node), count, ["", "H100", "A100"][kind]);
        }
        &Op::Places(node, len, numa) => {
            let devices = inventory.devices(NodeId::new(node)).len();
            let run = |first: u32| DeviceSet::from_mask(((1 << len.min(devices - first)) - 1) << first);
            let places: Vec<DeviceSet> = (0..devices).step_by(len as usize + 1).map(run).collect();
            let _ = match numa {
                true => inventory.set_numa(NodeId::new(node), &places),
                false => inventory.set_islands(NodeId::new(node), &places),
            };
        }
        &Op::Cpu(node, amount) => {
            let _ = inventory.set_capacity(NodeId::new(node), cpu, amount);
        }
        &Op::Removed(node) => {
            let removed = Delta::Removed { node: NodeId::new(node) };
            inventory.apply(&removed).expect("any node can go");
        }
        &Op::Added(node, devices, kind) => {
            let (node, kind) = (NodeId::new(node), ["", "H100", "A100"][kind].to_owned());
            let _ = inventory.apply(&Delta::Added { node, devices, kind, resources: vec![(cpu, 12)] });
        }
        &Op::Resized(node, devices, amount) => {
            let (node, resources) = (NodeId::new(node), vec![(cpu, amount)]);
            let _ = inventory.apply(&Delta::Resized { node, devices, resources });
        }
        Op::Rebase => {
            let from = inventory.topology().clone();
            let to = Arc::new(if from.trees().len() == 1 { three_trees() } else { one_tree() });
            *inventory = inventory.rebase(to.clone()).expect("no node goes");
            receipts.iter_mut().for_each(|receipt| receipt.rebase(&from, &to).expect("no node goes"));
        }
        &Op::Warm(at) => {
            let shapes = shapes(inventory);
            inventory.warm(&shapes[at % shapes.len()]);
        }
        Op::Fork(pods) => {
            let mut transaction = inventory.transaction();
            for &(node, pod) in pods {
                let _ = transaction.reserve(NodeId::new(node), &demand(pod));
            }
            let fork = transaction.inventory().fork();
            drop(transaction);
            *inventory = fork;
        }
    }
}

/// Property 5: the index equals a recount.
fn check(inventory: &Inventory, index: ShapeIndex<'_>) -> Result<(), TestCaseError> {
    let topology = inventory.topology();
    let fits = |node| u64::from(inventory.fits(node, index.demand()).min(ShapeIndex::MOST));
    prop_assert_eq!(index.column().len(), topology.domains_len());
    for level in topology.trees().flat_map(|tree| topology.tree_levels(tree)) {
        for domain in topology.domains(level) {
            prop_assert_eq!(index.count(domain), topology.nodes_of(domain).map(fits).sum::<u64>());
        }
    }
    for node in topology.nodes() {
        prop_assert_eq!(u64::from(index.fits(node)), fits(node));
        prop_assert_eq!(index.limit(node), inventory.limiting(node, index.demand()));
    }
    let outside: Vec<u64> = topology.nodes().skip(topology.tree_nodes().end).map(fits).collect();
    prop_assert_eq!(index.outside(), outside);
    prop_assert_eq!(index.total(), topology.nodes().map(fits).sum::<u64>());
    Ok(())
}

/// What the ledger shows of each node.
fn rows(inventory: &Inventory) -> Vec<String> {
    let cpu = inventory.find_resource("cpu").expect("cpu is known");
    let row = |node| {
        let (devices, free) = (inventory.devices(node), inventory.free_devices(node));
        let left: Vec<u32> = devices.iter().map(|device| inventory.left(node, device)).collect();
        let cpu = (inventory.capacity(node, cpu), inventory.free(node, cpu));
        let flags = (inventory.is_cordoned(node), inventory.is_removed(node));
        let places = (inventory.islands(node), inventory.numa(node), inventory.kind(node));
        format!("{devices} {free} {left:?} {cpu:?} {flags:?} {places:?}")
    };
    inventory.topology().nodes().map(row).collect()
}

proptest! {
    #![proptest_config(cases::cases(1000))]

    #[test]
    fn property_5_the_index_equals_a_recount(ops in prop::collection::vec(op(), 0..60)) {
        let mut inventory = inventory();
        let shapes = shapes(&mut inventory);
        let mut receipts = Vec::new();
        let mut forks = Vec::new();
        for op in &ops {
            if let Op::Fork(_) = op {
                forks.push(inventory.fork());
            }
            apply(&mut inventory, &mut receipts, op);
            for index in shapes.iter().filter_map(|shape| inventory.index(shape)) {
                check(&inventory, index)?;
            }
        }
        // The origins stand as they did.
        for fork in forks {
            for index in shapes.iter().filter_map(|shape| fork.index(shape)) {
                check(&fork, index)?;
            }
        }
        for shape in &shapes {
            inventory.warm(shape);
            check(&inventory, inventory.index(shape).expect("it was just warmed"))?;
        }
    }

    #[test]
    fn an_open_transaction_shows_no_index_that_is_not_true(pods in prop::collection::vec((0..NODES, 0..6u32), 0..6)) {
        let mut inventory = inventory();
        let shape = Demand::devices(2);
        inventory.warm(&shape);
        let version = inventory.version();
        let mut transaction = inventory.transaction();
        let start = transaction.mark();
        prop_assert!(transaction.inventory().index(&shape).is_some());
        let mut held = false;
        for (node, devices) in pods {
            held |= transaction.reserve(NodeId::new(node), &Demand::devices(devices)).is_ok();
            prop_assert_eq!(transaction.inventory().index(&shape).is_none(), held);
            prop_assert_eq!(transaction.inventory().changes_since(version).is_none(), held);
        }
        transaction.undo_to(start);
        let index = transaction.inventory().index(&shape).expect("nothing is held");
        check(transaction.inventory(), index)?;
        prop_assert_eq!(transaction.inventory().changes_since(version).map(Iterator::count), Some(0));
    }

    #[test]
    fn the_changes_since_a_version_are_complete_or_none(ops in prop::collection::vec(op(), 0..60)) {
        let mut inventory = inventory();
        let mut receipts = Vec::new();
        let mut history = vec![(inventory.version(), rows(&inventory))];
        for op in &ops {
            apply(&mut inventory, &mut receipts, op);
            let now = rows(&inventory);
            for (version, then) in &history {
                if let Some(changes) = inventory.changes_since(*version) {
                    let mut patched = then.clone();
                    changes.for_each(|node| patched[node.index()].clone_from(&now[node.index()]));
                    prop_assert_eq!(&patched, &now);
                }
            }
            history.push((inventory.version(), now));
        }
    }

    #[test]
    fn the_least_recently_warmed_goes(limit in 0..5_usize, warmed in prop::collection::vec(0..8u32, 0..30)) {
        let mut inventory = inventory();
        inventory.set_index_limit(limit);
        let mut recent: Vec<u32> = Vec::new();
        for devices in warmed {
            inventory.warm(&Demand::devices(devices));
            recent.retain(|&other| other != devices);
            recent.insert(0, devices);
            recent.truncate(limit);
            for devices in 0..8 {
                prop_assert_eq!(inventory.index(&Demand::devices(devices)).is_some(), recent.contains(&devices));
            }
        }
        inventory.set_index_limit(limit / 2);
        for (at, &devices) in recent.iter().enumerate() {
            prop_assert_eq!(inventory.index(&Demand::devices(devices)).is_some(), at < limit / 2);
        }
    }
}

#[test]
fn a_forgotten_transaction_is_noticed() {
    let mut inventory = inventory();
    let shape = Demand::devices(2);
    inventory.warm(&shape);
    let version = inventory.version();
    let mut transaction = inventory.transaction();
    transaction.reserve(NodeId::new(0), &shape).expect("it is free");
    std::mem::forget(transaction);
    assert!(inventory.index(&shape).is_none());
    drop(inventory.transaction().commit());
    assert!(inventory.index(&shape).is_none(), "it has to be warmed again");
    assert!(inventory.changes_since(version).is_none());
    inventory.warm(&shape);
    let index = inventory.index(&shape).expect("it was just warmed");
    check(&inventory, index).expect("it equals a recount");
}
