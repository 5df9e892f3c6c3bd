//! How often a demand fits, and what stands in its way.

use crate::{Demand, DeviceSet, Inventory, NodeId, ResourceId};

/// What first keeps a node from taking one more pod, in the order in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// The node takes no new pods.
    Cordoned,
    /// Too few devices are free.
    Devices,
    /// Too little of a resource is free; resources are asked in ascending order of id.
    Resource(ResourceId),
}

impl Inventory {
    /// How many pods of this demand fit on the node beside what it runs; `u32::MAX` for a demand that asks nothing. 0 if
    /// the node is cordoned. O(resources asked).
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// let n1 = topology.node("n1").unwrap();
    /// let mut inventory = Inventory::new(Arc::new(topology));
    /// inventory.set_devices(n1, 8, "")?;
    /// assert_eq!(inventory.fits(n1, &Demand::devices(3)), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fits(&self, node: NodeId, demand: &Demand) -> u32 {
        if self.is_cordoned(node) {
            return 0;
        }
        let mut fits = devices_fit(self.free_devices.get(node.index()), demand.device_count());
        for &(resource, amount) in demand.resources() {
            fits = fits.min(resource_fits(self.free_or_none(node, resource), amount));
        }
        fits
    }

    /// [`fits`](Self::fits) for every node, as a column by node. It costs a few nanoseconds a node and resource, and
    /// allocates only what `out` lacks.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["rack"])
    ///     .node("n1", &[("rack", "r1")])
    ///     .node("n2", &[("rack", "r1")])
    ///     .build()?;
    /// let mut inventory = Inventory::new(Arc::new(topology));
    /// inventory.set_devices_everywhere(8, "")?;
    /// let mut fits = Vec::new();
    /// inventory.fits_everywhere(&Demand::devices(2), &mut fits);
    /// assert_eq!(fits, [4, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fits_everywhere(&self, demand: &Demand, out: &mut Vec<u32>) {
        let len = self.topology.len();
        out.clear();
        out.reserve(len.next_multiple_of(256));
        let asked = demand.device_count();
        // A device count is 0 to 64: one division for each, not for each node.
        let mut table = [0; 65];
        for (free, fits) in table.iter_mut().enumerate() {
            *fits = (free as u32).checked_div(asked).unwrap_or(u32::MAX);
        }
        for page in self.free_devices.pages() {
            out.extend(page.iter().map(|free| table[free.count_ones() as usize]));
        }
        for &(resource, amount) in demand.resources() {
            match self.resources.get(resource.index()) {
                Some(column) => {
                    for (page, fits) in column.free.pages().zip(out.chunks_mut(256)) {
                        page.iter()
                            .zip(fits)
                            .for_each(|(&free, fits)| *fits = (*fits).min(resource_fits(free, amount)));
                    }
                }
                None => out.fill(0),
            }
        }
        for (page, fits) in self.cordoned.pages().zip(out.chunks_mut(256)) {
            page.iter().zip(fits).for_each(|(&cordoned, fits)| *fits *= u32::from(cordoned == 0));
        }
        out.truncate(len);
    }

    /// What keeps the node from taking one more pod of this demand; none if nothing does.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, Limit, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// let n1 = topology.node("n1").unwrap();
    /// let mut inventory = Inventory::new(Arc::new(topology));
    /// let cpu = inventory.resource("cpu");
    /// inventory.set_devices(n1, 8, "")?;
    /// assert_eq!(inventory.limiting(n1, &Demand::devices(9)), Some(Limit::Devices));
    /// assert_eq!(inventory.limiting(n1, &Demand::devices(8).with(cpu, 1)), Some(Limit::Resource(cpu)));
    /// assert_eq!(inventory.limiting(n1, &Demand::devices(8)), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn limiting(&self, node: NodeId, demand: &Demand) -> Option<Limit> {
        if self.is_cordoned(node) {
            return Some(Limit::Cordoned);
        }
        if self.free_devices(node).len() < demand.device_count() {
            return Some(Limit::Devices);
        }
        let short = demand.resources().iter().find(|&&(resource, amount)| self.free_or_none(node, resource) < amount);
        short.map(|&(resource, _)| Limit::Resource(resource))
    }

    /// A resource that this inventory does not know is one that no node has.
    pub(crate) fn free_or_none(&self, node: NodeId, resource: ResourceId) -> u64 {
        self.resources.get(resource.index()).map_or(0, |column| column.free.get(node.index()))
    }
}

fn devices_fit(free: u64, asked: u32) -> u32 {
    DeviceSet::from_mask(free).len().checked_div(asked).unwrap_or(u32::MAX)
}

fn resource_fits(free: u64, amount: u64) -> u32 {
    u32::try_from(free / amount).unwrap_or(u32::MAX)
}
