//! What is done to a ledger and to its model alike.

use std::mem;

use phalanx_topology::{Delta, Demand, DeviceSet, KindSet, Locality, NodeId, ResourceId};

use super::model::RESOURCES;
use super::trees;
use super::world::World;
use crate::bytes::Bytes;

/// Ledgers at once.
const WORLDS: usize = 3;

/// Receipts kept; further ones are dropped, and what they hold stays held.
const RECEIPTS: usize = 24;

/// What a pod asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pod {
    devices: u32,
    /// 0 for whole devices.
    milli: u32,
    locality: Locality,
    kinds: u64,
    amounts: Vec<(u16, u64)>,
}

impl Pod {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        let what = bytes.byte();
        let devices = match what & 0x0f {
            few @ 0..=13 => u32::from(few) % 6,
            14 => u32::from(bytes.byte()),
            _ => u32::MAX,
        };
        let milli = if what & 0x30 == 0x30 { [1, 90, 333, 334, 500, 501, 999, 1000][bytes.below(8)] } else { 0 };
        let locality = [Locality::Node, Locality::Node, Locality::Island, Locality::Numa][usize::from(what >> 6)];
        let more = bytes.byte();
        let kinds = if more & 7 == 7 { u64::from(bytes.byte()) << (more >> 6) } else { 0 };
        let amounts = (0..more >> 3 & 3).map(|_| (bytes.below(RESOURCES) as u16, bytes.amount())).collect();
        Self { devices, milli, locality, kinds, amounts }
    }

    pub(crate) fn demand(&self) -> Demand {
        let devices = match self.milli {
            0 => Demand::devices(self.devices),
            milli => Demand::share(milli).expect("1 to 1000"),
        };
        let near = match self.locality {
            Locality::Node => devices,
            Locality::Island => devices.within_island(),
            Locality::Numa => devices.within_numa(),
        };
        let demand = near.of_kinds(KindSet::from_mask(self.kinds));
        self.amounts.iter().fold(demand, |demand, &(resource, amount)| demand.with(ResourceId::new(resource), amount))
    }
}

/// A node of the first ones or, where there are more, near the end; now and then one that does not exist.
fn node(world: &World, bytes: &mut Bytes<'_>) -> NodeId {
    let (len, at) = (world.model.nodes.len(), bytes.below(32));
    NodeId::new(if at < 24 && len > 0 { if at < 12 { at % len } else { len - 1 - at % len.min(12) } } else { at } as u32)
}

fn known(world: &World, node: NodeId) -> bool {
    node.index() < world.model.nodes.len()
}

fn kind(bytes: &mut Bytes<'_>) -> String {
    match bytes.byte() {
        none @ 0..=63 if none % 2 == 0 => String::new(),
        few @ 0..=191 => ["A", "B", "C"][usize::from(few % 3)].to_owned(),
        many => format!("k{many}"),
    }
}

fn count(bytes: &mut Bytes<'_>) -> u32 {
    match bytes.byte() {
        few @ 0..=199 => u32::from(few % 12),
        many => u32::from(many - 200) + 40,
    }
}

fn resources(bytes: &mut Bytes<'_>) -> Vec<(ResourceId, u64)> {
    (0..bytes.below(4)).map(|_| (ResourceId::new(bytes.below(4) as u16), bytes.amount())).collect()
}

/// Gives a new ledger something to hold.
pub(crate) fn furnish(world: &mut World, bytes: &mut Bytes<'_>) {
    let how = bytes.byte();
    for name in &["cpu", "memory"][..usize::from(how & 3).min(2)] {
        world.inventory.resource(name);
        world.model.intern_resource(name);
    }
    let devices = [8, 4, 64, 0][usize::from(how >> 2 & 3)];
    for node in world.inventory.topology().clone().nodes() {
        world.inventory.set_devices(node, devices, "").expect("nothing is held");
        assert!(world.model.set_devices(node.index(), devices, ""));
        for resource in 0..world.model.resources.len() {
            world.inventory.set_capacity(node, ResourceId::new(resource as u16), 16).expect("nothing is held");
            assert!(world.model.set_capacity(node.index(), resource, 16));
        }
    }
}

