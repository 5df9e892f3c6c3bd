//! The nodes of one change, and the domains above them.

use std::ops::Range;

use super::shape::{BLOCKED, MOST, Shape};
use crate::{Inventory, NodeId, ResourceId, Topology};

/// The nodes of one change with what of them all shapes look at, and the plan by which a difference at a node gets to the
/// domains that hold it. Kept from change to change for its memory alone.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Ascending, each once.
    pub(super) nodes: Vec<u32>,
    /// How many of them are in the primary tree; they come first.
    inside: usize,
    /// Free devices of each, or [`BLOCKED`].
    free: Vec<u8>,
    /// For each resource that a shape asks, how much of it each node has free.
    amounts: Vec<u64>,
    asked: Vec<ResourceId>,
    /// The domains of the nodes, then those of their parents, and so on, for each tree.
    steps: Vec<Step>,
    levels: Vec<Level>,
    /// By node: how many fit, and the difference to what the column says.
    fits: Vec<u32>,
    deltas: Vec<u64>,
    sums: Vec<u64>,
}

/// A domain that changes, and how many nodes or domains of the level below do in it.
#[derive(Clone, Copy, Debug)]
struct Step {
    domain: u32,
    len: u32,
}

/// One level of one tree.
#[derive(Clone, Debug)]
struct Level {
    steps: Range<usize>,
    /// The first level of a tree, whose steps stand for one node each.
    nodes: bool,
}

/// A copy starts empty: there is nothing in a batch that the next change needs.
impl Clone for Batch {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Batch {
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
        self.steps.clear();
        self.levels.clear();
        self.inside = self.nodes.partition_point(|&node| topology.in_tree(NodeId::new(node)));
        let level = topology.node_level();
        for &node in &self.nodes[..self.inside] {
            let domain = topology.domain_of(NodeId::new(node), level).expect("the node is in the tree");
            self.steps.push(Step { domain: domain.index() as u32, len: 1 });
        }
        self.climb(topology, 0);
    }

    /// Adds the levels above the domains from `start` on, which are those of a tree's nodes.
    fn climb(&mut self, topology: &Topology, start: usize) {
        let mut below = start..self.steps.len();
        self.levels.push(Level { steps: below.clone(), nodes: true });
        loop {
            let start = self.steps.len();
            for at in below {
                let Some(parent) = topology.parent(crate::DomainId::new(self.steps[at].domain)) else { return };
                let parent = parent.index() as u32;
                match self.steps[start..].last_mut() {
                    Some(last) if last.domain == parent => last.len += 1,
                    _ => self.steps.push(Step { domain: parent, len: 1 }),
                }
            }
            if start == self.steps.len() {
                return;
            }
            below = start..self.steps.len();
            self.levels.push(Level { steps: below.clone(), nodes: false });
        }
    }

    /// Counts how many of the shape fit on each node; whether any count differs from the column's.
    pub(super) fn count(&mut self, inventory: &Inventory, shape: &Shape, column: &[u64], outside: usize) -> bool {
        self.fits.clear();
        if shape.is_plain() {
            self.fits.extend(self.free.iter().map(|&free| shape.by_devices[usize::from(free)]));
            for amount in &shape.resources {
                let slot = self.asked.iter().position(|&asked| asked == amount.resource).expect("it was gathered");
                let free = &self.amounts[slot * self.nodes.len()..];
                self.fits.iter_mut().zip(free).for_each(|(fits, &free)| *fits = amount.bound(free, *fits));
            }
        } else {
            let fits = |&node: &u32| inventory.fits(NodeId::new(node), &shape.demand).min(MOST);
            self.fits.extend(self.nodes.iter().map(fits));
        }
        self.deltas.clear();
        let homes = self.steps[..self.inside].iter().map(|step| step.domain as usize);
        let homes = homes.chain(self.nodes[self.inside..].iter().map(|&node| outside + node as usize));
        self.deltas.extend(self.fits.iter().zip(homes).map(|(&fits, home)| u64::from(fits).wrapping_sub(column[home])));
        self.deltas.iter().fold(0, |any, delta| any | delta) != 0
    }

    /// Adds the differences that [`count`](Self::count) found to the column; returns their sum. Differences below zero
    /// wrap, and so do the sums.
    pub(super) fn add(&mut self, column: &mut [u64], outside: usize) -> u64 {
        for (&node, delta) in self.nodes.iter().zip(&self.deltas).skip(self.inside) {
            let cell = &mut column[outside + node as usize];
            *cell = cell.wrapping_add(*delta);
        }
        for level in &self.levels {
            if level.nodes {
                self.sums.clear();
                self.sums.extend_from_slice(&self.deltas[..self.inside]);
            }
            let mut at = 0;
            for (to, step) in self.steps[level.steps.clone()].iter().enumerate() {
                let mut sum = 0_u64;
                for delta in &self.sums[at..at + step.len as usize] {
                    sum = sum.wrapping_add(*delta);
                }
                at += step.len as usize;
                // Never ahead of what is still to be read.
                self.sums[to] = sum;
                let cell = &mut column[step.domain as usize];
                *cell = cell.wrapping_add(sum);
            }
        }
        self.deltas.iter().fold(0, |sum, delta| sum.wrapping_add(*delta))
    }
}
