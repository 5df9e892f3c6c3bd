//! Quantities of an endpoint: what a policy weighs, the less the better.

use core::fmt;

use serde::{Deserialize, Serialize};

/// A quantity of an endpoint, for a request or without one. Less is better.
///
/// Those that an engine reports may be [unknown](super::Unknown).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Measure {
    /// Requests of this router's that are not settled.
    InFlight,
    /// Those of them past their first token.
    Decoding,
    /// Those of them without a first token.
    Prefilling,
    /// Requests in flight, and this one.
    Batch,
    /// Prompt tokens in flight that are still to be computed.
    PendingTokens,
    /// Prompt tokens of all requests in flight.
    HeldTokens,
    /// Prompt tokens of this request that are not cached there.
    UncachedTokens,
    /// Pending tokens and those of this request.
    PrefillTokens,
    /// The number of the last decision that chose it: the longest ago is the least.
    Turn,
    /// Requests that wait for a seat, by the engine.
    Waiting,
    /// Requests with a seat, by the engine.
    Running,
    /// Requests in flight, and 100 for each of them that the engine does not run yet: Kthena's.
    Unstarted,
    /// KV memory in use, by the engine, in parts of a million.
    KvUsed,
    /// Time to first token, by the engine, in microseconds.
    Ttft,
    /// Time for each further token, by the engine, in microseconds.
    Tpot,
    /// Where the request's adapter is: 0 loaded, or no adapter; 1 to be loaded already; 2 a slot is free for it; 3 none is,
    /// which is also what is [unknown](super::Unknown) and taken for the worst.
    Adapter,
    /// The most tokens of prompt and answer that it takes: of those that take a request, the least fits it most tightly.
    /// 16,777,215 where there is no limit, and no more than that.
    ContextTokens,
}

/// A measure and its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// What is priced.
    pub measure: Measure,
    /// What each of its units costs, in thousandths.
    pub permille: u32,
}

impl Measured {
    /// A measure with a price in thousandths.
    ///
    /// ```
    /// use phalanx_routing::{Measure, Measured};
    ///
    /// assert_eq!(Measured::new(Measure::PrefillTokens, 1000).permille, 1000);
    /// ```
    #[must_use]
    pub const fn new(measure: Measure, permille: u32) -> Self {
        Self { measure, permille }
    }
}

impl Measure {
    /// Every measure there is.
    ///
    /// ```
    /// use phalanx_routing::Measure;
    ///
    /// assert!(Measure::ALL.iter().any(|measure| measure.to_string() == "in-flight"));
    /// ```
    pub const ALL: [Self; 17] = [
        Self::InFlight,
        Self::Decoding,
        Self::Prefilling,
        Self::Batch,
        Self::PendingTokens,
        Self::HeldTokens,
        Self::UncachedTokens,
        Self::PrefillTokens,
        Self::Turn,
        Self::Waiting,
        Self::Running,
        Self::Unstarted,
        Self::KvUsed,
        Self::Ttft,
        Self::Tpot,
        Self::Adapter,
        Self::ContextTokens,
    ];

    /// Whether it depends on the request.
    pub(crate) fn is_of_request(self) -> bool {
        self.is_of_prompt() || self == Self::Adapter
    }

    /// Whether it depends on how much of the prompt is cached.
    pub(crate) fn is_of_prompt(self) -> bool {
        matches!(self, Self::UncachedTokens | Self::PrefillTokens)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InFlight => "in-flight",
            Self::Decoding => "decoding",
            Self::Prefilling => "prefilling",
            Self::Batch => "batch",
            Self::PendingTokens => "pending-tokens",
            Self::HeldTokens => "held-tokens",
            Self::UncachedTokens => "uncached-tokens",
            Self::PrefillTokens => "prefill-tokens",
            Self::Turn => "turn",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Unstarted => "unstarted",
            Self::KvUsed => "kv-used",
            Self::Ttft => "ttft",
            Self::Tpot => "tpot",
            Self::Adapter => "adapter",
            Self::ContextTokens => "context-tokens",
        })
    }
}
