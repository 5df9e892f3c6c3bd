//! How fast an engine computes prompts, learned from the requests that it answered.

use core::time::Duration;

/// Tokens that the prior is worth, as if so many had been computed at the expected pace.
const PRIOR_TOKENS: u64 = 60_000;
/// Prompts with fewer tokens to compute say more about the step than about the pace.
const LEAST_TOKENS: u32 = 1000;
/// Each observation takes one part in so many off what was seen before.
const FADE: u64 = 50;
/// Nanoseconds that are no pace of anything: a hundredth of a second for a token.
const SLOWEST: u64 = 10_000_000;

/// Nanoseconds for a prompt token: a decayed mean over prompts, between a third of the expected speed and a tenth more.
///
/// The prior counts as 60,000 tokens at 1/1.15 of the expected speed, since an engine that also decodes is slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    expected: u64,
    nanos: u64,
    tokens: u64,
    /// Nanoseconds for a token, as they follow from the others.
    token: i64,
}

impl Pace {
    /// An engine that is expected to take so long for a prompt token when it does nothing else.
    pub(crate) fn expected(token: Duration) -> Self {
        let expected = u64::try_from(token.as_nanos()).unwrap_or(u64::MAX).clamp(1, SLOWEST);
        Self { expected, nanos: PRIOR_TOKENS * expected * 23 / 20, tokens: PRIOR_TOKENS, token: 0 }.told()
    }

    /// Nanoseconds for a token.
    pub(crate) fn token(&self) -> i64 {
        self.token
    }

    fn told(self) -> Self {
        let seen = self.nanos / self.tokens.max(1);
        Self { token: seen.clamp(self.expected * 10 / 11, self.expected * 3).max(1) as i64, ..self }
    }

    /// A prompt of which `tokens` had to be computed took `time` from its turn to its first token.
    pub(crate) fn learn(&mut self, tokens: u32, time: Duration) {
        if tokens <= LEAST_TOKENS {
            return;
        }
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(u64::from(tokens) * SLOWEST);
        self.nanos = (self.nanos - self.nanos / FADE).saturating_add(time);
        self.tokens = (self.tokens - self.tokens / FADE).saturating_add(tokens.into());
        *self = self.told();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_takes_over_from_what_was_expected() {
        let mut pace = Pace::expected(Duration::from_micros(70));
        assert_eq!(pace.token(), 80_500);
        for _ in 0..200 {
            pace.learn(4000, Duration::from_millis(4 * 100));
        }
        let seen = pace.token();
        assert!((99_000..=101_000).contains(&seen), "{seen}");
        pace.learn(1000, Duration::from_secs(60));
        assert_eq!(pace.token(), seen, "short prompts do not count");
    }

    #[test]
    fn the_pace_stays_within_its_limits() {
        let mut pace = Pace::expected(Duration::from_micros(70));
        for _ in 0..1000 {
            pace.learn(u32::MAX, Duration::MAX);
        }
        assert_eq!(pace.token(), 210_000);
        for _ in 0..1000 {
            pace.learn(u32::MAX, Duration::ZERO);
        }
        assert_eq!(pace.token(), 63_636);
    }
}
