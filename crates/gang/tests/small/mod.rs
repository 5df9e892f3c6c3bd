//! Small clusters and gangs, and the definition of a placement spelled out for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use phalanx_gang::{Gang, Group, Plan};
use phalanx_topology::{Demand, Inventory, LevelId, NodeId, ResourceId, Topology};
use proptest::prelude::*;

/// A group as a test writes it: levels are 0 (block), 1 (rack), 2 (node).
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) hard: Option<u8>,
    pub(crate) preferred: Vec<u8>,
    pub(crate) body: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Pods { count: u32, devices: u32, cpu: u64 },
    Groups(Vec<Spec>),
}

/// A node: block and rack (0 is none), devices, devices that are held, cpu, cordoned.
pub(crate) type Row = (usize, usize, u32, u32, u64, bool);

pub(crate) fn cluster(nodes: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Row>> {
    let row = (0..3usize, 0..3usize, 0..5u32, 0..3u32, 0..5u64, prop::bool::weighted(0.1));
    prop::collection::vec(row, nodes)
}

pub(crate) fn inventory(rows: &[Row]) -> Inventory {
    let mut builder = Topology::builder(["block", "rack"]);
    for (at, &(block, rack, ..)) in rows.iter().enumerate() {
        let domains = [("block", ["", "b1", "b2"][block]), ("rack", ["", "r1", "r2"][rack])];
        builder = builder.node(&format!("n{at}"), &domains);
    }
    let mut inventory = Inventory::new(Arc::new(builder.build().expect("the rows are sound")));
    let cpu = inventory.resource("cpu");
    for (at, &(_, _, devices, held, amount, cordoned)) in rows.iter().enumerate() {
        let node = inventory.topology().node(&format!("n{at}")).expect("the node was listed");
        inventory.set_devices(node, devices, "").expect("nothing is held yet");
        inventory.set_capacity(node, cpu, amount).expect("nothing is held yet");
        let mut transaction = inventory.transaction();
        transaction.reserve(node, &Demand::devices(held.min(devices))).expect("there are as many");
        drop(transaction.commit());
        inventory.set_cordoned(node, cordoned);
    }
    inventory
}

/// Trees of groups whose minimum is at most `most` pods.
pub(crate) fn gang(most: u32) -> impl Strategy<Value = Spec> {
    let level = || prop::option::weighted(0.4, 0..3u8);
    let bounds = move || (0..3u32, 0..2u32, level(), prop::collection::vec(0..3u8, 0..2));
    let pods = (bounds(), 1..4u32, 0..4u32, 0..3u64).prop_map(|((min, more, hard, preferred), count, devices, cpu)| {
        let body = Content::Pods { count, devices, cpu };
        Spec { name: String::new(), min, max: min + more, hard, preferred, body }
    });
    let tree = pods.prop_recursive(2, 8, 3, move |inner| {
        (bounds(), prop::collection::vec(inner, 1..4)).prop_map(|((min, more, hard, preferred), groups)| {
            let body = Content::Groups(groups);
            Spec { name: String::new(), min, max: min + more, hard, preferred, body }
        })
    });
    tree.prop_map(|mut spec| {
        spec.min = spec.min.max(1);
        spec.max = spec.max.max(spec.min);
        name(&mut spec, "g".to_owned());
        spec
    })
    .prop_filter("the minimum is small", move |spec| (1..=most).contains(&spec.min_pods()))
}

fn name(spec: &mut Spec, as_: String) {
    spec.name = as_;
    if let Content::Groups(groups) = &mut spec.body {
        groups.iter_mut().enumerate().for_each(|(at, group)| name(group, format!("c{at}")));
    }
}

impl Spec {
    pub(crate) fn group(&self, cpu: ResourceId) -> Group {
        let group = match &self.body {
            Content::Pods { count, devices, cpu: amount } => {
                Group::pods(&self.name, *count, Demand::devices(*devices).with(cpu, *amount))
            }
            Content::Groups(groups) => Group::of(&self.name, groups.iter().map(|group| group.group(cpu))),
        };
        let group = group.between(self.min, self.max);
        let group = self.hard.into_iter().fold(group, |group, level| group.hard(LevelId::new(level)));
        self.preferred.iter().fold(group, |group, &level| group.prefer(LevelId::new(level)))
    }

    pub(crate) fn gang(&self, inventory: &mut Inventory) -> Gang {
        let cpu = inventory.resource("cpu");
        Gang::new(self.group(cpu)).expect("the gang is sound")
    }

    pub(crate) fn min_pods(&self) -> u32 {
        self.min
            * match &self.body {
                Content::Pods { count, .. } => *count,
                Content::Groups(groups) => groups.iter().map(Self::min_pods).sum(),
            }
    }

    /// The pods of the minimum: what each asks, and the replicas it is in, from the root's down.
    pub(crate) fn pods(&self) -> Vec<PodSpec> {
        let mut pods = Vec::new();
        self.collect("", &mut Vec::new(), &mut Vec::new(), &mut pods);
        pods
    }

    fn collect(&self, outer: &str, ordinals: &mut Vec<u32>, hard: &mut Vec<Option<u8>>, pods: &mut Vec<PodSpec>) {
        let path = if outer.is_empty() { self.name.clone() } else { format!("{outer}/{}", self.name) };
        hard.push(self.hard);
        for ordinal in 0..self.min {
            ordinals.push(ordinal);
            match &self.body {
                Content::Pods { count, devices, cpu } => {
                    let pod = PodSpec {
                        path: path.clone(),
                        ordinals: ordinals.clone(),
                        hard: hard.clone(),
                        devices: *devices,
                        cpu: *cpu,
                    };
                    pods.extend((0..*count).map(|_| pod.clone()));
                }
                Content::Groups(groups) => {
                    groups.iter().for_each(|group| group.collect(&path, ordinals, hard, pods));
                }
            }
            ordinals.pop();
        }
        hard.pop();
    }

    /// The gang with as many replicas of each group as it may have.
    fn largest(&self) -> Self {
        let mut largest = self.clone();
        raise(&mut largest);
        largest
    }

    /// The group with this path.
    pub(crate) fn find(&mut self, path: &str) -> &mut Self {
        let Some((_, rest)) = path.split_once('/') else { return self };
        let name = rest.split('/').next().unwrap_or(rest);
        let Content::Groups(groups) = &mut self.body else { panic!("the path exists") };
        groups.iter_mut().find(|group| group.name == name).expect("the path exists").find(rest)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct PodSpec {
    pub(crate) path: String,
    pub(crate) ordinals: Vec<u32>,
    pub(crate) hard: Vec<Option<u8>>,
    pub(crate) devices: u32,
    pub(crate) cpu: u64,
}

impl PodSpec {
    /// The replicas around the pod that are bound, each named, with the level.
    pub(crate) fn bounds(&self) -> impl Iterator<Item = ((String, Vec<u32>), LevelId)> + '_ {
        let names: Vec<&str> = self.path.split('/').collect();
        (0..names.len()).filter_map(move |depth| {
            let level = LevelId::new(self.hard[depth]?);
            Some(((names[..=depth].join("/"), self.ordinals[..=depth].to_vec()), level))
        })
    }
}

/// Whether pods with these bounds may be on these nodes.
pub(crate) fn bounds_hold<'a>(topology: &Topology, pods: impl Iterator<Item = (&'a PodSpec, NodeId)>) -> bool {
    let mut chosen = BTreeMap::new();
    for (pod, node) in pods {
        for (replica, level) in pod.bounds() {
            let Some(domain) = topology.domain_of(node, level) else { return false };
            if *chosen.entry(replica).or_insert(domain) != domain {
                return false;
            }
        }
    }
    true
}

