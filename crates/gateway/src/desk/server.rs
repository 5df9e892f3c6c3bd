//! The endpoints behind one ModelServer, by what they run.

use std::collections::BTreeMap;
use std::sync::Arc;

use phalanx_routing::{EndpointId, PoolId};

use crate::config::{Endpoint, KvConnector, Phase, Timeouts};
use crate::retry::{Budget, Retry};
use crate::tokens::Tokenizer;

/// One server's pools and limits.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) name: String,
    pub(super) served_model: Option<String>,
    pub(crate) connector: KvConnector,
    pub(crate) timeouts: Timeouts,
    pub(crate) tokenizer: Option<Tokenizer>,
    pub(crate) retry: Retry,
    pub(crate) budget: Arc<Budget>,
    /// Endpoints that run whole requests.
    pub(crate) whole: PoolId,
    pub(crate) decode: PoolId,
    pub(super) is_disaggregated: bool,
    /// The pairing group of each decode endpoint.
    pub(super) decode_groups: BTreeMap<EndpointId, String>,
    /// Prefill endpoints by pairing group.
    pub(super) prefill: BTreeMap<String, PoolId>,
}

/// What a pool of the router is for. A pool is one server's for ever, so that who still looks at an older configuration
/// finds no stranger in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Whole,
    Decode,
    /// By pairing group.
    Prefill(String),
}

impl Part {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        match endpoint.phase {
            Phase::Both => Self::Whole,
            Phase::Decode => Self::Decode,
            Phase::Prefill => Self::Prefill(endpoint.group.clone()),
        }
    }
}

impl Server {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn served_model(&self) -> Option<&str> {
        self.served_model.as_deref()
    }

    /// The prefill endpoints that can hand their KV to this decode endpoint.
    pub(crate) fn prefill_for(&self, decode: EndpointId) -> Option<PoolId> {
        let group = self.decode_groups.get(&decode);
        group.and_then(|group| self.prefill.get(group)).copied()
    }

    pub(crate) fn is_disaggregated(&self) -> bool {
        self.is_disaggregated
    }

    /// Its pools, and what they are for.
    pub(crate) fn pools(&self) -> impl Iterator<Item = (&'static str, &str, PoolId)> {
        let prefill = self.prefill.iter().map(|(group, pool)| ("prefill", group.as_str(), *pool));
        [("both", "", self.whole), ("decode", "", self.decode)].into_iter().chain(prefill)
    }
}

/// Whether endpoints run one phase each, and none a whole request.
pub(super) fn is_disaggregated(endpoints: &[Endpoint]) -> bool {
    let any = |phase| endpoints.iter().any(|endpoint| endpoint.phase == phase);
    any(Phase::Decode) && !any(Phase::Both)
}
