//! Where equal pods go: how many to which node.

use phalanx_topology::{DomainId, NodeId};

use crate::capacity::Capacity;
use crate::tree::Tree;

/// Where units can go: a domain, or a node that is in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Domain(DomainId),
    Outside(NodeId),
}

/// A place and how many units it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) place: Place,
    pub(crate) cap: u64,
}

/// Which units go where at the level of nodes, and whether nothing is better.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) units: Vec<(Place, u64)>,
    pub(crate) optimal: bool,
}

impl Choice {
    /// The nodes, one for each unit, in path order.
    pub(crate) fn nodes(mut self, tree: Tree<'_>) -> Vec<NodeId> {
        let node = |place: Place| match place {
            Place::Domain(domain) => tree.node(domain),
            Place::Outside(node) => node,
        };
        self.units.sort_by_cached_key(|&(place, _)| tree.order(node(place)));
        let mut nodes = Vec::with_capacity(self.units.iter().map(|&(_, units)| units as usize).sum());
        for (place, units) in self.units {
            nodes.extend(std::iter::repeat_n(node(place), units as usize));
        }
        nodes
    }
}

/// The domains with room, in the order given.
pub(crate) fn items(caps: &[u64], domains: impl Iterator<Item = DomainId>) -> Vec<Item> {
    let item = |domain: DomainId| Item { place: Place::Domain(domain), cap: caps[domain.index()] };
    domains.map(item).filter(|item| item.cap > 0).collect()
}

/// What the cluster is made of: the coarsest domains with room, then the nodes outside the tree.
pub(crate) fn cluster(tree: Tree<'_>, caps: &Capacity<'_>) -> Vec<Item> {
    let mut all = items(caps.by_domain(), tree.domains(tree.top()));
    let outside = caps.outside().iter().filter(|&&(_, cap)| cap > 0);
    all.extend(outside.map(|&(node, cap)| Item { place: Place::Outside(node), cap }));
    all
}
