//! What one pod asks of its node.

use std::fmt;
use std::sync::Arc;

use crate::shares::WHOLE;
use crate::{KindSet, ResourceId};

/// What one pod asks of its node: whole devices or a share of one, of which kinds and how near to each other, and amounts
/// of resources. Cheap to clone.
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
    /// Of one device, 1 to 999; 0 for whole devices.
    milli: u32,
    locality: Locality,
    kinds: KindSet,
    /// Ascending by id, no zero amounts.
    resources: Arc<[(ResourceId, u64)]>,
}

/// How near to each other the devices of a pod must be on their node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Locality {
    /// Anywhere on the node.
    #[default]
    Node,
    /// In one island: devices with a fast link of their own (NVLink).
    Island,
    /// In one NUMA zone.
    Numa,
}

impl fmt::Display for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::Island => "island",
            Self::Numa => "NUMA zone",
        })
    }
}

/// Why there is no such demand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DemandError {
    /// A share of nothing, or of more than one device.
    #[error("a share of {milli} milli, expected 1 to {} milli of one device", WHOLE)]
    Share {
        /// What was asked.
        milli: u32,
    },
}

impl Demand {
    /// A pod that asks this many whole devices. More than a node can have is a demand that never fits.
    ///
    /// ```
    /// # use phalanx_topology::Demand;
    /// assert_eq!(Demand::devices(2).device_count(), 2);
    /// ```
    #[must_use]
    pub fn devices(count: u32) -> Self {
        Self { devices: count, milli: 0, locality: Locality::Node, kinds: KindSet::default(), resources: Arc::new([]) }
    }

    /// A pod that asks a part of one device, in milli, and shares the device with other such pods. 1000 milli are one whole
    /// device: the same demand as [`devices(1)`](Self::devices).
    ///
    /// # Errors
    ///
    /// 0 milli, or more than 1000.
    ///
    /// ```
    /// # use phalanx_topology::Demand;
    /// let half = Demand::share(500)?;
    /// assert_eq!((half.device_count(), half.milli()), (0, 500));
    /// assert_eq!(Demand::share(1000)?, Demand::devices(1));
    /// assert!(Demand::share(1001).is_err());
    /// # Ok::<(), phalanx_topology::DemandError>(())
    /// ```
    pub fn share(milli: u32) -> Result<Self, DemandError> {
        match milli {
            1..WHOLE => Ok(Self { milli, ..Self::devices(0) }),
            WHOLE => Ok(Self::devices(1)),
            _ => Err(DemandError::Share { milli }),
        }
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
        Self { resources: resources.into(), ..self }
    }

    /// The same pod on nodes of these kinds only; on any node, also one without a kind, if the set is empty. This holds for
    /// a pod without devices too.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, KindSet, Topology};
    /// # use std::sync::Arc;
    /// # let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// # let n1 = topology.node("n1").unwrap();
    /// # let mut inventory = Inventory::new(Arc::new(topology));
    /// inventory.set_devices(n1, 8, "A100")?;
    /// let h100 = inventory.intern_kind("H100")?;
    /// let demand = Demand::devices(8).of_kinds(KindSet::from_iter([h100]));
    /// assert_eq!(inventory.fits(n1, &demand), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of_kinds(self, kinds: KindSet) -> Self {
        Self { kinds, ..self }
    }

    /// The same pod with all its devices in one island of the node. A node without islands counts as one island. The last
    /// call of this and [`within_numa`](Self::within_numa) counts; neither changes a pod without whole devices, since a
    /// share is in one place anyway.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, DeviceSet, Inventory, Topology};
    /// # use std::sync::Arc;
    /// # let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// # let n1 = topology.node("n1").unwrap();
    /// # let mut inventory = Inventory::new(Arc::new(topology));
    /// inventory.set_devices(n1, 8, "H100")?;
    /// inventory.set_islands(n1, &[DeviceSet::from_mask(0x0f), DeviceSet::from_mask(0xf0)])?;
    /// assert_eq!(inventory.fits(n1, &Demand::devices(2).within_island()), 4);
    /// assert_eq!(inventory.fits(n1, &Demand::devices(3).within_island()), 2);
    /// assert_eq!(inventory.fits(n1, &Demand::devices(5).within_island()), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn within_island(self) -> Self {
        self.within(Locality::Island)
    }

    /// The same pod with all its devices in one NUMA zone of the node: as [`within_island`](Self::within_island).
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Locality};
    /// assert_eq!(Demand::devices(2).within_numa().locality(), Locality::Numa);
    /// ```
    #[must_use]
    pub fn within_numa(self) -> Self {
        self.within(Locality::Numa)
    }

    fn within(self, locality: Locality) -> Self {
        if self.devices == 0 { self } else { Self { locality, ..self } }
    }

    /// How many whole devices it asks; 0 for a share.
    #[must_use]
    pub fn device_count(&self) -> u32 {
        self.devices
    }

    /// How many milli of one device it asks, 1 to 999; 0 if it asks whole devices or none.
    #[must_use]
    pub fn milli(&self) -> u32 {
        self.milli
    }

    /// On which kinds it may run; on any if the set is empty.
    #[must_use]
    pub fn kinds(&self) -> KindSet {
        self.kinds
    }

    /// How near to each other its devices must be.
    #[must_use]
    pub fn locality(&self) -> Locality {
        self.locality
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

    /// Whether it asks nothing, and so fits any number of times where it fits at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices == 0 && self.milli == 0 && self.resources.is_empty()
    }
}
