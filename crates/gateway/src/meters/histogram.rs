//! How many of something took how long.

use super::Count;

/// Counts by bounds in nanoseconds, changed by many at once.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [u64],
    /// One more than bounds.
    counts: Box<[Count]>,
    sum: Count,
}

impl Histogram {
    pub(crate) fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: (0..=bounds.len()).map(|_| Count::default()).collect(), sum: Count::default() }
    }

    pub(crate) fn record(&self, nanos: u64) {
        self.counts[self.bounds.partition_point(|&bound| bound < nanos)].add(1);
        self.sum.add(nanos);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| count.get() == 0)
    }

    /// The sum in seconds, the count, and the count of each bucket by its bound in seconds.
    pub(crate) fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let bounds = self.bounds.iter().map(|&bound| seconds(bound)).chain([f64::MAX]);
        let buckets: Vec<_> = bounds.zip(self.counts.iter().map(Count::get)).collect();
        (seconds(self.sum.get()), buckets.iter().map(|(_, count)| count).sum(), buckets)
    }
}

#[expect(clippy::cast_precision_loss, reason = "what is shown has no more than 53 bits of worth")]
pub(super) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_counts_what_it_equals() {
        let histogram = Histogram::new(&[1_000_000_000, 2_000_000_000]);
        assert!(histogram.is_empty());
        [1, 1_000_000_000, 1_000_000_001, 5_000_000_000].into_iter().for_each(|nanos| histogram.record(nanos));
        let (sum, count, buckets) = histogram.read();
        assert_eq!((count, buckets), (4, vec![(1.0, 2), (2.0, 1), (f64::MAX, 1)]));
        assert!((sum - 7.000_000_002).abs() < 1e-9);
    }
}
