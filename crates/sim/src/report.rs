//! What a simulation found.

use core::time::Duration;

use serde::Serialize;

/// The figures of one run, in the order in which they are serialised.
///
/// A percentile p of n values is the nearest rank: the value at place ⌈p·n⌉ of the sorted values, always one that
/// occurred. Where there is no value, the figure is 0. Times are in milliseconds, rounded to whole microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The policy's name.
    pub policy: String,
    /// Requests of the trace.
    pub requests: u64,
    /// Requests that were answered.
    pub completed: u64,
    /// Requests that could not fit the KV memory of the engine chosen, or that a filter of the policy refused.
    pub rejected: u64,
    /// Prompt tokens found in an engine's cache over all prompt tokens, of completed requests; 0 to 1.
    pub hit_ratio: f64,
    /// Time from arrival to first token, median.
    pub ttft_p50_ms: f64,
    /// Time from arrival to first token, 99th percentile.
    pub ttft_p99_ms: f64,
    /// Time for each token after the first, averaged over an answer, median over answers of two tokens or more.
    pub tpot_p50_ms: f64,
    /// The same, 99th percentile.
    pub tpot_p99_ms: f64,
    /// Time from arrival to last token, 99th percentile.
    pub e2e_p99_ms: f64,
    /// Share of the requests that were answered with a first token within 2 s and 100 ms or less for each further one; 0
    /// to 1.
    pub goodput: f64,
    /// Tokens of completed answers over the time from the first arrival to the last completion.
    pub output_tokens_per_s: f64,
    /// The time from the first arrival to the last completion, for each engine.
    pub simulated_engine_seconds: f64,
}

/// The longest time to first token, and for each further one, of a good answer, in nanoseconds.
pub(crate) const GOOD_TTFT: u64 = 2_000_000_000;
pub(crate) const GOOD_TPOT: u64 = 100_000_000;

/// What is collected while a simulation runs.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub(crate) ttft: Vec<u64>,
    pub(crate) tpot: Vec<u64>,
    pub(crate) e2e: Vec<u64>,
    pub(crate) good: u64,
    pub(crate) rejected: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) cached_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) first_arrival: Duration,
    pub(crate) last_completion: Duration,
}

impl Samples {
    pub(crate) fn report(mut self, policy: &str, requests: usize, engines: u32) -> Report {
        let seconds = self.last_completion.saturating_sub(self.first_arrival).as_secs_f64();
        let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        Report {
            policy: policy.to_owned(),
            requests: requests as u64,
            completed: self.e2e.len() as u64,
            rejected: self.rejected,
            hit_ratio: ratio(self.cached_tokens as f64, self.prompt_tokens as f64),
            ttft_p50_ms: percentile_ms(&mut self.ttft, 50),
            ttft_p99_ms: percentile_ms(&mut self.ttft, 99),
            tpot_p50_ms: percentile_ms(&mut self.tpot, 50),
            tpot_p99_ms: percentile_ms(&mut self.tpot, 99),
            e2e_p99_ms: percentile_ms(&mut self.e2e, 99),
            goodput: ratio(self.good as f64, requests as f64),
            output_tokens_per_s: ratio(self.output_tokens as f64, seconds),
            simulated_engine_seconds: seconds * f64::from(engines),
        }
    }
}

/// The nearest-rank percentile of nanoseconds, in milliseconds. Sorts in place.
fn percentile_ms(nanos: &mut [u64], percent: usize) -> f64 {
    nanos.sort_unstable();
    let rank = (nanos.len() * percent).div_ceil(100);
    let value = rank.checked_sub(1).map_or(0, |place| nanos[place]);
    (value.saturating_add(500) / 1000) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let ms = |values: &[u64], percent| {
            let mut nanos: Vec<u64> = values.iter().map(|ms| ms * 1_000_000).collect();
            percentile_ms(&mut nanos, percent)
        };
        assert_eq!((ms(&[], 50), ms(&[7], 50), ms(&[7], 99)), (0.0, 7.0, 7.0));
        assert_eq!((ms(&[4, 1, 3, 2], 50), ms(&[4, 1, 3, 2], 99)), (2.0, 4.0));
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!((ms(&hundred, 50), ms(&hundred, 99)), (50.0, 99.0));
    }

    #[test]
    fn times_are_rounded_to_microseconds() {
        assert_eq!(percentile_ms(&mut [1_234_567], 50), 1.235);
    }
}
