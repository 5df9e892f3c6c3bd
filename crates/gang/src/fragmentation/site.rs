//! One node as the expected pods see it, before and after a placement.

use phalanx_topology::{Demand, DeviceSet, Inventory, KindId, KindSet, Locality, NodeId, ResourceId};

use super::outlook::{Outlook, WHOLE};
use super::score::FragmentationScore;

/// What of a node the scores of all demands look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Site {
    /// Whether it takes pods.
    open: bool,
    kind: Option<KindId>,
    free: DeviceSet,
    /// What is left of the shared devices, ascending, each amount once, with the lowest device of which so much is left.
    shared: Vec<(u32, u32)>,
    /// What is free of the mix's resources.
    amounts: Vec<u64>,
    /// By ask of the mix: how many of it fit in the devices, each alone.
    fits: Vec<u32>,
    /// By ask of the mix: what is left of the devices in which one of it fits.
    usable: Vec<u32>,
    milli: u32,
    measure: Measure,
}

/// How much of a node is of use to the mix, in milli times weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Measure {
    /// What is left of the devices that the shapes can use: all that is left less the fragmentation.
    usable: u64,
    /// What pods of the shapes could take.
    room: u64,
}

/// What a placement does to the devices: `times` of them go from `from` milli left to `to`.
#[derive(Clone, Copy, Debug)]
struct Change {
    from: u32,
    to: u32,
    times: u32,
    /// The devices that are free as a whole then.
    free: DeviceSet,
}

/// Memory for one score after another.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// By shape: how many pods the kind and the resources allow.
    most: Vec<u32>,
}

impl Site {
    /// Reads the node.
    pub(super) fn read(&mut self, outlook: &Outlook, inventory: &Inventory, node: NodeId, scratch: &mut Scratch) {
        self.open = !inventory.is_cordoned(node) && !inventory.is_removed(node);
        self.kind = inventory.kind_id(node);
        self.free = inventory.free_devices(node);
        self.amounts.clear();
        self.amounts.extend(outlook.resources.iter().map(|&resource| free(inventory, node, resource)));
        self.read_devices(outlook, inventory, node);
        self.count_most(outlook, None, scratch);
        let now = Change { from: 0, to: 0, times: 0, free: self.free };
        self.measure = self.measure(outlook, inventory, node, now, scratch);
    }

    fn read_devices(&mut self, outlook: &Outlook, inventory: &Inventory, node: NodeId) {
        let asks = outlook.asks.len();
        [&mut self.fits, &mut self.usable].into_iter().for_each(|column| {
            column.clear();
            column.resize(asks, 0);
        });
        self.milli = 0;
        self.shared.clear();
        self.add_devices(outlook, WHOLE, self.free.len());
        for device in inventory.shared_devices(node).iter() {
            let left = inventory.left(node, device);
            if left > 0 {
                self.add_devices(outlook, left, 1);
                // Devices ascend, so the one that is here already is lower.
                let at = self.shared.partition_point(|&(other, _)| other < left);
                if self.shared.get(at).is_none_or(|&(other, _)| other != left) {
                    self.shared.insert(at, (left, device));
                }
            }
        }
    }

    /// Counts `times` devices of which `left` is left.
    fn add_devices(&mut self, outlook: &Outlook, left: u32, times: u32) {
        self.milli += left * times;
        for ((&fits, sum), usable) in outlook.in_device(left).iter().zip(&mut self.fits).zip(&mut self.usable) {
            *sum += u32::from(fits) * times;
            *usable += if fits > 0 { left * times } else { 0 };
        }
    }

    /// What it is worth to place the demand here, and on which devices; none if it does not fit.
    pub(super) fn score(
        &self,
        outlook: &Outlook,
        inventory: &Inventory,
        node: NodeId,
        demand: &Demand,
        scratch: &mut Scratch,
    ) -> Option<(FragmentationScore, DeviceSet)> {
        if !self.takes(inventory, node, demand) {
            return None;
        }
        let mut best = None;
        let mut consider = |change: Change, devices: DeviceSet| {
            if best.is_none() {
                self.count_most(outlook, Some(demand), scratch);
            }
            let after = self.measure(outlook, inventory, node, change, scratch);
            let score = self.judge(outlook, change, after);
            if best.is_none_or(|(other, _)| score > other) {
                best = Some((score, devices));
            }
        };
        let (count, milli) = (demand.device_count(), demand.milli());
        if milli > 0 {
            // Least left first: ties go to it.
            for &(left, device) in self.shared.iter().filter(|&&(left, _)| left >= milli) {
                let change = Change { from: left, to: left - milli, times: 1, free: self.free };
                consider(change, DeviceSet::from_mask(1 << device));
            }
            // Free devices differ only for shapes that must stay within a place.
            let alike = outlook.anywhere == outlook.shapes.len();
            for device in self.free.iter().take(if alike { 1 } else { usize::MAX }) {
                let device = DeviceSet::from_mask(1 << device);
                let free = self.free.without(device);
                consider(Change { from: WHOLE, to: WHOLE - milli, times: 1, free }, device);
            }
        } else {
            let mut whole = |devices: DeviceSet| {
                let free = self.free.without(devices);
                consider(Change { from: WHOLE, to: 0, times: count, free }, devices);
            };
            match places(inventory, node, demand.locality()) {
                [] => whole(self.free.lowest(count)?),
                places => {
                    let mut free: Vec<_> = places.iter().map(|&place| self.free.intersection(place)).collect();
                    free.sort_by_key(|free| free.len());
                    free.iter().filter_map(|free| free.lowest(count)).for_each(&mut whole);
                }
            }
        }
        best
    }

