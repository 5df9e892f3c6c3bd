//! Why a request would go where it would go.

use crate::columns::Load;
use crate::cost::Contribution;
use crate::endpoint::EndpointId;
use crate::policy::Policy;

/// Every candidate with its cost, term by term. Costs are in the policy's own unit: turns, requests in flight times 2^40
/// and then tokens, or thousandths of a prefill token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The policy that weighed them.
    pub policy: Policy,
    /// The endpoint that a decision would choose now; none when no candidate is left.
    pub chosen: Option<EndpointId>,
    /// How many candidates share the least cost.
    pub ties: u32,
    /// The candidates weighed, by id.
    pub candidates: Vec<Candidate>,
    /// The candidates passed over, by id, and why.
    pub omitted: Vec<(EndpointId, Omission)>,
}

/// A candidate that was weighed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// Which one.
    pub endpoint: EndpointId,
    /// Its load.
    pub load: Load,
    /// Prompt tokens that it is known to hold.
    pub cached_tokens: u32,
    /// Prompt tokens that it would have to compute.
    pub uncached_tokens: u32,
    /// The terms of its cost.
    pub contributions: Vec<Contribution>,
    /// Their sum.
    pub total: u64,
}

/// Why a candidate was not weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Omission {
    /// The request excludes it.
    Excluded,
    /// It has left the router.
    Left,
}
