//! Which pods of a gang stay where they are while the others are planned.

use std::collections::{BTreeMap, BTreeSet};

use phalanx_topology::{DomainId, Inventory, KindId, LevelId, NodeId, Topology};

use crate::gang::Content;
use crate::pod::Located;
use crate::{Gang, PodId};

/// The pods of a gang that run, or are taken to: by name, and by the replicas that they are in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running {
    pods: BTreeMap<(usize, Box<[u32]>, u32), NodeId>,
    /// How many run in each replica that has any, of every group on their paths.
    replicas: BTreeMap<(usize, Box<[u32]>), u32>,
}

impl Running {
    pub(crate) fn new<'a>(gang: &Gang, pods: impl IntoIterator<Item = &'a Located>) -> Self {
        let mut running = Self::default();
        for located in pods {
            running.add(gang, &located.pod, located.node);
        }
        running
    }

    /// Takes note of a pod; false if it is known already.
    pub(crate) fn add(&mut self, gang: &Gang, pod: &PodId, node: NodeId) -> bool {
        let row = pod.group().index();
        if self.pods.insert((row, pod.ordinals().into(), pod.ordinal()), node).is_some() {
            return false;
        }
        let (mut at, mut depth) = (Some(row), pod.ordinals().len());
        while let Some(row) = at {
            *self.replicas.entry((row, pod.ordinals()[..depth].into())).or_default() += 1;
            (at, depth) = (gang.rows()[row].parent, depth.saturating_sub(1));
        }
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.pods.len()
    }

    /// How many pods run in a replica.
    pub(crate) fn count(&self, row: usize, ordinals: &[u32]) -> u32 {
        if self.is_empty() {
            return 0;
        }
        self.replicas.get(&(row, Box::from(ordinals))).copied().unwrap_or(0)
    }

    /// The node of a pod that runs.
    pub(crate) fn node(&self, row: usize, ordinals: &[u32], ordinal: u32) -> Option<NodeId> {
        if self.is_empty() {
            return None;
        }
        self.pods.get(&(row, Box::from(ordinals), ordinal)).copied()
    }

    /// The nodes of all pods that run in a replica. O(groups in it + pods found), times a logarithm.
    pub(crate) fn nodes(&self, gang: &Gang, row: usize, ordinals: &[u32]) -> Vec<NodeId> {
        // A group's rows follow it, and keys that begin alike follow each other.
        let inside = (row..gang.rows().len()).take_while(|&inner| gang.is_within(inner, row));
        let of = |inner: usize| {
            let from = self.pods.range((inner, Box::from(ordinals), 0)..);
            from.take_while(move |((of, replica, _), _)| *of == inner && replica.starts_with(ordinals))
        };
        inside.flat_map(of).map(|(_, &node)| node).collect()
    }

    /// Whether a pod is of the minimum.
    pub(crate) fn is_minimum(&self, gang: &Gang, pod: &PodId) -> bool {
        self.replicas_around(gang, pod).all(|(row, ordinals)| {
            let (ordinal, around) = ordinals.split_last().expect("a replica has an ordinal");
            self.minimum(gang, row, around).contains(ordinal)
        })
    }

    /// Whether every replica beyond the minimum that a pod is in runs with all of its own minimum.
    pub(crate) fn is_in_whole(&self, gang: &Gang, pod: &PodId) -> bool {
        self.replicas_around(gang, pod).all(|(row, ordinals)| {
            let (ordinal, around) = ordinals.split_last().expect("a replica has an ordinal");
            self.minimum(gang, row, around).contains(ordinal) || self.is_whole(gang, row, ordinals)
        })
    }

    /// The replicas that a pod is in, from the inside out.
    fn replicas_around<'a>(
        &self,
        gang: &'a Gang,
        pod: &'a PodId,
    ) -> impl Iterator<Item = (usize, &'a [u32])> + use<'a> {
        let rows = std::iter::successors(Some(pod.group().index()), |&row| gang.rows()[row].parent);
        let len = pod.ordinals().len();
        rows.zip((1..=len).rev()).map(|(row, depth)| (row, &pod.ordinals()[..depth]))
    }

    fn is_whole(&self, gang: &Gang, row: usize, ordinals: &[u32]) -> bool {
        match &gang.rows()[row].content {
            Content::Pods { count, .. } => (0..*count).all(|ordinal| self.node(row, ordinals, ordinal).is_some()),
            Content::Groups(children) => children.iter().all(|&child| {
                self.minimum(gang, child, ordinals).into_iter().all(|ordinal| {
                    let inner: Vec<u32> = ordinals.iter().copied().chain([ordinal]).collect();
                    self.is_whole(gang, child, &inner)
                })
            }),
        }
    }

    /// The kind of most nodes on which pods of a group run, the first to be interned among equals; none if nothing runs on
    /// a node of a kind.
    pub(crate) fn kind(&self, gang: &Gang, inventory: &Inventory, row: usize) -> Option<KindId> {
        let mut counts = BTreeMap::<KindId, u32>::new();
        let inside = self.pods.iter().filter(|((of, ..), _)| gang.is_within(*of, row));
        inside.filter_map(|(_, &node)| inventory.kind_id(node)).for_each(|kind| *counts.entry(kind).or_default() += 1);
        counts.into_iter().max_by_key(|&(kind, count)| (count, std::cmp::Reverse(kind))).map(|(kind, _)| kind)
    }

    /// All pods, by group, replica and ordinal.
    pub(crate) fn pods(&self) -> impl Iterator<Item = (usize, &[u32], u32, NodeId)> {
        self.pods.iter().map(|((row, ordinals, ordinal), &node)| (*row, &**ordinals, *ordinal, node))
    }

    /// The ordinals of the replicas of a group that make its minimum, `ordinals` being those of the groups around it: those
    /// with most pods running, then the lowest. Ascending.
    pub(crate) fn minimum(&self, gang: &Gang, row: usize, ordinals: &[u32]) -> Vec<u32> {
        let group = &gang.rows()[row];
        if self.is_empty() {
            return (0..group.min).collect();
        }
        let from = self.replicas.range((row, Box::from(ordinals))..);
        let inside = from.take_while(|((of, replica), _)| *of == row && replica.starts_with(ordinals));
        let mut taken = BTreeSet::new();
        let mut known: BTreeSet<(std::cmp::Reverse<u32>, u32)> = BTreeSet::new();
        for ((_, replica), &count) in inside.filter(|((_, replica), _)| replica.len() == ordinals.len() + 1) {
            known.insert((std::cmp::Reverse(count.min(group.pods.max(1))), replica[ordinals.len()]));
            taken.insert(replica[ordinals.len()]);
        }
        let fresh: Vec<u32> =
            (0..group.max).filter(|ordinal| !taken.contains(ordinal)).take(group.min as usize).collect();
        let mut chosen: Vec<u32> =
            known.into_iter().map(|(_, ordinal)| ordinal).chain(fresh).take(group.min as usize).collect();
        chosen.sort_unstable();
        chosen
    }
}

/// The domain of a level with most of these nodes, the first in path order among equals; none if all are outside the tree.
pub(crate) fn majority(topology: &Topology, level: LevelId, nodes: &[NodeId]) -> Option<DomainId> {
    let mut counts = BTreeMap::<DomainId, u32>::new();
    for domain in nodes.iter().filter_map(|&node| topology.domain_of(node, level)) {
        *counts.entry(domain).or_default() += 1;
    }
    counts.into_iter().max_by_key(|&(domain, count)| (count, std::cmp::Reverse(domain))).map(|(domain, _)| domain)
}
