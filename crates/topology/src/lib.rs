//! A cluster as a tree of domains over nodes and devices, with an exact ledger of what is free.
//!
//! * [`Topology`] is the tree: levels that you name, coarse to fine (zone, block, rack), the domains of each level, and
//!   the nodes. It is immutable and stored as columns by dense ids, with the nodes in path order, so that every domain is a
//!   range of nodes. Build it from rows ([`Topology::builder`]), from node labels ([`Topology::from_labels`]) or from
//!   domains that name what they hold ([`Topology::from_domains`], [`Topology::from_hypernodes`]).
//!   [`Topology::with_tree`] adds a named tree over the same nodes, where power or cooling divides the cluster differently;
//!   [`LinkCosts`] puts a price on the distance in one of them.
//! * [`Inventory`] is the ledger over it: devices (up to 64 a node) and any number of integer resources, what there is and
//!   what is free. A [`Transaction`] reserves all or nothing; its [`Receipt`] gives it back; a [`fork`](Inventory::fork) is
//!   for trying out.
//! * [`Demand`] is what one pod asks. A [`ShapeIndex`] tells how many pods of a demand fit in every domain, and follows every
//!   change once it was [warmed](Inventory::warm).
//! * [`ShapeMix`] is what is expected to come. What is free but of no use to it is
//!   [fragmentation](Inventory::fragmentation), or [stranded](Inventory::stranded).
//!
//! It decides nothing: where a group of pods should go is the business of `phalanx-gang`. It does no I/O, reads no clock
//! and knows nothing of Kubernetes objects.
//!
//! ```
//! use phalanx_topology::{Demand, Inventory, Topology};
//! use std::sync::Arc;
//!
//! // Rows come in any order; the tree is sorted by path.
//! let topology = Topology::builder(["block", "rack"])
//!     .node("n3", &[("block", "b1"), ("rack", "r2")])
//!     .node("n1", &[("block", "b1"), ("rack", "r1")])
//!     .node("n2", &[("block", "b1"), ("rack", "r1")])
//!     .build()?;
//! let rack = topology.level("rack").unwrap();
//! let [n1, n3] = ["n1", "n3"].map(|name| topology.node(name).unwrap());
//!
//! let mut inventory = Inventory::new(Arc::new(topology));
//! let cpu = inventory.resource("cpu");
//! for node in inventory.topology().clone().nodes() {
//!     inventory.set_devices(node, 8, "H100")?;
//!     inventory.set_capacity(node, cpu, 128_000)?;
//! }
//!
//! // Two pods of four devices and 48 cores: both or neither.
//! let pod = Demand::devices(4).with(cpu, 48_000);
//! let mut transaction = inventory.transaction();
//! transaction.reserve(n1, &pod)?;
//! transaction.reserve(n1, &pod)?;
//! let receipt = transaction.commit();
//!
//! assert_eq!(inventory.fits(n1, &pod), 0);
//! assert_eq!(inventory.fits(n3, &pod), 2);
//! let free_in_racks: Vec<u32> = (inventory.topology().domains(rack))
//!     .map(|domain| inventory.topology().nodes_of(domain).map(|n| inventory.free_devices(n).len()).sum())
//!     .collect();
//! assert_eq!(free_in_racks, [8, 8]);
//! inventory.release(receipt)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Two promises hold after any sequence of operations, and each has a property test: no device and no resource is ever
//! given out twice, and a reservation that is released, rolled back or refused leaves the state as it was, bit for bit.
//!
//! Features, none of them on by default: `serde` adds `form`, a cluster as plain data for files; `schema` the JSON schema
//! of it.

mod builder;
mod capacity;
mod changes;
mod columns;
mod delta;
mod demand;
mod devices;
mod domains;
mod error;
mod fit;
#[cfg(feature = "serde")]
pub mod form;
mod fragmentation;
mod hash;
mod hypernode;
mod ids;
mod index;
mod inventory;
mod kinds;
mod layout;
mod link;
mod member;
mod notation;
mod paged;
mod rebase;
mod receipt;
mod reserve_error;
mod shares;
mod state;
mod topology;
mod transaction;
mod tree;
mod trees;
mod view;

pub use builder::{LevelLabel, TopologyBuilder};
pub use capacity::CapacityError;
pub use delta::Delta;
pub use demand::{Demand, DemandError, Locality};
pub use devices::DeviceSet;
pub use domains::DomainRow;
pub use error::TopologyError;
pub use fit::Limit;
pub use fragmentation::{MixError, ShapeMix};
pub use hypernode::HyperNode;
pub use ids::{DomainId, KindId, LevelId, NodeId, ResourceId, TreeId};
pub use index::ShapeIndex;
pub use inventory::Inventory;
pub use kinds::KindSet;
pub use link::{LinkCostError, LinkCosts};
pub use member::Member;
pub use notation::NotationError;
pub use rebase::RebaseError;
pub use receipt::{Receipt, ReleaseError, Reservation};
pub use reserve_error::ReserveError;
pub use state::NodeState;
pub use topology::Topology;
pub use transaction::{Mark, Transaction};
