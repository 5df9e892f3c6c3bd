//! Reservations that are made together or not at all.

use crate::{Demand, DeviceSet, Inventory, NodeId};

/// What one pod holds of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    node: NodeId,
    devices: DeviceSet,
    demand: Demand,
}

impl Reservation {
    /// The node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The devices that are held.
    #[must_use]
    pub fn devices(&self) -> DeviceSet {
        self.devices
    }

    /// What was asked: as many devices as are held, and the resources that are held.
    #[must_use]
    pub fn demand(&self) -> &Demand {
        &self.demand
    }
}

/// Why a node cannot take a pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReserveError {
    /// The topology has no such node.
    #[error("node {node} does not exist, the topology has {len} nodes")]
    UnknownNode {
        /// The id.
        node: NodeId,
        /// How many nodes there are.
        len: usize,
    },
    /// The demand names a resource that this inventory has not interned.
    #[error("resource {resource} is not one of this inventory's {len}")]
    UnknownResource {
        /// The id's position.
        resource: usize,
        /// How many resources the inventory knows.
        len: usize,
    },
    /// The node takes no new pods.
    #[error("node {node:?} is cordoned")]
    Cordoned {
        /// The node.
        node: String,
    },
    /// Fewer devices are free than asked.
    #[error("node {node:?} has {free} devices free, {asked} are asked")]
    Devices {
        /// The node.
        node: String,
        /// How many are asked.
        asked: u32,
        /// How many are free.
        free: u32,
    },
    /// A device that was named is held by somebody, or does not exist.
    #[error("node {node:?} does not have devices {devices} free")]
    NotFree {
        /// The node.
        node: String,
        /// Those of the named devices that are not free.
        devices: DeviceSet,
    },
    /// The devices named are not as many as the demand asks.
    #[error("{named} devices are named for a demand of {asked}")]
    DeviceCount {
        /// How many were named.
        named: u32,
        /// How many the demand asks.
        asked: u32,
    },
    /// Less of a resource is free than asked.
    #[error("node {node:?} has {free} of {resource:?} free, {asked} are asked")]
    Resource {
        /// The node.
        node: String,
        /// The resource.
        resource: String,
        /// How much is asked.
        asked: u64,
        /// How much is free.
        free: u64,
    },
}

/// Why a receipt cannot be released.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The inventory does not hold what the receipt names: it is another inventory's.
    #[error(
        "reservation {position} of the receipt, on node {node}, is not held here: the receipt is of another inventory"
    )]
    NotHeld {
        /// The position in [`Receipt::reservations`].
        position: usize,
        /// The node it names.
        node: NodeId,
    },
}

/// What a committed transaction holds. Give it back with [`Inventory::release`]; a receipt that is dropped leaves its
/// pods in place.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "without its receipt a commit cannot be released"]
pub struct Receipt {
    held: Vec<Reservation>,
}

impl Receipt {
    /// What is held, in the order in which it was reserved.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, Topology};
    /// # use std::sync::Arc;
    /// # let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// # let n1 = topology.node("n1").unwrap();
    /// # let mut inventory = Inventory::new(Arc::new(topology));
    /// # inventory.set_devices(n1, 8, "")?;
    /// let mut transaction = inventory.transaction();
    /// transaction.reserve(n1, &Demand::devices(2))?;
    /// let receipt = transaction.commit();
    /// assert_eq!(receipt.reservations()[0].devices().to_string(), "0-1");
    /// # inventory.release(receipt)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reservations(&self) -> &[Reservation] {
        &self.held
    }
}

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

    /// Reserves a demand on a node: the free devices of lowest index, and the resources. O(resources asked).
    ///
    /// # Errors
    ///
    /// The node cannot take the pod; nothing is changed then.
    pub fn reserve(&mut self, node: NodeId, demand: &Demand) -> Result<DeviceSet, ReserveError> {
        self.check_node(node)?;
        let free = self.inventory.free_devices(node);
        let Some(devices) = free.lowest(demand.device_count()) else {
            let node = self.inventory.topology().node_name(node).to_owned();
            return Err(ReserveError::Devices { node, asked: demand.device_count(), free: free.len() });
        };
        self.hold(node, devices, demand)?;
        Ok(devices)
    }

    /// Reserves a demand on a node with exactly these devices. O(resources asked).
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
        self.check_node(node)?;
        if devices.len() != demand.device_count() {
            return Err(ReserveError::DeviceCount { named: devices.len(), asked: demand.device_count() });
        }
        let missing = devices.without(self.inventory.free_devices(node));
        if !missing.is_empty() {
            let node = self.inventory.topology().node_name(node).to_owned();
            return Err(ReserveError::NotFree { node, devices: missing });
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
        Receipt { held: std::mem::take(&mut self.held) }
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

    fn check_node(&self, node: NodeId) -> Result<(), ReserveError> {
        let len = self.inventory.topology().len();
        if node.index() >= len {
            return Err(ReserveError::UnknownNode { node, len });
        }
        if self.inventory.is_cordoned(node) {
            return Err(ReserveError::Cordoned { node: self.inventory.topology().node_name(node).to_owned() });
        }
        Ok(())
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
        let held = Reservation { node, devices, demand: demand.clone() };
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

pub(crate) fn release(inventory: &mut Inventory, receipt: Receipt) -> Result<(), ReleaseError> {
    for (position, held) in receipt.held.iter().enumerate() {
        if !is_held(inventory, held) {
            // What came before was held, and is taken again.
            receipt.held[..position].iter().for_each(|held| inventory.take(held));
            return Err(ReleaseError::NotHeld { position, node: held.node });
        }
        inventory.give_back(held);
    }
    inventory.touch(receipt.held.iter().map(Reservation::node));
    Ok(())
}

fn is_held(inventory: &Inventory, held: &Reservation) -> bool {
    if held.node.index() >= inventory.topology().len() {
        return false;
    }
    let taken = inventory.devices(held.node).without(inventory.free_devices(held.node));
    taken.contains(held.devices)
        && held.demand.resources().iter().all(|&(resource, amount)| {
            resource.index() < inventory.resources_len()
                && inventory.capacity(held.node, resource) - inventory.free(held.node, resource) >= amount
        })
}
