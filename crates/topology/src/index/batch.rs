//! One change: its nodes, and what it does to a column.

use super::climb::Climb;
use super::rows::Rows;
use super::shape::Shape;
use crate::{Inventory, NodeId};

/// One change. Kept from change to change for its memory alone.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: Rows,
    climb: Climb,
    /// By node, the difference between what fits and what the column says.
    deltas: Vec<u64>,
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
        self.rows.start(nodes);
    }

    /// Looks up what shapes need, and which domains there are above the nodes.
    pub(super) fn gather<'a>(&mut self, inventory: &Inventory, shapes: impl Iterator<Item = &'a Shape>) {
        self.rows.gather(inventory, shapes);
        self.climb.plan(inventory.topology(), self.rows.nodes());
    }

    /// Counts how many of the shape fit on each node; whether any count differs from the column's.
    pub(super) fn count(&mut self, inventory: &Inventory, shape: &Shape, column: &[u64]) -> bool {
        let fits = self.rows.count(inventory, shape).iter().map(|&fits| u64::from(fits));
        self.deltas.clear();
        self.deltas.extend(fits.zip(self.climb.counted(column)).map(|(fits, counted)| fits.wrapping_sub(counted)));
        self.deltas.iter().fold(0, |any, delta| any | delta) != 0
    }

    /// Brings the column in line with what [`count`](Self::count) found; returns by how much the total changes, wrapping.
    pub(super) fn add(&mut self, column: &mut [u64]) -> u64 {
        self.climb.add(&self.deltas, column);
        self.deltas.iter().fold(0, |sum, delta| sum.wrapping_add(*delta))
    }
}
