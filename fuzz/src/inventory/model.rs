//! A naive ledger beside the real one: it sums what is held by rules spelled out anew.

use phalanx_topology::{
    Demand, DeviceSet, Inventory, KindSet, Limit, Locality, NodeId, Reservation, ResourceId, Topology,
};

/// The most resources that are interned.
pub(crate) const RESOURCES: usize = 5;

/// One node, and what is held of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) devices: u32,
    /// The devices that are held whole.
    whole: u64,
    /// What shares hold of each device.
    milli: [u16; 64],
    /// By resource: what there is, and what is held of it. Interning a name changes nothing here.
    amounts: [(u64, u64); RESOURCES],
    pub(crate) kind: Option<String>,
    pub(crate) cordoned: bool,
    pub(crate) removed: bool,
    pub(crate) islands: Vec<u64>,
    pub(crate) numa: Vec<u64>,
}

/// The masks of sets.
pub(crate) fn masks(sets: &[DeviceSet]) -> Vec<u64> {
    sets.iter().map(|set| set.mask()).collect()
}

fn first(count: u32) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

impl Node {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            devices: 0,
            whole: 0,
            milli: [0; 64],
            amounts: [(0, 0); RESOURCES],
            kind: None,
            cordoned: false,
            removed: false,
            islands: Vec::new(),
            numa: Vec::new(),
        }
    }

    fn shared(&self) -> u64 {
        (0..64).filter(|&device| self.milli[device] > 0).fold(0, |mask, device| mask | 1 << device)
    }

    /// The devices that are free as a whole.
    pub(crate) fn free(&self) -> u64 {
        first(self.devices) & !self.whole & !self.shared()
    }

    pub(crate) fn left(&self, device: u32) -> u32 {
        if device >= self.devices || self.whole >> device & 1 == 1 {
            return 0;
        }
        1000 - u32::from(self.milli[device as usize])
    }

    /// What there is and what is free of a resource.
    fn amount(&self, resource: usize) -> (u64, u64) {
        self.amounts.get(resource).map_or((0, 0), |&(all, held)| (all, all - held))
    }

    fn places(&self, locality: Locality) -> Vec<u64> {
        let layout = match locality {
            Locality::Node => &Vec::new(),
            Locality::Island => &self.islands,
            Locality::Numa => &self.numa,
        };
        if layout.is_empty() { vec![u64::MAX] } else { layout.clone() }
    }

    pub(crate) fn set_places(&mut self, locality: Locality, places: &[u64]) -> bool {
        let mut seen = 0;
        for place in places {
            if place & !first(self.devices) != 0 || place & seen != 0 {
                return false;
            }
            seen |= place;
        }
        let mut layout: Vec<u64> = places.iter().copied().filter(|&place| place != 0).collect();
        layout.sort_by_key(|place| place.trailing_zeros());
        if locality == Locality::Island {
            self.islands = layout
        } else {
            self.numa = layout
        }
        true
    }

    /// The devices that a pod gets, or the first reason why it gets none.
    pub(crate) fn choose(&self, demand: &Demand, kinds: &[String]) -> Result<u64, Limit> {
        if self.removed {
            return Err(Limit::Removed);
        }
        if self.cordoned {
            return Err(Limit::Cordoned);
        }
        if !self.is_of(demand.kinds(), kinds) {
            return Err(Limit::Kind);
        }
        let mask = if demand.milli() > 0 {
            let fitting = (0..self.devices).filter(|&device| self.left(device) >= demand.milli());
            1 << fitting.min_by_key(|&device| (self.left(device), device)).ok_or(Limit::Devices)?
        } else {
            let (free, want) = (self.free(), demand.device_count());
            if free.count_ones() < want {
                return Err(Limit::Devices);
            }
            let places = self.places(demand.locality()).into_iter().map(|place| place & free);
            let best = places.filter(|free| free.count_ones() >= want).min_by_key(|free| free.count_ones());
            let mut best = best.ok_or(Limit::Locality)?;
            // All but the lowest go.
            while best.count_ones() > want {
                best &= !(1 << (63 - best.leading_zeros()));
            }
            best
        };
        let short = demand.resources().iter().find(|&&(resource, asked)| self.amount(resource.index()).1 < asked);
        short.map_or(Ok(mask), |&(resource, _)| Err(Limit::Resource(resource)))
    }

    /// Whether exactly these devices can be had.
    pub(crate) fn may_claim(&self, mask: u64, demand: &Demand, kinds: &[String]) -> bool {
        let share = demand.milli() > 0;
        let enough = |device| self.left(device) >= if share { demand.milli() } else { 1000 };
        let near = |place: &u64| mask & !place == 0;
        !self.removed
            && !self.cordoned
            && self.is_of(demand.kinds(), kinds)
            && mask.count_ones() == if share { 1 } else { demand.device_count() }
            && (0..64).filter(|&device| mask >> device & 1 == 1).all(enough)
            && (share || self.places(demand.locality()).iter().any(near))
            && demand.resources().iter().all(|&(resource, asked)| self.amount(resource.index()).1 >= asked)
    }

    /// How many pods fit.
    pub(crate) fn fits(&self, demand: &Demand, kinds: &[String]) -> u32 {
        if self.removed || self.cordoned || !self.is_of(demand.kinds(), kinds) {
            return 0;
        }
        let mut fits = match (demand.device_count(), demand.milli()) {
            (0, 0) => u64::from(u32::MAX),
            (0, milli) => (0..64).map(|device| u64::from(self.left(device) / milli)).sum(),
            (count, _) => {
                let places = self.places(demand.locality()).into_iter();
                places.map(|place| u64::from((place & self.free()).count_ones() / count)).sum()
            }
        };
        for &(resource, asked) in demand.resources() {
            fits = fits.min(self.amount(resource.index()).1 / asked);
        }
        u32::try_from(fits).unwrap_or(u32::MAX)
    }

    fn is_of(&self, asked: KindSet, kinds: &[String]) -> bool {
        let own = self.kind.as_ref().and_then(|own| kinds.iter().position(|kind| kind == own));
        asked.is_empty() || own.is_some_and(|own| asked.mask() >> own & 1 == 1)
    }

    pub(crate) fn take(&mut self, mask: u64, demand: &Demand) {
        match demand.milli() {
            0 => self.whole |= mask,
            milli => self.milli[mask.trailing_zeros() as usize] += milli as u16,
        }
        demand.resources().iter().for_each(|&(resource, amount)| self.amounts[resource.index()].1 += amount);
    }

    pub(crate) fn give_back(&mut self, mask: u64, demand: &Demand) {
        match demand.milli() {
            0 => self.whole &= !mask,
            milli => self.milli[mask.trailing_zeros() as usize] -= milli as u16,
        }
        demand.resources().iter().for_each(|&(resource, amount)| self.amounts[resource.index()].1 -= amount);
    }

    /// Whether at least this is held.
    fn holds(&self, mask: u64, demand: &Demand) -> bool {
        let devices = match demand.milli() {
            0 => self.whole & mask == mask,
            milli => u32::from(self.milli[mask.trailing_zeros() as usize]) >= milli,
        };
        let held = |resource: ResourceId| self.amounts.get(resource.index()).map(|&(_, held)| held);
        devices && demand.resources().iter().all(|&(resource, amount)| held(resource) >= Some(amount))
    }

    pub(crate) fn holds_any(&self) -> bool {
        self.whole != 0 || self.shared() != 0 || self.amounts.iter().any(|&(_, held)| held > 0)
    }

    /// Whether it could have so many devices.
    fn can_have(&self, devices: u32) -> bool {
        devices <= 64 && (self.whole | self.shared()) & !first(devices) == 0
    }

    fn set_devices(&mut self, devices: u32) {
        self.devices = devices;
        for layout in [&mut self.islands, &mut self.numa] {
            layout.iter_mut().for_each(|place| *place &= first(devices));
            layout.retain(|&place| place != 0);
        }
    }
}

