//! Why a request would go where it would go.

use core::fmt;
use core::time::Duration;

use serde::Serialize;

use crate::endpoint::EndpointId;
use crate::label::Labels;
use crate::load::Load;
use crate::pair::Transfer;
use crate::policy::{Measure, Scorer, Term};

/// Every candidate with its cost, part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The name of the policy that weighed them.
    pub policy: String,
    /// The policy's gate that is open, from 0, by whose combination they were weighed; none if all are shut.
    pub gate: Option<u32>,
    /// The endpoint that a decision would choose now; none when no candidate is left.
    pub chosen: Option<EndpointId>,
    /// How many candidates share the least cost.
    pub ties: u32,
    /// By how much the next cost is greater; none if all candidates have the same.
    pub margin: Option<i64>,
    /// The candidates weighed, by id.
    pub candidates: Vec<Candidate>,
    /// The candidates passed over, by id, and why.
    pub omitted: Vec<(EndpointId, Omission)>,
    pub(crate) parts: Parts,
}

/// The parts of all costs, one row a candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) factors: Vec<Factor>,
    /// All parts of the first candidate, then those of the second: what was found.
    pub(crate) values: Vec<i64>,
    /// Likewise what it adds; empty where that is what was found.
    pub(crate) amounts: Vec<i64>,
}

impl Explanation {
    /// A candidate that was weighed. Logarithmic in the candidates.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Policy, Request, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let (pool, endpoint) = (balancer.add_pool(Policy::phalanx()), balancer.join(Endpoint::new()));
    /// balancer.enter(pool, endpoint);
    /// let explanation = balancer.explain(&Request::new(pool, 1, 1000), Duration::ZERO)?;
    /// assert_eq!(explanation.candidate(endpoint).map(|candidate| candidate.uncached_tokens), Some(1000));
    /// # Ok::<(), phalanx_routing::Refusal>(())
    /// ```
    #[must_use]
    pub fn candidate(&self, endpoint: EndpointId) -> Option<&Candidate> {
        self.candidates.get(self.place(endpoint)?)
    }

    /// The parts of a candidate's cost, in the order of the policy's; none for an endpoint that was not weighed. Logarithmic
    /// in the candidates.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Factor, Policy, Request, Seed, Term};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let (pool, endpoint) = (balancer.add_pool(Policy::phalanx()), balancer.join(Endpoint::new()));
    /// balancer.enter(pool, endpoint);
    /// let explanation = balancer.explain(&Request::new(pool, 1, 1000), Duration::ZERO)?;
    /// // Nobody waits there: the prompt takes 80.5 µs a token.
    /// let own = explanation.contributions(endpoint).find(|part| part.factor == Factor::Term(Term::Own));
    /// assert_eq!(own.map(|part| part.amount / 1000), Some(80_500));
    /// # Ok::<(), phalanx_routing::Refusal>(())
    /// ```
    pub fn contributions(&self, endpoint: EndpointId) -> impl DoubleEndedIterator<Item = Contribution> + '_ {
        let Parts { factors, values, amounts } = &self.parts;
        let amounts = if amounts.is_empty() { values } else { amounts };
        let (count, place) = (factors.len(), self.place(endpoint));
        let of = move |(part, &factor): (usize, &Factor)| {
            let at = place? * count + part;
            Some(Contribution { factor, value: *values.get(at)?, amount: *amounts.get(at)? })
        };
        factors.iter().enumerate().filter_map(of)
    }

    fn place(&self, endpoint: EndpointId) -> Option<usize> {
        self.candidates.binary_search_by_key(&endpoint, |candidate| candidate.endpoint).ok()
    }
}

/// Every candidate for both parts of a pair, and what became of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairExplanation {
    /// Those who could compute the prompt, by their pool's policy alone, but for the one chosen: that is the pair's. None
    /// is where the request stays local.
    pub prefill: Explanation,
    /// Those who could answer, with one token to compute. What is cached is what need not be moved.
    pub decode: Explanation,
    /// What would be moved between the two.
    pub transfer: Transfer,
    /// The decode endpoint that would compute the prompt itself at the least cost, and that cost in nanoseconds, if it
    /// may.
    pub local: Option<(EndpointId, i64)>,
    /// The cost of the choice, in nanoseconds; none if there is none.
    pub total: Option<i64>,
    /// How many pairs or single endpoints were as good; see [`PairDecision::ties`](crate::PairDecision::ties).
    pub ties: u64,
    /// By how much the next total is greater, in nanoseconds: of a pair, or of one that computes the prompt itself if that
    /// is compared. None if there is no other, or the choice was not for the least total.
    pub margin: Option<i64>,
}

/// A candidate that was weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// Which one.
    pub endpoint: EndpointId,
    /// Its load.
    pub load: Load,
    /// Prompt tokens that it is known to hold and that need no computing.
    pub cached_tokens: u32,
    /// Prompt tokens that it would have to compute.
    pub uncached_tokens: u32,
    /// How old its signals are; none if there are none.
    pub signal_age: Option<Duration>,
    /// The sum of the [parts](Explanation::contributions) of its cost, or what else the policy makes of them. The least wins.
    pub total: i64,
}

/// A part of a cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contribution {
    /// What it stands for.
    pub factor: Factor,
    /// What was found: a score in parts of a million, a measure in its unit, or a term's nanoseconds at its price.
    pub value: i64,
    /// What it adds to the total, for sums; what the total is made of, for products and orders.
    pub amount: i64,
}

/// What a part of a cost stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Factor {
    /// A score.
    Scorer(Scorer),
    /// A measure.
    Measure(Measure),
    /// A term.
    Term(Term),
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scorer(scorer) => scorer.fmt(f),
            Self::Measure(measure) => measure.fmt(f),
            Self::Term(term) => term.fmt(f),
        }
    }
}

/// Why a candidate was not weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Omission {
    /// It is not in the pool, or has left.
    NotInPool,
    /// The request excludes it.
    Excluded,
    /// It lacks these of the labels that the request asks for.
    LacksLabels(Labels),
    /// It takes so many tokens of prompt and answer, which are fewer than the request has.
    TooShort(u32),
    /// It failed too often, and is [out](crate::Health::Out) or has its trial.
    Out,
    /// The policy's filter of that place, from 0, left it out.
    Filtered(u32),
    /// It is not [near](crate::Near) the others.
    Far,
    /// It is not expected to keep the request's [`Slo`](crate::Slo).
    Late,
    /// It has another role than the one asked for.
    OtherRole,
    /// It is in a domain that the pair policy's links do not know.
    UnknownDomain,
}
