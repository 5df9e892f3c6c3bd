//! What a replay found.

use core::fmt;

use crate::endpoint::EndpointId;
use crate::explanation::{Factor, Omission};
use crate::pool::PoolId;
use crate::request::Refusal;

/// How the decisions of a log compare with those that are made now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Decisions in the log, refusals included.
    pub decisions: usize,
    /// Those of them that were refused then.
    pub refused: usize,
    /// Where the answers differ, in the order of the log.
    pub differences: Vec<Difference>,
    /// The line from which on the log tells nothing, though something happened.
    pub left_out: Option<usize>,
}

/// A decision that is another one now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Its line in the log, from 1.
    pub line: usize,
    /// The pool that was asked: of a pair, of which no more than the answers is told, that of those who answer.
    pub pool: PoolId,
    /// The request's key.
    pub key: u64,
    /// The answer in the log.
    pub was: Answer,
    /// The answer now.
    pub now: Answer,
    /// What the endpoint of then costs by the policy of now; none if there was none, or it is no candidate.
    pub cost: Option<i64>,
    /// By how much that is more than the cost of the endpoint of now: 0 when a draw among equals fell otherwise, less
    /// where the policy picks among a few that it draws. 0 too where the endpoint is the same.
    pub margin: Option<i64>,
    /// Which part of the policy of now speaks most for the endpoint of now; none when neither costs more.
    pub factor: Option<Factor>,
    /// Why the endpoint of then is no candidate by the policy of now.
    pub omission: Option<Omission>,
    /// Where a list was asked for and is another one though the answer is the same: who was on it, and who is now.
    pub others: Option<(Vec<EndpointId>, Vec<EndpointId>)>,
}

/// What was answered to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It was sent to an endpoint.
    Sent {
        /// Which one.
        endpoint: EndpointId,
        /// Prompt tokens that need no computing there.
        cached_tokens: u32,
        /// What it cost by the policy that decided.
        cost: i64,
        /// How many candidates had that cost.
        ties: u32,
    },
    /// It was sent to a pair, or by a pair policy to one that does both.
    Paired {
        /// Who computes the prompt, unless it is the one who answers.
        prefill: Option<EndpointId>,
        /// Who answers.
        decode: EndpointId,
        /// What moving the prompt's KV takes, in nanoseconds.
        transfer: i64,
        /// What both parts and the transfer cost, in nanoseconds.
        cost: i64,
        /// How many pairs had that cost.
        ties: u64,
    },
    /// It was refused.
    Refused(Refusal),
}

impl Report {
    /// How many differences are due to each part of the policy of now, the most frequent first; in the order of the log
    /// where they are as many.
    ///
    /// ```
    /// assert_eq!(phalanx_routing::Report::default().by_factor(), []);
    /// ```
    #[must_use]
    pub fn by_factor(&self) -> Vec<(Factor, usize)> {
        let mut counts: Vec<(Factor, usize)> = Vec::new();
        for factor in self.differences.iter().filter_map(|difference| difference.factor) {
            match counts.iter_mut().find(|(of, _)| *of == factor) {
                Some((_, count)) => *count += 1,
                None => counts.push((factor, 1)),
            }
        }
        counts.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
        counts
    }

    /// How many differences are draws among equals that fell otherwise.
    #[must_use]
    pub fn draws(&self) -> usize {
        let draw = |of: &&Difference| of.margin == Some(0) && of.was.endpoint() != of.now.endpoint();
        self.differences.iter().filter(draw).count()
    }
}

impl Answer {
    /// The endpoint, of a pair the one who answers, if it was not refused.
    #[must_use]
    pub fn endpoint(&self) -> Option<EndpointId> {
        match self {
            Self::Sent { endpoint, .. } | Self::Paired { decode: endpoint, .. } => Some(*endpoint),
            Self::Refused(_) => None,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { endpoint, cached_tokens, cost, ties } => {
                let (slot, generation) = (endpoint.index(), endpoint.generation());
                write!(f, "endpoint {slot}.{generation} ({cached_tokens} cached, cost {cost}, {ties} of that cost)")
            }
            Self::Paired { prefill, decode, transfer, cost, ties } => {
                let name = |id: &EndpointId| format!("{}.{}", id.index(), id.generation());
                let decode = name(decode);
                match prefill {
                    Some(prefill) => write!(f, "endpoints {} and {decode} ({transfer} ns between them", name(prefill))?,
                    None => write!(f, "endpoint {decode} alone (")?,
                }
                write!(f, "{}cost {cost}, {ties} of that cost)", if prefill.is_some() { ", " } else { "" })
            }
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
        }
    }
}
