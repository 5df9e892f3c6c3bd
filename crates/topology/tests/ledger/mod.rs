//! A naive ledger beside the real one: it keeps the list of what is held and sums it from scratch.

use std::sync::Arc;

use phalanx_topology::{
    Delta, Demand, DeviceSet, Inventory, KindSet, Limit, Locality, NodeId, Receipt, ResourceId, Topology,
};
use proptest::prelude::*;

pub(crate) const NODES: u32 = 5;
const CPU: ResourceId = ResourceId::new(0);
const KINDS: [&str; 2] = ["A", "B"];

/// What a pod asks, in the model's own terms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pod {
    pub(crate) devices: u32,
    /// 0 for whole devices; else `devices` is not looked at.
    pub(crate) milli: u32,
    pub(crate) locality: Locality,
    /// Bit 0 for "A", bit 1 for "B"; 0 for any.
    pub(crate) kinds: u64,
    pub(crate) cpu: u64,
}

impl Pod {
    /// The demand, for an inventory that counts cpu under this id and interned the kinds in order.
    pub(crate) fn demand(&self, cpu: ResourceId) -> Demand {
        let devices = match self.milli {
            0 => Demand::devices(self.devices),
            milli => Demand::share(milli).expect("1 to 1000"),
        };
        let near = match self.locality {
            Locality::Node => devices,
            Locality::Island => devices.within_island(),
            Locality::Numa => devices.within_numa(),
        };
        near.with(cpu, self.cpu).of_kinds(KindSet::from_mask(self.kinds))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.whole() == 0 && self.part() == 0 && self.cpu == 0
    }

    /// 1000 milli are one whole device.
    fn whole(&self) -> u32 {
        match self.milli {
            0 => self.devices,
            1000 => 1,
            _ => 0,
        }
    }

    fn part(&self) -> u32 {
        if self.milli < 1000 { self.milli } else { 0 }
    }
}

pub(crate) fn pod() -> impl Strategy<Value = Pod> {
    let milli = prop_oneof![3 => Just(0), 2 => prop::sample::select(vec![90, 100, 333, 334, 500, 501, 999, 1000])];
    let locality = prop_oneof![3 => Just(Locality::Node), 1 => Just(Locality::Island), 1 => Just(Locality::Numa)];
    let kinds = prop_oneof![4 => Just(0u64), 1 => 1..4u64];
    (0..6u32, milli, locality, kinds, 0..9u64).prop_map(|(devices, milli, locality, kinds, cpu)| Pod {
        devices,
        milli,
        locality,
        kinds,
        cpu,
    })
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Reserve these in one transaction, and undo those from a position on. Commit at the end, or roll back.
    Transact {
        pods: Vec<(u32, Pod)>,
        undo_from: usize,
        commit: bool,
    },
    /// Reserve one pod on exactly these devices.
    Claim(u32, u64, Pod),
    /// Release the receipt at this position, modulo how many there are.
    Release(usize),
    Cordon(u32, bool),
    Devices(u32, u32, usize),
    Cpu(u32, u64),
    Layout(u32, Locality, Vec<u64>),
    Add(u32, u32, usize, Option<u64>),
    Remove(u32),
    Resize(u32, u32, Option<u64>),
    /// Do a transaction on a fork and drop the fork.
    Fork(u32, Pod),
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let node = || 0..NODES;
    let count = || prop_oneof![6 => 0..12u32, 1 => 60..70u32];
    let kind = || 0..3usize;
    let locality = prop_oneof![Just(Locality::Island), Just(Locality::Numa)];
    // Each device in one of three places or in none; now and then anything.
    let places = prop::collection::vec(0..4usize, 1..10).prop_map(|of| {
        (0..3).map(|place| (0..of.len()).filter(|&at| of[at] == place).fold(0, |mask, at| mask | 1u64 << at)).collect()
    });
    let places = prop_oneof![6 => places, 1 => prop::collection::vec(0..256u64, 0..3)];
    prop_oneof![
        8 => (prop::collection::vec((node(), pod()), 0..6), 0..9usize, any::<bool>())
            .prop_map(|(pods, undo_from, commit)| Op::Transact { pods, undo_from, commit }),
        2 => (node(), 0..256u64, pod()).prop_map(|(node, mask, pod)| Op::Claim(node, mask, pod)),
        4 => any::<usize>().prop_map(Op::Release),
        1 => (node(), any::<bool>()).prop_map(|(node, on)| Op::Cordon(node, on)),
        1 => (node(), count(), kind()).prop_map(|(node, count, kind)| Op::Devices(node, count, kind)),
        1 => (node(), 0..30u64).prop_map(|(node, amount)| Op::Cpu(node, amount)),
        2 => (node(), locality, places).prop_map(|(node, locality, places)| Op::Layout(node, locality, places)),
        1 => (node(), count(), kind(), prop::option::of(0..30u64))
            .prop_map(|(node, count, kind, cpu)| Op::Add(node, count, kind, cpu)),
        1 => node().prop_map(Op::Remove),
        1 => (node(), count(), prop::option::of(0..30u64)).prop_map(|(node, count, cpu)| Op::Resize(node, count, cpu)),
        1 => (node(), pod()).prop_map(|(node, pod)| Op::Fork(node, pod)),
    ]
}

