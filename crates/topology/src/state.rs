//! A copy of one node's devices, to hand them out without touching the ledger.

use crate::shares::{Shared, WHOLE};
use crate::view::View;
use crate::{Demand, DeviceSet, Inventory, Locality, NodeId};

/// What is free of one node's devices, as a copy to try things on: it gives a pod the devices that
/// [`Transaction::reserve`](crate::Transaction::reserve) would, and never asks for resources, kinds or cordons.
///
/// ```
/// # use phalanx_topology::{Demand, Inventory};
/// let inventory = Inventory::from_notation("r1{n1:4}")?;
/// let n1 = inventory.topology().node("n1").unwrap();
/// let mut state = inventory.node_state(n1);
/// assert_eq!(state.take(&Demand::share(250)?).unwrap().to_string(), "0");
/// assert_eq!(state.take(&Demand::devices(3)).unwrap().to_string(), "1-3");
/// assert_eq!(state.take(&Demand::devices(1)), None);
/// assert_eq!((state.fits(&Demand::share(250)?), inventory.free_devices(n1).len()), (3, 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeState<'a> {
    all: DeviceSet,
    free: DeviceSet,
    shared: Shared,
    islands: &'a [DeviceSet],
    numa: &'a [DeviceSet],
}

impl NodeState<'_> {
    /// Takes the devices of one pod; none if they do not fit, and nothing is changed then. O(devices).
    pub fn take(&mut self, demand: &Demand) -> Option<DeviceSet> {
        let devices = self.view(demand.locality()).choose(demand)?;
        self.free = self.free.without(devices);
        if let (1.., Some(device)) = (demand.milli(), devices.lowest_index()) {
            self.shared[device as usize] += demand.milli() as u16;
        }
        Some(devices)
    }

    /// How many pods of this demand the devices take; `u32::MAX` if it asks none. O(devices).
    #[must_use]
    pub fn fits(&self, demand: &Demand) -> u32 {
        self.view(demand.locality()).fits(demand)
    }

    /// The devices that are free as a whole.
    #[must_use]
    pub fn free_devices(&self) -> DeviceSet {
        self.free
    }

    /// How many milli of a device are left: as [`Inventory::left`].
    #[must_use]
    pub fn left(&self, device: u32) -> u32 {
        if device < DeviceSet::MAX { self.view(Locality::Node).left(device) } else { 0 }
    }

    /// How many milli of all devices together are left. O(devices).
    #[must_use]
    pub fn left_total(&self) -> u32 {
        let held = self.all.without(self.free);
        self.free.len() * WHOLE + held.iter().map(|device| self.left(device)).sum::<u32>()
    }

    fn view(&self, locality: Locality) -> View<'_> {
        let places = match locality {
            Locality::Node => &[],
            Locality::Island => self.islands,
            Locality::Numa => self.numa,
        };
        View { all: self.all, free: self.free, shared: &self.shared, places }
    }
}

impl Inventory {
    /// A copy of what is free of the node's devices, to try things on. Copies 128 bytes and little more.
    ///
    /// ```
    /// # use phalanx_topology::Inventory;
    /// let inventory = Inventory::from_notation("r1{n1:4}")?;
    /// let n1 = inventory.topology().node("n1").unwrap();
    /// assert_eq!(inventory.node_state(n1).left_total(), 4000);
    /// # Ok::<(), phalanx_topology::NotationError>(())
    /// ```
    #[must_use]
    pub fn node_state(&self, node: NodeId) -> NodeState<'_> {
        NodeState {
            all: self.devices(node),
            free: self.free_devices(node),
            shared: *self.shares.of(node),
            islands: self.islands(node),
            numa: self.numa(node),
        }
    }
}
