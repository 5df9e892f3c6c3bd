//! The nodes of one change, and the domains above them.

use std::ops::Range;

use super::shape::{BLOCKED, MOST, Shape};
use crate::{DomainId, Inventory, KindSet, NodeId, ResourceId, Topology, TreeId};

/// The nodes of one change with what of them all shapes look at, and the plan by which a difference at a node gets to the
/// domains that hold it. Kept from change to change for its memory alone.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Ascending, each once.
    pub(super) nodes: Vec<u32>,
    /// Where in a column each node has its count.
    homes: Vec<u32>,
    /// How many of them are in the primary tree; they come first.
    inside: usize,
    /// Free devices of each, or [`BLOCKED`].
    free: Vec<u8>,
    /// The kind of each, as a set; empty if it has none.
    kinds: Vec<KindSet>,
    /// For each resource that a shape asks, how much of it each node has free.
    amounts: Vec<u64>,
    asked: Vec<ResourceId>,
    /// What follows the nodes, in order.
    levels: Vec<Level>,
    leaves: Vec<Leaf>,
    steps: Vec<Step>,
    /// By node: how many fit, and the difference to what the column says.
    fits: Vec<u32>,
    deltas: Vec<u64>,
    /// The differences of the domains at one level.
    sums: Vec<u64>,
}

/// Domains of one level of one tree, ascending.
#[derive(Clone, Debug)]
enum Level {
    /// The nodes of the primary tree: their homes, which are written first.
    Homes,
    /// The nodes of another tree.
    Leaves(Range<usize>),
    /// The parents of the domains before.
    Steps(Range<usize>),
}

/// A domain that is a node, and the node's position in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Leaf {
    domain: u32,
    at: u32,
}

/// A domain, and how many children of it change.
#[derive(Clone, Copy, Debug)]
struct Step {
    domain: u32,
    children: u32,
}

/// A copy starts empty: there is nothing in a batch that the next change needs.
impl Clone for Batch {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Batch {
    /// The memory of the counts, for a count of all nodes.
    pub(super) fn take_fits(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.fits)
    }

    /// Gives it back.
    pub(super) fn put_fits(&mut self, fits: Vec<u32>) {
        self.fits = fits;
    }

    /// Starts over with these nodes.
    pub(super) fn start(&mut self, nodes: impl IntoIterator<Item = NodeId>) {
        self.nodes.clear();
        for node in nodes {
            let node = node.index() as u32;
            // Pods of a gang come node by node.
            if self.nodes.last() != Some(&node) {
                self.nodes.push(node);
            }
        }
        if !self.nodes.is_sorted() {
            self.nodes.sort_unstable();
        }
        self.nodes.dedup();
    }