pub(crate) fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 0..most)
}

#[derive(Clone, Debug, Default)]
struct Node {
    devices: u32,
    kind: Option<usize>,
    cpu: u64,
    cordoned: bool,
    removed: bool,
    islands: Vec<u64>,
    numa: Vec<u64>,
}

/// What one pod holds.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) node: u32,
    pub(crate) devices: Vec<u32>,
    pub(crate) pod: Pod,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    nodes: Vec<Node>,
    /// By receipt.
    pub(crate) held: Vec<Vec<Held>>,
}

impl Model {
    fn held_on(&self, node: u32) -> impl Iterator<Item = &Held> {
        self.held.iter().flatten().filter(move |held| held.node == node)
    }

    fn left(&self, node: u32, device: u32) -> u32 {
        if device >= self.nodes[node as usize].devices {
            return 0;
        }
        let holders = self.held_on(node).filter(|held| held.devices.contains(&device));
        holders.fold(1000, |left, held| left - if held.pod.part() > 0 { held.pod.part() } else { 1000 })
    }

    fn cpu_held(&self, node: u32) -> u64 {
        self.held_on(node).map(|held| held.pod.cpu).sum()
    }

    fn free(&self, node: u32) -> Vec<u32> {
        (0..self.nodes[node as usize].devices).filter(|&device| self.left(node, device) == 1000).collect()
    }

    /// The devices that a pod gets, or the first reason why it gets none.
    pub(crate) fn choose(&self, node: u32, pod: &Pod) -> Result<Vec<u32>, Limit> {
        let of = &self.nodes[node as usize];
        if of.removed {
            return Err(Limit::Removed);
        }
        if of.cordoned {
            return Err(Limit::Cordoned);
        }
        if pod.kinds != 0 && of.kind.is_none_or(|kind| pod.kinds >> kind & 1 == 0) {
            return Err(Limit::Kind);
        }
        let devices = if pod.part() > 0 {
            let fitting = (0..of.devices).filter(|&device| self.left(node, device) >= pod.part());
            vec![fitting.min_by_key(|&device| (self.left(node, device), device)).ok_or(Limit::Devices)?]
        } else {
            let (free, want) = (self.free(node), pod.whole() as usize);
            if free.len() < want {
                return Err(Limit::Devices);
            }
            let places = match pod.locality {
                Locality::Node => &Vec::new(),
                Locality::Island => &of.islands,
                Locality::Numa => &of.numa,
            };
            let mut candidates = vec![free.clone()];
            if !places.is_empty() && want > 0 {
                let inside = |place: &u64| free.iter().copied().filter(|device| place >> device & 1 == 1).collect();
                candidates = places.iter().map(inside).filter(|free: &Vec<u32>| free.len() >= want).collect();
            }
            // Places are kept by their lowest device, and the first of the smallest counts.
            let mut best = candidates.into_iter().min_by_key(Vec::len).ok_or(Limit::Locality)?;
            best.truncate(want);
            best
        };
        if of.cpu - self.cpu_held(node) < pod.cpu {
            return Err(Limit::Resource(CPU));
        }
        Ok(devices)
    }

    fn may_claim(&self, node: u32, devices: &[u32], pod: &Pod) -> bool {
        let of = &self.nodes[node as usize];
        let enough = |&device: &u32| self.left(node, device) >= if pod.part() > 0 { pod.part() } else { 1000 };
        let places = match pod.locality {
            Locality::Island if pod.whole() > 0 && pod.part() == 0 => &of.islands,
            Locality::Numa if pod.whole() > 0 && pod.part() == 0 => &of.numa,
            _ => &Vec::new(),
        };
        !(of.removed || of.cordoned)
            && (pod.kinds == 0 || of.kind.is_some_and(|kind| pod.kinds >> kind & 1 == 1))
            && devices.len() as u32 == if pod.part() > 0 { 1 } else { pod.whole() }
            && devices.iter().all(enough)
            && (places.is_empty() || places.iter().any(|place| devices.iter().all(|device| place >> device & 1 == 1)))
            && of.cpu - self.cpu_held(node) >= pod.cpu
    }

