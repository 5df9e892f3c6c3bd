//! Where locks and atomics come from: std, or loom in the tests that try every interleaving.
//!
//! Only this crate's own tests under `--cfg loom` take loom's. Someone else's build with that flag gets std's here.

#[cfg(all(test, loom))]
pub(super) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
    sync::{Mutex, RwLock, RwLockReadGuard},
};
#[cfg(not(all(test, loom)))]
pub(super) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
    sync::{Mutex, RwLock, RwLockReadGuard},
};

/// A lock that a panic has poisoned is as good as any other to us: what it guards says by itself whether it is whole.
pub(super) fn whole<G>(locked: std::sync::LockResult<G>) -> G {
    locked.unwrap_or_else(std::sync::PoisonError::into_inner)
}
