//! The ledger: what every node has, and what of it is free.

use std::sync::Arc;

use crate::changes::Changes;
use crate::index::Indexes;
use crate::paged::Paged;
use crate::transaction::Reservation;
use crate::{DeviceSet, NodeId, Receipt, ReleaseError, ResourceId, Topology, Transaction, hash};

/// An exact ledger of devices and resources over the nodes of a [`Topology`].
///
/// What is free never exceeds what there is and never falls below nothing, after any sequence of operations; nothing is
/// rounded. Reservations are made in a [`Transaction`], all or none, and given back with its [`Receipt`].
///
/// ```
/// use phalanx_topology::{Demand, Inventory, Topology};
/// use std::sync::Arc;
///
/// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
/// let n1 = topology.node("n1").unwrap();
/// let mut inventory = Inventory::new(Arc::new(topology));
/// inventory.set_devices(n1, 8, "H100")?;
///
/// let before = inventory.state_hash();
/// let mut transaction = inventory.transaction();
/// let devices = transaction.reserve(n1, &Demand::devices(4))?;
/// assert_eq!(devices.to_string(), "0-3");
/// let receipt = transaction.commit();
/// assert_eq!(inventory.free_devices(n1).to_string(), "4-7");
///
/// inventory.release(receipt)?;
/// assert_eq!(inventory.state_hash(), before);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Inventory {
    pub(crate) topology: Arc<Topology>,
    pub(crate) devices: Paged<u64>,
    pub(crate) free_devices: Paged<u64>,
    /// 1 for a node that takes no new pods.
    pub(crate) cordoned: Paged<u8>,
    pub(crate) resources: Vec<Resource>,
    /// Position in `kinds`, plus one; 0 for a node without a kind.
    kind: Paged<u16>,
    kinds: Vec<Arc<str>>,
    pub(crate) version: u64,
    hash: u64,
    pub(crate) changes: Changes,
    pub(crate) indexes: Indexes,
}

#[derive(Clone, Debug)]
pub(crate) struct Resource {
    name: Arc<str>,
    /// What goes into the state's hash for the name, so that the order of interning does not.
    salt: u64,
    pub(crate) capacity: Paged<u64>,
    pub(crate) free: Paged<u64>,
}

/// Why a node's capacity cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CapacityError {
    /// More devices than a set can hold.
    #[error("node {node:?} has {devices} devices, at most {max} are possible")]
    TooManyDevices {
        /// The node.
        node: String,
        /// How many it was given.
        devices: u32,
        /// How many are possible.
        max: u32,
    },
    /// Devices that would go are held.
    #[error("node {node:?} cannot go down to {devices} devices: device {held} is held")]
    DeviceHeld {
        /// The node.
        node: String,
        /// How many it was to have.
        devices: u32,
        /// The lowest device that is held and would go.
        held: u32,
    },
    /// More of a resource is held than there would be.
    #[error("node {node:?} cannot go down to {amount} of {resource:?}: {held} are held")]
    ResourceHeld {
        /// The node.
        node: String,
        /// The resource.
        resource: String,
        /// How much it was to have.
        amount: u64,
        /// How much of it is held.
        held: u64,
    },
    /// More kinds of accelerator than ids.
    #[error("kind {kind:?} is one too many: at most {max} are possible")]
    TooManyKinds {
        /// The kind.
        kind: String,
        /// How many are possible.
        max: u16,
    },
}

impl Inventory {
    /// The ledger of a cluster whose nodes have nothing yet.
    ///
    /// ```
    /// # use phalanx_topology::{Inventory, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// let inventory = Inventory::new(Arc::new(topology));
    /// assert_eq!(inventory.free_devices_total(), 0);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    #[must_use]
    pub fn new(topology: Arc<Topology>) -> Self {
        let len = topology.len();
        Self {
            topology,
            devices: Paged::new(len, 0),
            free_devices: Paged::new(len, 0),
            cordoned: Paged::new(len, 0),
            resources: Vec::new(),
            kind: Paged::new(len, 0),
            kinds: Vec::new(),
            version: 0,
            hash: 0,
            changes: Changes::new(0),
            indexes: Indexes::new(),
        }
    }

    /// The id of a resource, interned on first use; a resource that no node was given is one that no node has. O(number
    /// of resources).
    ///
    /// Panics beyond 65,535 different names.
    ///
    /// ```
    /// # use phalanx_topology::{Inventory, Topology};
    /// # use std::sync::Arc;
    /// # let topology = Topology::builder(["rack"]).build()?;
    /// let mut inventory = Inventory::new(Arc::new(topology));
    /// let cpu = inventory.resource("cpu");
    /// assert_eq!(inventory.resource("cpu"), cpu);
    /// assert_eq!(inventory.resource_name(cpu), "cpu");
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    pub fn resource(&mut self, name: &str) -> ResourceId {
        if let Some(id) = self.find_resource(name) {
            return id;
        }
        let id = u16::try_from(self.resources.len()).expect("a cluster has fewer than 65,536 kinds of resource");
        let len = self.topology.len();
        self.resources.push(Resource {
            name: name.into(),
            salt: hash::name(name),
            capacity: Paged::new(len, 0),
            free: Paged::new(len, 0),
        });
        ResourceId::new(id)
    }

