//! Pairs as a log has them.

use serde::{Deserialize, Serialize};

use super::line::Id;
use crate::endpoint::{Endpoint, Role};
use crate::link::Domain;

/// What of an endpoint matters for pairs only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    #[serde(default)]
    role: Role,
    #[serde(default)]
    domain: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<u32>,
    #[serde(default)]
    connector: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rank: Option<u32>,
}

impl Place {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        let (role, group, rank) = (endpoint.role(), endpoint.group(), endpoint.rank());
        Self { role, domain: endpoint.domain().index() as u32, group, connector: endpoint.connector(), rank }
    }

    pub(super) fn is_any(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn put(&self, endpoint: Endpoint) -> Endpoint {
        let endpoint = endpoint.with_role(self.role).with_domain(Domain::from(self.domain));
        let endpoint = endpoint.with_connector(self.connector);
        let endpoint = self.group.map_or(endpoint, |group| endpoint.with_group(group));
        self.rank.map_or(endpoint, |rank| endpoint.with_rank(rank))
    }
}

/// A part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leg {
    pub(crate) endpoint: Id,
    pub(crate) cached_tokens: u32,
    pub(crate) uncached_tokens: u32,
    pub(crate) cost: i64,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Legs {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prefill: Option<Leg>,
    pub(crate) decode: Leg,
    /// Nanoseconds.
    pub(crate) transfer: i64,
    pub(crate) ties: u64,
}

impl Legs {
    /// Who computes the prompt, and who answers.
    pub(super) fn ends(&self) -> (Option<Id>, Id) {
        (self.prefill.map(|leg| leg.endpoint), self.decode.endpoint)
    }
}
