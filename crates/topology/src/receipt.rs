//! What pods hold, and how it is given back.

use crate::{Demand, DeviceSet, Inventory, NodeId};

/// What one pod holds of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    node: NodeId,
    devices: DeviceSet,
    demand: Demand,
}

impl Reservation {
    pub(crate) fn new(node: NodeId, devices: DeviceSet, demand: Demand) -> Self {
        Self { node, devices, demand }
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The devices that are held; for a share the one device of which it holds a part.
    #[must_use]
    pub fn devices(&self) -> DeviceSet {
        self.devices
    }

    /// What was asked: as many devices as are held or the share of one, and the resources that are held.
    #[must_use]
    pub fn demand(&self) -> &Demand {
        &self.demand
    }
}

/// What a committed transaction holds. Give it back with [`Inventory::release`]; a receipt that is dropped leaves its
/// pods in place.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "without its receipt a commit cannot be released"]
pub struct Receipt {
    held: Vec<Reservation>,
}

impl Receipt {
    pub(crate) fn new(held: Vec<Reservation>) -> Self {
        Self { held }
    }

    /// Names other nodes, one for each reservation.
    pub(crate) fn move_to(&mut self, nodes: &[NodeId]) {
        for (held, &node) in self.held.iter_mut().zip(nodes) {
            held.node = node;
        }
    }

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

impl Inventory {
    /// Gives back what a committed transaction holds, also on cordoned and removed nodes. O(reservations).
    ///
    /// # Errors
    ///
    /// The receipt is of another inventory (a fork that went its own way, say) and this one does not hold what it names.
    /// Nothing is changed then.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory};
    /// let mut inventory = Inventory::from_notation("r1{n1:2}")?;
    /// let n1 = inventory.topology().node("n1").unwrap();
    /// let mut fork = inventory.fork();
    /// let mut transaction = fork.transaction();
    /// transaction.reserve(n1, &Demand::share(500)?)?;
    /// let receipt = transaction.commit();
    /// assert!(inventory.release(receipt).is_err(), "it is the fork's");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn release(&mut self, receipt: Receipt) -> Result<(), ReleaseError> {
        for (position, held) in receipt.held.iter().enumerate() {
            if !self.holds(held) {
                // What came before was held, and is taken again.
                receipt.held[..position].iter().for_each(|held| self.take(held));
                return Err(ReleaseError::NotHeld { position, node: held.node });
            }
            self.give_back(held);
        }
        self.touch(receipt.held.iter().map(Reservation::node));
        Ok(())
    }

    /// Whether at least this is held.
    fn holds(&self, held: &Reservation) -> bool {
        if held.node.index() >= self.topology.len() {
            return false;
        }
        let shared = self.shares.of(held.node);
        let mut devices = held.devices.iter().map(|device| u32::from(shared[device as usize]));
        self.held_devices(held.node).contains(held.devices)
            && match held.demand.milli() {
                0 => devices.all(|shared| shared == 0),
                milli => devices.all(|shared| shared >= milli),
            }
            && held.demand.resources().iter().all(|&(resource, amount)| {
                resource.index() < self.resources_len() && self.held(held.node, resource) >= amount
            })
    }
}
