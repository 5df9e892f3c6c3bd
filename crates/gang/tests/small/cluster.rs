//! Small clusters.

use std::sync::Arc;

use phalanx_topology::{Delta, Demand, DeviceSet, Inventory, KindId, NodeId, ResourceId, Topology};
use proptest::prelude::*;

/// The kinds by number, from 1. Their order of names is not that of their ids.
const KINDS: [&str; 3] = ["", "H100", "A100"];

/// A node: block and rack (0 is none, so a missing level or, with both, outside the tree) and what it has.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) block: usize,
    pub(crate) rack: usize,
    pub(crate) devices: u32,
    /// Devices that others hold.
    pub(crate) held: u32,
    pub(crate) cpu: u64,
    /// 0 is none.
    pub(crate) kind: usize,
    /// Milli of one device that others hold, 0 for none.
    pub(crate) shared: u32,
    /// The device before which the node's devices part into two islands and zones.
    pub(crate) cut: u32,
    pub(crate) is_cordoned: bool,
    pub(crate) is_removed: bool,
}

fn row() -> impl Strategy<Value = Row> {
    let place = (0..3usize, 0..3usize);
    let amounts = (0..6u32, 0..3u32, 0..6u64, prop_oneof![4 => Just(0), 1 => Just(300), 1 => Just(700)], 0..6u32);
    let flags = (prop::bool::weighted(0.07), prop::bool::weighted(0.04));
    (place, amounts, 0..3usize, flags).prop_map(
        |((block, rack), (devices, held, cpu, shared, cut), kind, (is_cordoned, is_removed))| Row {
            block,
            rack,
            devices,
            held,
            cpu,
            kind,
            shared,
            cut,
            is_cordoned,
            is_removed,
        },
    )
}

pub(crate) fn cluster(nodes: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(row(), nodes)
}

pub(crate) fn kind(inventory: &Inventory, kind: usize) -> KindId {
    inventory.find_kind(KINDS[kind]).expect("all kinds are interned")
}

/// The node of a row.
pub(crate) fn node(inventory: &Inventory, row: usize) -> NodeId {
    inventory.topology().node(&name("", row)).expect("the node was listed")
}

pub(crate) fn cpu(inventory: &Inventory) -> ResourceId {
    inventory.find_resource("cpu").expect("it is interned")
}

fn name(prefix: &str, row: usize) -> String {
    format!("{prefix}n{row}")
}

/// The tree of some rows, listed in this order, every name with a prefix, which keeps their order.
pub(crate) fn topology(rows: &[Row], order: &[usize], prefix: &str) -> Topology {
    let mut builder = Topology::builder(["block", "rack"]);
    for &at in order {
        let named = |name: &str| if name.is_empty() { String::new() } else { format!("{prefix}{name}") };
        let (block, rack) = (named(["", "b1", "b2"][rows[at].block]), named(["", "r1", "r2"][rows[at].rack]));
        builder = builder.node(&name(prefix, at), &[("block", &block), ("rack", &rack)]);
    }
    builder.build().expect("the rows are sound")
}

/// The cluster, with what its own pods take beside: for each row devices and cpu.
pub(crate) fn inventory_beside(rows: &[Row], own: &[(usize, Demand)]) -> Inventory {
    let order: Vec<usize> = (0..rows.len()).collect();
    fill(Inventory::new(Arc::new(topology(rows, &order, ""))), rows, &order, own, ("", 1))
}

pub(crate) fn inventory(rows: &[Row]) -> Inventory {
    inventory_beside(rows, &[])
}

/// Fills an inventory's nodes in this order: their own room, and as much again as pods beside take. All cpu times `scale`.
pub(crate) fn fill(
    mut inventory: Inventory,
    rows: &[Row],
    order: &[usize],
    own: &[(usize, Demand)],
    (prefix, scale): (&str, u64),
) -> Inventory {
    for kind in &KINDS[1..] {
        inventory.intern_kind(kind).expect("there are few");
    }
    let cpu = inventory.resource("cpu");
    for &at in order {
        let row = &rows[at];
        let node = inventory.topology().node(&name(prefix, at)).expect("the node was listed");
        let mine = || own.iter().filter(|(of, _)| *of == at).map(|(_, demand)| demand);
        let beside: u32 = mine().map(|demand| demand.device_count() + u32::from(demand.milli() > 0)).sum();
        let devices = row.devices + beside;
        inventory.set_devices(node, devices, KINDS[row.kind]).expect("nothing is held yet");
        let amount = row.cpu * scale + mine().map(|demand| demand.amount(cpu)).sum::<u64>();
        inventory.set_capacity(node, cpu, amount).expect("nothing is held yet");
        let mut transaction = inventory.transaction();
        for demand in mine() {
            // Whole devices, so that what is left to others is the same.
            let whole = Demand::devices(demand.device_count() + u32::from(demand.milli() > 0));
            transaction.reserve(node, &whole.with(cpu, demand.amount(cpu))).expect("there are as many");
        }
        transaction.reserve(node, &Demand::devices(row.held.min(row.devices))).expect("there are as many");
        if row.shared > 0 && row.held < row.devices {
            transaction.reserve(node, &Demand::share(row.shared).expect("a share")).expect("one is free");
        }
        drop(transaction.commit());
        if (1..devices).contains(&row.cut) {
            let low = DeviceSet::from_mask((1 << row.cut) - 1);
            let parts = [low, inventory.devices(node).without(low)];
            inventory.set_islands(node, &parts).expect("they are disjoint");
            inventory.set_numa(node, &parts).expect("they are disjoint");
        }
        inventory.set_cordoned(node, row.is_cordoned);
        if row.is_removed {
            inventory.apply(&Delta::Removed { node }).expect("the node is there");
        }
    }
    inventory
}

/// `b1/r2 4-1 cpu=3`: short, to be read in a failure.
impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { block, rack, devices, held, cpu, kind, shared, cut, is_cordoned, is_removed } = self;
        write!(f, "b{block}/r{rack} {devices}-{held} cpu={cpu} kind={kind} shared={shared} cut={cut}")?;
        write!(f, "{}{}", if *is_cordoned { " cordoned" } else { "" }, if *is_removed { " removed" } else { "" })
    }
}
