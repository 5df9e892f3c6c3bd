//! As much of ZMTP 3 as engines' events need: the NULL mechanism over TCP, whole messages, subscriptions and heartbeats.
//!
//! What comes is bounded: a message has a largest size and number of frames, and no announced length is believed before
//! its bytes are there.

mod connection;
mod error;
mod frames;
mod greeting;

pub(crate) use connection::{Connection, Kind, connect};
pub use error::LinkError;
pub(crate) use frames::Received;
