//! Policies by name.

use core::str::FromStr;

use thiserror::Error;

use super::{Combination, FailMode, Filter, Measure, Picker, Policy, Priced, Scorer, Term, Unknown, Weighted};

/// A policy name that is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown policy {found:?}: expected one of {}", Policy::NAMES.join(", "))]
pub struct UnknownPolicy {
    /// The name given.
    pub found: String,
}

impl Policy {
    /// The names that [`preset`](Self::preset) knows, ours first.
    pub const NAMES: [&'static str; 9] = [
        "phalanx",
        "round-robin",
        "random",
        "least-request",
        "power-of-two",
        "kthena",
        "llm-d",
        "llm-d-precise",
        "lmetric",
    ];

    /// The policy of that name.
    ///
    /// # Errors
    ///
    /// [`UnknownPolicy`], which lists the names.
    ///
    /// ```
    /// use phalanx_routing::Policy;
    ///
    /// assert_eq!(Policy::preset("phalanx")?, Policy::phalanx());
    /// assert!(Policy::preset("best").unwrap_err().to_string().contains("llm-d-precise"));
    /// # Ok::<(), phalanx_routing::UnknownPolicy>(())
    /// ```
    pub fn preset(name: &str) -> Result<Self, UnknownPolicy> {
        Ok(match name {
            "phalanx" => Self::phalanx(),
            "round-robin" => Self::round_robin(),
            "random" => Self::random(),
            "least-request" => Self::least_request(),
            "power-of-two" => Self::power_of_two(),
            "kthena" => Self::kthena(),
            "llm-d" => Self::llm_d(),
            "llm-d-precise" => Self::llm_d_precise(),
            "lmetric" => Self::lmetric(),
            _ => return Err(UnknownPolicy { found: name.to_owned() }),
        })
    }

    /// All presets, in the order of [`NAMES`](Self::NAMES).
    ///
    /// ```
    /// use phalanx_routing::Policy;
    ///
    /// assert_eq!(Policy::presets().next(), Some(Policy::phalanx()));
    /// ```
    pub fn presets() -> impl Iterator<Item = Self> {
        Self::NAMES.iter().map(|name| Self::preset(name).expect("each name is one of a preset"))
    }

    /// The default: the wait until a request's turn, the time for what is not cached of its prompt, and what that time
    /// costs those that it delays.
    ///
    /// ```text
    ///   wait + own × (1 + 0.15 × decoding + 0.5 × prefilling)
    /// + 0.2 × answer tokens × (30 µs + 80 ns × prompt tokens) × in flight
    /// + memory wall + 0.02 s × in flight above the seats + 0.1 s × waiting at the engine behind others' requests
    /// ```
    ///
    /// | constant | what it buys |
    /// |---|---|
    /// | 0.15, delay of decoding | 0.1 favours the tail of the time to first token, 0.2 goodput under overload; 0 doubles the time per token |
    /// | 0.5, delay of prefilling | the tails of both |
    /// | 0.2, one more sequence | seats where answers are long and prompts are cached |
    ///
    /// A prompt that was sent and has no first token counts as cached there, if its [evidence](crate::Evidence) says so.
    #[must_use]
    pub fn phalanx() -> Self {
        let terms = [
            (Term::Wait, 1000),
            (Term::Own, 1000),
            (Term::DelayDecoding, 150),
            (Term::DelayPrefilling, 500),
            (Term::Sequence, 200),
            (Term::MemoryWall, 1000),
            (Term::SeatWall, 20),
            (Term::EngineQueue, 100),
        ];
        let terms = terms.map(|(term, permille)| Priced::new(term, permille)).into();
        // It keeps account itself; an engine without metrics is none the worse for it.
        sound(Self::new("phalanx", Combination::Cost(terms))).with_unknown(Unknown::Idle)
    }

    /// Each endpoint in its turn.
    #[must_use]
    pub fn round_robin() -> Self {
        sound(Self::new("round-robin", Combination::Lexicographic(vec![Measure::Turn])))
    }

    /// Any endpoint.
    #[must_use]
    pub fn random() -> Self {
        let any = Self::new("random", Combination::Lexicographic(vec![Measure::Turn]));
        sound(sound(any).with_picker(Picker::Any))
    }

    /// The fewest requests in flight, then the fewest tokens to compute.
    #[must_use]
    pub fn least_request() -> Self {
        let measures = vec![Measure::InFlight, Measure::PendingTokens];
        sound(Self::new("least-request", Combination::Lexicographic(measures)))
    }

    /// The fewer requests in flight of two that are drawn.
    #[must_use]
    pub fn power_of_two() -> Self {
        let least = sound(Self::new("power-of-two", Combination::Lexicographic(vec![Measure::InFlight])));
        sound(least.with_picker(Picker::PowerOf(2)))
    }

    /// Kthena's Helm default: fewer than ten waiting, then requests, KV memory, latency and prefix, each from 0 to 100 and
    /// rounded down.
    #[must_use]
    pub fn kthena() -> Self {
        let scorers = [
            Scorer::BelowMost(Measure::Unstarted),
            Scorer::Room { measure: Measure::KvUsed, limit: 1_000_000 },
            Scorer::Latency { ttft_ppm: 500_000 },
            Scorer::Prefix,
        ];
        let sum = Combination::Sum(scorers.map(|scorer| Weighted::new(scorer, 1).in_steps(100)).into());
        let filter = Filter { measure: Measure::Waiting, below: 10, fail: FailMode::Closed };
        // There a metric that was never read is 0.
        sound(sound(Self::new("kthena", sum)).with_filters(vec![filter])).with_unknown(Unknown::Idle)
    }

    /// llm-d's default profile: queue 2, KV memory 2, prefix 3.
    #[must_use]
    pub fn llm_d() -> Self {
        let kv_free = Scorer::Room { measure: Measure::KvUsed, limit: 1_000_000 };
        let sum = vec![
            Weighted::new(Scorer::Spread(Measure::Waiting), 2),
            Weighted::new(kv_free, 2),
            Weighted::new(Scorer::Prefix, 3),
        ];
        sound(Self::new("llm-d", Combination::Sum(sum)))
    }

    /// llm-d's precise profile: prefix by events 2, KV memory 1, queue 1.
    #[must_use]
    pub fn llm_d_precise() -> Self {
        let kv_free = Scorer::Room { measure: Measure::KvUsed, limit: 1_000_000 };
        let sum = vec![
            Weighted::new(Scorer::Prefix, 2),
            Weighted::new(kv_free, 1),
            Weighted::new(Scorer::Spread(Measure::Waiting), 1),
        ];
        sound(Self::new("llm-d-precise", Combination::Sum(sum)))
    }

    /// LMetric: tokens to compute times the batch with this request.
    #[must_use]
    pub fn lmetric() -> Self {
        sound(Self::new("lmetric", Combination::Product(vec![Measure::PrefillTokens, Measure::Batch])))
    }
}

fn sound(policy: Result<Policy, super::PolicyError>) -> Policy {
    policy.expect("a preset is sound: a test makes each of them")
}

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        Self::preset(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_sound_and_has_its_name() {
        for name in Policy::NAMES {
            assert_eq!(Policy::preset(name).expect("a preset").name(), name);
        }
    }
}
