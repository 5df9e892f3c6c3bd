//! How many pods of a demand fit, as a column by domain.

use phalanx_topology::{Demand, DomainId, Inventory, LevelId, NodeId, Topology};

use crate::Gang;

/// How many pods of one demand fit in each domain, the nodes included.
#[derive(Clone, Debug)]
pub(crate) struct Capacity {
    by_domain: Vec<u64>,
    /// Nodes outside the tree, by position after the tree's nodes.
    outside: Vec<u64>,
    whole: u64,
    first_node: usize,
}

impl Capacity {
    pub(crate) fn new(inventory: &Inventory, demand: &Demand, buffer: &mut Vec<u32>) -> Self {
        inventory.fits_everywhere(demand, buffer);
        let topology = inventory.topology();
        let inside = topology.tree_nodes().end;
        let first_node = topology.domains_len() - inside;
        let mut by_domain = vec![0; topology.domains_len()];
        for (cap, &fits) in by_domain[first_node..].iter_mut().zip(&buffer[..inside]) {
            *cap = clamp(fits);
        }
        let mut capacity = Self {
            outside: buffer[inside..].iter().map(|&fits| clamp(fits)).collect(),
            by_domain,
            whole: 0,
            first_node,
        };
        // Children come after their parents, so going backwards every domain is complete before it is added.
        for level in topology.levels().rev().skip(1) {
            for domain in topology.domains(level) {
                let children = topology.children(domain);
                capacity.by_domain[domain.index()] = children.map(|child| capacity.by_domain[child.index()]).sum();
            }
        }
        let coarsest = topology.domains(LevelId::new(0));
        capacity.whole = coarsest.map(|domain| capacity.by_domain[domain.index()]).sum::<u64>()
            + capacity.outside.iter().sum::<u64>();
        capacity
    }

    /// Takes note that `fits` pods fit on the node now.
    pub(crate) fn set(&mut self, topology: &Topology, node: NodeId, fits: u32) {
        let fits = clamp(fits);
        let was = self.of_node(topology, node);
        self.whole = self.whole - was + fits;
        match topology.domain_of(node, topology.node_level()) {
            None => self.outside[node.index() - topology.tree_nodes().end] = fits,
            Some(mut domain) => loop {
                let cap = &mut self.by_domain[domain.index()];
                *cap = *cap - was + fits;
                match topology.parent(domain) {
                    Some(parent) => domain = parent,
                    None => break,
                }
            },
        }
    }

    pub(crate) fn of(&self, domain: DomainId) -> u64 {
        self.by_domain[domain.index()]
    }

    /// The domain's capacity, or the whole cluster's.
    pub(crate) fn within(&self, domain: Option<DomainId>) -> u64 {
        domain.map_or(self.whole, |domain| self.of(domain))
    }

    pub(crate) fn of_node(&self, topology: &Topology, node: NodeId) -> u64 {
        match node.index().checked_sub(topology.tree_nodes().end) {
            None => self.by_domain[self.first_node + node.index()],
            Some(outside) => self.outside[outside],
        }
    }

    pub(crate) fn by_domain(&self) -> &[u64] {
        &self.by_domain
    }

    pub(crate) fn outside(&self) -> &[u64] {
        &self.outside
    }
}

/// More pods than a gang can have count as so many, so that sums cannot overflow.
fn clamp(fits: u32) -> u64 {
    u64::from(fits.min(Gang::MAX_PODS))
}