/// All nodes by id, and the names that were interned.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) nodes: Vec<Node>,
    pub(crate) kinds: Vec<String>,
    pub(crate) resources: Vec<String>,
}

impl Model {
    pub(crate) fn new(topology: &Topology) -> Self {
        let nodes = topology.nodes().map(|node| Node::new(topology.node_name(node))).collect();
        Self { nodes, kinds: Vec::new(), resources: Vec::new() }
    }

    pub(crate) fn intern_resource(&mut self, name: &str) {
        if !self.resources.iter().any(|known| known == name) {
            self.resources.push(name.to_owned());
        }
    }

    /// Whether the kind has an id now; the empty one needs none.
    pub(crate) fn intern_kind(&mut self, name: &str) -> bool {
        let known = self.kinds.iter().any(|known| known == name);
        if known {
            return true;
        }
        if name.is_empty() || self.kinds.len() == 64 {
            return false;
        }
        self.kinds.push(name.to_owned());
        true
    }

    pub(crate) fn set_devices(&mut self, node: usize, devices: u32, kind: &str) -> bool {
        let can = self.nodes.get(node).is_some_and(|node| node.can_have(devices));
        if !can || !kind.is_empty() && !self.intern_kind(kind) {
            return false;
        }
        self.nodes[node].set_devices(devices);
        self.nodes[node].kind = (!kind.is_empty()).then(|| kind.to_owned());
        true
    }

