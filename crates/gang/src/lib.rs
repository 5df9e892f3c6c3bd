//! Where a gang goes: an all-or-nothing plan on a topology, or the reasons why not.
//!
//! A [`Gang`] is a tree of [`Group`]s, each with a minimum and a maximum of replicas, bounds on where they may be, and pods
//! that ask devices and resources. [`plan`] finds a node and devices for every pod of the minimum on a
//! [`phalanx_topology::Inventory`], as the [`Objective`] wants it, and adds extras where there is room. The [`Outcome`] is
//! either a [`Plan`], to be committed as a whole, or a [`Rejection`] that accounts for every node and names a change that
//! would help.
//!
//! What a group can ask, of each of its replicas:
//!
//! | bound | what it says |
//! |---|---|
//! | [`hard`](Group::hard), [`prefer`](Group::prefer) | within one domain of a level; if it can be |
//! | [`slices`](Group::slices) | each run of so many pods within one domain of a finer level |
//! | [`spread`](Group::spread) | even over the domains of a level, up to a skew |
//! | [`exclusive`](Group::exclusive), [`exclusive_as`](Group::exclusive_as) | a domain for itself, among its replicas, or all groups with a key |
//! | [`bind`](Group::bind) | within one domain with all that is bound to the same key, in other gangs too |
//! | [`kinds`](Group::kinds), [`homogeneous`](Group::homogeneous) | on these kinds of devices, in order; on one kind only |
//! | [`per_node`](Group::per_node) | at most so many pods on a node |
//!
//! [`Present`] tells what is there already: pods of the gang that run, nodes where they ran before, and what other gangs
//! have of the same keys. Planners on several threads can read one inventory: a commit checks only what its plan touches.
//!
//! It is not a scheduler: it keeps no queue, reads no clock, preempts nothing and knows no Kubernetes object. The same gang
//! on the same inventory with the same [`Options`] always gives the same plan.
//!
//! ```
//! use phalanx_gang::{Gang, Group, Outcome, Options, plan};
//! use phalanx_topology::{Demand, Inventory, Topology};
//! use std::sync::Arc;
//!
//! // Two racks of two nodes with eight devices each.
//! let mut builder = Topology::builder(["block", "rack"]);
//! for (node, rack) in [("n1", "r1"), ("n2", "r1"), ("n3", "r2"), ("n4", "r2")] {
//!     builder = builder.node(node, &[("block", "b1"), ("rack", rack)]);
//! }
//! let topology = Arc::new(builder.build()?);
//! let [block, rack] = ["block", "rack"].map(|name| topology.level(name).unwrap());
//! let mut inventory = Inventory::new(topology.clone());
//! inventory.set_devices_everywhere(8, "H100")?;
//!
//! // One prefill replica and one to two decode replicas. A decode replica is an entry and two workers within one rack; all
//! // of it stays in one block.
//! let prefill = Group::pods("prefill", 1, Demand::devices(8));
//! let decode = Group::of("decode", [
//!     Group::pods("entry", 1, Demand::devices(2)),
//!     Group::pods("worker", 2, Demand::devices(3)),
//! ]);
//! let gang = Gang::new(Group::of("serving", [prefill, decode.between(1, 2).hard(rack)]).hard(block))?;
//!
//! let Outcome::Placed(plan) = plan(&gang, &inventory, &Options::default())? else { panic!("there is room") };
//! for pod in plan.placements() {
//!     let path = plan.group_path(pod.group());
//!     let node = topology.node_path(pod.node());
//!     // serving/decode/worker [0, 1, 0] pod 0: b1/r2/n3, devices 0-2
//!     let line = format!("{path} {:?} pod {}: {node}, devices {}", pod.ordinals(), pod.ordinal(), pod.devices());
//!     # let _ = line;
//! }
//! assert_eq!((plan.min_pods(), plan.placements().len()), (4, 7), "the extra decode replica has a place too");
//! let receipt = plan.commit(&mut inventory)?;
//! # inventory.release(receipt)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What always holds, each with a property test: all of the minimum or nothing; no node or device is exceeded; hard levels
//! hold; a failed commit changes nothing; more room never makes a gang fail that was not cut short; the reasons of a
//! rejection add up to all nodes, and its counterfactual was tried; and on small clusters the answer is that of trying
//! everything.
//!
//! Features, none of them on by default: `serde` adds `form`, a cluster and its gangs as plain data for files; `schema` the
//! JSON schema of it.

mod budget;
mod capacity;
mod choice;
mod counted;
mod deal;
mod error;
mod even;
mod explain;
mod extras;
mod finish;
mod flat;
#[cfg(feature = "serde")]
pub mod form;
mod fragmentation;
mod gang;
mod group;
mod kinds;
mod layout;
mod notation;
mod objective;
mod options;
mod outcome;
mod plan;
mod planner;
mod pod;
mod present;
mod problem;
mod rejection;
mod room;
mod running;
mod scope;
mod search;
mod shaping;
mod tally;
mod tight;
mod tree;
mod variant;
mod verify;
mod violated;
mod work;

pub use budget::Budget;
pub use error::GangError;
pub use fragmentation::{Fragmentation, FragmentationIndex, FragmentationScore};
pub use gang::{Gang, GroupId};
pub use group::Group;
pub use notation::NotationError;
pub use objective::Objective;
pub use options::Options;
pub use outcome::Outcome;
pub use plan::{CommitError, Extras, Placement, Plan, Proof, Unmet};
pub use planner::{plan, plan_many};
pub use pod::PodId;
pub use present::Present;
pub use rejection::{BestDomain, Bound, Counterfactual, Reason, Rejection};
pub use violated::{Violated, Violation};
