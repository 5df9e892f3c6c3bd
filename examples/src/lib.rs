//! Runnable programs, each a few screens long, one for each crate that stands alone.
//!
//! `cargo run -p phalanx-examples --example NAME` runs one; the tests of this package run them all.
