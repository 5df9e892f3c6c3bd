//! Times as the caller gives them, and as they count.

use core::time::Duration;

use super::Balancer;
use crate::line::MOST;

impl Balancer {
    /// Notes a time; says the nanoseconds since the first one.
    pub(super) fn advance(&mut self, now: Duration) -> i64 {
        self.origin.get_or_insert(now);
        let elapsed = self.nanos(now);
        self.elapsed = Duration::from_nanos(elapsed.unsigned_abs());
        self.forget(now);
        elapsed
    }

    /// The nanoseconds from the first time to another one, which does not lie before the latest one: 36 years at the most.
    pub(super) fn nanos(&self, now: Duration) -> i64 {
        let since = self.origin.map_or(Duration::ZERO, |origin| now.saturating_sub(origin)).max(self.elapsed);
        i64::try_from(since.as_nanos()).unwrap_or(MOST).min(MOST)
    }
}
