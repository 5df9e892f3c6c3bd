//! A cluster and the gangs to be placed on it as plain data, in the shape in which a file has them: what `phalanx place`
//! reads.
//!
//! These types hold what a person writes, checked for nothing but their types. Serde reads and writes them in any format; a
//! field that is not known is an error. [`Scenario::build`] makes an inventory and gangs of one, or tells the field that is
//! wrong; nothing is weakened or left out.
//!
//! ```
//! use phalanx_gang::form::Scenario;
//!
//! let text = "
//! cluster:
//!   levels: [block, rack]
//!   nodes:
//!     - names: b[1-2]-r[1-2]-n[1-4]
//!       in: {block: 'b{1}', rack: 'r{2}'}
//!       devices: 8
//! gangs:
//!   - group:
//!       name: serving
//!       required: block
//!       groups:
//!         - {name: prefill, pods: 4, required: rack, demand: {devices: 8}}
//!         - {name: decode, min: 2, max: 4, pods: 1, demand: {devices: 8}}
//! ";
//! let scenario: Scenario = serde_saphyr::from_str(text)?;
//! let mut case = scenario.build()?;
//! let outcome = case.plan(0)?;
//! let plan = outcome.plan().expect("there is room");
//! assert_eq!((plan.min_pods(), plan.placements().len()), (6, 8));
//! case.settle(0, plan)?;
//! assert_eq!(case.inventory().free_devices_total(), 64);
//!
//! let wrong = text.replace("required: rack", "required: shelf");
//! let error = serde_saphyr::from_str::<Scenario>(&wrong)?.build().unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "gangs[0].group.groups[0].required: found level \"shelf\", expected one of block, rack, node"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod case;
mod error;
mod group;
mod objective;
mod pods;
mod scenario;

pub use self::case::{Case, Request};
pub use self::error::{ScenarioError, ScenarioProblem};
pub use self::group::{Exclusive, Group, Key, Slices, Spread};
pub use self::objective::{Objective, ObjectiveName, Shape};
pub use self::pods::{MAX_PRESENT, Others, Pods};
#[cfg(feature = "schema")]
pub use self::scenario::schema;
pub use self::scenario::{Gang, MAX_GANGS, Scenario};
