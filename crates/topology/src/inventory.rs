//! The ledger: what every node has, and what of it is free.

use std::sync::Arc;

use crate::changes::Changes;
use crate::index::Indexes;
use crate::layout::Layouts;
use crate::paged::Paged;
use crate::shares::Shares;
use crate::view::View;
use crate::{DeviceSet, Locality, NodeId, Reservation, ResourceId, Topology, Transaction, hash};

/// An exact ledger of devices and resources over the nodes of a [`Topology`].
///
/// What is free never exceeds what there is and never falls below nothing, after any sequence of operations; nothing is
/// rounded. Reservations are made in a [`Transaction`], all or none, and given back with its [`Receipt`](crate::Receipt).
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
    pub(crate) shares: Shares,
    /// Why a node takes no new pods: [`CORDONED`], [`REMOVED`].
    pub(crate) flags: Paged<u8>,
    pub(crate) resources: Vec<Resource>,
    /// Position in `kinds`, plus one; 0 for a node without a kind.
    pub(crate) kind: Paged<u8>,
    pub(crate) kinds: Vec<Arc<str>>,
    pub(crate) layouts: Layouts,
    pub(crate) version: u64,
    hash: u64,
    pub(crate) changes: Changes,
    pub(crate) indexes: Indexes,
}

/// The flag of a node that takes no new pods.
pub(crate) const CORDONED: u8 = 1;

/// The flag of a node that is gone.
pub(crate) const REMOVED: u8 = 2;

#[derive(Clone, Debug)]
pub(crate) struct Resource {
    name: Arc<str>,
    /// What goes into the state's hash for the name, so that the order of interning does not.
    salt: u64,
    pub(crate) capacity: Paged<u64>,
    pub(crate) free: Paged<u64>,
}

impl Resource {
    /// The same resource, of which none of `nodes` nodes has anything.
    pub(crate) fn emptied(&self, nodes: usize) -> Self {
        let none = Paged::new(nodes, 0);
        Self { name: Arc::clone(&self.name), salt: self.salt, capacity: none.clone(), free: none }
    }
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
            shares: Shares::default(),
            flags: Paged::new(len, 0),
            resources: Vec::new(),
            kind: Paged::new(len, 0),
            kinds: Vec::new(),
            layouts: Layouts::new(len),
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

    /// A hash of what is free, shared, cordoned and removed, kept up to date with every change: equal states have equal hashes, however
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

    /// All resources that were interned, ascending.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = ResourceId> + use<> {
        (0..self.resources.len()).map(|at| ResourceId::new(at as u16))
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

    /// The node's devices that are free as a whole.
    #[must_use]
    pub fn free_devices(&self, node: NodeId) -> DeviceSet {
        DeviceSet::from_mask(self.free_devices.get(node.index()))
    }

