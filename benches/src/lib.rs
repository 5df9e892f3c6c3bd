//! Workloads that the benches share: fleets, requests and gangs of a stated size, the same on every run.

mod arrivals;
mod cluster;
mod fleet;
mod ledger;
mod pairs;
mod prefixes;

pub use arrivals::Arrivals;
pub use cluster::Cluster;
pub use fleet::RoutedFleet;
pub use ledger::Ledger;
pub use pairs::{Business, PairedFleet};
pub use prefixes::Prefixes;