/// Does one operation on the ledger at `at`; some make another ledger or turn to one. Returns a demand that is worth asking.
pub(crate) fn apply(worlds: &mut Vec<World>, at: &mut usize, bytes: &mut Bytes<'_>) -> Option<Demand> {
    let world = &mut worlds[*at];
    let before = (world.inventory.state_hash(), world.inventory.version());
    let same = |world: &World, done: bool| {
        if !done {
            assert_eq!((world.inventory.state_hash(), world.inventory.version()), before, "it was refused");
        }
    };
    match bytes.byte() % 24 {
        0..=6 => return transact(worlds, at, bytes),
        7 | 8 => {
            if !world.receipts.is_empty() {
                let receipt = world.receipts.swap_remove(bytes.below(world.receipts.len()));
                let expected = world.model.release(receipt.reservations());
                assert!(expected || world.foreign, "the receipt is of this inventory");
                assert_eq!(world.inventory.release(receipt).map_err(|error| error.to_string()).is_ok(), expected);
                same(world, expected);
            }
        }
        9 => {
            // A receipt of another ledger, or one from before the fork.
            let other = bytes.below(worlds.len());
            if other != *at && !worlds[other].receipts.is_empty() {
                let which = bytes.below(worlds[other].receipts.len());
                let receipt = worlds[other].receipts.swap_remove(which);
                let world = &mut worlds[*at];
                let expected = world.model.release(receipt.reservations());
                assert_eq!(world.inventory.release(receipt).map_err(|error| error.to_string()).is_ok(), expected);
                world.foreign |= expected;
                same(world, expected);
            }
        }
        10 => {
            let (node, on) = (node(world, bytes), bytes.flag());
            if known(world, node) {
                world.inventory.set_cordoned(node, on);
                world.model.nodes[node.index()].cordoned = on;
            }
        }
        11 => {
            let (node, count, kind) = (node(world, bytes), count(bytes), kind(bytes));
            let done = world.inventory.set_devices(node, count, &kind).map_err(|error| error.to_string());
            assert_eq!(done.is_ok(), world.model.set_devices(node.index(), count, &kind), "{done:?}");
            same(world, done.is_ok());
        }
        12 => {
            let (node, resource, amount) = (node(world, bytes), bytes.below(RESOURCES), bytes.amount());
            let set = world.inventory.set_capacity(node, ResourceId::new(resource as u16), amount);
            let done = set.map_err(|error| error.to_string());
            assert_eq!(done.is_ok(), world.model.set_capacity(node.index(), resource, amount), "{done:?}");
            same(world, done.is_ok());
        }
        13 => set_places(world, bytes),
        14 => {
            let (node, devices, kind, resources) = (node(world, bytes), count(bytes), kind(bytes), resources(bytes));
            let expected = world.model.add(node.index(), devices, &kind, &resources);
            let done = world.inventory.apply(&Delta::Added { node, devices, kind, resources });
            assert_eq!(done.as_ref().map_err(ToString::to_string).is_ok(), expected, "{done:?}");
            same(world, expected);
        }
        15 => {
            let (node, devices, resources) = (node(world, bytes), count(bytes), resources(bytes));
            let expected = world.model.resize(node.index(), devices, &resources);
            let done = world.inventory.apply(&Delta::Resized { node, devices, resources });
            assert_eq!(done.as_ref().map_err(ToString::to_string).is_ok(), expected, "{done:?}");
            same(world, expected);
        }
        16 => {
            let (node, choice) = (node(world, bytes), bytes.below(3));
            let delta = match choice {
                0 => Delta::Removed { node },
                on => Delta::Cordoned { node, cordoned: on == 1 },
            };
            assert_eq!(world.inventory.apply(&delta).is_ok(), known(world, node));
            if let Some(node) = world.model.nodes.get_mut(node.index()) {
                (node.removed, node.cordoned) = match choice {
                    0 => (true, node.cordoned),
                    on => (node.removed, on == 1),
                };
            }
        }
        17 => rebase(world, trees::tree(bytes.below(trees::COUNT))),
        18 => {
            let demand = Pod::read(bytes).demand();
            world.warm(&demand);
            return Some(demand);
        }
        19 => match bytes.below(3) {
            0 => world.set_limit(bytes.below(8)),
            1 => {
                let kept: Vec<Demand> = world.warm.iter().filter(|_| bytes.flag()).cloned().collect();
                world.inventory.keep_warm(&kept);
                world.warm.retain(|warm| kept.contains(warm));
            }
            _ => world.set_limit(64),
        },
        20 => {
            let fork = world.fork();
            add(worlds, *at, fork, bytes);
        }
        21 => *at = bytes.below(worlds.len()),
        22 => {
            let name = ["cpu", "memory", "a", "b", ""][bytes.below(RESOURCES)];
            let id = world.inventory.resource(name);
            world.model.intern_resource(name);
            assert_eq!(world.inventory.resource_name(id), name);
            let kind = kind(bytes);
            let interned = world.inventory.intern_kind(&kind).map_err(|error| error.to_string());
            assert_eq!(interned.is_ok(), world.model.intern_kind(&kind), "{interned:?}");
            same(world, false);
        }
        _ => burst(world, bytes),
    }
    None
}

