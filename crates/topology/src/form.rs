//! A cluster as plain data, in the shape in which a file has it.
//!
//! These types hold what a person writes: names, patterns of names and counts, checked for nothing but their types. Serde
//! reads and writes them in any format; a field that is not known is an error. [`Cluster::build`] makes an
//! [`Inventory`](crate::Inventory) of one, or tells the field that is wrong.
//!
//! Names are [patterns](Pattern), so that a large cluster is a few lines:
//!
//! ```
//! use phalanx_topology::form::Cluster;
//!
//! let cluster: Cluster = serde_json::from_str(
//!     r#"{
//!         "levels": ["block", "rack"],
//!         "nodes": [{"names": "b[1-2]-r[1-16]-n[01-64]", "in": {"block": "b{1}", "rack": "r{2}"}, "devices": 8}],
//!         "held": [{"nodes": "b1-r[1-4]-n[01-64]", "demand": {"devices": 8}}]
//!     }"#,
//! )?;
//! let inventory = cluster.build()?;
//! assert_eq!(inventory.topology().len(), 2_048);
//! assert_eq!(inventory.free_devices_total(), 8 * (2_048 - 256));
//!
//! let wrong = serde_json::from_str::<Cluster>(r#"{"levels": ["rack"], "nodes": [{"names": "n[3-1]", "devices": 8}]}"#)?;
//! let error = wrong.build().unwrap_err();
//! assert_eq!(error.to_string(), r#"nodes[0].names: found "3-1", expected a range that ascends, such as 01-64"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Sizes are bounded ([`MAX_NODES`], [`MAX_HELD`], [`MAX_RESOURCES`]), so that no short file makes a huge cluster.

mod cluster;
mod demand;
mod error;
mod field;
mod held;
mod pattern;
mod trees;

pub use self::cluster::{Cluster, MAX_NODES, Nodes};
pub use self::demand::{Demand, MAX_RESOURCES, Within};
pub use self::error::{FormError, FormProblem};
pub use self::field::Field;
pub use self::held::{Held, MAX_HELD, device_set};
pub use self::pattern::{Pattern, Template};
pub use self::trees::{Domain, Tree, level};
