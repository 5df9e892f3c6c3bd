//! Requests that two endpoints share, on real sockets: what each leg is sent, and what becomes of it when the other fails.

mod at_once;
mod both;
mod emulated;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod support;
