//! How much of what is free is of use to the pods that are expected.

use crate::shares::WHOLE;
use crate::{Demand, DeviceSet, DomainId, Inventory, NodeId};

mod mix;

pub use mix::{MixError, ShapeMix};

impl Inventory {
    /// How much of what is free on the node the expected pods cannot use, each shape by its weight: in milli of a device
    /// times weight, to be divided by [`ShapeMix::total_weight`].
    ///
    /// For a shape that asks devices and fits: what is left of the devices on which it cannot run, being shared too far, or
    /// in an island with too few free. For a shape that does not fit, for whatever reason, or asks no device: all that is
    /// left. This is the measure of fragmentation gradient descent (Weng et al., USENIX ATC 2023). 0 for a node that was
    /// removed. O(shapes x devices).
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, ShapeMix};
    /// let mut inventory = Inventory::from_notation("r1{n1:2}")?;
    /// let n1 = inventory.topology().node("n1").unwrap();
    /// let mix = ShapeMix::new([(Demand::devices(1), 3), (Demand::devices(2), 1)])?;
    /// assert_eq!(inventory.fragmentation(n1, &mix), 0);
    ///
    /// let mut transaction = inventory.transaction();
    /// transaction.reserve(n1, &Demand::share(600)?)?;
    /// drop(transaction.commit());
    /// // A pod of one device cannot use the 400 milli of the shared one; a pod of two can use nothing of the 1,400.
    /// assert_eq!(inventory.fragmentation(n1, &mix), 3 * 400 + 1_400);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fragmentation(&self, node: NodeId, mix: &ShapeMix) -> u64 {
        if self.is_removed(node) {
            return 0;
        }
        let free = self.milli_left(node, self.devices(node));
        mix.shapes().map(|(shape, weight)| weight * (free - self.milli_left(node, self.usable(node, shape)))).sum()
    }

    /// [`fragmentation`](Self::fragmentation) of all nodes together. O(nodes x shapes x devices).
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, ShapeMix};
    /// let inventory = Inventory::from_notation("r1{n1:3 n2:2}")?;
    /// let pairs = ShapeMix::new([(Demand::devices(4), 1)])?;
    /// assert_eq!(inventory.fragmentation_total(&pairs), 5_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fragmentation_total(&self, mix: &ShapeMix) -> u64 {
        self.topology.nodes().map(|node| self.fragmentation(node, mix)).sum()
    }

    /// How much the expected pods could still take on the node, each shape alone and by its weight: in milli of a device
    /// times weight. A shape that fits five times and asks two devices counts 10,000 times its weight. Unlike
    /// [`fragmentation`](Self::fragmentation) it sees a node run out of processors before it runs out of devices. It never
    /// grows when a pod is placed. 0 where nothing fits. O(shapes x devices).
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, ShapeMix};
    /// let inventory = Inventory::from_notation("r1{n1:5}")?;
    /// let n1 = inventory.topology().node("n1").unwrap();
    /// let mix = ShapeMix::new([(Demand::devices(1), 3), (Demand::devices(2), 1)])?;
    /// assert_eq!(inventory.room(n1, &mix), 3 * 5_000 + 4_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn room(&self, node: NodeId, mix: &ShapeMix) -> u64 {
        let asking = mix.shapes().filter(|(shape, _)| asked(shape) > 0);
        asking.map(|(shape, weight)| weight * (asked(shape) * u64::from(self.fits(node, shape)))).sum()
    }

    /// What is left of the devices of a domain that no shape of the mix can use: in milli of a device, weights aside. A
    /// device counts as used if it is one of those on which a shape that fits on the node could run. Nodes that were removed
    /// do not count, those that are cordoned do in full. O(nodes in the domain x shapes x devices).
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, ShapeMix};
    /// let inventory = Inventory::from_notation("r1{n1:8 n2:3} r2{n3:8}")?;
    /// let racks = inventory.topology().domains(inventory.topology().level("rack").unwrap());
    /// let mix = ShapeMix::new([(Demand::devices(4), 1), (Demand::devices(8), 1)])?;
    /// let stranded: Vec<u64> = racks.map(|rack| inventory.stranded(rack, &mix)).collect();
    /// assert_eq!(stranded, [3_000, 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stranded(&self, domain: DomainId, mix: &ShapeMix) -> u64 {
        let nodes = self.topology.nodes_of(domain).filter(|&node| !self.is_removed(node));
        let stranded = nodes.map(|node| {
            let usable = mix.shapes().map(|(shape, _)| self.usable(node, shape));
            let usable = usable.fold(DeviceSet::default(), DeviceSet::union);
            self.milli_left(node, self.devices(node).without(usable))
        });
        stranded.sum()
    }

    /// The devices of which a pod of this shape could get one; none if the pod does not fit or asks no device.
    fn usable(&self, node: NodeId, shape: &Demand) -> DeviceSet {
        if asked(shape) == 0 || self.fits(node, shape) == 0 {
            return DeviceSet::default();
        }
        let (free, places) = (self.free_devices(node), self.view(node, shape.locality()).places);
        if shape.milli() > 0 {
            let enough = self.devices(node).iter().filter(|&device| self.left(node, device) >= shape.milli());
            DeviceSet::from_mask(enough.fold(0, |mask, device| mask | 1 << device))
        } else if places.is_empty() {
            free
        } else {
            let usable = places.iter().map(|&place| free.intersection(place));
            let usable = usable.filter(|free| free.len() >= shape.device_count());
            usable.fold(DeviceSet::default(), DeviceSet::union)
        }
    }

    fn milli_left(&self, node: NodeId, devices: DeviceSet) -> u64 {
        devices.iter().map(|device| u64::from(self.left(node, device))).sum()
    }
}

/// What a pod asks of devices, in milli.
fn asked(demand: &Demand) -> u64 {
    u64::from(demand.milli()) + u64::from(demand.device_count()) * u64::from(WHOLE)
}
