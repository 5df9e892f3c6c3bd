//! What a picture of a placement shows: who has which devices of which node.

use std::collections::BTreeMap;

use phalanx_gang::{Gang, Plan, PodId};
use phalanx_topology::{DeviceSet, DomainId, Inventory, NodeId};

/// A placement to be drawn.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    /// The cluster with every gang placed.
    pub(super) inventory: &'a Inventory,
    pub(super) gangs: &'a [Drawn],
    /// The pods of each node, as positions of gang and pod.
    on: BTreeMap<NodeId, Vec<(usize, usize)>>,
}

/// A gang and its pods.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    pub(super) name: String,
    pub(super) placed: bool,
    pub(super) pods: Vec<DrawnPod>,
}

/// A pod of a gang.
#[derive(Clone, Debug)]
pub(super) struct DrawnPod {
    pub(super) id: PodId,
    pub(super) node: NodeId,
    pub(super) devices: DeviceSet,
    /// Of one device; 0 for whole devices.
    pub(super) milli: u32,
    pub(super) state: State,
}

/// Why a pod is where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is of the minimum.
    Placed,
    /// It is above the minimum.
    Extra,
    /// It ran there before.
    Running,
}

/// Devices by who has them, in milli.
#[derive(Clone, Debug, Default)]
pub(super) struct Shares {
    pub(super) total: u64,
    pub(super) free: u64,
    /// Of the gangs drawn, by position.
    pub(super) gangs: BTreeMap<usize, u64>,
}

impl Drawn {
    /// A gang with what runs of it, what is planned of it, or neither; its pods in order of rank.
    pub(super) fn new(
        name: &str,
        gang: &Gang,
        plan: Option<&Plan>,
        running: impl IntoIterator<Item = (PodId, NodeId, DeviceSet, u32)>,
    ) -> Self {
        let mut pods: Vec<DrawnPod> = running
            .into_iter()
            .map(|(id, node, devices, milli)| DrawnPod { id, node, devices, milli, state: State::Running })
            .collect();
        let planned = plan.iter().flat_map(|plan| {
            plan.placements().enumerate().map(|(at, pod)| DrawnPod {
                id: PodId::new(pod.group(), pod.ordinals(), pod.ordinal()),
                node: pod.node(),
                devices: pod.devices(),
                milli: pod.demand().milli(),
                state: if at < plan.min_pods() { State::Placed } else { State::Extra },
            })
        });
        pods.extend(planned);
        pods.sort_by(|a, b| a.id.cmp(&b.id));
        Self { name: name.to_owned(), placed: plan.is_some() || gang.min_pods() == 0, pods }
    }

    /// The rank of each pod by what it is: its position among all that are somewhere.
    pub(super) fn ranks(&self) -> BTreeMap<&PodId, u32> {
        self.pods.iter().map(|pod| &pod.id).zip(0..).collect()
    }
}

impl<'a> Picture<'a> {
    pub(super) fn new(inventory: &'a Inventory, gangs: &'a [Drawn]) -> Self {
        let mut on: BTreeMap<NodeId, Vec<(usize, usize)>> = BTreeMap::new();
        for (gang, drawn) in gangs.iter().enumerate() {
            for (at, pod) in drawn.pods.iter().enumerate() {
                on.entry(pod.node).or_default().push((gang, at));
            }
        }
        Self { inventory, gangs, on }
    }

    /// The pods on a node, each with the gang's position and its rank there.
    pub(super) fn pods(&self, node: NodeId) -> impl Iterator<Item = (usize, usize, &'a DrawnPod)> {
        let on = self.on.get(&node).map_or(&[][..], Vec::as_slice);
        on.iter().map(|&(gang, at)| (gang, at, &self.gangs[gang].pods[at]))
    }

    /// The nodes with a pod of a gang, ascending.
    pub(super) fn used(&self) -> impl Iterator<Item = NodeId> {
        self.on.keys().copied()
    }

    /// Whether a pod of a gang is in the domain of the primary tree.
    pub(super) fn is_used(&self, domain: DomainId) -> bool {
        let range = self.inventory.topology().node_range(domain);
        let [first, last] = [range.start, range.end].map(|position| NodeId::new(position as u32));
        self.on.range(first..last).next().is_some()
    }

    /// Who has how much of the devices of some nodes.
    pub(super) fn shares(&self, nodes: impl Iterator<Item = NodeId>) -> Shares {
        let mut shares = Shares::default();
        for node in nodes {
            let devices = self.inventory.devices(node);
            shares.total += 1_000 * u64::from(devices.len());
            if !self.inventory.is_removed(node) && !self.inventory.is_cordoned(node) {
                shares.free += devices.iter().map(|device| u64::from(self.inventory.left(node, device))).sum::<u64>();
            }
            for (gang, _, pod) in self.pods(node) {
                let milli = if pod.milli > 0 { pod.milli } else { 1_000 * pod.devices.len() };
                *shares.gangs.entry(gang).or_default() += u64::from(milli);
            }
        }
        shares
    }
}
