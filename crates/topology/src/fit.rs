//! How often a demand fits, and what stands in its way.

use crate::index::Amount;
use crate::inventory::{CORDONED, REMOVED};
use crate::shares::WHOLE;
use crate::{Demand, DeviceSet, Inventory, Locality, NodeId, ResourceId};

/// What first keeps a node from taking one more pod, in the order in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// The node is gone.
    Removed,
    /// The node takes no new pods.
    Cordoned,
    /// The node is of none of the kinds asked.
    Kind,
    /// Too few devices are free, or of none is enough left for a share.
    Devices,
    /// Enough devices are free, but too few in any one island or NUMA zone.
    Locality,
    /// Too little of a resource is free; resources are asked in ascending order of id.
    Resource(ResourceId),
}

impl Inventory {
    /// How many pods of this demand fit on the node beside what it runs; `u32::MAX` for a demand that asks nothing. 0 if
    /// the node is cordoned, removed or of another kind. For whole devices anywhere on the node a population count and a
    /// division, O(devices) for shares and places, and then O(resources asked).
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// let n1 = topology.node("n1").unwrap();
    /// let mut inventory = Inventory::new(Arc::new(topology));
    /// inventory.set_devices(n1, 8, "")?;
    /// assert_eq!(inventory.fits(n1, &Demand::devices(3)), 2);
    /// assert_eq!(inventory.fits(n1, &Demand::share(300)?), 24);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fits(&self, node: NodeId, demand: &Demand) -> u32 {
        if self.flags(node) != 0 || !self.is_of_kinds(node, demand) {
            return 0;
        }
        let mut fits = if demand.milli() == 0 && demand.locality() == Locality::Node {
            self.free_devices(node).len().checked_div(demand.device_count()).unwrap_or(u32::MAX)
        } else {
            self.view(node, demand.locality()).fits(demand)
        };
        for &(resource, amount) in demand.resources() {
            fits = fits.min(u32::try_from(self.free_or_none(node, resource) / amount).unwrap_or(u32::MAX));
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
        self.devices_fit_everywhere(demand, out);
        for &(resource, amount) in demand.resources() {
            let asked = Amount::new(resource, amount);
            match self.resources.get(resource.index()) {
                Some(column) => {
                    for (page, fits) in column.free.pages().zip(out.chunks_mut(256)) {
                        page.iter().zip(fits).for_each(|(&free, fits)| *fits = asked.bound(free, *fits));
                    }
                }
                None => out.fill(0),
            }
        }
        if !demand.kinds().is_empty() {
            let mut asked = [0; 256];
            demand.kinds().iter().for_each(|kind| asked[kind.index() + 1] = 1);
            for (page, fits) in self.kind.pages().zip(out.chunks_mut(256)) {
                page.iter().zip(fits).for_each(|(&kind, fits)| *fits *= asked[usize::from(kind)]);
            }
        }
        for (page, fits) in self.flags.pages().zip(out.chunks_mut(256)) {
            page.iter().zip(fits).for_each(|(&flags, fits)| *fits *= u32::from(flags == 0));
        }
        out.truncate(len);
    }

    /// How often the devices asked are there, for every node, page by page.
    fn devices_fit_everywhere(&self, demand: &Demand, out: &mut Vec<u32>) {
        if demand.locality() != Locality::Node || demand.milli() > 0 && !self.shares.never_used() {
            out.extend(self.topology.nodes().map(|node| self.view(node, demand.locality()).fits(demand)));
            return;
        }
        // A device count is 0 to 64: one division for each, not for each node.
        let mut table = [0; 65];
        for (free, fits) in (0..).zip(&mut table) {
            *fits = match demand.milli() {
                0 => u32::checked_div(free, demand.device_count()).unwrap_or(u32::MAX),
                milli => free * (WHOLE / milli),
            };
        }
        for page in self.free_devices.pages() {
            out.extend(page.iter().map(|free| table[free.count_ones() as usize]));
        }
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
        let flags = self.flags(node);
        if flags & REMOVED != 0 {
            return Some(Limit::Removed);
        }
        if flags & CORDONED != 0 {
            return Some(Limit::Cordoned);
        }
        if !self.is_of_kinds(node, demand) {
            return Some(Limit::Kind);
        }
        if self.free_devices(node).len() < demand.device_count() {
            return Some(Limit::Devices);
        }
        let anywhere = demand.milli() == 0 && demand.locality() == Locality::Node;
        if !anywhere && self.choose(node, demand).is_none() {
            return Some(if demand.milli() > 0 { Limit::Devices } else { Limit::Locality });
        }
        let short = demand.resources().iter().find(|&&(resource, amount)| self.free_or_none(node, resource) < amount);
        short.map(|&(resource, _)| Limit::Resource(resource))
    }

    /// The devices that the demand gets next on the node; none if they do not fit.
    pub(crate) fn choose(&self, node: NodeId, demand: &Demand) -> Option<DeviceSet> {
        if demand.milli() == 0 && demand.locality() == Locality::Node {
            return self.free_devices(node).lowest(demand.device_count());
        }
        self.view(node, demand.locality()).choose(demand)
    }

    pub(crate) fn is_of_kinds(&self, node: NodeId, demand: &Demand) -> bool {
        demand.kinds().is_empty() || self.kind_id(node).is_some_and(|kind| demand.kinds().contains(kind))
    }

    /// A resource that this inventory does not know is one that no node has.
    pub(crate) fn free_or_none(&self, node: NodeId, resource: ResourceId) -> u64 {
        self.resources.get(resource.index()).map_or(0, |column| column.free.get(node.index()))
    }
}