/// Makes room for another ledger if there are enough, and never drops the one at `at`.
fn add(worlds: &mut Vec<World>, at: usize, world: World, bytes: &mut Bytes<'_>) {
    if worlds.len() < WORLDS {
        worlds.push(world);
    } else {
        let other = (at + 1 + bytes.below(WORLDS - 1)) % WORLDS;
        worlds[other] = world;
    }
}

/// Many small changes, so that old ones are forgotten.
fn burst(world: &mut World, bytes: &mut Bytes<'_>) {
    let (node, many) = (node(world, bytes), bytes.below(4) * 500);
    for turn in 0..many {
        if turn % 3 == 0 {
            world.settle();
            drop(world.inventory.transaction().commit());
        } else if known(world, node) {
            world.inventory.set_cordoned(node, turn % 3 == 1);
            world.model.nodes[node.index()].cordoned = turn % 3 == 1;
        }
    }
}

fn set_places(world: &mut World, bytes: &mut Bytes<'_>) {
    let (node, how) = (node(world, bytes), bytes.byte());
    let locality = if how & 1 == 0 { Locality::Island } else { Locality::Numa };
    let devices = world.model.nodes.get(node.index()).map_or(8, |node| node.devices);
    let places: Vec<u64> = if how & 2 == 0 {
        (0..how >> 4).map(|_| u64::from(bytes.byte()) << bytes.below(60)).collect()
    } else {
        // Runs of so many devices, with or without one between that is in none.
        let (size, step) = (u32::from(how >> 4) + 1, u32::from(how >> 4) + 1 + u32::from(how >> 2 & 1));
        let run = |start: u32| (start..(start + size).min(devices)).fold(0, |mask, device| mask | 1 << device);
        (0..devices).step_by(step as usize).map(run).collect()
    };
    let sets: Vec<DeviceSet> = places.iter().copied().map(DeviceSet::from_mask).collect();
    let set = match locality {
        Locality::Island => world.inventory.set_islands(node, &sets),
        _ => world.inventory.set_numa(node, &sets),
    };
    let expected = world.model.nodes.get_mut(node.index()).is_some_and(|node| node.set_places(locality, &places));
    assert_eq!(set.map_err(|error| error.to_string()).is_ok(), expected);
}

fn rebase(world: &mut World, to: std::sync::Arc<phalanx_topology::Topology>) {
    let expected = world.model.rebase(&to);
    let moved = world.inventory.rebase(to.clone());
    assert_eq!(moved.is_ok(), expected.is_some(), "{:?}", moved.as_ref().err());
    if let (Ok(moved), Some(model)) = (moved, expected) {
        let from = world.inventory.topology().clone();
        // A receipt that names a node that went held nothing there; it is left out.
        world.receipts.retain_mut(|receipt| receipt.rebase(&from, &to).is_ok());
        world.moved(moved, model);
    }
}

