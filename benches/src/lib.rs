//! Workloads that the benches share: fleets, requests and gangs of a stated size, the same on every run.

mod fleet;
mod prefixes;

pub use fleet::RoutedFleet;
pub use prefixes::Prefixes;
