//! Which devices of a node are near to each other: NVLink islands and NUMA zones.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::paged::Paged;
use crate::{CapacityError, DeviceSet, Inventory, Locality, NodeId};

/// The layouts of all nodes, each interned once: the nodes of a cluster have few different ones.
#[derive(Clone, Debug)]
pub(crate) struct Layouts {
    islands: Paged<u16>,
    numa: Paged<u16>,
    /// By id; 0 is the layout without any place.
    table: Arc<Table>,
}

#[derive(Clone, Debug)]
struct Table {
    rows: Vec<Arc<[DeviceSet]>>,
    ids: BTreeMap<Arc<[DeviceSet]>, u16>,
}

impl Layouts {
    pub(crate) fn new(nodes: usize) -> Self {
        let none: Arc<[DeviceSet]> = Arc::new([]);
        let table = Table { rows: vec![Arc::clone(&none)], ids: BTreeMap::from([(none, 0)]) };
        Self { islands: Paged::new(nodes, 0), numa: Paged::new(nodes, 0), table: Arc::new(table) }
    }

    /// The node's places of a locality, ascending; empty if all its devices are in one place.
    pub(crate) fn of(&self, node: NodeId, locality: Locality) -> &[DeviceSet] {
        if locality == Locality::Node { &[] } else { &self.table.rows[usize::from(self.id(node, locality))] }
    }

    /// The same layouts, with none for any of `nodes` nodes.
    pub(crate) fn emptied(&self, nodes: usize) -> Self {
        Self { islands: Paged::new(nodes, 0), numa: Paged::new(nodes, 0), table: Arc::clone(&self.table) }
    }

    /// The id of the node's places of a locality.
    pub(crate) fn id(&self, node: NodeId, locality: Locality) -> u16 {
        match locality {
            Locality::Node => 0,
            Locality::Island => self.islands.get(node.index()),
            Locality::Numa => self.numa.get(node.index()),
        }
    }

    /// Interns a sorted layout; none if there are too many.
    fn intern(&mut self, layout: Vec<DeviceSet>) -> Option<u16> {
        if let Some(&id) = self.table.ids.get(layout.as_slice()) {
            return Some(id);
        }
        let id = u16::try_from(self.table.rows.len()).ok()?;
        let (row, table): (Arc<[DeviceSet]>, _) = (layout.into(), Arc::make_mut(&mut self.table));
        table.rows.push(Arc::clone(&row));
        table.ids.insert(row, id);
        Some(id)
    }

    pub(crate) fn set(&mut self, node: NodeId, locality: Locality, id: u16) {
        match locality {
            Locality::Node => {}
            Locality::Island => self.islands.set(node.index(), id),
            Locality::Numa => self.numa.set(node.index(), id),
        }
    }

    /// The node's layout without the devices that `all` lacks; none if nothing would go.
    fn clipped(&self, node: NodeId, locality: Locality, all: DeviceSet) -> Option<Vec<DeviceSet>> {
        let places = self.of(node, locality);
        if places.iter().all(|&place| all.contains(place)) {
            return None;
        }
        Some(sorted(places.iter().map(|place| place.intersection(all))))
    }
}

