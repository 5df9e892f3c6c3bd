//! What a tokenizer has done so far.

use std::time::Duration;

use super::error::Fallback;
use crate::meters::{Count, Histogram, seconds_e4};

/// Bounds of the time for a prompt, in nanoseconds.
const TIMES: &[u64] = &seconds_e4([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000]);

/// Counted by its threads, and by those who wait for them.
#[derive(Debug)]
pub(crate) struct Counts {
    /// On a thread, for one prompt.
    pub(crate) time: Histogram,
    /// Tokens that were remembered.
    pub(crate) cached: Count,
    /// Tokens that were not.
    pub(crate) fresh: Count,
    fallbacks: [Count; Fallback::ALL.len()],
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            time: Histogram::new(TIMES),
            cached: Count::default(),
            fresh: Count::default(),
            fallbacks: Fallback::ALL.map(|_| Count::default()),
        }
    }

    pub(super) fn took(&self, time: Duration) {
        self.time.record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn came(&self, cached: usize, fresh: usize) {
        self.cached.add(cached as u64);
        self.fresh.add(fresh as u64);
    }

    /// A prompt was cut by its text after all.
    pub(super) fn fall_back(&self, reason: Fallback) {
        self.fallbacks[reason as usize].add(1);
    }

    /// How many were, by why.
    pub(crate) fn fallbacks(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Fallback::ALL.into_iter().map(|reason| (reason.name(), self.fallbacks[reason as usize].get()))
    }
}