    /// Whether the node is open to the demand and has the resources.
    fn takes(&self, inventory: &Inventory, node: NodeId, demand: &Demand) -> bool {
        self.open
            && is_of(self.kind, demand.kinds())
            && demand.resources().iter().all(|&(resource, amount)| free(inventory, node, resource) >= amount)
    }

    /// How many pods of each shape the kind and the resources allow once the demand is placed.
    fn count_most(&self, outlook: &Outlook, demand: Option<&Demand>, scratch: &mut Scratch) {
        let most = &mut scratch.most;
        most.clear();
        // As many as the milli of 64 devices is more than any device count allows.
        most.resize(outlook.shapes.len(), DeviceSet::MAX * WHOLE);
        if outlook.picky {
            for (most, shape) in most.iter_mut().zip(&outlook.shapes) {
                *most *= u32::from(is_of(self.kind, shape.kinds));
            }
        }
        for (at, (&resource, &free)) in outlook.resources.iter().zip(&self.amounts).enumerate() {
            let free = free - demand.map_or(0, |demand| demand.amount(resource));
            most.iter_mut().zip(outlook.amounts(at)).for_each(|(most, amount)| *most = amount.bound(free, *most));
        }
    }

    /// How much is of use once the devices have changed. O(shapes).
    fn measure(
        &self,
        outlook: &Outlook,
        inventory: &Inventory,
        node: NodeId,
        change: Change,
        scratch: &Scratch,
    ) -> Measure {
        let mut measure = Measure::default();
        if !self.open {
            return measure;
        }
        let (from, to) = (outlook.in_device(change.from), outlook.in_device(change.to));
        for (at, ask) in outlook.asks.iter().enumerate() {
            let [before, after] = [from[at], to[at]].map(u32::from);
            let fits = self.fits[at] - before * change.times + after * change.times;
            let mut usable = self.usable[at];
            usable -= if before > 0 { change.from * change.times } else { 0 };
            usable += if after > 0 { change.to * change.times } else { 0 };
            for (shape, &most) in outlook.shapes[ask.shapes.clone()].iter().zip(&scratch.most[ask.shapes.clone()]) {
                let fits = if shape.count == 1 { fits } else { fits / shape.count };
                measure.add(shape.weight, shape.worth, usable, fits.min(most));
            }
        }
        for (shape, &most) in outlook.shapes.iter().zip(&scratch.most).skip(outlook.anywhere) {
            let [mut fits, mut usable] = [0; 2];
            let places = places(inventory, node, shape.locality);
            let one = [change.free];
            for &place in if places.is_empty() { &one } else { places } {
                let free = change.free.intersection(place).len();
                fits += free / shape.count;
                usable += if free >= shape.count { free * WHOLE } else { 0 };
            }
            measure.add(shape.weight, shape.worth, usable, fits.min(most));
        }
        measure
    }

    fn judge(&self, outlook: &Outlook, change: Change, after: Measure) -> FragmentationScore {
        let taken = (change.from - change.to) * change.times;
        // Fragmentation is what is left times the weight of the mix, less what is usable.
        let all = u64::from(taken) * outlook.mix.total_weight();
        let fall = (all + after.usable) as i64 - self.measure.usable as i64;
        FragmentationScore::new(outlook.steps.of(fall), self.measure.room - after.room, self.milli - taken)
    }
}

impl Measure {
    fn add(&mut self, weight: u64, worth: u64, usable: u32, fits: u32) {
        self.usable += if fits > 0 { weight * u64::from(usable) } else { 0 };
        self.room += worth * u64::from(fits);
    }
}

fn is_of(kind: Option<KindId>, kinds: KindSet) -> bool {
    kinds.is_empty() || kind.is_some_and(|kind| kinds.contains(kind))
}

/// A resource that the inventory does not know is one that no node has.
pub(super) fn free(inventory: &Inventory, node: NodeId, resource: ResourceId) -> u64 {
    if resource.index() < inventory.resources_len() { inventory.free(node, resource) } else { 0 }
}

/// The places among which a demand of this locality has to choose on a node; none if all devices are in one.
fn places(inventory: &Inventory, node: NodeId, locality: Locality) -> &[DeviceSet] {
    match locality {
        Locality::Node => &[],
        Locality::Island => inventory.islands(node),
        Locality::Numa => inventory.numa(node),
    }
}