    pub(crate) fn set_capacity(&mut self, node: usize, resource: usize, amount: u64) -> bool {
        let node = self.nodes.get_mut(node).filter(|_| resource < self.resources.len());
        let amounts = node.map(|node| &mut node.amounts[resource]).filter(|(_, held)| *held <= amount);
        amounts.map(|amounts| amounts.0 = amount).is_some()
    }

    /// What [`Delta::Added`](phalanx_topology::Delta::Added) does.
    pub(crate) fn add(&mut self, node: usize, devices: u32, kind: &str, named: &[(ResourceId, u64)]) -> bool {
        let all = (0..self.resources.len()).map(|resource| (ResourceId::new(resource as u16), 0));
        let amounts: Vec<(ResourceId, u64)> = all.chain(named.iter().copied()).collect();
        let mut after = self.clone();
        if !after.resize(node, devices, &amounts) || !after.set_devices(node, devices, kind) {
            return false;
        }
        after.nodes[node].removed = false;
        *self = after;
        true
    }

    /// What [`Delta::Resized`](phalanx_topology::Delta::Resized) does.
    pub(crate) fn resize(&mut self, node: usize, devices: u32, named: &[(ResourceId, u64)]) -> bool {
        let Some(mut after) = self.nodes.get(node).cloned() else { return false };
        if !after.can_have(devices) {
            return false;
        }
        after.set_devices(devices);
        for &(resource, amount) in named {
            let Some(amounts) = after.amounts[..self.resources.len()].get_mut(resource.index()) else { return false };
            amounts.0 = amount;
        }
        if after.amounts.iter().any(|&(all, held)| held > all) {
            return false;
        }
        self.nodes[node] = after;
        true
    }

    /// Gives back all of it if all of it is held.
    pub(crate) fn release(&mut self, held: &[Reservation]) -> bool {
        let mut after = self.clone();
        for held in held {
            let node = after.nodes.get_mut(held.node().index());
            let Some(node) = node.filter(|node| node.holds(held.devices().mask(), held.demand())) else { return false };
            node.give_back(held.devices().mask(), held.demand());
        }
        *self = after;
        true
    }

    /// The nodes of another topology, by name; none if one that it lacks holds something.
    pub(crate) fn rebase(&self, topology: &Topology) -> Option<Self> {
        let stays = |node: &Node| topology.node(&node.name).is_some();
        if self.nodes.iter().any(|node| !stays(node) && node.holds_any()) {
            return None;
        }
        let carried = |name: &str| self.nodes.iter().find(|node| node.name == name).cloned();
        let names = topology.nodes().map(|node| topology.node_name(node));
        let nodes = names.map(|name| carried(name).unwrap_or_else(|| Node::new(name)));
        Some(Self { nodes: nodes.collect(), ..self.clone() })
    }

