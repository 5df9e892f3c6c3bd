//! What is asked of the balancer, and what it answers.

use phalanx_kvcache::{BlockSize, Overlap};
use thiserror::Error;

use crate::adapter::AdapterId;
use crate::endpoint::{EndpointId, Role};
use crate::evidence::Noted;
use crate::label::Labels;
use crate::link::Domain;
use crate::pool::PoolId;
use crate::reservation::Reservation;
use crate::slo::Slo;

/// One request, as far as the choice of an endpoint is concerned.
///
/// ```
/// use phalanx_routing::{Balancer, Endpoint, Policy, Request, Seed};
///
/// let mut balancer = Balancer::new(Seed::from(0));
/// let pool = balancer.add_pool(Policy::phalanx());
/// let endpoint = balancer.join(Endpoint::new());
/// balancer.enter(pool, endpoint);
/// let request = Request::new(pool, 42, 1000).with_excluded(&[]);
/// assert_eq!(request.prompt_tokens(), 1000);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub(crate) pool: PoolId,
    pub(crate) key: u64,
    pub(crate) prompt_tokens: u32,
    pub(crate) affinity: Option<u64>,
    pub(crate) slo: Slo,
    pub(crate) evidence: Evidence<'a>,
    pub(crate) subset: Option<&'a [EndpointId]>,
    pub(crate) excluded: &'a [EndpointId],
    pub(crate) adapter: Option<AdapterId>,
    pub(crate) labels: Labels,
    pub(crate) output_tokens: u32,
}

