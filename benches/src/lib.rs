//! Workloads that the benches share: fleets, requests and gangs of a stated size, the same on every run.

mod arrivals;
mod fleet;
mod prefixes;

pub use arrivals::Arrivals;
pub use fleet::RoutedFleet;
pub use prefixes::Prefixes;