    /// How many milli of a device are left: 1000 of a free one, what its shares do not hold of a shared one, 0 of one that is
    /// held whole or that the node lacks. O(1).
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory};
    /// let mut inventory = Inventory::from_notation("r1{n1:2}")?;
    /// let n1 = inventory.topology().node("n1").unwrap();
    /// let mut transaction = inventory.transaction();
    /// transaction.reserve(n1, &Demand::share(300)?)?;
    /// drop(transaction.commit());
    /// assert_eq!([0, 1, 2].map(|device| inventory.left(n1, device)), [700, 1000, 0]);
    /// assert_eq!(inventory.free_devices(n1).to_string(), "1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn left(&self, node: NodeId, device: u32) -> u32 {
        if device >= DeviceSet::MAX {
            return 0;
        }
        self.view(node, Locality::Node).left(device)
    }

    /// The devices of which shares hold a part, or all by several shares. O(devices).
    #[must_use]
    pub fn shared_devices(&self, node: NodeId) -> DeviceSet {
        let (held, shared) = (self.devices(node).without(self.free_devices(node)), self.shares.of(node));
        let mask = held.iter().filter(|&device| shared[device as usize] > 0).fold(0, |mask, device| mask | 1 << device);
        DeviceSet::from_mask(mask)
    }

    /// The free devices of the whole cluster, those of cordoned nodes included and those of removed nodes not. O(nodes).
    #[must_use]
    pub fn free_devices_total(&self) -> u64 {
        let nodes = self.topology.nodes().filter(|&node| !self.is_removed(node));
        nodes.map(|node| u64::from(self.free_devices(node).len())).sum()
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

    /// Whether the node takes no new pods.
    #[must_use]
    pub fn is_cordoned(&self, node: NodeId) -> bool {
        self.flags(node) & CORDONED != 0
    }

    /// Whether the node is gone, though pods may still be held there.
    #[must_use]
    pub fn is_removed(&self, node: NodeId) -> bool {
        self.flags(node) & REMOVED != 0
    }

    pub(crate) fn resource_ids(&self) -> impl Iterator<Item = ResourceId> + use<> {
        (0..self.resources.len()).map(|at| ResourceId::new(at as u16))
    }

    /// The node's devices as a demand of this locality sees them.
    pub(crate) fn view(&self, node: NodeId, locality: Locality) -> View<'_> {
        View {
            all: self.devices(node),
            free: self.free_devices(node),
            shared: self.shares.of(node),
            places: self.layouts.of(node, locality),
        }
    }

    pub(crate) fn flags(&self, node: NodeId) -> u8 {
        self.flags.get(node.index())
    }

    pub(crate) fn set_flag(&mut self, node: NodeId, flag: u8, on: bool) -> bool {
        let was = self.flags(node);
        let now = if on { was | flag } else { was & !flag };
        if now != was {
            self.flags.set(node.index(), now);
            self.hash ^= hash::flag(node, flag);
        }
        now != was
    }

    pub(crate) fn set_free_devices(&mut self, node: NodeId, free: DeviceSet) {
        self.change_free_devices(node, |_| free);
    }

    fn change_free_devices(&mut self, node: NodeId, now: impl FnOnce(DeviceSet) -> DeviceSet) {
        let cell = self.free_devices.at_mut(node.index());
        let was = DeviceSet::from_mask(*cell);
        let now = now(was);
        *cell = now.mask();
        self.hash ^= hash::devices(node, was, now);
    }

    pub(crate) fn set_free(&mut self, node: NodeId, resource: ResourceId, amount: u64) {
        self.change_free(node, resource, |_| amount);
    }

    fn change_free(&mut self, node: NodeId, resource: ResourceId, now: impl FnOnce(u64) -> u64) {
        let column = &mut self.resources[resource.index()];
        let cell = column.free.at_mut(node.index());
        let was = *cell;
        *cell = now(was);
        self.hash ^= hash::resource(node, column.salt, was, *cell);
    }

    /// Sets what shares hold of a device, and with it whether the device is free.
    pub(crate) fn set_shared(&mut self, node: NodeId, device: u32, milli: u32) {
        let was = u32::from(self.shares.of(node)[device as usize]);
        self.hash ^= hash::shared(node, device, was, milli);
        self.shares.set(self.topology.len(), node, device, milli);
        if (was == 0) != (milli == 0) {
            let this = DeviceSet::from_mask(1 << device);
            self.change_free_devices(node, |free| if milli == 0 { free.union(this) } else { free.without(this) });
        }
    }

    /// Takes what a reservation names from what is free; the caller has checked that it is.
    pub(crate) fn take(&mut self, held: &Reservation) {
        let (node, demand) = (held.node(), held.demand());
        match (demand.milli(), held.devices().lowest_index()) {
            (0, Some(_)) => self.change_free_devices(node, |free| free.without(held.devices())),
            (milli, Some(device)) => {
                let shared = u32::from(self.shares.of(node)[device as usize]);
                self.set_shared(node, device, shared + milli);
            }
            (_, None) => {}
        }
        for &(resource, amount) in demand.resources() {
            self.change_free(node, resource, |free| free - amount);
        }
    }

    /// Gives back what a reservation holds; the caller has checked that it does.
    pub(crate) fn give_back(&mut self, held: &Reservation) {
        let (node, demand) = (held.node(), held.demand());
        match (demand.milli(), held.devices().lowest_index()) {
            (0, Some(_)) => self.change_free_devices(node, |free| free.union(held.devices())),
            (milli, Some(device)) => {
                let shared = u32::from(self.shares.of(node)[device as usize]);
                self.set_shared(node, device, shared - milli);
            }
            (_, None) => {}
        }
        for &(resource, amount) in demand.resources() {
            self.change_free(node, resource, |free| free + amount);
        }
    }
}
