//! Values of flags that more than one command takes.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use phalanx_routing::Policy;

/// The most engines that one fleet may have.
const MAX_ENGINES: u32 = 65_536;

/// A policy by name; help and errors list the names.
pub(super) fn policy() -> impl TypedValueParser<Value = Policy> {
    PossibleValuesParser::new(Policy::NAMES).try_map(|name| Policy::preset(&name))
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an address and a port, such as 127.0.0.1:8080".to_owned())
}

/// An address to listen on as ZMQ writes it; `*` stands for all of the machine's.
pub(super) fn zmq_address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || "expected an address such as tcp://127.0.0.1:5557 or tcp://*:5557".to_owned();
    let place = text.strip_prefix("tcp://").ok_or_else(wrong)?;
    let place = place.strip_prefix('*').map_or_else(|| place.to_owned(), |port| format!("0.0.0.0{port}"));
    place.parse().map_err(|_| wrong())
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
