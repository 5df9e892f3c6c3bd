//! What is asked of a pair policy, and what it answers.

use core::time::Duration;

use super::PairId;
use crate::endpoint::EndpointId;
use crate::request::Evidence;
use crate::reservation::Reservation;

/// One request that may be served by two endpoints.
///
/// See [`Balancer::decide_pair`](crate::Balancer::decide_pair) for an example.
#[derive(Clone, Copy, Debug)]
pub struct PairRequest<'a> {
    pub(crate) pair: PairId,
    pub(crate) key: u64,
    pub(crate) prompt_tokens: u32,
    pub(crate) evidence: Evidence<'a>,
    pub(crate) subset: Option<&'a [EndpointId]>,
    pub(crate) excluded: &'a [EndpointId],
}

impl<'a> PairRequest<'a> {
    /// A request to the pools of a pair policy. Draws are made from `key`, which should be the same for the same request: a
    /// hash of its id.
    #[must_use]
    pub const fn new(pair: PairId, key: u64, prompt_tokens: u32) -> Self {
        Self { pair, key, prompt_tokens, evidence: Evidence::None, subset: None, excluded: &[] }
    }

    /// With what is known of the caches of both pools' endpoints.
    #[must_use]
    pub const fn with_evidence(mut self, evidence: Evidence<'a>) -> Self {
        self.evidence = evidence;
        self
    }

    /// Among these endpoints only, for both parts.
    #[must_use]
    pub const fn with_subset(mut self, subset: &'a [EndpointId]) -> Self {
        self.subset = Some(subset);
        self
    }

    /// Without these endpoints, such as those that failed it already: for neither part.
    #[must_use]
    pub const fn with_excluded(mut self, excluded: &'a [EndpointId]) -> Self {
        self.excluded = excluded;
        self
    }

    /// Tokens of the prompt.
    #[must_use]
    pub const fn prompt_tokens(&self) -> u32 {
        self.prompt_tokens
    }
}

/// Where a request goes: to two endpoints, or to one.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the decision holds load that must be settled"]
#[non_exhaustive]
pub struct PairDecision {
    /// Who computes the prompt; none if the decode endpoint does so itself.
    pub prefill: Option<PairLeg>,
    /// Who answers.
    pub decode: PairLeg,
    /// What is moved between them; nothing if the decode endpoint computes the prompt itself.
    pub transfer: Transfer,
    /// The sum of both parts' costs and of the transfer, in nanoseconds.
    pub cost: i64,
    /// How many pairs, or single endpoints, had that cost: above 1 the seed decided among them. Where the decode endpoint
    /// is found first: how many were as good, times how many prefill endpoints were as good for the one chosen.
    pub ties: u64,
}

/// An endpoint's part in a decision. Each is settled for itself.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the part holds load that must be settled"]
#[non_exhaustive]
pub struct PairLeg {
    /// The endpoint chosen.
    pub endpoint: EndpointId,
    /// Prompt tokens that its cache is known to hold, but for the last one.
    pub cached_tokens: u32,
    /// Prompt tokens that it has to compute: one, or none of an empty prompt, where another endpoint computes the prompt.
    pub uncached_tokens: u32,
    /// Its pool's policy's cost of it, in nanoseconds.
    pub cost: i64,
    /// The load that was counted, to be settled on every path.
    pub reservation: Reservation,
}

/// KV that is moved from the prefill endpoint to the decode endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transfer {
    /// Tokens of the prompt.
    pub tokens: u32,
    /// Bytes.
    pub bytes: u64,
    /// What that takes.
    pub time: Duration,
}