/// Who holds how much of the prompt. An endpoint of which nothing is said holds nothing, so not knowing never makes it
/// look better.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Evidence<'a> {
    /// Nothing is known.
    #[default]
    None,
    /// Tokens of the prompt, from its start, that each of some endpoints holds: each endpoint once.
    Tokens(&'a [(EndpointId, u32)]),
    /// An answer of the fleet index, whose ranks have the same numbers as the endpoints' slots.
    Overlap {
        /// The answer.
        overlap: &'a Overlap,
        /// The prompt's first blocks that will be there before they are needed, so many at each of some endpoints: the
        /// greatest number counts.
        promised: &'a [(EndpointId, u32)],
        /// Tokens of a block.
        block: BlockSize,
    },
    /// What a log says.
    Noted(&'a Noted),
}

impl<'a> Request<'a> {
    /// A request to a pool. Draws are made from `key`, which should be the same for the same request: a hash of its id.
    #[must_use]
    pub const fn new(pool: PoolId, key: u64, prompt_tokens: u32) -> Self {
        Self {
            pool,
            key,
            prompt_tokens,
            affinity: None,
            slo: Slo { ttft: None, tpot: None },
            evidence: Evidence::None,
            subset: None,
            excluded: &[],
            adapter: None,
            labels: Labels::NONE,
            output_tokens: 0,
        }
    }

    /// With what it should stay together with others for: a hash of its session, or of the first tokens of its prompt.
    /// Pickers by affinity ([`Picker::Ring`](crate::Picker::Ring), [`Picker::Sticky`](crate::Picker::Sticky)) look at it.
    #[must_use]
    pub const fn with_affinity(mut self, affinity: u64) -> Self {
        self.affinity = Some(affinity);
        self
    }

    /// With the most that the answer should take. [`Targets`](crate::Targets) of a policy look at it.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, FailMode, Policy, Refusal, Request, Seed, Slo, Targets};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let targets = Targets { fail: FailMode::Closed, ..Targets::default() };
    /// let (pool, endpoint) = (balancer.add_pool(Policy::phalanx().with_targets(targets)), balancer.join(Endpoint::new()));
    /// balancer.enter(pool, endpoint);
    /// let request = Request::new(pool, 1, 100_000);
    /// let soon = Slo { ttft: Some(Duration::from_secs(1)), tpot: None };
    /// let refused = balancer.decide(&request.with_slo(soon), Duration::ZERO);
    /// assert_eq!(refused, Err(Refusal::AllLate { candidates: 1 }));
    /// ```
    #[must_use]
    pub const fn with_slo(mut self, slo: Slo) -> Self {
        self.slo = slo;
        self
    }

    /// With what is known of the endpoints' caches.
    #[must_use]
    pub const fn with_evidence(mut self, evidence: Evidence<'a>) -> Self {
        self.evidence = evidence;
        self
    }

    /// Among these endpoints only, as far as they are in the pool.
    #[must_use]
    pub const fn with_subset(mut self, subset: &'a [EndpointId]) -> Self {
        self.subset = Some(subset);
        self
    }

    /// Without these endpoints, such as those that failed it already.
    #[must_use]
    pub const fn with_excluded(mut self, excluded: &'a [EndpointId]) -> Self {
        self.excluded = excluded;
        self
    }

    /// With an adapter. Where that is, [`Balancer::adapters`](crate::Balancer::adapters) is told; what it means is the
    /// policy's: see [`Measure::Adapter`](crate::Measure::Adapter), [`Scorer::Adapter`](crate::Scorer::Adapter) and
    /// [`Term::AdapterLoad`](crate::Term::AdapterLoad). Until it is settled the request counts as one that brings the
    /// adapter to its endpoint.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{AdapterId, AdapterReading, Balancer, Endpoint, Policy, Request, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let pool = balancer.add_pool(Policy::phalanx());
    /// let fleet = [Endpoint::new(), Endpoint::new()].map(|endpoint| balancer.join(endpoint));
    /// fleet.map(|endpoint| balancer.enter(pool, endpoint));
    /// let now = Duration::ZERO;
    /// let loaded = [AdapterId::from(3)];
    /// let reading = AdapterReading { loaded: &loaded, queued: &[], slots: Some(4), read: now };
    /// balancer.adapters(fleet[1], &reading);
    /// let request = Request::new(pool, 1, 100).with_adapter(AdapterId::from(3));
    /// assert_eq!(balancer.explain(&request, now)?.chosen, Some(fleet[1]));
    /// # Ok::<(), phalanx_routing::Refusal>(())
    /// ```
    #[must_use]
    pub const fn with_adapter(mut self, adapter: AdapterId) -> Self {
        self.adapter = Some(adapter);
        self
    }

    /// Among endpoints that have all of these labels only.
    #[must_use]
    pub const fn with_labels(mut self, labels: Labels) -> Self {
        self.labels = labels;
        self
    }

    /// With the tokens that the answer may have, for endpoints whose [context](crate::Endpoint::with_context_tokens) is
    /// limited: together with the prompt they must fit. 0 if it is not given.
    #[must_use]
    pub const fn with_output_tokens(mut self, tokens: u32) -> Self {
        self.output_tokens = tokens;
        self
    }

    /// Tokens of prompt and answer.
    pub(crate) fn context_tokens(&self) -> u32 {
        self.prompt_tokens.saturating_add(self.output_tokens)
    }

    /// Tokens of the prompt.
    #[must_use]
    pub const fn prompt_tokens(&self) -> u32 {
        self.prompt_tokens
    }

    /// Tokens of the prompt's full blocks: all of them where blocks are not known.
    pub(crate) fn full_tokens(&self) -> u32 {
        let block = self.block_tokens();
        self.prompt_tokens / block * block
    }

    /// Tokens of a block; 1 where blocks are not known.
    pub(crate) fn block_tokens(&self) -> u32 {
        match self.evidence {
            Evidence::Overlap { block, .. } => block.tokens(),
            Evidence::Noted(noted) => noted.block.max(1),
            _ => 1,
        }
    }
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the decision holds load that must be settled"]
#[non_exhaustive]
pub struct Decision {
    /// The endpoint chosen.
    pub endpoint: EndpointId,
    /// Prompt tokens that its cache is known to hold and that need no computing.
    pub cached_tokens: u32,
    /// Prompt tokens that it has to compute: at least one, unless the prompt is empty.
    pub uncached_tokens: u32,
    /// The policy's cost of it. A sum of scores counts as a cost below 0.
    pub cost: i64,
    /// How many candidates had that cost: above 1 the seed decided among them. 1 where the pick was a draw.
    pub ties: u32,
    /// The load that was counted, to be settled on every path.
    pub reservation: Reservation,
}

/// Why no endpoint was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such pool.
    #[error("pool {pool} does not exist")]
    UnknownPool {
        /// Its number.
        pool: usize,
    },
    /// Nobody is in the pool, or nobody of the subset.
    #[error("of {subset} endpoints asked for none is in the pool")]
    NoCandidates {
        /// How many were asked for: all of the pool, or the subset.
        subset: u32,
    },
    /// Each candidate is excluded.
    #[error("all {candidates} candidate endpoints are excluded")]
    AllExcluded {
        /// How many there were.
        candidates: u32,
    },
    /// No candidate has all labels that the request asks for.
    #[error("of {candidates} candidate endpoints none has all labels of {labels}; nobody has {unknown}")]
    NoneLabeled {
        /// The labels asked for.
        labels: Labels,
        /// Those of them that no candidate has: a class that does not exist, perhaps.
        unknown: Labels,
        /// How many candidates there were.
        candidates: u32,
    },
    /// Prompt and answer are too long for each candidate.
    #[error("of {candidates} candidate endpoints none takes {tokens} tokens; the longest context is {longest}")]
    TooLong {
        /// Tokens of prompt and answer.
        tokens: u32,
        /// The most that one of the candidates takes.
        longest: u32,
        /// How many candidates there were.
        candidates: u32,
    },
    /// A filter left nobody.
    #[error("the policy's filter {filter} leaves none of {candidates} candidate endpoints")]
    AllFiltered {
        /// Its place in the policy, from 0.
        filter: u32,
        /// How many there were before it.
        candidates: u32,
    },
    /// Nobody is expected to keep the promise of the request.
    #[error("none of {candidates} candidate endpoints is expected to keep the request's SLO")]
    AllLate {
        /// How many there were.
        candidates: u32,
    },
    /// There is no such pair policy.
    #[error("pair policy {pair} does not exist")]
    UnknownPair {
        /// Its number.
        pair: usize,
    },
    /// Nobody is left for one part of a pair.
    #[error("for {role}: {why}")]
    OfRole {
        /// The part.
        role: Role,
        /// Why there is nobody.
        #[source]
        why: Box<Refusal>,
    },
    /// Each endpoint that could have the part is in a domain that the pair policy's links do not know.
    #[error("domain {domain} of an endpoint is unknown to the links between {domains} domains")]
    UnknownDomain {
        /// The domain of one of them.
        domain: Domain,
        /// How many domains the links know.
        domains: u32,
    },
    /// There are endpoints for both parts, but no two of them go together.
    #[error("of {prefills} prefill and {decodes} decode endpoints no two have the same group, connector and rank")]
    NoPair {
        /// How many could compute the prompt.
        prefills: u32,
        /// How many could answer.
        decodes: u32,
    },
}
