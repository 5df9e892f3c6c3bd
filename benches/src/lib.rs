//! Workloads that the benches share: fleets, requests and gangs of a stated size, the same on every run.

mod fleet;

pub use fleet::RoutedFleet;
