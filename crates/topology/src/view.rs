//! The devices of one node as a demand sees them: how often it fits, and which it gets.

use crate::shares::{Shared, WHOLE};
use crate::{Demand, DeviceSet};

/// What is free of one node's devices, and the places among which a demand has to choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) all: DeviceSet,
    pub(crate) free: DeviceSet,
    pub(crate) shared: &'a Shared,
    /// The islands or zones of the demand's locality; none if all devices are in one place.
    pub(crate) places: &'a [DeviceSet],
}

impl View<'_> {
    /// How many such pods the devices take; `u32::MAX` if it asks none.
    pub(crate) fn fits(&self, demand: &Demand) -> u32 {
        match (demand.device_count(), demand.milli()) {
            (0, 0) => u32::MAX,
            (0, milli) => self.free.len() * (WHOLE / milli) + self.shared().map(|(_, left)| left / milli).sum::<u32>(),
            (count, _) if self.places.is_empty() => self.free.len() / count,
            (count, _) => self.places.iter().map(|&place| self.free.intersection(place).len() / count).sum(),
        }
    }

    /// The devices that such a pod gets; none if it does not fit. Whole devices: those of lowest index, in the place with
    /// the fewest free ones if there are several. A share: the device with the least left. Ties: the lowest index.
    pub(crate) fn choose(&self, demand: &Demand) -> Option<DeviceSet> {
        match (demand.device_count(), demand.milli()) {
            (0, 0) => Some(DeviceSet::default()),
            (0, milli) => {
                let shared = self.shared().filter(|&(_, left)| left >= milli).min_by_key(|&(_, left)| left);
                let device = shared.map(|(device, _)| device).or(self.free.lowest_index())?;
                Some(DeviceSet::from_mask(1 << device))
            }
            (count, _) if self.places.is_empty() => self.free.lowest(count),
            (count, _) => {
                let free = self.places.iter().map(|&place| self.free.intersection(place));
                free.filter(|free| free.len() >= count).min_by_key(|free| free.len())?.lowest(count)
            }
        }
    }

    /// How many milli of a device are left.
    pub(crate) fn left(&self, device: u32) -> u32 {
        if self.free.contains(DeviceSet::from_mask(1 << device)) {
            return WHOLE;
        }
        match u32::from(self.shared[device as usize]) {
            0 => 0,
            held => WHOLE - held,
        }
    }

    /// The devices that shares hold a part of, with what is left of each.
    pub(crate) fn shared(&self) -> impl Iterator<Item = (u32, u32)> {
        let held = self.all.without(self.free).iter();
        held.map(|device| (device, self.left(device))).filter(|&(_, left)| left > 0)
    }
}
