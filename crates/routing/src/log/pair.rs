//! Pairs as a log has them.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::line::Id;
use super::nanos;
use crate::endpoint::{Endpoint, Role};
use crate::link::{Domain, Link, LinkCosts};
use crate::pair::{Local, PairOrder, PairPolicy};
use crate::pool::PoolId;

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

/// A pair policy. Links are a latency and nanoseconds for a MiB, a row for each origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    prefill: u32,
    decode: u32,
    links: Vec<Vec<(u64, u32)>>,
    kv_bytes_per_token: u32,
    order: Order,
    local: bool,
    when_cheaper: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    within: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Order {
    Joint,
    DecodeFirst,
    Walk(u32),
}

impl Written {
    pub(super) fn of(policy: &PairPolicy) -> Option<Self> {
        let domains = || (0..policy.links.domains()).map(Domain::from);
        let link = |from, to| {
            let link = policy.links.link(from, to).ok()?;
            Some((nanos(link.latency)?, link.nanos_per_mib))
        };
        let row = |from| domains().map(|to| link(from, to)).collect::<Option<Vec<_>>>();
        Some(Self {
            prefill: policy.prefill.0,
            decode: policy.decode.0,
            links: domains().map(row).collect::<Option<_>>()?,
            kv_bytes_per_token: policy.kv_bytes_per_token,
            order: match policy.order {
                PairOrder::Joint => Order::Joint,
                PairOrder::DecodeFirst => Order::DecodeFirst,
                PairOrder::Walk { decodes } => Order::Walk(decodes),
            },
            local: policy.local.is_allowed,
            when_cheaper: policy.local.when_cheaper,
            within: policy.local.within,
        })
    }

    pub(super) fn policy(&self) -> Result<PairPolicy, String> {
        let link = |&(latency, per_mib): &(u64, u32)| Link::new(Duration::from_nanos(latency), per_mib);
        let rows: Vec<Vec<_>> = self.links.iter().map(|row| row.iter().map(link).collect()).collect();
        let links = LinkCosts::from_rows(&rows).map_err(|error| error.to_string())?;
        let (prefill, decode) = (PoolId(self.prefill), PoolId(self.decode));
        let local = Local { is_allowed: self.local, when_cheaper: self.when_cheaper, within: self.within };
        let order = match self.order {
            Order::Joint => PairOrder::Joint,
            Order::DecodeFirst => PairOrder::DecodeFirst,
            Order::Walk(decodes) => PairOrder::Walk { decodes },
        };
        let policy = PairPolicy::new(prefill, decode, links, self.kv_bytes_per_token);
        Ok(policy.with_order(order).with_local(local))
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