    /// Sets a node's devices if those held are among them.
    fn resize(&mut self, node: u32, devices: u32, cpu: u64) -> bool {
        let highest = self.held_on(node).flat_map(|held| held.devices.iter().copied()).max();
        if devices > 64 || highest.is_some_and(|highest| highest >= devices) || cpu < self.cpu_held(node) {
            return false;
        }
        let of = &mut self.nodes[node as usize];
        (of.devices, of.cpu) = (devices, cpu);
        for layout in [&mut of.islands, &mut of.numa] {
            let clipped = layout.iter().map(|place| (0..devices).fold(0, |mask, at| mask | place & 1 << at));
            *layout = clipped.filter(|&place| place != 0).collect();
        }
        true
    }

    fn set_layout(&mut self, node: u32, locality: Locality, places: &[u64]) -> bool {
        let of = &mut self.nodes[node as usize];
        for device in 0..64 {
            let named = places.iter().filter(|&place| place >> device & 1 == 1).count();
            if named > usize::from(device < of.devices) {
                return false;
            }
        }
        let mut layout: Vec<u64> = places.iter().copied().filter(|&place| place != 0).collect();
        layout.sort_by_key(|place| place.trailing_zeros());
        if locality == Locality::Island {
            of.islands = layout
        } else {
            of.numa = layout
        }
        true
    }
}

/// The real ledger, its receipts, and the model of both.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) inventory: Inventory,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) model: Model,
}

fn indices(devices: DeviceSet) -> Vec<u32> {
    devices.iter().collect()
}

impl World {
    /// Five nodes, one outside the tree, with eight devices and 16 cpu each.
    pub(crate) fn new() -> Self {
        let rows = [("n0", "a"), ("n1", "a"), ("n2", "b"), ("n3", "b")];
        let rows =
            rows.iter().fold(Topology::builder(["rack"]), |rows, (node, rack)| rows.node(node, &[("rack", rack)]));
        let topology = rows.node("n4", &[]).build().expect("the rows are sound");
        let mut inventory = Inventory::new(Arc::new(topology));
        assert_eq!(inventory.resource("cpu"), CPU);
        for kind in KINDS {
            inventory.intern_kind(kind).expect("two kinds are possible");
        }
        for node in inventory.topology().clone().nodes() {
            inventory.set_devices(node, 8, "").expect("nothing is held yet");
            inventory.set_capacity(node, CPU, 16).expect("nothing is held yet");
        }
        let nodes = vec![Node { devices: 8, cpu: 16, ..Node::default() }; NODES as usize];
        Self { inventory, receipts: Vec::new(), model: Model { nodes, held: Vec::new() } }
    }

    pub(crate) fn after(ops: &[Op]) -> Self {
        let mut world = Self::new();
        ops.iter().for_each(|op| world.apply(op));
        world
    }

