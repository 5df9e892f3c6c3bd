//! The way from the nodes of one change to the domains above them.

use std::ops::Range;

use crate::{DomainId, NodeId, Topology, TreeId};

/// Which domains hold the nodes of one change, in all trees: worked out once, and gone for every shape.
#[derive(Debug, Default)]
pub(super) struct Climb {
    /// Where in a column each node has its count.
    homes: Vec<u32>,
    /// How many of the nodes are in the primary tree; they come first.
    inside: usize,
    levels: Vec<Level>,
    leaves: Vec<Leaf>,
    steps: Vec<Step>,
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

/// A domain that is a node, and the node's position among those of the change.
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

impl Climb {
    /// Starts over with these nodes, ascending and each once.
    pub(super) fn plan(&mut self, topology: &Topology, nodes: &[u32]) {
        self.levels.clear();
        self.leaves.clear();
        self.steps.clear();
        self.inside = nodes.partition_point(|&node| topology.in_tree(NodeId::new(node)));
        self.homes.clear();
        self.homes.extend(nodes.iter().map(|&node| home(topology, NodeId::new(node)) as u32));
        for tree in topology.trees() {
            let start = self.steps.len();
            if tree == TreeId::PRIMARY {
                self.levels.push(Level::Homes);
                self.steps.extend(parents(topology, self.homes[..self.inside].iter().copied()));
            } else {
                let first = self.leaves.len();
                let at = |at: usize| NodeId::new(nodes[at]);
                let domains = (0..nodes.len()).filter_map(|row| Some((row, topology.node_domain(tree, at(row))?)));
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

    /// What a column says of each node.
    pub(super) fn counted(&self, column: &[u64]) -> impl Iterator<Item = u64> {
        self.homes.iter().map(|&home| column[home as usize])
    }

    /// Adds a difference for each node to a column, and to all domains that hold the node. Differences below zero wrap, and
    /// so do the sums.
    pub(super) fn add(&mut self, deltas: &[u64], column: &mut [u64]) {
        let mut add = |domain: u32, delta: u64| {
            let cell = &mut column[domain as usize];
            *cell = cell.wrapping_add(delta);
        };
        self.homes.iter().zip(deltas).for_each(|(&home, &delta)| add(home, delta));
        for level in &self.levels {
            match level {
                Level::Homes => {
                    self.sums.clear();
                    self.sums.extend_from_slice(&deltas[..self.inside]);
                }
                Level::Leaves(leaves) => {
                    self.sums.clear();
                    for leaf in &self.leaves[leaves.clone()] {
                        let delta = deltas[leaf.at as usize];
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
