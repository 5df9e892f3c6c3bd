//! What shares hold of each device.

use crate::paged::Paged;
use crate::{DeviceSet, NodeId};

/// A device in milli, the unit of shares.
pub(crate) const WHOLE: u32 = 1000;

/// How many milli of each device of one node shares hold. A device that is held without any milli here is held whole.
pub(crate) type Shared = [u16; DeviceSet::MAX as usize];

const NONE: &Shared = &[0; DeviceSet::MAX as usize];

/// The milli that shares hold, by node and device. It costs nothing before the first share, and then a page for each run of
/// nodes that has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares {
    /// Small pages, since an entry is large.
    held: Option<Paged<Shared, 64>>,
}

impl Shares {
    pub(crate) fn of(&self, node: NodeId) -> &Shared {
        self.held.as_ref().map_or(NONE, |held| held.at(node.index()))
    }

    /// Whether no device was ever shared.
    pub(crate) fn never_used(&self) -> bool {
        self.held.is_none()
    }

    /// Sets what shares hold of a device, in a cluster of `nodes` nodes.
    pub(crate) fn set(&mut self, nodes: usize, node: NodeId, device: u32, milli: u32) {
        let held = self.held.get_or_insert_with(|| Paged::new(nodes, *NONE));
        held.at_mut(node.index())[device as usize] = milli as u16;
    }
}
