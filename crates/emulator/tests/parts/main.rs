//! What an engine has besides answers: adapters, handshakes with other engines, and faults.

mod adapters;
mod faults;
mod handover;
mod support;
