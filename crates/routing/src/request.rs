//! What is asked of the router, and what it answers.

use thiserror::Error;

use crate::endpoint::EndpointId;
use crate::reservation::Reservation;

/// One request, as far as routing is concerned. All three lists ascend strictly by id.
///
/// An entry of `evidence` or `excluded` that is no candidate is passed over. A candidate without evidence counts as
/// holding nothing, so not knowing never makes an endpoint look better.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What draws are made from, the same for the same request: a hash of the request's id.
    pub key: u64,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// How many tokens of the prompt, from its start, each endpoint holds in its cache.
    pub evidence: &'a [(EndpointId, u32)],
    /// The endpoints that could serve it.
    pub candidates: &'a [EndpointId],
    /// The endpoints that must not be chosen, such as those that failed it already.
    pub excluded: &'a [EndpointId],
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
    /// The policy's cost of it, the least among the candidates.
    pub cost: u64,
    /// How many candidates had that cost: above 1 the seed decided among them.
    pub ties: u32,
    /// The load that was counted, to be settled on every path.
    pub reservation: Reservation,
}

/// Why no endpoint was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The list of candidates was empty.
    #[error("no candidate endpoints were given")]
    NoCandidates,
    /// Each candidate is excluded.
    #[error("all {candidates} candidate endpoints are excluded")]
    AllExcluded {
        /// How many there were.
        candidates: u32,
    },
    /// No candidate is left that is neither excluded nor gone from the router.
    #[error("of {candidates} candidate endpoints {excluded} are excluded and the others have left")]
    AllGone {
        /// How many there were.
        candidates: u32,
        /// How many of them are excluded.
        excluded: u32,
    },
    /// A list was out of order or named an endpoint twice.
    #[error("the list of {list} must ascend strictly by endpoint id")]
    Unsorted {
        /// `candidates`, `evidence` or `excluded`.
        list: &'static str,
    },
}

impl Request<'_> {
    /// Splits the prompt into tokens that are held and tokens to compute, if `held` of them are cached. The last token
    /// is always computed: its output is what the first answer token comes from.
    pub(crate) fn split(&self, held: u32) -> (u32, u32) {
        let cached = held.min(self.prompt_tokens.saturating_sub(1));
        (cached, self.prompt_tokens - cached)
    }

    pub(crate) fn check_order(&self) -> Result<(), Refusal> {
        let list = if !self.candidates.is_sorted_by(|a, b| a < b) {
            "candidates"
        } else if !self.evidence.is_sorted_by(|a, b| a.0 < b.0) {
            "evidence"
        } else if !self.excluded.is_sorted_by(|a, b| a < b) {
            "excluded"
        } else {
            return Ok(());
        };
        Err(Refusal::Unsorted { list })
    }
}
