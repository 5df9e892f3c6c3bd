//! What shapes look at of the nodes of one change.

use super::shape::{BLOCKED, MOST, Shape};
use crate::{Inventory, KindSet, NodeId, ResourceId};

/// The nodes of one change with what of them shapes look at: looked up once, and counted for every shape.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Ascending, each once.
    nodes: Vec<u32>,
    /// Free devices of each, or [`BLOCKED`].
    free: Vec<u8>,
    /// The kind of each, as a set; empty if it has none.
    kinds: Vec<KindSet>,
    /// What is left of the devices that shares hold, and for each node where its own end. Empty unless a shape is a share.
    left: Vec<u16>,
    ends: Vec<u32>,
    /// For each resource that a shape asks, how much of it each node has free.
    amounts: Vec<u64>,
    asked: Vec<ResourceId>,
    fits: Vec<u32>,
}

impl Rows {
    pub(super) fn nodes(&self) -> &[u32] {
        &self.nodes
    }

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

    /// Looks up what the shapes need.
    pub(super) fn gather<'a>(&mut self, inventory: &Inventory, shapes: impl Iterator<Item = &'a Shape>) {
        let nodes = || self.nodes.iter().map(|&node| NodeId::new(node));
        self.free.clear();
        self.free.extend(nodes().map(|node| match inventory.flags(node) {
            0 => inventory.free_devices(node).len() as u8,
            _ => BLOCKED,
        }));
        self.kinds.clear();
        self.kinds.extend(nodes().map(|node| KindSet::from_iter(inventory.kind_id(node))));
        self.left.clear();
        self.ends.clear();
        self.asked.clear();
        self.amounts.clear();
        for shape in shapes {
            if shape.share.is_some() && self.ends.is_empty() && !inventory.shares.never_used() {
                for (node, &free) in nodes().zip(&self.free) {
                    if free != BLOCKED {
                        let view = inventory.view(node, shape.demand.locality());
                        self.left.extend(view.shared().map(|(_, left)| left as u16));
                    }
                    self.ends.push(self.left.len() as u32);
                }
            }
            for amount in &shape.resources {
                if !self.asked.contains(&amount.resource) {
                    self.asked.push(amount.resource);
                    self.amounts.extend(nodes().map(|node| inventory.free_or_none(node, amount.resource)));
                }
            }
        }
    }

    /// How many of the shape fit on each node.
    pub(super) fn count(&mut self, inventory: &Inventory, shape: &Shape) -> &[u32] {
        self.fits.clear();
        if shape.is_placed() {
            let fits = |&node: &u32| inventory.fits(NodeId::new(node), &shape.demand).min(MOST);
            self.fits.extend(self.nodes.iter().map(fits));
            return &self.fits;
        }
        self.fits.extend(self.free.iter().map(|&free| shape.by_devices[usize::from(free)]));
        if let Some(share) = shape.share {
            let mut start = 0;
            for (fits, &end) in self.fits.iter_mut().zip(&self.ends) {
                *fits += self.left[start..end as usize].iter().map(|&left| share.of(left)).sum::<u32>();
                start = end as usize;
            }
        }
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
        &self.fits
    }
}
