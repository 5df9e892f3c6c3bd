//! What a pod asks of an inventory.

use phalanx_topology::{Demand, Inventory, ResourceId};

use crate::resources::{self, Amounts};

/// What a pod asks of its node: its accelerators as devices and 1 of their make, its other resources, and a pod's place.
/// Resources without an id are left out.
pub(crate) fn demand(requests: &Amounts, mut id: impl FnMut(&str) -> Option<ResourceId>) -> Demand {
    let (make, count) = resources::accelerators(requests).next().unzip();
    let devices = count.map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX));
    let place = [("pods", 1)].into_iter();
    let amounts = requests.iter().map(|(name, amount)| (name.as_str(), if make == Some(name) { 1 } else { *amount }));
    place.chain(amounts).fold(Demand::devices(devices), |demand, (name, amount)| match id(name) {
        Some(resource) => demand.with(resource, amount),
        None => demand,
    })
}

/// The same, with resources that the inventory has not seen added to it, as what no node has.
pub(crate) fn demand_in(requests: &Amounts, inventory: &mut Inventory) -> Demand {
    demand(requests, |name| Some(inventory.resource(name)))
}
