//! Time that this thread was on a processor, and the middle of several measurements.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Processor time of the calling thread so far.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Processor time that `work` takes in this thread, and what it gives.
pub fn spent<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let before = thread_time();
    let given = work();
    (thread_time() - before, given)
}

/// The middle of several rounds and their ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of at least one number.
    pub fn of(seen: &[f64]) -> Self {
        let mut seen = seen.to_vec();
        seen.sort_by(f64::total_cmp);
        let last = seen.len() - 1;
        Self { median: (seen[last / 2] + seen[last - last / 2]) / 2.0, min: seen[0], max: seen[last] }
    }
}

/// The number below which `share` of the sorted numbers lie.
pub fn quantile(sorted: &[u32], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    f64::from(sorted[at.min(sorted.len() - 1)])
}
