//! Values of flags that more than one command takes.

use phalanx_routing::Policy;

pub(super) fn policy(name: &str) -> Result<Policy, String> {
    Policy::parse(name).map_err(|error| error.to_string())
}

pub(super) fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if speed.is_finite() && speed > 0.0 { Ok(speed) } else { Err("expected a number above 0".to_owned()) }
}
