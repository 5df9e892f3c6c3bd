//! A line of a log as it is written.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::pair::{Legs, Place};
use crate::endpoint::{EndpointId, Role};
use crate::health::Breaker;
use crate::pair::PairPolicy;
use crate::policy::Policy;
use crate::request::Refusal;
use crate::reservation::Outcome;
use crate::slo::Slo;

/// The name in the first line.
pub(super) const NAME: &str = "phalanx-routing";
/// The form that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) log: String,
    pub(super) version: u32,
    pub(super) seed: u64,
}

/// Slot and generation.
pub(crate) type Id = (u32, u32);

pub(crate) fn id(endpoint: EndpointId) -> Id {
    (endpoint.index() as u32, endpoint.generation())
}

pub(super) fn endpoint((slot, generation): Id) -> EndpointId {
    EndpointId::new(slot, generation)
}

/// Each further line. Times are nanoseconds; requests are called by the number of their decision among those that chose
/// somebody and the requests that were adopted, from 1, and 0 is one that is no longer open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Line {
    MaxAge {
        age: u64,
    },
    Breaker {
        breaker: Option<Breaker>,
    },
    Pool {
        policy: Policy,
    },
    Policy {
        pool: u32,
        policy: Policy,
    },
    Join {
        endpoint: Id,
        seats: u32,
        kv_tokens: u32,
        prefill_token: u64,
        decode_token: u64,
        #[serde(default, skip_serializing_if = "is_zero")]
        labels: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context_tokens: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<u64>,
        #[serde(default, skip_serializing_if = "Place::is_any")]
        place: Place,
    },
    Leave {
        endpoint: Id,
    },
    Enter {
        pool: u32,
        endpoint: Id,
    },
    Exit {
        pool: u32,
        endpoint: Id,
    },
    Signals {
        endpoint: Id,
        read: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waiting: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        running: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kv_used_ppm: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttft: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tpot: Option<u64>,
    },
    Adapters {
        endpoint: Id,
        read: u64,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        loaded: Vec<u32>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        queued: Vec<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slots: Option<u32>,
    },
    Timeout {
        now: u64,
    },
    Decide(Box<Decide>),
    Pair {
        policy: PairPolicy,
    },
    DecidePair {
        pair: u32,
        asked: Box<Decide>,
    },
    Adopt {
        endpoint: Id,
        prompt_tokens: u32,
        uncached_tokens: u32,
        came: bool,
        now: u64,
    },
    FirstToken {
        of: u64,
        now: u64,
    },
    Generated {
        of: u64,
        tokens: u32,
    },
    Settle {
        of: u64,
        outcome: How,
        now: u64,
    },
    Reclaim {
        age: u64,
        now: u64,
    },
    /// What came then is not in the log.
    LeftOut {},
}

/// A request and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decide {
    pub(super) now: u64,
    pub(super) pool: u32,
    pub(super) key: u64,
    pub(super) prompt_tokens: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) affinity: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) adapter: Option<u32>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) labels: u64,
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) output_tokens: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ttft: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tpot: Option<u64>,
    /// Slots and the tokens that they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) held: Vec<(u32, u32)>,
    /// Tokens and the slots that hold so many, deepest first: bit b of word w is slot 64 w + b.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) levels: Vec<(u32, Vec<u64>)>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(super) block_tokens: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subset: Option<Vec<Id>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) excluded: Vec<Id>,
    pub(super) answer: Said,
    /// Where a list was asked for, of so many: who is on it besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) others: Option<(u32, Vec<Id>)>,
}

impl Decide {
    /// What was promised.
    pub(super) fn slo(&self) -> Slo {
        let time = |nanos: Option<u64>| nanos.map(Duration::from_nanos);
        Slo { ttft: time(self.ttft), tpot: time(self.tpot) }
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_one(block: &u32) -> bool {
    *block == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_none(tokens: &u32) -> bool {
    *tokens == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(bits: &u64) -> bool {
    *bits == 0
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Said {
    Sent { endpoint: Id, cached_tokens: u32, cost: i64, ties: u32 },
    UnknownPool { pool: u64 },
    NoCandidates { subset: u32 },
    AllExcluded { candidates: u32 },
    NoneLabeled { labels: u64, unknown: u64, candidates: u32 },
    TooLong { tokens: u32, longest: u32, candidates: u32 },
    AllFiltered { filter: u32, candidates: u32 },
    AllLate { candidates: u32 },
    Paired(Legs),
    UnknownPair { pair: u64 },
    OfRole { role: Role, why: Box<Said> },
    UnknownDomain { domain: u32, domains: u32 },
    NoPair { prefills: u32, decodes: u32 },
}

impl Default for Said {
    fn default() -> Self {
        Self::NoCandidates { subset: 0 }
    }
}

impl From<Refusal> for Said {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownPool { pool } => Self::UnknownPool { pool: pool as u64 },
            Refusal::NoCandidates { subset } => Self::NoCandidates { subset },
            Refusal::AllExcluded { candidates } => Self::AllExcluded { candidates },
            Refusal::NoneLabeled { labels, unknown, candidates } => {
                Self::NoneLabeled { labels: labels.bits(), unknown: unknown.bits(), candidates }
            }
            Refusal::TooLong { tokens, longest, candidates } => Self::TooLong { tokens, longest, candidates },
            Refusal::AllFiltered { filter, candidates } => Self::AllFiltered { filter, candidates },
            Refusal::AllLate { candidates } => Self::AllLate { candidates },
            Refusal::UnknownPair { pair } => Self::UnknownPair { pair: pair as u64 },
            Refusal::OfRole { role, why } => Self::OfRole { role, why: Box::new((*why).into()) },
            Refusal::UnknownDomain { domain, domains } => {
                Self::UnknownDomain { domain: domain.index() as u32, domains }
            }
            Refusal::NoPair { prefills, decodes } => Self::NoPair { prefills, decodes },
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum How {
    Success,
    Error,
    ClientGone,
    Cut,
    Unused,
}

impl From<Outcome> for How {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Self::Success,
            Outcome::Error => Self::Error,
            Outcome::ClientGone => Self::ClientGone,
            Outcome::Cut => Self::Cut,
            Outcome::Unused => Self::Unused,
        }
    }
}

impl From<How> for Outcome {
    fn from(how: How) -> Self {
        match how {
            How::Success => Self::Success,
            How::Error => Self::Error,
            How::ClientGone => Self::ClientGone,
            How::Cut => Self::Cut,
            How::Unused => Self::Unused,
        }
    }
}