/// Whether a plan has every replica of the minimum, once and whole, and whole pods above it.
pub(crate) fn check_minimum(spec: &Spec, plan: &Plan) -> Result<(), TestCaseError> {
    let expected = spec.pods();
    prop_assert_eq!(plan.min_pods(), expected.len());
    let key = |path: &str, ordinals: &[u32]| (path.to_owned(), ordinals.to_vec());
    let mut wanted: Vec<_> = expected.iter().map(|pod| key(&pod.path, &pod.ordinals)).collect();
    let mut found: Vec<_> =
        plan.placements().take(plan.min_pods()).map(|pod| key(plan.group_path(pod.group()), pod.ordinals())).collect();
    wanted.sort();
    found.sort();
    prop_assert_eq!(found, wanted, "all of the minimum and nothing else");
    let largest = spec.largest();
    placed(&largest, plan).map(drop)
}

/// Whether every pod of a plan has what it asks, no device or resource is given out twice, and a commit takes all of it.
pub(crate) fn check_room(spec: &Spec, inventory: &Inventory, plan: &Plan) -> Result<(), TestCaseError> {
    let largest = spec.largest();
    let mut fork = inventory.fork();
    let cpu = fork.resource("cpu");
    let mut left: BTreeMap<NodeId, (u64, u64)> = BTreeMap::new();
    for (pod, spec) in plan.placements().zip(placed(&largest, plan)?) {
        let node = pod.node();
        let free = || (inventory.free_devices(node).mask(), inventory.free(node, cpu));
        let (devices, amount) = left.entry(node).or_insert_with(free);
        prop_assert_eq!(pod.demand().device_count(), spec.devices);
        prop_assert_eq!(pod.devices().len(), spec.devices);
        prop_assert_eq!(pod.devices().mask() & !*devices, 0, "a device is not free, or given out twice");
        prop_assert!(spec.cpu <= *amount, "a resource is exceeded");
        (*devices, *amount) = (*devices & !pod.devices().mask(), *amount - spec.cpu);
    }
    let before = fork.state_hash();
    let committed = plan.commit(&mut fork);
    prop_assert!(committed.is_ok(), "{:?}", committed);
    fork.release(committed.expect("it was just checked")).expect("it was committed here");
    prop_assert_eq!(fork.state_hash(), before);
    Ok(())
}

