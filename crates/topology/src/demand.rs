//! What one pod asks of its node.

use std::sync::Arc;

use crate::ResourceId;

/// What one pod asks of its node: whole devices and amounts of resources. Cheap to clone.
///
/// ```
/// # use phalanx_topology::{Demand, Inventory, Topology};
/// # use std::sync::Arc;
/// # let topology = Topology::builder(["rack"]).build()?;
/// let mut inventory = Inventory::new(Arc::new(topology));
/// let cpu = inventory.resource("cpu");
/// let demand = Demand::devices(8).with(cpu, 64_000);
/// assert_eq!((demand.device_count(), demand.amount(cpu)), (8, 64_000));
/// # Ok::<(), phalanx_topology::TopologyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Demand {
    devices: u32,
    /// Ascending by id, no zero amounts.
    resources: Arc<[(ResourceId, u64)]>,
}

impl Demand {
    /// A pod that asks this many whole devices. More than a node can have is a demand that never fits.
    #[must_use]
    pub fn devices(count: u32) -> Self {
        Self { devices: count, resources: Arc::new([]) }
    }

    /// The same pod asking also `amount` of a resource (instead of what it asked of it before), in the unit in which the
    /// inventory counts it.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, ResourceId};
    /// let slots = ResourceId::new(0);
    /// assert_eq!(Demand::devices(0).with(slots, 2).with(slots, 1).amount(slots), 1);
    /// assert_eq!(Demand::devices(1).with(slots, 0), Demand::devices(1));
    /// ```
    #[must_use]
    pub fn with(self, resource: ResourceId, amount: u64) -> Self {
        let mut resources = self.resources.to_vec();
        resources.retain(|&(id, _)| id != resource);
        if amount > 0 {
            resources.push((resource, amount));
        }
        resources.sort_unstable();
        Self { devices: self.devices, resources: resources.into() }
    }

    /// How many whole devices it asks.
    #[must_use]
    pub fn device_count(&self) -> u32 {
        self.devices
    }

    /// How much of a resource it asks.
    #[must_use]
    pub fn amount(&self, resource: ResourceId) -> u64 {
        self.resources.iter().find(|&&(id, _)| id == resource).map_or(0, |&(_, amount)| amount)
    }

    /// The resources it asks, ascending by id, each with an amount above zero.
    #[must_use]
    pub fn resources(&self) -> &[(ResourceId, u64)] {
        &self.resources
    }

    /// Whether it asks nothing, and so fits any number of times.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices == 0 && self.resources.is_empty()
    }
}