    /// Does the same to both; their answers must be the same.
    pub(crate) fn apply(&mut self, op: &Op) {
        let kind = |kind: usize| KINDS.get(kind).copied().unwrap_or("");
        let (inventory, model) = (&mut self.inventory, &mut self.model);
        let before = inventory.state_hash();
        match op {
            Op::Transact { pods, undo_from, commit } => {
                let mut transaction = inventory.transaction();
                let mut mark = transaction.mark();
                model.held.push(Vec::new());
                let mut kept = 0;
                for (at, (node, pod)) in pods.iter().enumerate() {
                    if at == *undo_from {
                        (mark, kept) = (transaction.mark(), model.held.last().expect("one was pushed").len());
                    }
                    let reserved = transaction.reserve(NodeId::new(*node), &pod.demand(CPU)).map(indices);
                    let expected = model.choose(*node, pod);
                    assert_eq!(reserved.as_ref().ok(), expected.as_ref().ok(), "{reserved:?}, {expected:?}");
                    if let Ok(devices) = expected {
                        let held = Held { node: *node, devices, pod: *pod };
                        model.held.last_mut().expect("one was pushed").push(held);
                    }
                }
                if *undo_from < pods.len() {
                    transaction.undo_to(mark);
                    model.held.last_mut().expect("one was pushed").truncate(kept);
                }
                if *commit {
                    self.receipts.push(transaction.commit());
                } else {
                    transaction.rollback();
                    model.held.pop();
                    assert_eq!(inventory.state_hash(), before);
                }
            }
            Op::Claim(node, mask, pod) => {
                let devices = DeviceSet::from_mask(*mask);
                let mut transaction = inventory.transaction();
                let claimed = transaction.claim(NodeId::new(*node), devices, &pod.demand(CPU));
                let expected = model.may_claim(*node, &indices(devices), pod);
                assert_eq!(claimed.is_ok(), expected, "{claimed:?}");
                self.receipts.push(transaction.commit());
                let held = Held { node: *node, devices: indices(devices), pod: *pod };
                model.held.push(if expected { vec![held] } else { Vec::new() });
            }
            Op::Release(at) => {
                if !self.receipts.is_empty() {
                    let at = at % self.receipts.len();
                    model.held.swap_remove(at);
                    inventory.release(self.receipts.swap_remove(at)).expect("the receipt is of this inventory");
                }
            }
            &Op::Cordon(node, on) => {
                inventory.set_cordoned(NodeId::new(node), on);
                model.nodes[node as usize].cordoned = on;
            }
            &Op::Devices(node, count, of) => {
                let done = inventory.set_devices(NodeId::new(node), count, kind(of)).is_ok();
                let cpu = model.nodes[node as usize].cpu;
                assert_eq!(model.resize(node, count, cpu), done);
                if done {
                    model.nodes[node as usize].kind = (of < KINDS.len()).then_some(of);
                }
            }
            &Op::Cpu(node, amount) => {
                let done = inventory.set_capacity(NodeId::new(node), CPU, amount).is_ok();
                let devices = model.nodes[node as usize].devices;
                assert_eq!(model.resize(node, devices, amount), done);
            }
            Op::Layout(node, locality, places) => {
                let sets: Vec<DeviceSet> = places.iter().copied().map(DeviceSet::from_mask).collect();
                let id = NodeId::new(*node);
                let done = match locality {
                    Locality::Island => inventory.set_islands(id, &sets),
                    _ => inventory.set_numa(id, &sets),
                };
                assert_eq!(model.set_layout(*node, *locality, places), done.is_ok());
            }
            &Op::Add(node, devices, of, cpu) => {
                let resources = cpu.map(|cpu| (CPU, cpu)).into_iter().collect();
                let delta = Delta::Added { node: NodeId::new(node), devices, kind: kind(of).to_owned(), resources };
                let done = inventory.apply(&delta).is_ok();
                assert_eq!(model.resize(node, devices, cpu.unwrap_or(0)), done);
                if done {
                    model.nodes[node as usize].kind = (of < KINDS.len()).then_some(of);
                    model.nodes[node as usize].removed = false;
                }
            }
            &Op::Remove(node) => {
                inventory.apply(&Delta::Removed { node: NodeId::new(node) }).expect("the node is known");
                model.nodes[node as usize].removed = true;
            }
            &Op::Resize(node, devices, cpu) => {
                let resources = cpu.map(|cpu| (CPU, cpu)).into_iter().collect();
                let done = inventory.apply(&Delta::Resized { node: NodeId::new(node), devices, resources }).is_ok();
                let cpu = cpu.unwrap_or(model.nodes[node as usize].cpu);
                assert_eq!(model.resize(node, devices, cpu), done);
            }
            Op::Fork(node, pod) => {
                let mut fork = inventory.fork();
                let mut transaction = fork.transaction();
                let _ = transaction.reserve(NodeId::new(*node), &pod.demand(CPU));
                drop(transaction.commit());
                assert_eq!(inventory.state_hash(), before);
            }
        }
    }

    /// What the ledger shows must be what the model sums up.
    pub(crate) fn check(&self) {
        for at in 0..NODES {
            let (node, of) = (NodeId::new(at), &self.model.nodes[at as usize]);
            let inventory = &self.inventory;
            assert_eq!(inventory.devices(node), DeviceSet::first(of.devices).expect("at most 64"));
            assert_eq!(indices(inventory.free_devices(node)), self.model.free(at));
            for device in 0..=DeviceSet::MAX {
                assert_eq!(inventory.left(node, device), self.model.left(at, device));
            }
            assert_eq!(inventory.capacity(node, CPU), of.cpu);
            assert_eq!(inventory.free(node, CPU), of.cpu - self.model.cpu_held(at));
            assert_eq!(inventory.kind(node), of.kind.map(|kind| KINDS[kind]));
            assert_eq!((inventory.is_cordoned(node), inventory.is_removed(node)), (of.cordoned, of.removed));
            let masks = |sets: &[DeviceSet]| sets.iter().map(|set| set.mask()).collect::<Vec<_>>();
            assert_eq!(
                (masks(inventory.islands(node)), masks(inventory.numa(node))),
                (of.islands.clone(), of.numa.clone())
            );
        }
        for (receipt, held) in self.receipts.iter().zip(&self.model.held) {
            let shown = receipt.reservations().iter().map(|held| (held.node(), indices(held.devices())));
            assert!(shown.eq(held.iter().map(|held| (NodeId::new(held.node), held.devices.clone()))));
        }
    }
}