/// Whether every hard level holds for a plan, for extras too.
pub(crate) fn check_bounds(spec: &Spec, inventory: &Inventory, plan: &Plan) -> Result<(), TestCaseError> {
    let largest = spec.largest();
    let specs = placed(&largest, plan)?;
    let pods = specs.iter().zip(plan.placements().map(|pod| pod.node()));
    prop_assert!(bounds_hold(inventory.topology(), pods), "hard levels hold, for extras too");
    Ok(())
}

/// What the gang says of each pod of a plan, the extras among them.
fn placed(largest: &Spec, plan: &Plan) -> Result<Vec<PodSpec>, TestCaseError> {
    let all = largest.pods();
    let spec = |path: &str, ordinals: &[u32]| {
        let spec = all.iter().find(|pod| (pod.path.as_str(), &pod.ordinals[..]) == (path, ordinals));
        spec.cloned().ok_or_else(|| TestCaseError::fail(format!("{path} {ordinals:?} is beyond the maximum")))
    };
    plan.placements().map(|pod| spec(plan.group_path(pod.group()), pod.ordinals())).collect()
}

fn raise(spec: &mut Spec) {
    spec.min = spec.max;
    if let Content::Groups(groups) = &mut spec.body {
        groups.iter_mut().for_each(raise);
    }
}

/// Calls with every placement of the minimum that exceeds nothing and breaks no bound: a node for each pod.
pub(crate) fn every_placement(pods: &[PodSpec], inventory: &Inventory, mut found: impl FnMut(&[NodeId])) {
    let mut fork = inventory.fork();
    let cpu = fork.resource("cpu");
    let topology = fork.topology().clone();
    let mut transaction = fork.transaction();
    place(pods, &topology, cpu, &mut transaction, &mut Vec::new(), &mut found);
}

fn place(
    pods: &[PodSpec],
    topology: &Topology,
    cpu: ResourceId,
    transaction: &mut phalanx_topology::Transaction<'_>,
    nodes: &mut Vec<NodeId>,
    found: &mut impl FnMut(&[NodeId]),
) {
    let Some(pod) = pods.get(nodes.len()) else {
        if bounds_hold(topology, pods.iter().zip(nodes.iter().copied())) {
            found(nodes);
        }
        return;
    };
    for node in topology.nodes() {
        let mark = transaction.mark();
        if transaction.reserve(node, &Demand::devices(pod.devices).with(cpu, pod.cpu)).is_ok() {
            nodes.push(node);
            place(pods, topology, cpu, transaction, nodes, found);
            nodes.pop();
            transaction.undo_to(mark);
        }
    }
}

/// Domains used and their capacity, level by level from the common one down.
pub(crate) fn tight(inventory: &Inventory, demand: &Demand, nodes: &[NodeId]) -> (Option<LevelId>, Vec<(usize, i64)>) {
    let topology = inventory.topology();
    let common = topology.common_level(nodes.iter().copied());
    let fits = |node: NodeId| i64::from(inventory.fits(node, demand));
    let levels = topology.levels().filter(|&level| common.is_none_or(|common| level >= common));
    let costs = levels.map(|level| {
        let mut used = BTreeMap::new();
        for &node in nodes {
            match topology.domain_of(node, level) {
                Some(domain) => used.insert((Some(domain), None), topology.nodes_of(domain).map(fits).sum::<i64>()),
                // Outside the tree a node is a domain of its own at every level.
                None => used.insert((None, Some(node)), fits(node)),
            };
        }
        (used.len(), used.values().sum())
    });
    (common, costs.collect())
}
