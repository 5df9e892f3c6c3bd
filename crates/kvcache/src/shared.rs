//! The fleet index for many threads.

mod left_right;
#[cfg(all(test, loom))]
mod loom_tests;
mod sync;
