//! How fast an engine computes prompts, learned from the requests that it answered.

use core::time::Duration;

/// Evidence of fewer tokens says nothing about one endpoint.
const LEAST_EVIDENCE: u64 = 30_000;
/// Prompts with fewer tokens to compute say more about the step than about the pace, unless they were quick.
const LEAST_TOKENS: u32 = 1000;
/// Each observation takes one part in so many off what was seen before.
const FADE: u64 = 50;
/// Nanoseconds that are no pace of anything: a hundredth of a second for a token.
const SLOWEST: u64 = 10_000_000;
/// What a fleet is taken for, in thousandths of the time that is expected: an engine that also decodes takes 15% longer.
const USUAL: i64 = 1150;
/// The quickest and the slowest that a fleet is taken for.
const BOUNDS: (i64, i64) = (1, 16_000);
/// What that is worth before anything is seen, in nanoseconds that were expected: a prompt of 1,000 tokens.
const PRIOR: u64 = 70_000_000;
/// An observation of the fleet takes one part in so many off what was seen before.
const FLEET_FADE: u64 = 100;

/// Nanoseconds for a prompt token.
///
/// A fleet has one pace, in proportion to what is expected of each endpoint, learned from all of them: endpoints that are
/// alike cost the same, and who was asked first is not taken for the fastest. Where the decayed mean of an endpoint's own
/// prompts is a third off that, it has its own, between an eighth and eight times the fleet's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    expected: u64,
    nanos: u64,
    tokens: u64,
    /// Nanoseconds for a token, as they follow from the others and the fleet.
    token: i64,
}

impl Pace {
    /// An engine that is expected to take so long for a prompt token when it does nothing else.
    pub(crate) fn expected(token: Duration) -> Self {
        let expected = u64::try_from(token.as_nanos()).unwrap_or(u64::MAX).clamp(1, SLOWEST);
        let mut pace = Self { expected, nanos: 0, tokens: 0, token: 0 };
        pace.follow(USUAL);
        pace
    }

    /// Nanoseconds for a token.
    pub(crate) fn token(&self) -> i64 {
        self.token
    }

    /// Takes up the pace of the fleet, in thousandths of what is expected; says whether a token takes another time now.
    pub(crate) fn follow(&mut self, of_fleet: i64) -> bool {
        let fleet = (self.expected * of_fleet.clamp(BOUNDS.0, BOUNDS.1) as u64 / 1000).max(1);
        let own = self.nanos.checked_div(self.tokens).filter(|_| self.tokens >= LEAST_EVIDENCE).unwrap_or(fleet);
        let is_alike = 3 * own <= 4 * fleet && 3 * fleet <= 4 * own;
        let token = if is_alike { fleet } else { own.clamp((fleet / 8).max(1), fleet * 8) } as i64;
        core::mem::replace(&mut self.token, token) != token
    }

    /// A prompt of which `tokens` had to be computed took `time` from its turn to its first token, and `all` with the wait
    /// for its turn; what that says of the fleet, if anything.
    pub(crate) fn learn(&mut self, tokens: u32, time: Duration, all: Duration) -> Option<Took> {
        let most = u64::from(tokens) * SLOWEST;
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(most);
        // With others in its step a prompt may seem to take nothing: of a short one only what it took at the most counts.
        let took = if tokens > LEAST_TOKENS { nanos(time) } else { nanos(all) };
        if tokens <= LEAST_TOKENS && took >= u64::from(tokens) * self.token as u64 {
            return None;
        }
        self.nanos = (self.nanos - self.nanos / FADE).saturating_add(took);
        self.tokens = (self.tokens - self.tokens / FADE).saturating_add(tokens.into());
        Some(Took { nanos: took, expected: self.expected * u64::from(tokens) })
    }
}

/// How long a prompt took, and was expected to, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Took {
    nanos: u64,
    expected: u64,
}

