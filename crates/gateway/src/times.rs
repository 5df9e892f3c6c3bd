//! How long decisions took.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The times of routing decisions: from a prompt's block identities to an endpoint with its load booked, in
/// nanoseconds up to a minute, three significant digits, in constant memory.
#[derive(Clone, Debug)]
pub struct DecisionTimes(Histogram<u64>);

impl DecisionTimes {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are in order"))
    }

    pub(crate) fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The sum, the count, and the count of each bucket that ends at these bounds, in nanoseconds; the last has no end.
    pub(crate) fn buckets(&self, bounds: &[u64]) -> (u64, u64, Vec<u64>) {
        let (mut counts, mut sum) = (vec![0; bounds.len() + 1], 0_u64);
        for step in self.0.iter_recorded() {
            counts[bounds.partition_point(|&bound| bound < step.value_iterated_to())] +=
                step.count_since_last_iteration();
            sum = sum.saturating_add(step.value_iterated_to().saturating_mul(step.count_since_last_iteration()));
        }
        (sum, self.0.len(), counts)
    }

    /// How many decisions were made.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that a share `quantile` (0 to 1) of the decisions did not exceed; zero before the first decision.
    ///
    /// ```
    /// # async fn show(gateway: &phalanx_gateway::Gateway) {
    /// println!("p99 {} µs", gateway.handle().decision_times().quantile(0.99).as_micros());
    /// # }
    /// ```
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(quantile))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_what_was_recorded() {
        let mut times = DecisionTimes::new();
        assert_eq!(times.quantile(0.5), Duration::ZERO);
        (1..=100).for_each(|micros| times.record(Duration::from_micros(micros)));
        times.record(Duration::from_secs(3600));
        assert_eq!(times.count(), 101);
        let p50 = times.quantile(0.5);
        assert!(p50 >= Duration::from_micros(50) && p50 <= Duration::from_micros(52), "{p50:?}");
    }
}