/// Reserves and claims, undoes some of it, and commits, rolls back or forgets; or turns to a copy made meanwhile.
fn transact(worlds: &mut Vec<World>, at: &mut usize, bytes: &mut Bytes<'_>) -> Option<Demand> {
    let world = &mut worlds[*at];
    world.settle();
    let how = bytes.byte();
    let mut asked = None;
    let (mut models, mut marks) = (vec![world.model.clone()], Vec::new());
    let (nodes, kinds) = (world.model.nodes.len(), world.model.kinds.clone());
    let reads: Vec<(NodeId, Option<u64>, Demand, u8)> = (0..how & 7)
        .map(|_| {
            let (node, step) = (node(world, bytes), bytes.byte());
            let mask = (step & 3 == 3).then(|| u64::from(bytes.byte()) << (step >> 3 & 7));
            (node, mask, Pod::read(bytes).demand(), step)
        })
        .collect();
    let mut transaction = world.inventory.transaction();
    let (hash, version) = (transaction.inventory().state_hash(), transaction.inventory().version());
    for (node, mask, demand, step) in reads {
        marks.push((transaction.mark(), models.len()));
        let mut model = models.last().expect("the first stays").clone();
        let taken = match mask {
            Some(mask) => {
                let may = model.nodes.get(node.index()).is_some_and(|node| node.may_claim(mask, &demand, &kinds));
                let claimed = transaction.claim(node, DeviceSet::from_mask(mask), &demand);
                assert_eq!(claimed.as_ref().map_err(ToString::to_string).is_ok(), may, "{claimed:?}");
                may.then_some(mask)
            }
            None => {
                let expected = model.nodes.get(node.index()).and_then(|node| node.choose(&demand, &kinds).ok());
                if node.index() < nodes {
                    let mut scratch = transaction.inventory().node_state(node);
                    if let Some(mask) = expected {
                        assert_eq!(scratch.take(&demand).map(DeviceSet::mask), Some(mask), "{demand:?}");
                    }
                }
                let reserved = transaction.reserve(node, &demand);
                let reserved = reserved.map(DeviceSet::mask).map_err(|error| error.to_string());
                assert_eq!(reserved.as_ref().ok(), expected.as_ref(), "{demand:?}: {reserved:?}");
                expected
            }
        };
        if let Some(mask) = taken {
            model.nodes[node.index()].take(mask, &demand);
            models.push(model);
        }
        asked = Some(demand);
        if step & 0x40 != 0 {
            let (mark, len) = marks[usize::from(step >> 3) % marks.len()];
            transaction.undo_to(mark);
            models.truncate(len);
        }
        let held = models.len() > 1;
        assert_eq!(transaction.inventory().changes_since(version).is_none(), held);
        models.last().expect("the first stays").check(transaction.inventory());
    }
    let held = models.len() > 1;
    let model = models.pop().expect("the first stays");
    let copy = (how & 0x80 != 0).then(|| transaction.inventory().fork());
    match how >> 3 & 7 {
        0..=4 => {
            let receipt = transaction.commit();
            assert_eq!(receipt.reservations().len(), models.len());
            assert_eq!(world.inventory.version(), version + 1);
            if world.receipts.len() < RECEIPTS {
                world.receipts.push(receipt);
            } else {
                drop(receipt);
            }
            world.model = model.clone();
        }
        5 => transaction.rollback(),
        6 => drop(transaction),
        _ => {
            // What it holds stays held, by nobody.
            mem::forget(transaction);
            world.model = model.clone();
            if held {
                world.dirty = true;
                world.forget_versions();
            }
        }
    }
    if matches!(how >> 3 & 7, 5 | 6) {
        assert_eq!((world.inventory.state_hash(), world.inventory.version()), (hash, version), "it was rolled back");
    }
    if let Some(copy) = copy {
        let mut fork = world.fork();
        (fork.inventory, fork.model, fork.dirty) = (copy, model, held);
        fork.forget_versions();
        add(worlds, *at, fork, bytes);
    }
    asked
}
