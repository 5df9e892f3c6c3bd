//! How well an approximate ledger knew its rank.

/// Beliefs against reports, in blocks, summed over all requests that were reported since the ledger began.
///
/// Counters only rise, so the accuracy of a stretch of time is the difference of two readings of them.
///
/// ```
/// use core::time::Duration;
/// use phalanx_kvcache::{ApproximateLedger, BlockHash};
///
/// let mut ledger = ApproximateLedger::new(100);
/// let prompt = [1, 2, 3, 4].map(BlockHash);
/// let first = ledger.learn(&prompt, Duration::from_secs(1), |_| {});
/// ledger.report(&first, &prompt, 0, Duration::from_secs(2), |_| {}); // nothing was cached, as expected
/// let second = ledger.learn(&prompt, Duration::from_secs(3), |_| {});
/// ledger.report(&second, &prompt, 1, Duration::from_secs(4), |_| {}); // 1 block was cached, 4 were expected
///
/// let accuracy = ledger.accuracy();
/// assert_eq!((accuracy.reports, accuracy.believed, accuracy.cached, accuracy.agreed), (2, 4, 1, 1));
/// assert_eq!(accuracy.precision(), Some(0.25)); // a quarter of what was believed was there
/// assert_eq!(accuracy.recall(), Some(1.0)); // all that was there was believed
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accuracy {
    /// Requests that were reported.
    pub reports: u64,
    /// Blocks that were believed to be cached when the requests were sent.
    pub believed: u64,
    /// Blocks that were cached, as the engine reported.
    pub cached: u64,
    /// Blocks of which both are true.
    pub agreed: u64,
}

impl Accuracy {
    /// Share of the believed blocks that were cached; nothing while none was believed.
    pub fn precision(&self) -> Option<f64> {
        share(self.agreed, self.believed)
    }

    /// Share of the cached blocks that were believed; nothing while none was cached.
    pub fn recall(&self) -> Option<f64> {
        share(self.agreed, self.cached)
    }

    pub(super) fn add(&mut self, believed: u32, cached: u32) {
        self.reports += 1;
        self.believed += u64::from(believed);
        self.cached += u64::from(cached);
        self.agreed += u64::from(believed.min(cached));
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
