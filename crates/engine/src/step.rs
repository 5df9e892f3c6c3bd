//! How long a step takes, and a run of equal steps in closed form.

use core::time::Duration;

use thiserror::Error;

/// The time of one step: a sum of four prices.
///
/// `base + prefill × prompt tokens + sequence × decoding sequences + context × their tokens of context / 1000`
///
/// Good for ranking policies on one kind of engine; it leaves out that attention over a long prompt costs more than its
/// share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepTime {
    /// All in nanoseconds, each for one unit.
    base: u64,
    prefill: u64,
    sequence: u64,
    context: u64,
}

/// A price that a step time cannot have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StepTimeError {
    /// More than a minute for one unit.
    #[error("{price} of {given:?}: expected at most a minute")]
    TooLong {
        /// Which price: `base`, `prefill`, `sequence` or `context`.
        price: &'static str,
        /// What was given.
        given: Duration,
    },
    /// Context is counted a token at a time, in whole nanoseconds.
    #[error("context of {given:?} for 1000 tokens: expected whole microseconds")]
    ContextNotWhole {
        /// What was given.
        given: Duration,
    },
}

impl StepTime {
    /// An 8B model in bf16 on one 80 GB A100: 8 ms, 70 µs, 30 µs and 80 µs.
    pub const A100_8B: Self = Self { base: 8_000_000, prefill: 70_000, sequence: 30_000, context: 80 };

    /// What a prompt token adds to a step.
    ///
    /// ```
    /// use core::time::Duration;
    ///
    /// assert_eq!(phalanx_engine::StepTime::A100_8B.prefill_token(), Duration::from_micros(70));
    /// ```
    #[must_use]
    pub const fn prefill_token(&self) -> Duration {
        Duration::from_nanos(self.prefill)
    }

    /// A step takes `base`, `prefill` for each prompt token, `sequence` for each decoding sequence, and `context` for
    /// each 1000 tokens of context of the decoding sequences.
    ///
    /// # Errors
    /// [`StepTimeError`] for a price above one minute, or a `context` that is not in whole microseconds.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_engine::StepTime;
    ///
    /// let us = Duration::from_micros;
    /// assert_eq!(StepTime::new(us(8000), us(70), us(30), us(80))?, StepTime::A100_8B);
    /// # Ok::<(), phalanx_engine::StepTimeError>(())
    /// ```
    pub fn new(
        base: Duration,
        prefill: Duration,
        sequence: Duration,
        context: Duration,
    ) -> Result<Self, StepTimeError> {
        let nanos = |price, given: Duration| {
            if given > Duration::from_secs(60) {
                return Err(StepTimeError::TooLong { price, given });
            }
            Ok(given.as_nanos() as u64)
        };
        let context_nanos = nanos("context", context)?;
        if context_nanos % 1000 != 0 {
            return Err(StepTimeError::ContextNotWhole { given: context });
        }
        Ok(Self {
            base: nanos("base", base)?,
            prefill: nanos("prefill", prefill)?,
            sequence: nanos("sequence", sequence)?,
            context: context_nanos / 1000,
        })
    }

    /// The time of one step, saturating.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_engine::StepTime;
    ///
    /// assert_eq!(StepTime::A100_8B.step(1000, 2, 5000), Duration::from_micros(8000 + 70_000 + 60 + 400));
    /// ```
    pub fn step(&self, prompt_tokens: u32, decoding: u32, context_tokens: u64) -> Duration {
        Duration::from_nanos(self.nanos(prompt_tokens, decoding, context_tokens))
    }

    fn nanos(&self, prompt_tokens: u32, decoding: u32, context_tokens: u64) -> u64 {
        self.base
            .saturating_add(self.prefill.saturating_mul(u64::from(prompt_tokens)))
            .saturating_add(self.sequence.saturating_mul(u64::from(decoding)))
            .saturating_add(self.context.saturating_mul(context_tokens))
    }

    /// `count` steps from `start` on: the first one computes `prompt_tokens`, and in each the decoding sequences gain a
    /// token of context. More than one step only without prompt tokens.
    pub(crate) fn run(&self, start: u64, count: u64, prompt_tokens: u32, decoding: u32, context_tokens: u64) -> Run {
        let first = self.nanos(prompt_tokens, decoding, context_tokens);
        Run { start, first, growth: self.context.saturating_mul(u64::from(decoding)), count }
    }
}

/// Steps in a row that differ only in the growing context: each takes `growth` longer than the one before. Times are in
/// nanoseconds since the caller's epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) start: u64,
    first: u64,
    growth: u64,
    /// At least 1.
    pub(crate) count: u64,
}

impl Run {
    /// The end of the last step.
    pub(crate) fn end(&self) -> u64 {
        self.end_of(self.count)
    }

    /// How many steps end at or before `now`.
    pub(crate) fn ended_by(&self, now: u64) -> u64 {
        if self.end() <= now {
            return self.count;
        }
        // Some number of steps in `ended..not_ended` is the answer.
        let (mut ended, mut not_ended) = (0, self.count);
        while not_ended - ended > 1 {
            let middle = ended + (not_ended - ended) / 2;
            if self.end_of(middle) <= now { ended = middle } else { not_ended = middle }
        }
        ended
    }

    /// What is left after some of the steps, but not all of them.
    pub(crate) fn after(&self, steps: u64) -> Self {
        Self {
            start: self.end_of(steps),
            first: self.first.saturating_add(self.growth.saturating_mul(steps)),
            growth: self.growth,
            count: self.count - steps,
        }
    }

    /// The end of the first `steps` steps.
    pub(crate) fn end_of(&self, steps: u64) -> u64 {
        let n = u128::from(steps);
        let growing = u128::from(self.growth).saturating_mul(n * n.saturating_sub(1) / 2);
        let total = u128::from(self.start) + u128::from(self.first) * n;
        u64::try_from(total.saturating_add(growing)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn impossible_prices_are_named() {
        let us = Duration::from_micros;
        let long = StepTime::new(us(0), Duration::from_secs(61), us(0), us(0)).expect_err("above a minute");
        assert_eq!(long.to_string(), "prefill of 61s: expected at most a minute");
        let odd = StepTime::new(us(0), us(0), us(0), Duration::from_nanos(1500)).expect_err("not whole");
        assert_eq!(odd.to_string(), "context of 1.5µs for 1000 tokens: expected whole microseconds");
    }

    proptest! {
        #[test]
        fn a_run_is_its_steps_one_by_one(decoding in 0u32..300, context in 0u64..1_000_000, count in 1u64..200) {
            let prices = StepTime::A100_8B;
            let run = prices.run(5, count, 0, decoding, context);
            let mut at = 5;
            for step in 0..count {
                prop_assert_eq!(run.end_of(step), at);
                prop_assert_eq!(run.ended_by(at), step);
                let rest = run.after(step);
                prop_assert_eq!((rest.start, rest.end()), (at, run.end()));
                at += prices.nanos(0, decoding, context + u64::from(decoding) * step);
                prop_assert_eq!(run.ended_by(at - 1), step);
            }
            prop_assert_eq!((run.end(), run.ended_by(at)), (at, count));
        }
    }
}
