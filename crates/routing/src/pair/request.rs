//! What is asked of a pair policy, and what it answers.

use core::time::Duration;

use super::PairId;
use crate::adapter::AdapterId;
use crate::endpoint::EndpointId;
use crate::label::Labels;
use crate::pool::PoolId;
use crate::request::{Evidence, Request};
use crate::reservation::Reservation;
use crate::slo::Slo;

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
    adapter: Option<AdapterId>,
    labels: Labels,
    output_tokens: u32,
    slo: Slo,
}

impl<'a> PairRequest<'a> {
    /// A request to the pools of a pair policy. Draws are made from `key`, which should be the same for the same request: a
    /// hash of its id.
    #[must_use]
    pub const fn new(pair: PairId, key: u64, prompt_tokens: u32) -> Self {
        Self {
            pair,
            key,
            prompt_tokens,
            evidence: Evidence::None,
            subset: None,
            excluded: &[],
            adapter: None,
            labels: Labels::NONE,
            output_tokens: 0,
            slo: Slo { ttft: None, tpot: None },
        }
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

    /// With an adapter, which both parts need: see [`Request::with_adapter`]. Where a pool's policy looks at it, the choice
    /// is by a look at all candidates.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{
    ///     AdapterId, AdapterReading, Balancer, Endpoint, Link, LinkCosts, Local, PairPolicy, PairRequest, Policy, Seed,
    /// };
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let pools = [Policy::phalanx(), Policy::phalanx()].map(|policy| balancer.add_pool(policy));
    /// let fleet = [(0, false), (0, true), (1, true), (1, false)].map(|(pool, has)| {
    ///     let id = balancer.join(Endpoint::new());
    ///     balancer.enter(pools[pool], id);
    ///     let loaded = [AdapterId::from(3)];
    ///     let loaded = if has { &loaded[..] } else { &[] };
    ///     balancer.adapters(id, &AdapterReading { loaded, queued: &[], slots: Some(4), read: Duration::ZERO });
    ///     id
    /// });
    /// let links = LinkCosts::uniform(1, Link::new(Duration::ZERO, 0), Link::new(Duration::ZERO, 0))?;
    /// let policy = PairPolicy::new(pools[0], pools[1], links, 131_072).with_local(Local::NEVER);
    /// let pair = balancer.add_pair(policy)?;
    /// let request = PairRequest::new(pair, 1, 1000).with_adapter(AdapterId::from(3));
    /// let explanation = balancer.explain_pair(&request, Duration::ZERO)?;
    /// assert_eq!((explanation.prefill.chosen, explanation.decode.chosen), (Some(fleet[1]), Some(fleet[2])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn with_adapter(mut self, adapter: AdapterId) -> Self {
        self.adapter = Some(adapter);
        self
    }

    /// Among endpoints that have all of these labels only, for both parts.
    #[must_use]
    pub const fn with_labels(mut self, labels: Labels) -> Self {
        self.labels = labels;
        self
    }

    /// With the tokens that the answer may have, for the decode part: see [`Request::with_output_tokens`].
    #[must_use]
    pub const fn with_output_tokens(mut self, tokens: u32) -> Self {
        self.output_tokens = tokens;
        self
    }

    /// With the most that the answer should take. [`Targets`](crate::Targets) of the pools' policies look at it: those of the
    /// prefill pool at the time to the first token, which is that of the prompt there without the transfer; those of the
    /// decode pool at the time for each further one; who would stay alone is asked for both. Where nobody is in time and
    /// the targets are open, a part is chosen as if there were none, and then the cost alone decides whether a pair is
    /// better than one who stays alone.
    ///
    /// A request with an SLO or labels, or one that is too long for some endpoint, is decided by a look at all candidates.
    #[must_use]
    pub const fn with_slo(mut self, slo: Slo) -> Self {
        self.slo = slo;
        self
    }

    /// Tokens of the prompt.
    #[must_use]
    pub const fn prompt_tokens(&self) -> u32 {
        self.prompt_tokens
    }

    /// The adapter that both parts need.
    pub(crate) const fn adapter(&self) -> Option<AdapterId> {
        self.adapter
    }

    /// The same, as it is asked of one pool.
    pub(crate) fn of_pool(&self, pool: PoolId) -> Request<'a> {
        let Self { key, prompt_tokens, evidence, subset, excluded, adapter, labels, output_tokens, slo, .. } = *self;
        let request = Request::new(pool, key, prompt_tokens).with_evidence(evidence).with_excluded(excluded);
        let request = request.with_labels(labels).with_output_tokens(output_tokens).with_slo(slo);
        Request { subset, adapter, ..request }
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
