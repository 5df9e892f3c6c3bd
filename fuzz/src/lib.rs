//! Fuzz targets as plain functions: each takes any bytes and panics if a promise of the crates is broken.
//!
//! The programs under `targets/` hand them to a fuzzing engine, and `tests/replay.rs` replays the corpora through them
//! without one. `README.md` tells how to run both.

mod bytes;
pub mod feed;
pub mod index;
pub mod inventory;
pub mod metrics;
pub mod notation;
pub mod place;
mod planned;
pub mod policy_yaml;
pub mod prompt;
pub mod response;
pub mod rewrite;
pub mod route_log;
pub mod route_ops;
pub mod snapshot;
pub mod sse;
pub mod wire;