/// How fast a fleet is, in proportion to what is expected: decayed sums over prompts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FleetPace {
    nanos: u64,
    expected: u64,
    /// In thousandths; it follows where the sums are an eighth away.
    step: i64,
}

impl FleetPace {
    pub(crate) const NEW: Self = Self { nanos: PRIOR * 23 / 20, expected: PRIOR, step: USUAL };

    /// What a token takes, in thousandths of what is expected.
    pub(crate) fn step(&self) -> i64 {
        self.step
    }

    /// Notes a prompt; says whether the step changed.
    pub(crate) fn note(&mut self, took: Took) -> bool {
        self.nanos = (self.nanos - self.nanos / FLEET_FADE).saturating_add(took.nanos);
        self.expected = (self.expected - self.expected / FLEET_FADE).saturating_add(took.expected);
        let part = u128::from(self.nanos) * 1000 / u128::from(self.expected.max(1));
        let part = i64::try_from(part).unwrap_or(i64::MAX).clamp(BOUNDS.0, BOUNDS.1);
        let changed = (part - self.step).abs() * 8 > self.step;
        if changed {
            self.step = part;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Duration = Duration::from_micros(70);

    fn learned(pace: &mut Pace, micros: u64, times: usize) {
        let time = Duration::from_micros(4000 * micros);
        (0..times).for_each(|_| assert!(pace.learn(4000, time, 2 * time).is_some()));
    }

    #[test]
    fn an_endpoint_has_the_pace_of_its_fleet_until_its_own_is_another() {
        let mut pace = Pace::expected(EXPECTED);
        assert_eq!(pace.token(), 80_500);
        // Of one that is a tenth of what is expected.
        assert!(pace.follow(100));
        assert_eq!(pace.token(), 7_000);
        learned(&mut pace, 8, 200);
        assert!(!pace.follow(100), "it is like the others");
        learned(&mut pace, 20, 200);
        assert!(pace.follow(100));
        assert!((19_000..=20_000).contains(&pace.token()), "{}", pace.token());
        learned(&mut pace, 900, 400);
        pace.follow(100);
        assert_eq!(pace.token(), 8 * 7_000, "the limit");
    }

    #[test]
    fn a_few_prompts_say_nothing_about_one_endpoint() {
        let mut pace = Pace::expected(EXPECTED);
        learned(&mut pace, 1, 7);
        assert!(!pace.follow(USUAL));
        learned(&mut pace, 1, 2);
        assert!(pace.follow(USUAL));
    }

    #[test]
    fn short_prompts_count_where_they_were_quick() {
        let mut pace = Pace::expected(EXPECTED);
        let millis = Duration::from_millis;
        assert_eq!(pace.learn(1000, millis(0), millis(81)), None);
        let took = Took { nanos: 7_000_000, expected: 70_000_000 };
        assert_eq!(pace.learn(1000, millis(0), millis(7)), Some(took));
    }

    #[test]
    fn the_pace_of_a_fleet_is_told_by_the_first_few_prompts() {
        let mut fleet = FleetPace::NEW;
        let quick = Took { nanos: 1_000_000, expected: 80_000_000 };
        let mut seen = Vec::new();
        for _ in 0..1000 {
            fleet.note(quick);
            seen.push(fleet.step());
        }
        assert!((500..600).contains(&seen[0]) && seen[9] < 160 && seen[31] < 60, "{seen:?}");
        assert!((12..=14).contains(&seen[999]), "{}", seen[999]);
        let slow = Took { nanos: u64::MAX, expected: 1 };
        (0..10).for_each(|_| assert!(fleet.note(slow) || fleet.step() == BOUNDS.1));
    }

    #[test]
    fn no_time_is_out_of_bounds() {
        let mut pace = Pace::expected(Duration::MAX);
        for time in [Duration::MAX, Duration::ZERO] {
            for tokens in [0, 1, u32::MAX] {
                for _ in 0..1000 {
                    pace.learn(tokens, time, time);
                }
                pace.follow(i64::MIN);
                assert!(pace.token() >= 1);
            }
        }
    }
}
