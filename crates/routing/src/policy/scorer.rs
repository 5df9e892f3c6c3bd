//! Scores of an endpoint, from 0 to 1: what a weighted sum is made of.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::Measure;

/// A full score, in parts of a million.
pub const ONE: i64 = 1_000_000;

/// How good an endpoint is in one respect: from 0, the worst, to [`ONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scorer {
    /// Share of the prompt's full blocks that it holds, from the first on. 0 for a prompt without a full block.
    Prefix,
    /// `(most − value) / (most − least)` over the candidates; 1 for all when they are equal.
    Spread(Measure),
    /// `(most − value) / most` over the candidates; 1 for all when the most is 0.
    BelowMost(Measure),
    /// `1 − value / limit`, and 0 from the limit on.
    Room {
        /// What is measured.
        measure: Measure,
        /// Where nothing is left: at least 1.
        limit: u32,
    },
    /// Time to first token and time per token, each spread over the candidates that report both, and blended. Those that
    /// do not report both have one half.
    Latency {
        /// Weight of the time to first token, in parts of a million.
        ttft_ppm: u32,
    },
    /// For a request that no candidate holds anything of: from 1 for who has had such a request the longest ago, or never,
    /// to 0 for who has had the last one; by their order, not by time. One half for all where somebody holds something.
    NoHitLru,
    /// A draw, independent for each endpoint and request.
    Draw,
    /// Where the request's adapter is: 1 loaded, or no adapter; 0.8 where a slot is free for it; 0.6 where it is to be loaded
    /// already; 0 where no slot is free: the scores of llm-d's LoRA affinity.
    Adapter,
}

/// A scorer, what it counts, and how it is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weighted {
    /// What is scored.
    pub scorer: Scorer,
    /// What a full score is worth.
    pub weight: u32,
    /// Scores are rounded down to so many equal steps; not at all if there are none given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
}

impl Weighted {
    /// A scorer with a weight.
    ///
    /// ```
    /// use phalanx_routing::{Scorer, Weighted};
    ///
    /// assert_eq!(Weighted::new(Scorer::Prefix, 3).steps, None);
    /// ```
    #[must_use]
    pub const fn new(scorer: Scorer, weight: u32) -> Self {
        Self { scorer, weight, steps: None }
    }

    /// Rounds scores down to so many steps.
    #[must_use]
    pub const fn in_steps(mut self, steps: u32) -> Self {
        self.steps = Some(steps);
        self
    }
}

impl fmt::Display for Scorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix => f.write_str("prefix"),
            Self::Spread(measure) => write!(f, "spread of {measure}"),
            Self::BelowMost(measure) => write!(f, "below the most of {measure}"),
            Self::Room { measure, limit } => write!(f, "room of {measure} to {limit}"),
            Self::Latency { .. } => f.write_str("latency"),
            Self::NoHitLru => f.write_str("no-hit LRU"),
            Self::Draw => f.write_str("draw"),
            Self::Adapter => f.write_str("adapter"),
        }
    }
}
