//! What outlives a change of the configuration: the router with all that it has learned, behind one short lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use phalanx_kvcache::feed::Cursor;
use phalanx_kvcache::{Applied, BlockHash, ChainHasher, Change, IndexConfig};
use phalanx_routing::{
    AdapterId, Decision, EndpointId, Outcome, PoolId, Refusal, Request, Reservation, RouteTable, Router,
};

use super::Work;
use super::adapters::Adapters;
use super::recent::{Asked, Recent};
use super::server::Part;
use crate::config::{Endpoint, GatewayConfig};
use crate::disaggregated::Rooms;
use crate::follow;
use crate::times::DecisionTimes;

/// The endpoints and what is known of them, for all configurations from the first to the last.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) hasher: ChainHasher,
    /// Whether the gateway is about to stop.
    is_leaving: AtomicBool,
    pub(super) seed: u64,
    epoch: Instant,
    requests: AtomicU64,
    pub(crate) rooms: Rooms,
    state: Mutex<State>,
}

/// What decisions read and change.
#[derive(Debug)]
pub(super) struct State {
    pub(super) router: Router,
    pub(super) times: DecisionTimes,
    /// By slot.
    pub(super) places: Vec<Option<Place>>,
    /// The pools of each server, those of servers that are gone included.
    pub(super) pools: BTreeMap<(String, Part), PoolId>,
    pub(super) adapters: Adapters,
    pub(super) recent: Recent,
    /// Whether decisions that were to be written down are not any more, and how many.
    pub(super) log_is_over: bool,
    pub(super) lost: u64,
    /// Whose metrics a source of the scraper has.
    pub(super) sources: BTreeMap<usize, EndpointId>,
}

/// A member and what changes about it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) member: Arc<Member>,
    pub(super) pools: Vec<PoolId>,
    /// Checks have found it down: it is in none of its pools.
    pub(super) is_down: bool,
    /// Where its events stand that the index has; none while the two are not of one moment.
    pub(super) cursor: Option<Cursor>,
}

/// An endpoint, from when it joined until it leaves. Requests under way keep theirs beyond that.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: EndpointId,
    pub(crate) endpoint: Endpoint,
    /// What it serves, by the name that engines are asked for.
    pub(super) models: BTreeSet<String>,
}

impl Member {
    /// What it serves, by the name that engines are asked for.
    pub(crate) fn models(&self) -> &BTreeSet<String> {
        &self.models
    }
}

impl Fleet {
    /// A fleet without endpoints.
    pub(super) fn new(config: &GatewayConfig) -> Self {
        let index = IndexConfig::new().max_bytes(config.max_index_bytes);
        let mut router = Router::new(config.block_size, config.seed).with_index(index);
        if let Some(log) = &config.care.decision_log {
            router.balancer_mut().record(log.limit());
        }
        router = router.with_max_age(follow::max_age(&config.pools));
        if let Some(breaker) = config.care.breaker {
            router = router.with_breaker(breaker);
        }
        let state = State {
            router,
            times: DecisionTimes::new(),
            places: Vec::new(),
            pools: BTreeMap::new(),
            adapters: Adapters::default(),
            recent: Recent::default(),
            log_is_over: false,
            lost: 0,
            sources: BTreeMap::new(),
        };
        Self {
            hasher: ChainHasher::new(config.block_size),
            is_leaving: AtomicBool::new(false),
            seed: config.seed.into(),
            epoch: Instant::now(),
            requests: AtomicU64::new(0),
            rooms: Rooms::new(),
            state: Mutex::new(state),
        }
    }

