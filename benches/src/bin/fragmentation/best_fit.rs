//! Best fit as the experiment has it.

use std::collections::BTreeMap;

use phalanx_topology::{Demand, DeviceSet, Inventory, NodeId, ResourceId};

use crate::trace::Cluster;

/// The host where the least is left: 100 (1 - cpu left / 256 cores - GPUs left / 16) in whole points, half for each of the
/// two at the size of the largest host. Ties go to the first host. Where a share goes on the host is the ledger's choice.
#[derive(Debug)]
pub(crate) struct BestFit {
    cpu: ResourceId,
    /// The points of every host, from the version of the inventory at which they were right.
    points: BTreeMap<Demand, (u64, Vec<Option<i64>>)>,
}

impl BestFit {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        Self { cpu: cluster.cpu, points: BTreeMap::new() }
    }

    pub(crate) fn best(&mut self, inventory: &Inventory, demand: &Demand) -> Option<(NodeId, DeviceSet)> {
        let cpu = self.cpu;
        let every = || inventory.topology().nodes().map(|node| points(inventory, cpu, node, demand)).collect();
        let (version, column) = self.points.entry(demand.clone()).or_insert_with(|| (inventory.version(), every()));
        match inventory.changes_since(*version) {
            Some(changed) => changed.for_each(|node| column[node.index()] = points(inventory, cpu, node, demand)),
            None => *column = every(),
        }
        *version = inventory.version();
        let best = column.iter().flatten().max()?;
        let node = column.iter().position(|points| points.as_ref() == Some(best))?;
        let node = NodeId::new(u32::try_from(node).ok()?);
        let devices = inventory.fork().transaction().reserve(node, demand).ok()?;
        Some((node, devices))
    }
}

/// The points of one host; none if the pod does not fit.
fn points(inventory: &Inventory, cpu: ResourceId, node: NodeId, demand: &Demand) -> Option<i64> {
    if inventory.fits(node, demand) == 0 {
        return None;
    }
    let milli: u64 = inventory.devices(node).iter().map(|device| u64::from(inventory.left(node, device))).sum();
    let left = inventory.free(node, cpu) - demand.amount(cpu) + 16 * (milli - Cluster::asked(demand));
    Some((256_000 - i64::try_from(left).ok()?).div_euclid(2_560))
}
