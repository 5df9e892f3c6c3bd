//! Values of flags that more than one command takes.

use std::num::NonZeroU32;

use phalanx_routing::Policy;

/// The most engines that one fleet may have.
const MAX_ENGINES: u32 = 65_536;

pub(super) fn policy(name: &str) -> Result<Policy, String> {
    Policy::parse(name).map_err(|error| error.to_string())
}

pub(super) fn engines(text: &str) -> Result<NonZeroU32, String> {
    let count = text.parse().ok().filter(|count: &NonZeroU32| count.get() <= MAX_ENGINES);
    count.ok_or_else(|| format!("expected 1 to {MAX_ENGINES}"))
}

/// How many times faster than recorded; in bounds in which every arrival of a trace stays a time.
pub(super) fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.001..=1e6).contains(speed));
    speed.ok_or_else(|| "expected a number from 0.001 to 1000000".to_owned())
}
