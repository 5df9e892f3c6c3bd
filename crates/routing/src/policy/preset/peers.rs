//! What other routers do, by their published formulas and defaults.
//!
//! Where a formula leaves equals to the order of a list, a draw decides here.

use super::sound;
use crate::policy::{
    Bound, Combination, FailMode, Filter, Gate, Limit, Measure, Measured, Near, Overflow, Picker, Policy, Scorer,
    Trigger, Unknown, Weighted,
};

/// The most of the prompt, then the fewest requests.
fn most_held() -> Combination {
    Combination::Lexicographic(vec![Measure::UncachedTokens, Measure::InFlight])
}

impl Policy {
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

    /// Kthena's scorer of requests alone, with its filter.
    #[must_use]
    pub fn kthena_least_request() -> Self {
        let filter = Filter { measure: Measure::Waiting, below: 10, fail: FailMode::Closed };
        let scorer = Scorer::BelowMost(Measure::Unstarted);
        sound(Self::kthena_plugin("kthena-least-request", scorer).with_filters(vec![filter]))
    }

    /// Kthena's scorer of latency alone: both latencies in equal parts.
    #[must_use]
    pub fn kthena_least_latency() -> Self {
        Self::kthena_plugin("kthena-least-latency", Scorer::Latency { ttft_ppm: 500_000 })
    }

    /// Kthena's scorer of KV memory alone.
    #[must_use]
    pub fn kthena_gpu_cache() -> Self {
        Self::kthena_plugin("kthena-gpu-cache", Scorer::Room { measure: Measure::KvUsed, limit: 1_000_000 })
    }

    /// Kthena's scorer of prefixes alone. There only the five that hold the most have a score; here all have.
    #[must_use]
    pub fn kthena_prefix_cache() -> Self {
        Self::kthena_plugin("kthena-prefix-cache", Scorer::Prefix)
    }

    fn kthena_plugin(name: &str, scorer: Scorer) -> Self {
        let sum = Combination::Sum(vec![Weighted::new(scorer, 1).in_steps(100)]);
        sound(Self::new(name, sum)).with_unknown(Unknown::Idle)
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

    /// llm-d's load scorer alone: room in a queue of 128.
    ///
    /// A full score is one half there. Beside others, give them twice their weight.
    #[must_use]
    pub fn llm_d_load_aware() -> Self {
        let room = Scorer::Room { measure: Measure::Waiting, limit: 128 };
        sound(Self::new("llm-d-load-aware", Combination::Sum(vec![Weighted::new(room, 1)])))
    }

    /// llm-d's active-request scorer alone: requests in flight below the most of them.
    #[must_use]
    pub fn llm_d_active_request() -> Self {
        let below = Scorer::BelowMost(Measure::InFlight);
        sound(Self::new("llm-d-active-request", Combination::Sum(vec![Weighted::new(below, 1)])))
    }

    /// llm-d's token load scorer alone: tokens in flight up to 128 × 32,768, where an answer is taken for one and a half
    /// times its prompt.
    #[must_use]
    pub fn llm_d_token_load() -> Self {
        // Of 4,194,304 tokens two fifths are those of prompts.
        let room = Scorer::Room { measure: Measure::HeldTokens, limit: 1_677_722 };
        sound(Self::new("llm-d-token-load", Combination::Sum(vec![Weighted::new(room, 1)])))
    }

    /// llm-d's LoRA affinity alone: 1 where the adapter is loaded, 0.8 where a slot is free, 0.6 where it is queued.
    #[must_use]
    pub fn llm_d_lora_affinity() -> Self {
        sound(Self::new("llm-d-lora-affinity", Combination::Sum(vec![Weighted::new(Scorer::Adapter, 1)])))
    }

    /// Dynamo's cost with its defaults, in tokens instead of blocks: tokens to compute there, this prompt's with them, and
    /// tokens in use.
    ///
    /// ```text
    ///   prefill scale × max(0, (pending + prompt) − overlap) + decode + w × requests,    prefill scale 1, w 0
    /// ```
    ///
    /// Another scale is another price of [`Measure::PrefillTokens`], and `w` blocks a request are a price of
    /// [`Measure::InFlight`]. What is cached counts at most all of the prompt but its last token.
    #[must_use]
    pub fn dynamo() -> Self {
        let total = vec![Measured::new(Measure::PrefillTokens, 1000), Measured::new(Measure::HeldTokens, 1000)];
        sound(Self::new("dynamo", Combination::Total(total)))
    }

    /// SMG's `cache_aware` with the engines' events: the most of the prompt, then the fewest requests; the fewest requests
    /// alone while the most is 32 above the least and a tenth more.
    #[must_use]
    pub fn smg_cache_aware() -> Self {
        sound(sound(Self::new("smg-cache-aware", most_held())).with_gates(vec![Self::smg_imbalance()]))
    }

    /// SMG's `cache_aware` without events: as with them, but the fewest requests also where nobody holds more than half of
    /// the prompt.
    #[must_use]
    pub fn smg_cache_aware_history() -> Self {
        let cold = Gate {
            when: Trigger::ShareAtMost(500_000),
            combination: Combination::Lexicographic(vec![Measure::InFlight]),
        };
        let gates = vec![Self::smg_imbalance(), cold];
        sound(sound(Self::new("smg-cache-aware-history", most_held())).with_gates(gates))
    }

    /// SMG's `prefix_hash`: the owner of the prompt's first 256 tokens on a ring, unless it has more than 1.25 times the mean
    /// of requests; the fewest requests then. The request's affinity is a hash of those tokens.
    #[must_use]
    pub fn smg_prefix_hash() -> Self {
        let bound = Some(Bound { permille: 1250, then: Overflow::Best });
        let least = sound(Self::new("smg-prefix-hash", Combination::Lexicographic(vec![Measure::InFlight])));
        sound(least.with_picker(Picker::Ring { points: 160, bound }))
    }

    /// SMG's `bucket`: each endpoint has the prompts of a range of lengths, and the ranges follow what comes; the fewest
    /// requests while the most is 32 above the least and a tenth more. There a range ends anew every few seconds, here with
    /// every request.
    #[must_use]
    pub fn smg_bucket() -> Self {
        let least = sound(Self::new("smg-bucket", Combination::Lexicographic(vec![Measure::InFlight])));
        sound(least.with_picker(Picker::Bucket { above: 32, permille: 1100 }))
    }

    fn smg_imbalance() -> Gate {
        Gate {
            when: Trigger::Spread { measure: Measure::InFlight, above: 32, permille: 1100 },
            combination: Combination::Lexicographic(vec![Measure::InFlight]),
        }
    }

    /// AIBrix's `prefix-cache`: the most of the prompt among those whose requests are at most the mean and a standard
    /// deviation, then the fewest requests; the fewest requests first while the most is more than eight above the least.
    #[must_use]
    pub fn aibrix_prefix() -> Self {
        let gate = Gate {
            when: Trigger::Spread { measure: Measure::InFlight, above: 8, permille: 0 },
            combination: Combination::Lexicographic(vec![Measure::InFlight, Measure::UncachedTokens]),
        };
        let near = Near { measure: Measure::InFlight, limit: Limit::Deviations(1000) };
        sound(sound(sound(Self::new("aibrix-prefix", most_held())).with_gates(vec![gate])).with_near(near))
    }
}
