//! Reservations that are made together or not at all.

use crate::{Demand, DeviceSet, Inventory, NodeId, Receipt, Reservation, ReserveError};

/// A point in a transaction to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(usize);

/// Reservations that are made together or not at all: dropping it undoes them, [`commit`](Self::commit) keeps them.
///
/// ```
/// # use phalanx_topology::{Demand, Inventory, ReserveError, Topology};
/// # use std::sync::Arc;
/// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
/// let n1 = topology.node("n1").unwrap();
/// let mut inventory = Inventory::new(Arc::new(topology));
/// inventory.set_devices(n1, 8, "")?;
///
/// let mut transaction = inventory.transaction();
/// transaction.reserve(n1, &Demand::devices(6))?;
/// let refused = transaction.reserve(n1, &Demand::devices(6));
/// assert_eq!(refused.unwrap_err().to_string(), "node \"n1\" has 2 devices free, 6 are asked");
/// transaction.rollback();
/// assert_eq!(inventory.free_devices(n1).len(), 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a transaction that is dropped is undone"]
pub struct Transaction<'a> {
    inventory: &'a mut Inventory,
    held: Vec<Reservation>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(inventory: &'a mut Inventory) -> Self {
        Self { inventory, held: Vec::new() }
    }

    /// Reserves a demand on a node. Whole devices: the free ones of lowest index; if they must be in one island or zone, in
    /// the one with the fewest free devices that has enough. A share: the device with the least left that has enough. Ties
    /// go to the lowest index. O(resources asked), and O(devices) for shares and places.
    ///
    /// # Errors
    ///
    /// The node cannot take the pod; nothing is changed then.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory};
    /// let mut inventory = Inventory::from_notation("r1{n1:2}")?;
    /// let n1 = inventory.topology().node("n1").unwrap();
    /// let mut transaction = inventory.transaction();
    /// assert_eq!(transaction.reserve(n1, &Demand::share(600)?)?.to_string(), "0");
    /// assert_eq!(transaction.reserve(n1, &Demand::devices(1))?.to_string(), "1");
    /// let refused = transaction.reserve(n1, &Demand::share(500)?).unwrap_err();
    /// assert_eq!(
    ///     refused.to_string(),
    ///     "node \"n1\" has a device with 400 milli left at most, a share of 500 is asked"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserve(&mut self, node: NodeId, demand: &Demand) -> Result<DeviceSet, ReserveError> {
        self.check_node(node, demand)?;
        let devices = self.inventory.choose(node, demand).ok_or_else(|| self.no_devices(node, demand))?;
        self.hold(node, devices, demand)?;
        Ok(devices)
    }

    /// Reserves a demand on a node with exactly these devices; with one device for a share. O(resources asked).
    ///
    /// # Errors
    ///
    /// The node cannot take the pod there; nothing is changed then.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, DeviceSet, Inventory, Topology};
    /// # use std::sync::Arc;
    /// # let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// # let n1 = topology.node("n1").unwrap();
    /// # let mut inventory = Inventory::new(Arc::new(topology));
    /// # inventory.set_devices(n1, 8, "")?;
    /// let mut transaction = inventory.transaction();
    /// let upper = DeviceSet::from_mask(0b1100_0000);
    /// transaction.claim(n1, upper, &Demand::devices(2))?;
    /// assert!(transaction.claim(n1, upper, &Demand::devices(2)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claim(&mut self, node: NodeId, devices: DeviceSet, demand: &Demand) -> Result<(), ReserveError> {
        self.check_node(node, demand)?;
        let asked = if demand.milli() > 0 { 1 } else { demand.device_count() };
        if devices.len() != asked {
            return Err(ReserveError::DeviceCount { named: devices.len(), asked });
        }
        let name = || self.inventory.topology().node_name(node).to_owned();
        if demand.milli() > 0 {
            let left = devices.iter().map(|device| self.inventory.left(node, device)).sum();
            if left < demand.milli() {
                return Err(ReserveError::Share { node: name(), asked: demand.milli(), left });
            }
        } else {
            let missing = devices.without(self.inventory.free_devices(node));
            if !missing.is_empty() {
                return Err(ReserveError::NotFree { node: name(), devices: missing });
            }
            let (locality, places) = (demand.locality(), self.inventory.view(node, demand.locality()).places);
            if !places.is_empty() && !places.iter().any(|place| place.contains(devices)) {
                return Err(ReserveError::Apart { node: name(), locality, devices });
            }
        }
        self.hold(node, devices, demand)
    }

    /// The point to which [`undo_to`](Self::undo_to) goes back.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.held.len())
    }

    /// Undoes what was reserved since the mark, latest first.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, Topology};
    /// # use std::sync::Arc;
    /// # let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// # let n1 = topology.node("n1").unwrap();
    /// # let mut inventory = Inventory::new(Arc::new(topology));
    /// # inventory.set_devices(n1, 8, "")?;
    /// let mut transaction = inventory.transaction();
    /// transaction.reserve(n1, &Demand::devices(1))?;
    /// let mark = transaction.mark();
    /// transaction.reserve(n1, &Demand::devices(7))?;
    /// transaction.undo_to(mark);
    /// assert_eq!(transaction.inventory().free_devices(n1).len(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn undo_to(&mut self, mark: Mark) {
        while self.held.len() > mark.0 {
            let held = self.held.pop().expect("more is held than at the mark");
            self.inventory.give_back(&held);
            self.inventory.indexes.close(1);
        }
    }

    /// Keeps what was reserved.
    pub fn commit(mut self) -> Receipt {
        self.inventory.indexes.close(self.held.len());
        self.inventory.touch(self.held.iter().map(Reservation::node));
        Receipt::new(std::mem::take(&mut self.held))
    }

    /// Undoes what was reserved, as dropping it does.
    pub fn rollback(self) {
        drop(self);
    }

    /// The inventory as it stands, with what was reserved so far taken.
    #[must_use]
    pub fn inventory(&self) -> &Inventory {
        self.inventory
    }

    fn check_node(&self, node: NodeId, demand: &Demand) -> Result<(), ReserveError> {
        let len = self.inventory.topology().len();
        if node.index() >= len {
            return Err(ReserveError::UnknownNode { node, len });
        }
        if self.inventory.flags(node) != 0 {
            let removed = self.inventory.is_removed(node);
            let node = self.inventory.topology().node_name(node).to_owned();
            return Err(if removed { ReserveError::Removed { node } } else { ReserveError::Cordoned { node } });
        }
        if !self.inventory.is_of_kinds(node, demand) {
            return Err(self.other_kind(node, demand));
        }
        Ok(())
    }

    #[cold]
    fn other_kind(&self, node: NodeId, demand: &Demand) -> ReserveError {
        let known = self.inventory.kinds().filter(|&kind| demand.kinds().contains(kind));
        ReserveError::Kind {
            node: self.inventory.topology().node_name(node).to_owned(),
            kind: self.inventory.kind(node).unwrap_or_default().to_owned(),
            expected: known.map(|kind| self.inventory.kind_name(kind).to_owned()).collect(),
        }
    }

    /// Why the node has no devices for a demand.
    #[cold]
    fn no_devices(&self, node: NodeId, demand: &Demand) -> ReserveError {
        let (view, name) =
            (self.inventory.view(node, demand.locality()), self.inventory.topology().node_name(node).to_owned());
        let (asked, free) = (demand.device_count(), view.free.len());
        if demand.milli() > 0 {
            let left = view.all.iter().map(|device| view.left(device)).max().unwrap_or(0);
            ReserveError::Share { node: name, asked: demand.milli(), left }
        } else if free < asked {
            ReserveError::Devices { node: name, asked, free }
        } else {
            let most = view.places.iter().map(|place| place.intersection(view.free).len()).max().unwrap_or(0);
            ReserveError::Locality { node: name, locality: demand.locality(), asked, most }
        }
    }

    /// Checks the resources and takes all; the devices are free.
    fn hold(&mut self, node: NodeId, devices: DeviceSet, demand: &Demand) -> Result<(), ReserveError> {
        for &(resource, asked) in demand.resources() {
            if resource.index() >= self.inventory.resources_len() {
                let len = self.inventory.resources_len();
                return Err(ReserveError::UnknownResource { resource: resource.index(), len });
            }
            let free = self.inventory.free(node, resource);
            if free < asked {
                return Err(ReserveError::Resource {
                    node: self.inventory.topology().node_name(node).to_owned(),
                    resource: self.inventory.resource_name(resource).to_owned(),
                    asked,
                    free,
                });
            }
        }
        let held = Reservation::new(node, devices, demand.clone());
        self.inventory.take(&held);
        self.inventory.indexes.open();
        self.held.push(held);
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.undo_to(Mark(0));
    }
}
