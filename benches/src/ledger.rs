//! A cluster of a hundred thousand devices with sixteen shapes of pod warm, to change and to ask.

use std::sync::Arc;

use phalanx_topology::{Demand, Inventory, NodeId, Receipt, Topology};

/// Nodes of a rack, and racks of a block.
const FAN_OUT: [u32; 2] = [64, 16];

/// 12,500 nodes of eight devices, 192 cores and 2 TiB: 40% of them free, 30% full, 30% with one to seven devices held.
#[derive(Debug)]
pub struct Ledger {
    /// The ledger itself, with [`shapes`](Self::shapes) warm.
    pub inventory: Inventory,
    shapes: Vec<Demand>,
    pod: Demand,
    seed: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new(12_500)
    }
}

impl Ledger {
    /// The same at another size.
    ///
    /// # Panics
    /// Never: the rows are sound, and each node has the devices.
    #[must_use]
    pub fn new(nodes: u32) -> Self {
        let mut builder = Topology::builder(["block", "rack"]);
        for number in 0..nodes {
            let rack = number / FAN_OUT[0];
            let (block, rack) = (format!("block-{:03}", rack / FAN_OUT[1]), format!("rack-{rack:04}"));
            builder = builder.node(&format!("node-{number:06}"), &[("block", &block), ("rack", &rack)]);
        }
        let mut inventory = Inventory::new(Arc::new(builder.build().expect("the rows are sound")));
        let [cpu, memory] = ["cpu", "memory"].map(|resource| inventory.resource(resource));
        inventory.set_devices_everywhere(8, "H100").expect("a node has at most 64 devices");
        for node in inventory.topology().clone().nodes() {
            inventory.set_capacity(node, cpu, 192_000).expect("nothing is held");
            inventory.set_capacity(node, memory, 2 << 40).expect("nothing is held");
        }
        let with =
            |devices: u32, shares: u64| Demand::devices(devices).with(cpu, 16_000 * shares).with(memory, shares << 37);
        let mut shapes: Vec<Demand> = (1..=8).map(Demand::devices).collect();
        shapes.extend([1, 2, 4, 8].map(|devices| with(devices, u64::from(devices))));
        shapes.extend([1, 2, 3, 4].map(|shares| with(0, shares)));
        let mut ledger = Self { inventory, shapes, pod: with(1, 1), seed: 1 };
        ledger.fill(with);
        ledger.shapes.iter().for_each(|shape| ledger.inventory.warm(shape));
        ledger
    }

    fn fill(&mut self, pod: impl Fn(u32, u64) -> Demand) {
        let topology = self.inventory.topology().clone();
        let devices: Vec<u32> = topology.nodes().map(|_| [0, 0, 0, 0, 8, 8, 8, 9, 9, 9][self.random(10)]).collect();
        let devices: Vec<u32> = devices.iter().map(|&d| if d == 9 { 1 + self.random(7) as u32 } else { d }).collect();
        let mut transaction = self.inventory.transaction();
        for (node, devices) in topology.nodes().zip(devices).filter(|&(_, devices)| devices > 0) {
            transaction.reserve(node, &pod(devices, devices.into())).expect("nothing is held");
        }
        // Held for as long as the cluster is: nobody releases it.
        let _receipt = transaction.commit();
    }

    /// The shapes that are warm: 1 to 8 devices alone, 1, 2, 4 and 8 with cores and memory, and 4 of cores and memory alone.
    #[must_use]
    pub fn shapes(&self) -> &[Demand] {
        &self.shapes
    }

    /// What [`commit`](Self::commit) reserves on each node: a device, 16 cores and 128 GiB.
    #[must_use]
    pub fn pod(&self) -> &Demand {
        &self.pod
    }

    /// So many different nodes where a pod fits, at random.
    #[must_use]
    pub fn nodes(&mut self, count: usize) -> Vec<NodeId> {
        let mut nodes = Vec::with_capacity(count);
        while nodes.len() < count {
            let node = NodeId::new(self.random(self.inventory.topology().len()) as u32);
            if self.inventory.fits(node, &self.pod) > 0 && !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        nodes
    }

    /// Reserves a pod on each of the nodes and commits.
    ///
    /// # Panics
    /// When a pod does not fit there.
    pub fn commit(&mut self, nodes: &[NodeId]) -> Receipt {
        let mut transaction = self.inventory.transaction();
        for &node in nodes {
            transaction.reserve(node, &self.pod).expect("the pod fits");
        }
        transaction.commit()
    }

    /// Reserves a pod on each of the nodes and rolls back.
    ///
    /// # Panics
    /// When a pod does not fit there.
    pub fn roll_back(&mut self, nodes: &[NodeId]) {
        let mut transaction = self.inventory.transaction();
        for &node in nodes {
            transaction.reserve(node, &self.pod).expect("the pod fits");
        }
        transaction.rollback();
    }

    /// splitmix64: the same on every run.
    fn random(&mut self, below: usize) -> usize {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_counted_and_given_back() {
        let mut ledger = Ledger::new(2_000);
        let total = |ledger: &Ledger| ledger.inventory.index(&ledger.shapes()[0]).map(|index| index.total());
        let before = total(&ledger).expect("it is warm");
        let nodes = ledger.nodes(128);
        ledger.roll_back(&nodes);
        assert_eq!(total(&ledger), Some(before));
        let receipt = ledger.commit(&nodes);
        assert_eq!(total(&ledger), Some(before - 128));
        ledger.inventory.release(receipt).expect("the receipt is of this ledger");
        assert_eq!(total(&ledger), Some(before));
    }
}