    /// A number for the request that draws are made from: the same for the same request id.
    pub(crate) fn key(&self, request_id: Option<&[u8]>) -> u64 {
        // FNV-1a: the same on every platform and with every compiler.
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        request_id
            .map_or(count, |id| id.iter().fold(OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME)))
    }

    /// Chooses in a pool, and books the load there.
    pub(crate) fn choose(
        &self,
        work: Work<'_>,
        adapter: Option<AdapterId>,
        key: u64,
        pool: PoolId,
        excluded: &[EndpointId],
    ) -> Result<(Arc<Member>, Decision), Refusal> {
        let now = self.epoch.elapsed();
        let (prompt_tokens, blocks) = match work {
            Work::Decode => (1, &[][..]),
            Work::Prompt(ask) => (ask.prompt_tokens, ask.blocks.as_slice()),
        };
        let request = Request::new(pool, key, prompt_tokens).with_excluded(excluded);
        let request = adapter.map_or(request, |adapter| request.with_adapter(adapter));
        let mut state = self.lock();
        let state = &mut *state;
        let start = Instant::now();
        let explanation = state.recent.explain(&state.router, &request, blocks, now);
        let decision = state.router.decide(&request, blocks, now);
        state.times.record(start.elapsed());
        let asked = Asked { pool, key, prompt_tokens, excluded: excluded.len() };
        state.recent.note(asked, &decision, now, explanation);
        if state.log_is_over || state.router.balancer().has_left_out() {
            state.lost += 1;
        }
        decision.map(|decision| (Arc::clone(state.member(decision.endpoint)), decision))
    }

    pub(crate) fn first_token(&self, reservation: &mut Reservation) {
        let now = self.epoch.elapsed();
        self.lock().router.first_token(reservation, now);
    }

    /// Notes what the end of an answer says of it.
    pub(crate) fn end(&self, reservation: &mut Reservation, is_first_token: bool, generated: Option<u32>) {
        let now = self.epoch.elapsed();
        let mut state = self.lock();
        if is_first_token {
            state.router.first_token(reservation, now);
        }
        if let Some(tokens) = generated {
            state.router.balancer_mut().generated(reservation, tokens);
        }
    }

    /// Notes how many tokens of its prompt an answer says had been cached.
    pub(crate) fn report(&self, reservation: &Reservation, blocks: &[BlockHash], cached: u32) {
        let now = self.epoch.elapsed();
        self.lock().router.report(reservation, blocks, cached, now);
    }

    pub(crate) fn settle(&self, reservation: Reservation, outcome: Outcome) {
        let now = self.epoch.elapsed();
        let _ = self.lock().router.settle(reservation, outcome, now);
    }

    /// What times count from.
    pub(crate) fn epoch(&self) -> Instant {
        self.epoch
    }

    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Tells the index what the cache of an endpoint stored or removed; of one that left nothing is noted.
    pub(crate) fn apply(&self, id: EndpointId, change: Change<'_>) -> Applied {
        // At the index's bound blocks are left out: the answer is less, never wrong.
        self.lock().router.apply(id, change).unwrap_or_default()
    }

    /// The number of a route's adapter.
    pub(super) fn adapter(&self, name: &str) -> Option<AdapterId> {
        self.lock().adapters.get(name)
    }

    pub(crate) fn decision_times(&self) -> DecisionTimes {
        self.lock().times.clone()
    }

    /// Requests decided and not yet settled.
    pub(crate) fn outstanding(&self) -> usize {
        self.lock().router.balancer().outstanding()
    }

    /// From now on readers of `/readyz` are sent elsewhere.
    pub(crate) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// Whose metrics a source has from now on.
    pub(crate) fn tell_source(&self, source: usize, id: EndpointId) {
        self.lock().sources.insert(source, id);
    }

    pub(crate) fn forget_source(&self, source: usize) {
        self.lock().sources.remove(&source);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // No step of a decision leaves the state half changed, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn member(&self, id: EndpointId) -> &Arc<Member> {
        let place = self.places.get(id.index()).and_then(Option::as_ref);
        &place.expect("who is chosen has joined and not left").member
    }

    /// The place of an endpoint, unless it left.
    pub(super) fn place(&self, id: EndpointId) -> Option<&Place> {
        self.places.get(id.index())?.as_ref().filter(|place| place.member.id == id)
    }

    pub(super) fn place_mut(&mut self, id: EndpointId) -> Option<&mut Place> {
        self.places.get_mut(id.index())?.as_mut().filter(|place| place.member.id == id)
    }

    /// Numbers for the adapters of these routes too.
    pub(super) fn know(&mut self, routes: &RouteTable) {
        self.adapters.know(routes);
    }
}
