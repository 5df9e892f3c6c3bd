//! What engines without events probably hold, learned from the requests that they were sent.

mod accuracy;
mod config;
mod entries;
mod evidence;
mod expectation;
mod ledger;
#[cfg(test)]
mod tests;

pub use self::accuracy::Accuracy;
pub use self::config::ApproximateConfig;
pub use self::expectation::Expectation;
pub use self::ledger::ApproximateLedger;
