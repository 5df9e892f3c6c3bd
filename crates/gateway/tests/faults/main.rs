//! The gateway when engines, clients and the network fail it: real sockets on loopback, a group a file.

mod client;
mod drain;
mod health;
mod hostile;
mod inside;
mod metrics;
mod reload;
mod retries;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod timeouts;