impl Inventory {
    /// Says which of the node's devices form islands, with a fast link of their own (NVLink): disjoint sets of its devices,
    /// in any order. Devices in none of them are not used by a demand that stays
    /// [within an island](crate::Demand::within_island); without any set all devices are one island. Devices that go
    /// later leave their island, and those that come are in none until this is called again.
    ///
    /// # Errors
    ///
    /// A device is named twice, or is not one of the node's; nothing is changed then.
    ///
    /// ```
    /// # use phalanx_topology::{DeviceSet, Inventory, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// let n1 = topology.node("n1").unwrap();
    /// let mut inventory = Inventory::new(Arc::new(topology));
    /// inventory.set_devices(n1, 4, "A40")?;
    /// let [left, right] = [0b0011, 0b1100].map(DeviceSet::from_mask);
    /// inventory.set_islands(n1, &[right, left])?;
    /// assert_eq!(inventory.islands(n1), [left, right]);
    ///
    /// let error = inventory.set_islands(n1, &[left, DeviceSet::from_mask(0b1_0000)]).unwrap_err();
    /// assert_eq!(error.to_string(), "island of node \"n1\" names devices 4, the node has 0-3");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_islands(&mut self, node: NodeId, islands: &[DeviceSet]) -> Result<(), CapacityError> {
        self.set_layout(node, Locality::Island, islands)
    }

    /// Says which of the node's devices are in which NUMA zone: as [`set_islands`](Self::set_islands).
    ///
    /// # Errors
    ///
    /// A device is named twice, or is not one of the node's; nothing is changed then.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, DeviceSet, Inventory, Topology};
    /// # use std::sync::Arc;
    /// # let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// # let n1 = topology.node("n1").unwrap();
    /// # let mut inventory = Inventory::new(Arc::new(topology));
    /// inventory.set_devices(n1, 8, "H100")?;
    /// inventory.set_numa(n1, &[0x0f, 0xf0].map(DeviceSet::from_mask))?;
    /// assert_eq!(inventory.fits(n1, &Demand::devices(8).within_numa()), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_numa(&mut self, node: NodeId, zones: &[DeviceSet]) -> Result<(), CapacityError> {
        self.set_layout(node, Locality::Numa, zones)
    }

    /// The node's islands by their lowest device; none if all its devices are one island.
    #[must_use]
    pub fn islands(&self, node: NodeId) -> &[DeviceSet] {
        self.layouts.of(node, Locality::Island)
    }

    /// The node's NUMA zones by their lowest device; none if all its devices are in one zone.
    #[must_use]
    pub fn numa(&self, node: NodeId) -> &[DeviceSet] {
        self.layouts.of(node, Locality::Numa)
    }

    fn set_layout(&mut self, node: NodeId, locality: Locality, places: &[DeviceSet]) -> Result<(), CapacityError> {
        self.check_node(node)?;
        let name = || self.topology.node_name(node).to_owned();
        let (all, mut seen) = (self.devices(node), DeviceSet::default());
        for &place in places {
            if !all.contains(place) {
                let devices = place.without(all);
                return Err(CapacityError::NoSuchDevices { node: name(), locality, devices, has: all });
            }
            let twice = seen.intersection(place);
            if !twice.is_empty() {
                return Err(CapacityError::Overlap { node: name(), locality, devices: twice });
            }
            seen = seen.union(place);
        }
        let layout = sorted(places.iter().copied());
        let Some(id) = self.layouts.intern(layout) else {
            return Err(CapacityError::TooManyLayouts { node: name(), max: u16::MAX });
        };
        self.layouts.set(node, locality, id);
        self.touch([node]);
        Ok(())
    }

    /// Takes devices that the node lacks out of its islands and zones; the change is counted by the caller.
    pub(crate) fn clip_layouts(&mut self, node: NodeId, all: DeviceSet) -> Result<(), CapacityError> {
        let localities = [Locality::Island, Locality::Numa];
        let clipped = localities.map(|locality| self.layouts.clipped(node, locality, all));
        let mut ids = [None; 2];
        for (id, layout) in ids.iter_mut().zip(clipped) {
            if let Some(layout) = layout {
                let max = u16::MAX;
                let too_many = || CapacityError::TooManyLayouts { node: self.topology.node_name(node).to_owned(), max };
                *id = Some(self.layouts.intern(layout).ok_or_else(too_many)?);
            }
        }
        for (locality, id) in localities.into_iter().zip(ids) {
            if let Some(id) = id {
                self.layouts.set(node, locality, id);
            }
        }
        Ok(())
    }
}

/// Disjoint sets by their lowest device, without empty ones: equal layouts get equal ids.
fn sorted(places: impl Iterator<Item = DeviceSet>) -> Vec<DeviceSet> {
    let mut layout: Vec<DeviceSet> = places.filter(|place| !place.is_empty()).collect();
    layout.sort_unstable_by_key(|place| place.lowest_index());
    layout
}
