//! Clusters to place gangs on.

use std::sync::Arc;

use phalanx_gang::{Gang, Group, Options, Outcome, plan};
use phalanx_topology::{Demand, Inventory, Topology};

/// A cluster of 1,024 nodes with eight devices each: 4 zones of 4 blocks of 4 racks of 16 nodes.
#[derive(Debug)]
pub struct Cluster {
    inventory: Inventory,
}

/// Devices of a node, and of a pod of the gangs here.
const DEVICES: u32 = 8;

/// Domains below each domain, from zone to node.
const FAN_OUT: [u32; 4] = [4, 4, 4, 16];

impl Cluster {
    /// A cluster where nothing runs.
    ///
    /// # Panics
    /// Never: the rows are sound.
    #[must_use]
    pub fn empty() -> Self {
        let [zones, blocks, racks, nodes] = FAN_OUT;
        let mut builder = Topology::builder(["zone", "block", "rack"]);
        for number in 0..zones * blocks * racks * nodes {
            let rack = number / nodes;
            let block = rack / racks;
            let path = [("zone", block / blocks), ("block", block), ("rack", rack)];
            let path = path.map(|(level, ordinal)| (level, format!("{level}-{ordinal:02}")));
            let path = path.each_ref().map(|(level, name)| (*level, name.as_str()));
            builder = builder.node(&format!("node-{number:04}"), &path);
        }
        let mut inventory = Inventory::new(Arc::new(builder.build().expect("the rows are sound")));
        inventory.set_devices_everywhere(DEVICES, "H100").expect("a node has at most 64 devices");
        Self { inventory }
    }

    /// The same cluster with half a node's devices held on about two nodes of three, in no regular pattern.
    ///
    /// # Panics
    /// Never: each node has the devices.
    #[must_use]
    pub fn busy() -> Self {
        let mut cluster = Self::empty();
        let topology = cluster.inventory.topology().clone();
        let mut transaction = cluster.inventory.transaction();
        for (number, node) in (0_u32..).zip(topology.nodes()) {
            // Knuth's multiplicative hash: scattered, and the same on every run.
            if ((number.wrapping_mul(2_654_435_761) >> 16) & 3) < 3 && number % 9 != 0 {
                transaction.reserve(node, &Demand::devices(DEVICES / 2)).expect("the node has the devices");
            }
        }
        // Held for as long as the cluster is: nobody releases it.
        let _receipt = transaction.commit();
        cluster
    }

    /// Plans `pods` pods of eight devices within one domain of `level`, and gives how many were placed.
    ///
    /// # Panics
    /// When there is no such level.
    #[must_use]
    pub fn plan(&self, pods: u32, level: &str) -> usize {
        let level = self.inventory.topology().level(level).expect("a level of the cluster");
        let group = Group::pods("train", pods, Demand::devices(DEVICES)).hard(level);
        let gang = Gang::new(group).expect("the gang is sound");
        match plan(&gang, &self.inventory, &Options::default()).expect("the cluster has the level") {
            Outcome::Placed(plan) => plan.placements().len(),
            Outcome::Rejected(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_rack_takes_the_gang_and_a_busy_one_does_not() {
        assert_eq!(Cluster::empty().plan(16, "rack"), 16);
        assert_eq!(Cluster::busy().plan(16, "rack"), 0);
        assert_eq!(Cluster::busy().plan(16, "block"), 16);
    }
}