    /// The same ledger made anew, by another way: resources and kinds in reverse order, all that is held by one commit.
    pub(crate) fn rebuild(&self, inventory: &Inventory) -> Inventory {
        let mut anew = Inventory::new(inventory.topology().clone());
        for name in self.resources.iter().rev() {
            anew.resource(name);
        }
        let id = |anew: &Inventory, name: &String| anew.find_resource(name).expect("it was interned");
        for (at, node) in self.nodes.iter().enumerate() {
            let id_of = NodeId::new(at as u32);
            let kind = node.kind.as_deref().unwrap_or_default();
            anew.set_devices(id_of, node.devices, kind).expect("nothing is held");
            for (name, &(all, _)) in self.resources.iter().zip(&node.amounts) {
                let resource = id(&anew, name);
                anew.set_capacity(id_of, resource, all).expect("nothing is held");
            }
        }
        let ids: Vec<ResourceId> = self.resources.iter().map(|name| id(&anew, name)).collect();
        let mut transaction = anew.transaction();
        for (at, node) in self.nodes.iter().enumerate() {
            let at = NodeId::new(at as u32);
            let amounts = ids.iter().zip(&node.amounts);
            let whole = amounts.fold(Demand::devices(node.whole.count_ones()), |demand, (&resource, &(_, held))| {
                demand.with(resource, held)
            });
            transaction.claim(at, DeviceSet::from_mask(node.whole), &whole).expect("it is held in the other");
            for device in 0..64 {
                let mut milli = u32::from(node.milli[device]);
                while milli > 0 {
                    let share = Demand::share(milli.min(500)).expect("1 to 500");
                    let on = DeviceSet::from_mask(1 << device);
                    transaction.claim(at, on, &share).expect("it is held in the other");
                    milli -= milli.min(500);
                }
            }
        }
        drop(transaction.commit());
        for (at, node) in self.nodes.iter().enumerate() {
            let at = NodeId::new(at as u32);
            anew.set_cordoned(at, node.cordoned);
            if node.removed {
                let removed = phalanx_topology::Delta::Removed { node: at };
                anew.apply(&removed).expect("the node is known");
            }
        }
        anew
    }

    /// Whether the ledger shows what is summed up here, node by node.
    pub(crate) fn check(&self, inventory: &Inventory) {
        assert_eq!(inventory.topology().len(), self.nodes.len());
        assert_eq!(inventory.resources_len(), self.resources.len());
        for (at, node) in self.nodes.iter().enumerate() {
            let id = NodeId::new(at as u32);
            let (devices, free) = (inventory.devices(id), inventory.free_devices(id));
            assert_eq!(devices.mask(), first(node.devices), "devices of {}", node.name);
            assert_eq!(free.mask(), node.free(), "free devices of {}", node.name);
            assert_eq!(inventory.shared_devices(id).mask(), node.shared(), "shared devices of {}", node.name);
            for device in devices.iter() {
                assert_eq!(inventory.left(id, device), node.left(device), "left of {}, {device}", node.name);
            }
            assert_eq!(inventory.left(id, node.devices), 0);
            for resource in 0..self.resources.len() {
                let is = ResourceId::new(resource as u16);
                let shown = (inventory.capacity(id, is), inventory.free(id, is));
                assert_eq!(shown, node.amount(resource), "resource {resource} of {}", node.name);
            }
            assert_eq!(inventory.kind(id), node.kind.as_deref(), "kind of {}", node.name);
            let flags = (inventory.is_cordoned(id), inventory.is_removed(id));
            assert_eq!(flags, (node.cordoned, node.removed), "flags of {}", node.name);
            assert_eq!(masks(inventory.islands(id)), node.islands, "islands of {}", node.name);
            assert_eq!(masks(inventory.numa(id)), node.numa, "zones of {}", node.name);
        }
        let kinds = inventory.kinds().map(|kind| inventory.kind_name(kind));
        assert!(kinds.eq(self.kinds.iter().map(String::as_str)), "kinds");
    }
}
