//! How long an engine takes for a step of decoding, learned from the answers that it gave.

use core::time::Duration;

/// What a decoding sequence adds to a step, and a token of its context, in nanoseconds.
pub(crate) const SEQUENCE: i64 = 30_000;
pub(crate) const CONTEXT: i64 = 80;
/// An answer counts one in so many.
const FADE: i64 = 50;
/// Nanoseconds that are no step of anything: ten seconds.
const SLOWEST: i64 = 10_000_000_000;

/// Nanoseconds for a step without sequences: a decayed mean, between a third of what is expected and ten times that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    expected: i64,
    seen: i64,
}

impl Step {
    /// An engine that is expected to take so long for one sequence.
    pub(crate) fn expected(token: Duration) -> Self {
        let expected = i64::try_from(token.as_nanos()).unwrap_or(SLOWEST).clamp(1, SLOWEST);
        Self { expected, seen: expected }
    }

    /// Nanoseconds for a step of so many sequences with so many tokens of context between them.
    pub(crate) fn of(&self, sequences: i64, context: i64) -> i64 {
        let base = self.seen.clamp(self.expected / 3, self.expected * 10);
        base.saturating_add(added(sequences, context))
    }

    /// An answer took `time` for each of its tokens but the first, with so much beside it at its end.
    pub(crate) fn learn(&mut self, time: Duration, sequences: i64, context: i64) {
        let time = i64::try_from(time.as_nanos()).unwrap_or(SLOWEST).min(SLOWEST);
        let base = (time - added(sequences, context)).max(0);
        self.seen += (base - self.seen) / FADE;
    }
}

fn added(sequences: i64, context: i64) -> i64 {
    SEQUENCE.saturating_mul(sequences).saturating_add(CONTEXT.saturating_mul(context))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_takes_over_and_stays_within_its_limits() {
        let mut step = Step::expected(Duration::from_millis(8));
        assert_eq!(step.of(10, 1000), 8_000_000 + 300_000 + 80_000);
        let learn =
            |step: &mut Step, millis| (0..600).for_each(|_| step.learn(Duration::from_millis(millis), 10, 1000));
        learn(&mut step, 20);
        assert!((19_900_000..=20_000_000).contains(&step.of(10, 1000)), "{}", step.of(10, 1000));
        learn(&mut step, 0);
        assert_eq!(step.of(0, 0), 8_000_000 / 3);
        learn(&mut step, u64::MAX);
        assert_eq!(step.of(0, 0), 80_000_000);
    }
}
