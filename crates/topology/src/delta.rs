//! What happens to nodes, as values.

use crate::inventory::{CORDONED, REMOVED};
use crate::{CapacityError, Inventory, NodeId, ResourceId};

/// One change of one node, as whoever watches a cluster reports it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Delta {
    /// The node is there, for the first time or again, with exactly this; resources that are not named it has none of. A
    /// cordon stays as it is, and so do islands and zones, without the devices that go.
    Added {
        /// The node.
        node: NodeId,
        /// How many devices it has, 0 to 64.
        devices: u32,
        /// Their kind; empty if unknown.
        kind: String,
        /// How much of which resource it has. The last one counts if one is named twice.
        resources: Vec<(ResourceId, u64)>,
    },
    /// The node is gone: nothing fits there any more. What pods hold there stays held until it is released.
    Removed {
        /// The node.
        node: NodeId,
    },
    /// The node takes no new pods, or takes them again.
    Cordoned {
        /// The node.
        node: NodeId,
        /// Whether it takes none.
        cordoned: bool,
    },
    /// The node has other amounts; its kind, and resources that are not named, stay as they are.
    Resized {
        /// The node.
        node: NodeId,
        /// How many devices it has, 0 to 64.
        devices: u32,
        /// How much of which resource it has. The last one counts if one is named twice.
        resources: Vec<(ResourceId, u64)>,
    },
}

impl Delta {
    /// The node that changes.
    #[must_use]
    pub fn node(&self) -> NodeId {
        match self {
            Self::Added { node, .. }
            | Self::Removed { node }
            | Self::Cordoned { node, .. }
            | Self::Resized { node, .. } => *node,
        }
    }
}

impl Inventory {
    /// Applies a change to the ledger, all of it or nothing. O(resources).
    ///
    /// # Errors
    ///
    /// An unknown node or resource, more devices or kinds than are possible, or less of something than pods hold.
    ///
    /// ```
    /// # use phalanx_topology::{Delta, Demand, Inventory, Limit};
    /// let mut inventory = Inventory::from_notation("r1{n1:8}")?;
    /// let n1 = inventory.topology().node("n1").unwrap();
    /// let mut transaction = inventory.transaction();
    /// transaction.reserve(n1, &Demand::devices(2))?;
    /// let receipt = transaction.commit();
    ///
    /// inventory.apply(&Delta::Removed { node: n1 })?;
    /// assert_eq!(inventory.limiting(n1, &Demand::devices(1)), Some(Limit::Removed));
    /// // It comes back with fewer devices, but not with fewer than its pods hold.
    /// let back = |devices| Delta::Added { node: n1, devices, kind: "gpu".to_owned(), resources: Vec::new() };
    /// assert!(inventory.apply(&back(1)).is_err());
    /// inventory.apply(&back(4))?;
    /// assert_eq!(inventory.free_devices(n1).to_string(), "2-3");
    /// inventory.release(receipt)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply(&mut self, delta: &Delta) -> Result<(), CapacityError> {
        self.check_node(delta.node())?;
        match delta {
            Delta::Added { node, devices, kind, resources } => self.add_node(*node, *devices, kind, resources)?,
            Delta::Removed { node } => {
                if self.set_flag(*node, REMOVED, true) {
                    self.touch([*node]);
                }
            }
            Delta::Cordoned { node, cordoned } => {
                if self.set_flag(*node, CORDONED, *cordoned) {
                    self.touch([*node]);
                }
            }
            Delta::Resized { node, devices, resources } => {
                let all = self.check_devices(*node, *devices)?;
                self.check_capacities(*node, resources)?;
                self.clip_layouts(*node, all)?;
                self.put_devices(*node, all);
                counting(resources).for_each(|(resource, amount)| self.put_capacity(*node, resource, amount));
                self.touch([*node]);
            }
        }
        Ok(())
    }

    fn add_node(
        &mut self,
        node: NodeId,
        devices: u32,
        kind: &str,
        resources: &[(ResourceId, u64)],
    ) -> Result<(), CapacityError> {
        let all = self.check_devices(node, devices)?;
        self.check_capacities(node, resources)?;
        // What is not named is none; of those named twice the last one stays.
        let mut amounts = vec![0; self.resources_len()];
        resources.iter().for_each(|&(resource, amount)| amounts[resource.index()] = amount);
        let amounts: Vec<_> = self.resource_ids().zip(amounts).collect();
        self.check_capacities(node, &amounts)?;
        self.put_kind_and_clip(node, kind, all)?;
        self.put_devices(node, all);
        amounts.into_iter().for_each(|(resource, amount)| self.put_capacity(node, resource, amount));
        self.set_flag(node, REMOVED, false);
        self.touch([node]);
        Ok(())
    }

    fn check_capacities(&self, node: NodeId, resources: &[(ResourceId, u64)]) -> Result<(), CapacityError> {
        counting(resources).try_for_each(|(resource, amount)| self.check_capacity(node, resource, amount))
    }
}

/// What counts: of a resource that is named twice the last amount.
fn counting(resources: &[(ResourceId, u64)]) -> impl Iterator<Item = (ResourceId, u64)> {
    let is_last = |&(at, &(resource, _)): &(usize, &(ResourceId, u64))| {
        resources[at + 1..].iter().all(|&(later, _)| later != resource)
    };
    resources.iter().enumerate().filter(is_last).map(|(_, &named)| named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Demand;

    #[test]
    fn the_last_amount_counts_if_a_resource_is_named_twice() {
        let mut inventory = Inventory::from_notation("r1{n1:1(cpu=8)}").expect("a cluster");
        let (n1, cpu) = (NodeId::new(0), inventory.find_resource("cpu").expect("it was named"));
        let mut transaction = inventory.transaction();
        transaction.reserve(n1, &Demand::devices(0).with(cpu, 5)).expect("it fits");
        drop(transaction.commit());
        let amounts = |first, last| vec![(cpu, first), (cpu, last)];
        let resized = |resources| Delta::Resized { node: n1, devices: 1, resources };
        let added = |resources| Delta::Added { node: n1, devices: 1, kind: String::new(), resources };
        for (delta, capacity) in [(resized(amounts(1, 9)), 9), (added(amounts(0, 7)), 7)] {
            assert_eq!(inventory.apply(&delta), Ok(()));
            assert_eq!((inventory.capacity(n1, cpu), inventory.free(n1, cpu)), (capacity, capacity - 5));
        }
        for delta in [resized(amounts(9, 4)), added(amounts(9, 4))] {
            assert!(matches!(inventory.apply(&delta), Err(CapacityError::ResourceHeld { amount: 4, held: 5, .. })));
        }
    }
}
