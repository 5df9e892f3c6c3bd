//! From one page to the next: what is recent.

use core::time::Duration;

use phalanx_routing::Signals;

use super::{EngineMetrics, Observed};

/// How long a recent time stays one when nothing new is observed.
const RECENT: Duration = Duration::from_secs(30);

/// Turns the pages of one engine into [`Signals`]: histograms count from the engine's start, and what is recent is what
/// came since the page before.
///
/// ```
/// use core::time::Duration;
/// use phalanx_signals::{EngineMetrics, Meter};
///
/// let page = |count, sum| {
///     let name = "vllm:time_to_first_token_seconds";
///     EngineMetrics::read(format!("{name}_count {count}\n{name}_sum {sum}\n").as_bytes())
/// };
/// let mut meter = Meter::new();
/// assert_eq!(meter.signals(&page(10, 100.0), Duration::from_secs(1)).ttft, None);
/// let signals = meter.signals(&page(12, 101.0), Duration::from_secs(2));
/// assert_eq!(signals.ttft, Some(Duration::from_millis(500)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    first_token: Recent,
    inter_token: Recent,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Recent {
    before: Option<Observed>,
    /// The latest mean, and when it was observed.
    mean: Option<(Duration, Duration)>,
}

impl Meter {
    /// A meter that has seen no page.
    ///
    /// ```
    /// assert_eq!(phalanx_signals::Meter::new(), phalanx_signals::Meter::default());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a page says that was read at this time, since the caller's epoch. Times are means over what was observed
    /// since the page before; where that is nothing, the last ones stay for 30 seconds.
    pub fn signals(&mut self, metrics: &EngineMetrics, read: Duration) -> Signals {
        Signals {
            waiting: metrics.waiting,
            running: metrics.running,
            kv_used_ppm: metrics.kv_used_ppm,
            ttft: self.first_token.note(metrics.first_token, read),
            tpot: self.inter_token.note(metrics.inter_token, read),
            ..Signals::unknown(read)
        }
    }
}

impl Recent {
    fn note(&mut self, observed: Option<Observed>, now: Duration) -> Option<Duration> {
        let before = core::mem::replace(&mut self.before, observed);
        if let (Some(observed), Some(before)) = (observed, before) {
            // An engine that counts less than before began anew.
            let before = if observed.count < before.count { Observed::default() } else { before };
            let count = observed.count - before.count;
            if let Some(total) = observed.total.checked_sub(before.total)
                && count > 0
            {
                let mean = u64::try_from(total.as_nanos() / u128::from(count)).unwrap_or(u64::MAX);
                self.mean = Some((Duration::from_nanos(mean), now));
            }
        }
        self.mean = self.mean.filter(|(_, at)| now.saturating_sub(*at) <= RECENT);
        self.mean.map(|(mean, _)| mean)
    }
}
