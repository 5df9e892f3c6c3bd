//! Policies by name.

mod peers;

use core::str::FromStr;

use thiserror::Error;

use super::{Combination, Limit, Measure, Measured, Near, Picker, Policy, Priced, Term, Unknown};

/// A policy name that is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown policy {found:?}: expected one of {}", Policy::NAMES.join(", "))]
pub struct UnknownPolicy {
    /// The name given.
    pub found: String,
}

/// A name and its policy.
type Preset = (&'static str, fn() -> Policy);

impl Policy {
    const PRESETS: [Preset; 28] = [
        ("phalanx", Self::phalanx),
        ("round-robin", Self::round_robin),
        ("random", Self::random),
        ("least-request", Self::least_request),
        ("power-of-two", Self::power_of_two),
        ("kthena", Self::kthena),
        ("llm-d", Self::llm_d),
        ("llm-d-precise", Self::llm_d_precise),
        ("lmetric", Self::lmetric),
        ("least-kv", Self::least_kv),
        ("least-latency", Self::least_latency),
        ("affine", Self::affine),
        ("ring", Self::ring),
        ("sticky", Self::sticky),
        ("llm-d-load-aware", Self::llm_d_load_aware),
        ("llm-d-active-request", Self::llm_d_active_request),
        ("llm-d-token-load", Self::llm_d_token_load),
        ("llm-d-lora-affinity", Self::llm_d_lora_affinity),
        ("dynamo", Self::dynamo),
        ("smg-cache-aware", Self::smg_cache_aware),
        ("smg-cache-aware-history", Self::smg_cache_aware_history),
        ("smg-prefix-hash", Self::smg_prefix_hash),
        ("aibrix-prefix", Self::aibrix_prefix),
        ("smg-bucket", Self::smg_bucket),
        ("kthena-least-request", Self::kthena_least_request),
        ("kthena-least-latency", Self::kthena_least_latency),
        ("kthena-gpu-cache", Self::kthena_gpu_cache),
        ("kthena-prefix-cache", Self::kthena_prefix_cache),
    ];

    /// The names that [`preset`](Self::preset) knows, ours first.
    pub const NAMES: [&'static str; Self::PRESETS.len()] = {
        let mut names = [""; Self::PRESETS.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = Self::PRESETS[at].0;
            at += 1;
        }
        names
    };

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
        let found = Self::PRESETS.iter().find(|(known, _)| *known == name);
        found.map(|(_, make)| make()).ok_or_else(|| UnknownPolicy { found: name.to_owned() })
    }

    /// All presets, in the order of [`NAMES`](Self::NAMES).
    ///
    /// ```
    /// use phalanx_routing::Policy;
    ///
    /// assert_eq!(Policy::presets().next(), Some(Policy::phalanx()));
    /// ```
    pub fn presets() -> impl Iterator<Item = Self> {
        Self::PRESETS.iter().map(|(_, make)| make())
    }

    /// The default: the wait until a request's turn, the time for what is not cached of its prompt, and what that time
    /// costs those that it delays.
    ///
    /// ```text
    ///   wait + own × (1 + 0.15 × decoding + 0.5 × prefilling)
    /// + 0.2 × answer tokens × (30 µs + 80 ns × prompt tokens) × in flight
    /// + memory wall + 0.02 s × in flight above the seats + 0.1 s × waiting at the engine behind others' requests
    /// + 15 µs × tokens to compute + until the adapter is loaded
    /// ```
    ///
    /// | constant | what it buys |
    /// |---|---|
    /// | 0.15, delay of decoding | 0.1 favours the tail of the time to first token, 0.2 goodput under overload; 0 doubles the time per token |
    /// | 0.5, delay of prefilling | the tails of both |
    /// | 15 µs, a token computed again | affinity where engines are so fast, or so idle, that little is lost elsewhere |
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
            (Term::Recompute, 1000),
            (Term::AdapterLoad, 1000),
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

    /// The least KV memory in use.
    #[must_use]
    pub fn least_kv() -> Self {
        sound(Self::new("least-kv", Combination::Lexicographic(vec![Measure::KvUsed, Measure::InFlight])))
    }

    /// The least time for an answer of 200 tokens, by what the engines report of their recent ones.
    #[must_use]
    pub fn least_latency() -> Self {
        let total = vec![Measured::new(Measure::Ttft, 1000), Measured::new(Measure::Tpot, 200_000)];
        sound(Self::new("least-latency", Combination::Total(total)))
    }

    /// The owner of the request's affinity on a ring of 160 points each, whatever its load.
    #[must_use]
    pub fn ring() -> Self {
        let least = sound(Self::new("ring", Combination::Lexicographic(vec![Measure::InFlight])));
        sound(least.with_picker(Picker::Ring { points: 160, bound: None }))
    }

    /// The default, but the requests of an affinity stay together as long as their endpoint is there: 65,536 affinities,
    /// each for an hour.
    #[must_use]
    pub fn sticky() -> Self {
        let phalanx = Self { name: "sticky".to_owned(), ..Self::phalanx() };
        sound(phalanx.with_picker(Picker::Sticky { sessions: 1 << 16, idle_seconds: 3600 }))
    }

    /// The most of the prompt, among those with hardly more requests than the least has: a tenth and eight more.
    #[must_use]
    pub fn affine() -> Self {
        let most = Combination::Lexicographic(vec![Measure::UncachedTokens, Measure::InFlight]);
        let near = Near { measure: Measure::InFlight, limit: Limit::Least { permille: 1100, above: 8 } };
        sound(sound(Self::new("affine", most)).with_near(near))
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