    /// Gives a node `count` devices (0 to 64) of a kind (the accelerator's product name; empty if unknown). Devices that
    /// are held stay held.
    ///
    /// # Errors
    ///
    /// More than 64 devices, or fewer than a pod holds; nothing is changed then.
    ///
    /// ```
    /// # use phalanx_topology::{Inventory, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// let n1 = topology.node("n1").unwrap();
    /// let mut inventory = Inventory::new(Arc::new(topology));
    /// inventory.set_devices(n1, 8, "H100")?;
    /// assert_eq!((inventory.devices(n1).len(), inventory.kind(n1)), (8, Some("H100")));
    /// assert!(inventory.set_devices(n1, 65, "H100").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_devices(&mut self, node: NodeId, count: u32, kind: &str) -> Result<(), CapacityError> {
        let name = || self.topology.node_name(node).to_owned();
        let Some(all) = DeviceSet::first(count) else {
            return Err(CapacityError::TooManyDevices { node: name(), devices: count, max: DeviceSet::MAX });
        };
        let held = self.devices(node).without(self.free_devices(node));
        if let Some(held) = held.without(all).iter().next() {
            return Err(CapacityError::DeviceHeld { node: name(), devices: count, held });
        }
        let kind = self.intern_kind(kind)?;
        self.devices.set(node.index(), all.mask());
        self.kind.set(node.index(), kind);
        self.set_free_devices(node, all.without(held));
        self.touch([node]);
        Ok(())
    }

    /// Gives every node `count` devices of a kind: [`set_devices`](Self::set_devices) for all.
    ///
    /// # Errors
    ///
    /// As for one node; the nodes before the failing one keep what they were given.
    pub fn set_devices_everywhere(&mut self, count: u32, kind: &str) -> Result<(), CapacityError> {
        self.topology.nodes().try_for_each(|node| self.set_devices(node, count, kind))
    }

    /// Gives a node `amount` of a resource, in whatever unit demands for it use. What is held stays held.
    ///
    /// # Errors
    ///
    /// Less than what is held; nothing is changed then.
    ///
    /// ```
    /// # use phalanx_topology::{Inventory, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// let n1 = topology.node("n1").unwrap();
    /// let mut inventory = Inventory::new(Arc::new(topology));
    /// let cpu = inventory.resource("cpu");
    /// inventory.set_capacity(n1, cpu, 96_000)?;
    /// assert_eq!(inventory.free(n1, cpu), 96_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_capacity(&mut self, node: NodeId, resource: ResourceId, amount: u64) -> Result<(), CapacityError> {
        let held = self.capacity(node, resource) - self.free(node, resource);
        if amount < held {
            return Err(CapacityError::ResourceHeld {
                node: self.topology.node_name(node).to_owned(),
                resource: self.resource_name(resource).to_owned(),
                amount,
                held,
            });
        }
        self.resources[resource.index()].capacity.set(node.index(), amount);
        self.set_free(node, resource, amount - held);
        self.touch([node]);
        Ok(())
    }

    /// Marks a node as taking no new pods, or as taking them again. What it runs stays.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// let n1 = topology.node("n1").unwrap();
    /// let mut inventory = Inventory::new(Arc::new(topology));
    /// inventory.set_cordoned(n1, true);
    /// assert_eq!(inventory.fits(n1, &Demand::devices(0)), 0);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    pub fn set_cordoned(&mut self, node: NodeId, cordoned: bool) {
        if self.is_cordoned(node) != cordoned {
            self.cordoned.set(node.index(), u8::from(cordoned));
            self.hash ^= hash::cordon(node);
            self.touch([node]);
        }
    }

    /// Starts a transaction: reservations that are made together or not at all.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// let n1 = topology.node("n1").unwrap();
    /// let mut inventory = Inventory::new(Arc::new(topology));
    /// inventory.set_devices(n1, 8, "")?;
    /// let mut transaction = inventory.transaction();
    /// transaction.reserve(n1, &Demand::devices(8))?;
    /// drop(transaction);
    /// assert_eq!(inventory.free_devices(n1).len(), 8, "what is not committed never was");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transaction(&mut self) -> Transaction<'_> {
        self.settle();
        Transaction::new(self)
    }

    /// Gives back what a committed transaction holds.
    ///
    /// # Errors
    ///
    /// The receipt is of another inventory (a fork that went its own way, say) and this one does not hold what it names.
    /// Nothing is changed then. O(reservations).
    pub fn release(&mut self, receipt: Receipt) -> Result<(), ReleaseError> {
        crate::transaction::release(self, receipt)
    }

    /// A copy that goes its own way: what is done to it never changes this one. Shares all pages until they are written:
    /// O(nodes / 256).
    ///
    /// ```
    /// # use phalanx_topology::{Inventory, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// let n1 = topology.node("n1").unwrap();
    /// let inventory = Inventory::new(Arc::new(topology));
    /// let mut what_if = inventory.fork();
    /// what_if.set_devices(n1, 8, "")?;
    /// assert_eq!(inventory.devices(n1).len(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fork(&self) -> Self {
        self.clone()
    }

    /// The tree under this ledger.
    #[must_use]
    pub fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// Counts changes: it grows with each commit, release, capacity and cordon.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A hash of what is free and cordoned, kept up to date with every change: equal states have equal hashes, however
    /// they were reached. It is not proof against an adversary. O(1).
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        self.hash
    }

    /// The id of a resource that was interned before.
    #[must_use]
    pub fn find_resource(&self, name: &str) -> Option<ResourceId> {
        self.resources.iter().position(|r| *r.name == *name).map(|at| ResourceId::new(at as u16))
    }

    /// The resource's name. Panics if this inventory interned no such resource.
    #[must_use]
    pub fn resource_name(&self, resource: ResourceId) -> &str {
        &self.resources[resource.index()].name
    }

    /// How many resources were interned.
    #[must_use]
    pub fn resources_len(&self) -> usize {
        self.resources.len()
    }

    /// The node's devices, held or free.
    #[must_use]
    pub fn devices(&self, node: NodeId) -> DeviceSet {
        DeviceSet::from_mask(self.devices.get(node.index()))
    }

    /// The node's free devices.
    #[must_use]
    pub fn free_devices(&self, node: NodeId) -> DeviceSet {
        DeviceSet::from_mask(self.free_devices.get(node.index()))
    }

    /// The free devices of the whole cluster, cordoned nodes included. O(nodes).
    #[must_use]
    pub fn free_devices_total(&self) -> u64 {
        self.topology.nodes().map(|node| u64::from(self.free_devices(node).len())).sum()
    }

    /// How much of a resource the node has.
    #[must_use]
    pub fn capacity(&self, node: NodeId, resource: ResourceId) -> u64 {
        self.resources[resource.index()].capacity.get(node.index())
    }

    /// How much of a resource is free on the node.
    #[must_use]
    pub fn free(&self, node: NodeId, resource: ResourceId) -> u64 {
        self.resources[resource.index()].free.get(node.index())
    }

    /// The kind of the node's devices, if it was given.
    #[must_use]
    pub fn kind(&self, node: NodeId) -> Option<&str> {
        let kind = self.kind.get(node.index()).checked_sub(1)?;
        Some(&self.kinds[usize::from(kind)])
    }

    /// Whether the node takes no new pods.
    #[must_use]
    pub fn is_cordoned(&self, node: NodeId) -> bool {
        self.cordoned.get(node.index()) != 0
    }

    pub(crate) fn set_free_devices(&mut self, node: NodeId, free: DeviceSet) {
        self.hash ^= hash::devices(node, self.free_devices(node)) ^ hash::devices(node, free);
        self.free_devices.set(node.index(), free.mask());
    }

    pub(crate) fn set_free(&mut self, node: NodeId, resource: ResourceId, amount: u64) {
        let salt = self.resources[resource.index()].salt;
        self.hash ^= hash::resource(node, salt, self.free(node, resource)) ^ hash::resource(node, salt, amount);
        self.resources[resource.index()].free.set(node.index(), amount);
    }

    /// Takes what a reservation names from what is free; the caller has checked that it is.
    pub(crate) fn take(&mut self, held: &Reservation) {
        self.set_free_devices(held.node(), self.free_devices(held.node()).without(held.devices()));
        for &(resource, amount) in held.demand().resources() {
            self.set_free(held.node(), resource, self.free(held.node(), resource) - amount);
        }
    }

    /// Gives back what a reservation holds; the caller has checked that it does.
    pub(crate) fn give_back(&mut self, held: &Reservation) {
        self.set_free_devices(held.node(), self.free_devices(held.node()).union(held.devices()));
        for &(resource, amount) in held.demand().resources() {
            self.set_free(held.node(), resource, self.free(held.node(), resource) + amount);
        }
    }

    fn intern_kind(&mut self, kind: &str) -> Result<u16, CapacityError> {
        if kind.is_empty() {
            return Ok(0);
        }
        if let Some(at) = self.kinds.iter().position(|known| **known == *kind) {
            return Ok(at as u16 + 1);
        }
        if self.kinds.len() == usize::from(u16::MAX) {
            return Err(CapacityError::TooManyKinds { kind: kind.to_owned(), max: u16::MAX });
        }
        self.kinds.push(kind.into());
        Ok(self.kinds.len() as u16)
    }
}
