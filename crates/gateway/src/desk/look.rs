//! What is told of the fleet to whoever looks into a running gateway.

use std::collections::BTreeMap;
use std::time::Duration;

use phalanx_kvcache::Accuracy;
use phalanx_routing::{AdapterId, EndpointId, Health, InFlight, Load, PoolId, Signals, Totals};

use super::Fleet;

/// One endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) is_up: bool,
    pub(crate) health: Health,
    pub(crate) load: Load,
    pub(crate) totals: Totals,
    pub(crate) signals: Option<Signals>,
    /// Of a prompt token.
    pub(crate) pace: Duration,
    pub(crate) blocks: u32,
    pub(crate) guessed_capacity: Option<u32>,
    /// Of what is guessed, by what answers told.
    pub(crate) accuracy: Option<Accuracy>,
    pub(crate) loaded: Vec<AdapterId>,
    pub(crate) queued: Vec<AdapterId>,
    pub(crate) pools: Vec<PoolId>,
}

/// The fleet index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexLook {
    pub(crate) blocks: u64,
    pub(crate) pairs: u64,
    pub(crate) bytes: usize,
    pub(crate) max_bytes: usize,
}

impl Fleet {
    /// How one endpoint stands, unless it left.
    pub(crate) fn look(&self, id: EndpointId) -> Option<Look> {
        let state = self.lock();
        let (place, router) = (state.place(id)?, &state.router);
        let balancer = router.balancer();
        let (loaded, queued) = balancer.adapters_of(id);
        Some(Look {
            is_up: !place.is_down,
            health: balancer.health(id),
            load: balancer.load(id),
            totals: balancer.totals(id),
            signals: balancer.told(id),
            pace: balancer.pace(id).unwrap_or_default(),
            blocks: router.blocks_of(id),
            guessed_capacity: router.guessed_capacity(id),
            accuracy: router.accuracy(id),
            loaded: loaded.to_vec(),
            queued: queued.to_vec(),
            pools: if place.is_down { Vec::new() } else { place.pools.clone() },
        })
    }

    pub(crate) fn look_at_index(&self) -> IndexLook {
        let state = self.lock();
        let index = state.router.index();
        let (blocks, pairs, bytes) = (index.blocks(), index.pairs(), index.bytes());
        IndexLook { blocks, pairs, bytes, max_bytes: index.config().byte_limit() }
    }

    /// What is under way.
    pub(crate) fn in_flight(&self) -> Vec<InFlight> {
        self.lock().router.balancer().in_flight().collect()
    }

    /// The names of adapters by their numbers.
    pub(crate) fn adapter_names(&self) -> BTreeMap<AdapterId, String> {
        self.lock().adapters.names().map(|(name, id)| (id, name.to_owned())).collect()
    }
}
