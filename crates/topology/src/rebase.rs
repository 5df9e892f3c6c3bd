//! A ledger carried over to another topology.

use std::sync::Arc;

use crate::inventory::{CORDONED, REMOVED};
use crate::{Inventory, Locality, NodeId, Receipt, Topology};

/// Why a ledger, or a receipt of it, cannot be carried over to a topology.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RebaseError {
    /// A node of which pods hold something is not in the topology.
    #[error("node {node:?} is not in the new topology, but something of it is held")]
    Held {
        /// The node.
        node: String,
    },
}

impl Inventory {
    /// This ledger over another topology: every node that both have, by name, keeps what it has and what of it is free,
    /// its kind, islands, zones, cordon and removal. Nodes that only the new one has have nothing yet. Resources and kinds
    /// keep their ids, and demands stay [warm](Self::warm); nodes have new ids, so receipts are to be
    /// [carried over](Receipt::rebase) too, and the [hash](Self::state_hash) is another. O(nodes log nodes).
    ///
    /// # Errors
    ///
    /// The new topology lacks a node of which something is held.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory, Topology};
    /// # use std::sync::Arc;
    /// let mut inventory = Inventory::from_notation("r1{n1:8}")?;
    /// let n1 = inventory.topology().node("n1").unwrap();
    /// let mut transaction = inventory.transaction();
    /// transaction.reserve(n1, &Demand::devices(2))?;
    /// let mut receipt = transaction.commit();
    ///
    /// // A rack is put before the node's, and so its id changes.
    /// let rows = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).node("n0", &[("rack", "r0")]);
    /// let mut moved = inventory.rebase(Arc::new(rows.build()?))?;
    /// receipt.rebase(inventory.topology(), moved.topology())?;
    /// let n1 = moved.topology().node("n1").unwrap();
    /// assert_eq!(moved.free_devices(n1).len(), 6);
    /// moved.release(receipt)?;
    /// assert_eq!(moved.free_devices(n1).len(), 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rebase(&self, topology: Arc<Topology>) -> Result<Self, RebaseError> {
        let mut moved = Self::new(Arc::clone(&topology));
        moved.resources = self.resources.iter().map(|resource| resource.emptied(topology.len())).collect();
        moved.kinds.clone_from(&self.kinds);
        moved.layouts = self.layouts.emptied(topology.len());
        for from in self.topology.nodes() {
            let name = self.topology.node_name(from);
            match topology.node(name) {
                Some(to) => moved.carry(to, self, from),
                None if self.holds_any(from) => return Err(RebaseError::Held { node: name.to_owned() }),
                None => {}
            }
        }
        moved.start_at(self.version + 1);
        moved.warm_like(self);
        Ok(moved)
    }

    /// Makes an empty node of this ledger what another node is in another.
    fn carry(&mut self, to: NodeId, origin: &Self, from: NodeId) {
        self.devices.set(to.index(), origin.devices(from).mask());
        self.set_free_devices(to, origin.free_devices(from));
        let shared = origin.shares.of(from);
        for device in origin.shared_devices(from).iter() {
            self.set_shared(to, device, u32::from(shared[device as usize]));
        }
        for flag in [CORDONED, REMOVED] {
            self.set_flag(to, flag, origin.flags(from) & flag != 0);
        }
        self.put_kind(to, origin.kind_id(from));
        for locality in [Locality::Island, Locality::Numa] {
            self.layouts.set(to, locality, origin.layouts.id(from, locality));
        }
        for resource in origin.resource_ids() {
            self.resources[resource.index()].capacity.set(to.index(), origin.capacity(from, resource));
            self.set_free(to, resource, origin.free(from, resource));
        }
    }

    fn holds_any(&self, node: NodeId) -> bool {
        !self.held_devices(node).is_empty() || self.resource_ids().any(|resource| self.held(node, resource) > 0)
    }
}

impl Receipt {
    /// Carries the receipt over to the topology to which its inventory was [carried over](Inventory::rebase). O(reservations
    /// log nodes).
    ///
    /// # Errors
    ///
    /// The new topology lacks one of its nodes; the receipt is as it was then.
    pub fn rebase(&mut self, from: &Topology, to: &Topology) -> Result<(), RebaseError> {
        let moved = self.reservations().iter().map(|held| {
            let name = from.node_name(held.node());
            to.node(name).ok_or_else(|| RebaseError::Held { node: name.to_owned() })
        });
        let nodes: Vec<NodeId> = moved.collect::<Result<_, _>>()?;
        self.move_to(&nodes);
        Ok(())
    }
}