    /// Looks up what shapes need, and which domains there are above the nodes.
    pub(super) fn gather<'a>(&mut self, inventory: &Inventory, shapes: impl Iterator<Item = &'a Shape>) {
        self.free.clear();
        for &node in &self.nodes {
            let node = NodeId::new(node);
            let free = inventory.free_devices(node).len() as u8;
            self.free.push(if inventory.flags(node) == 0 { free } else { BLOCKED });
        }
        self.kinds.clear();
        let kind = |&node: &u32| KindSet::from_iter(inventory.kind_id(NodeId::new(node)));
        self.kinds.extend(self.nodes.iter().map(kind));
        self.asked.clear();
        self.amounts.clear();
        for amount in shapes.flat_map(|shape| &shape.resources) {
            if !self.asked.contains(&amount.resource) {
                self.asked.push(amount.resource);
                let resource = amount.resource;
                self.amounts.extend(self.nodes.iter().map(|&node| inventory.free_or_none(NodeId::new(node), resource)));
            }
        }
        self.plan(inventory.topology());
    }

    fn plan(&mut self, topology: &Topology) {
        self.levels.clear();
        self.leaves.clear();
        self.steps.clear();
        self.inside = self.nodes.partition_point(|&node| topology.in_tree(NodeId::new(node)));
        self.homes.clear();
        self.homes.extend(self.nodes.iter().map(|&node| home(topology, NodeId::new(node)) as u32));
        for tree in topology.trees() {
            let start = self.steps.len();
            if tree == TreeId::PRIMARY {
                self.levels.push(Level::Homes);
                self.steps.extend(parents(topology, self.homes[..self.inside].iter().copied()));
            } else {
                let first = self.leaves.len();
                let at = |at: usize| NodeId::new(self.nodes[at]);
                let domains = (0..self.nodes.len()).filter_map(|row| Some((row, topology.node_domain(tree, at(row))?)));
                self.leaves.extend(domains.map(|(row, domain)| Leaf { domain: domain.index() as u32, at: row as u32 }));
                self.leaves[first..].sort_unstable();
                self.levels.push(Level::Leaves(first..self.leaves.len()));
                self.steps.extend(parents(topology, self.leaves[first..].iter().map(|leaf| leaf.domain)));
            }
            self.climb(topology, start);
        }
    }

    /// From parents that follow each other, some more than once, the domains at each level up to the coarsest.
    fn climb(&mut self, topology: &Topology, mut start: usize) {
        while start < self.steps.len() {
            let mut end = start + 1;
            for at in start + 1..self.steps.len() {
                if self.steps[at].domain == self.steps[end - 1].domain {
                    self.steps[end - 1].children += 1;
                } else {
                    self.steps[end] = self.steps[at];
                    end += 1;
                }
            }
            self.steps.truncate(end);
            self.levels.push(Level::Steps(start..end));
            for at in start..end {
                let domain = self.steps[at].domain;
                self.steps.extend(parents(topology, [domain]));
            }
            start = end;
        }
    }

    /// Counts how many of the shape fit on each node; whether any count differs from the column's.
    pub(super) fn count(&mut self, inventory: &Inventory, shape: &Shape, column: &[u64]) -> bool {
        self.fits.clear();
        if shape.counts_free_devices(inventory) {
            self.fits.extend(self.free.iter().map(|&free| shape.by_devices[usize::from(free)]));
            for amount in &shape.resources {
                let slot = self.asked.iter().position(|&asked| asked == amount.resource).expect("it was gathered");
                let free = &self.amounts[slot * self.nodes.len()..];
                self.fits.iter_mut().zip(free).for_each(|(fits, &free)| *fits = amount.bound(free, *fits));
            }
            let asked = shape.demand.kinds().mask();
            if asked != 0 {
                let kinds = self.kinds.iter().map(|kind| kind.mask());
                self.fits.iter_mut().zip(kinds).for_each(|(fits, kind)| *fits *= u32::from(kind & asked != 0));
            }
        } else {
            let fits = |&node: &u32| inventory.fits(NodeId::new(node), &shape.demand).min(MOST);
            self.fits.extend(self.nodes.iter().map(fits));
        }
        self.deltas.clear();
        let counted = self.homes.iter().map(|&home| column[home as usize]);
        self.deltas.extend(self.fits.iter().zip(counted).map(|(&fits, counted)| u64::from(fits).wrapping_sub(counted)));
        self.deltas.iter().fold(0, |any, delta| any | delta) != 0
    }

    /// Adds the differences that [`count`](Self::count) found to the column; returns their sum. Differences below zero
    /// wrap, and so do the sums.
    pub(super) fn add(&mut self, column: &mut [u64]) -> u64 {
        let mut add = |domain: u32, delta: u64| {
            let cell = &mut column[domain as usize];
            *cell = cell.wrapping_add(delta);
        };
        self.homes.iter().zip(&self.deltas).for_each(|(&home, &delta)| add(home, delta));
        for level in &self.levels {
            match level {
                Level::Homes => {
                    self.sums.clear();
                    self.sums.extend_from_slice(&self.deltas[..self.inside]);
                }
                Level::Leaves(leaves) => {
                    self.sums.clear();
                    for leaf in &self.leaves[leaves.clone()] {
                        let delta = self.deltas[leaf.at as usize];
                        self.sums.push(delta);
                        add(leaf.domain, delta);
                    }
                }
                Level::Steps(steps) => {
                    let mut below = 0;
                    for (at, step) in self.steps[steps.clone()].iter().enumerate() {
                        let children = &self.sums[below..below + step.children as usize];
                        let sum = children.iter().fold(0, |sum: u64, delta| sum.wrapping_add(*delta));
                        below += children.len();
                        // Never ahead of what is still to be read.
                        self.sums[at] = sum;
                        add(step.domain, sum);
                    }
                }
            }
        }
        self.deltas.iter().fold(0, |sum, delta| sum.wrapping_add(*delta))
    }
}

/// Where a column has the count of a node: at its domain in the primary tree, or behind all domains.
pub(super) fn home(topology: &Topology, node: NodeId) -> usize {
    match topology.node_domain(TreeId::PRIMARY, node) {
        Some(domain) => domain.index(),
        None => topology.domains_len() + node.index() - topology.tree_len(TreeId::PRIMARY),
    }
}

/// The parents of domains, as many as domains unless they are the coarsest.
fn parents(topology: &Topology, domains: impl IntoIterator<Item = u32>) -> impl Iterator<Item = Step> {
    let parents = domains.into_iter().filter_map(|domain| topology.parent(DomainId::new(domain)));
    parents.map(|parent| Step { domain: parent.index() as u32, children: 1 })
}
