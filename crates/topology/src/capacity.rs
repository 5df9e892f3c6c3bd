//! What a node has: how it is set, and why it cannot be.

use crate::inventory::CORDONED;
use crate::{DeviceSet, Inventory, KindId, Locality, NodeId, ResourceId};

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
        max: u32,
    },
    /// A kind that is to be interned has no name.
    #[error("a kind has an empty name")]
    EmptyKind,
    /// An island or zone names devices that the node lacks.
    #[error("{locality} of node {node:?} names devices {devices}, the node has {has}")]
    NoSuchDevices {
        /// The node.
        node: String,
        /// Whether it was an island or a zone.
        locality: Locality,
        /// The devices that the node lacks.
        devices: DeviceSet,
        /// The devices that it has.
        has: DeviceSet,
    },
    /// Two islands or two zones share devices.
    #[error("two {locality}s of node {node:?} name devices {devices}")]
    Overlap {
        /// The node.
        node: String,
        /// Whether they were islands or zones.
        locality: Locality,
        /// The devices that both name.
        devices: DeviceSet,
    },
    /// More different layouts of islands or zones than ids.
    #[error("the layout of node {node:?} is one too many: at most {max} different ones are possible")]
    TooManyLayouts {
        /// The node.
        node: String,
        /// How many are possible.
        max: u16,
    },
    /// The topology has no such node.
    #[error("node {node} does not exist, the topology has {len} nodes")]
    UnknownNode {
        /// The id.
        node: NodeId,
        /// How many nodes there are.
        len: usize,
    },
    /// This inventory has interned no such resource.
    #[error("resource {resource} is not one of this inventory's {len}")]
    UnknownResource {
        /// The id.
        resource: ResourceId,
        /// How many resources the inventory knows.
        len: usize,
    },
}

impl Inventory {
    /// Gives a node `count` devices (0 to 64) of a kind (the accelerator's product name; empty if unknown). Devices that
    /// are held, also by a share, stay held; those that go leave their islands and zones.
    ///
    /// # Errors
    ///
    /// An unknown node, more than 64 devices, fewer than pods hold, or a 65th kind; nothing is changed then.
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
        let all = self.check_devices(node, count)?;
        self.put_kind_and_clip(node, kind, all)?;
        self.put_devices(node, all);
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
    /// An unknown node or resource, or less than what is held; nothing is changed then.
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
        self.check_capacity(node, resource, amount)?;
        self.put_capacity(node, resource, amount);
        self.touch([node]);
        Ok(())
    }

    /// Marks a node as taking no new pods, or as taking them again. What it runs stays. Panics on an unknown node.
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
        assert!(node.index() < self.topology.len(), "a node id belongs to its topology");
        if self.set_flag(node, CORDONED, cordoned) {
            self.touch([node]);
        }
    }

    pub(crate) fn check_node(&self, node: NodeId) -> Result<(), CapacityError> {
        let len = self.topology.len();
        if node.index() < len { Ok(()) } else { Err(CapacityError::UnknownNode { node, len }) }
    }

    /// The devices that a node with so many has, if it can have so many.
    pub(crate) fn check_devices(&self, node: NodeId, count: u32) -> Result<DeviceSet, CapacityError> {
        self.check_node(node)?;
        let name = || self.topology.node_name(node).to_owned();
        let too_many = || CapacityError::TooManyDevices { node: name(), devices: count, max: DeviceSet::MAX };
        let all = DeviceSet::first(count).ok_or_else(too_many)?;
        match self.held_devices(node).without(all).lowest_index() {
            Some(held) => Err(CapacityError::DeviceHeld { node: name(), devices: count, held }),
            None => Ok(all),
        }
    }

    pub(crate) fn check_capacity(&self, node: NodeId, resource: ResourceId, amount: u64) -> Result<(), CapacityError> {
        self.check_node(node)?;
        if resource.index() >= self.resources_len() {
            return Err(CapacityError::UnknownResource { resource, len: self.resources_len() });
        }
        let held = self.held(node, resource);
        if amount < held {
            let (node, resource) = (self.topology.node_name(node), self.resource_name(resource));
            return Err(CapacityError::ResourceHeld { node: node.into(), resource: resource.into(), amount, held });
        }
        Ok(())
    }

    /// Sets the node's devices; the caller has checked that those held are among them.
    pub(crate) fn put_devices(&mut self, node: NodeId, all: DeviceSet) {
        let held = self.held_devices(node);
        self.devices.set(node.index(), all.mask());
        self.set_free_devices(node, all.without(held));
    }

    /// Gives the node a kind, and takes devices that it will lack out of its islands and zones; both or neither.
    pub(crate) fn put_kind_and_clip(&mut self, node: NodeId, kind: &str, all: DeviceSet) -> Result<(), CapacityError> {
        let known = if kind.is_empty() { None } else { Some(self.next_kind(kind)?) };
        self.clip_layouts(node, all)?;
        if known.is_some() {
            self.intern_kind(kind)?;
        }
        self.put_kind(node, known);
        Ok(())
    }

    pub(crate) fn put_kind(&mut self, node: NodeId, kind: Option<KindId>) {
        self.kind.set(node.index(), kind.map_or(0, |kind| kind.index() as u8 + 1));
    }

    /// Sets how much of a resource the node has; the caller has checked that it covers what is held.
    pub(crate) fn put_capacity(&mut self, node: NodeId, resource: ResourceId, amount: u64) {
        let held = self.held(node, resource);
        self.resources[resource.index()].capacity.set(node.index(), amount);
        self.set_free(node, resource, amount - held);
    }

    /// The node's devices that are not free as a whole.
    pub(crate) fn held_devices(&self, node: NodeId) -> DeviceSet {
        self.devices(node).without(self.free_devices(node))
    }

    pub(crate) fn held(&self, node: NodeId, resource: ResourceId) -> u64 {
        self.capacity(node, resource) - self.free(node, resource)
    }
}
