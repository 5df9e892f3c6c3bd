//! Where decisions are made: routes, the fleet index and the router behind one short lock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::request::Parts;
use phalanx_kvcache::{BlockSize, CacheEvent, ChainHasher, Change, FleetIndex, IndexConfig, Overlap, RankId};
use phalanx_routing::{Decision, EndpointId, Outcome, Refusal, Request, Reservation, RouteRequest, RouteTable, Router};

use crate::api_error::ApiError;
use crate::ask::Ask;
use crate::config::{Endpoint, GatewayConfig, Phase};
use crate::door::{self, Door, Sent};
use crate::error::ConfigError;
use crate::times::DecisionTimes;

/// Everything that requests share.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) hasher: ChainHasher,
    pub(crate) max_body: usize,
    pub(crate) tries: usize,
    routes: RouteTable,
    door: Door,
    servers: BTreeMap<String, Server>,
    endpoints: Vec<Endpoint>,
    ids: Vec<EndpointId>,
    block_size: BlockSize,
    epoch: Instant,
    requests: AtomicU64,
    state: Mutex<State>,
}

/// What decisions read and change.
#[derive(Debug)]
struct State {
    router: Router,
    index: FleetIndex,
    ranks: Vec<RankId>,
    /// Sequence number of each rank's next update, once there was one.
    next_updates: Vec<Option<u64>>,
    overlap: Overlap,
    held: Vec<(RankId, u32)>,
    evidence: Vec<(EndpointId, u32)>,
    times: DecisionTimes,
}

/// The endpoints behind one ModelServer, by what they run.
#[derive(Debug, Default)]
pub(crate) struct Server {
    served_model: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) whole: Vec<EndpointId>,
    pub(crate) decode: Vec<EndpointId>,
    /// The pairing group of each decode endpoint, by its place in the desk's list.
    decode_groups: BTreeMap<usize, String>,
    /// Prefill endpoints by pairing group.
    prefill: BTreeMap<String, Vec<EndpointId>>,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routed<'a> {
    pub(crate) server: &'a Server,
    /// The name to ask the server for, where it is not the client's.
    pub(crate) model: Option<&'a str>,
}

/// What an endpoint is chosen for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work<'a> {
    /// The prompt is computed there, but for what its cache holds.
    Prompt(&'a Ask),
    /// The prompt's KV arrives from elsewhere: its last token is computed.
    Decode,
}

impl Desk {
    pub(crate) fn open(config: GatewayConfig) -> Result<Arc<Self>, ConfigError> {
        for route in config.routes.routes() {
            for target in route.targets() {
                if let Some(server) = target.server().filter(|server| !config.pools.contains_key(*server)) {
                    let names = [route.model()].into_iter().chain(route.adapters().iter().map(String::as_str));
                    let model = names.filter(|name| !name.is_empty()).take(1).collect();
                    return Err(ConfigError::UnknownServer { model, server: server.to_owned() });
                }
            }
        }
        let mut state = State {
            router: Router::new(config.policy, config.seed),
            index: FleetIndex::with_config(IndexConfig::new().max_bytes(config.max_index_bytes)),
            ranks: Vec::new(),
            next_updates: Vec::new(),
            overlap: Overlap::default(),
            held: Vec::new(),
            evidence: Vec::new(),
            times: DecisionTimes::new(),
        };
        let (mut known, mut ids, mut servers) = (Known::default(), Vec::new(), BTreeMap::new());
        for (name, pool) in config.pools {
            let mut server = Server { served_model: pool.served_model, timeout: pool.timeout, ..Server::default() };
            for endpoint in pool.endpoints {
                let (phase, group) = (endpoint.phase, endpoint.group.clone());
                let index = known.index_of(endpoint)?;
                if index == ids.len() {
                    ids.push(state.router.join());
                    state.ranks.push(state.index.join());
                    state.next_updates.push(None);
                }
                server.add(index, ids[index], phase, group);
            }
            server.sort();
            servers.insert(name, server);
        }
        Ok(Arc::new(Self {
            hasher: ChainHasher::new(config.block_size),
            max_body: config.max_body,
            tries: config.tries,
            routes: config.routes.with_seed(config.seed),
            door: config.door,
            servers,
            endpoints: known.endpoints,
            ids,
            block_size: config.block_size,
            epoch: Instant::now(),
            requests: AtomicU64::new(0),
            state: Mutex::new(state),
        }))
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

    /// Where a request for `model` goes that has this head.
    pub(crate) fn route(&self, model: &str, head: &Parts, key: u64) -> Result<Routed<'_>, ApiError> {
        let sent = Sent(&head.headers);
        let head = door::head(head, &sent);
        let listener = self.door.listener(head.host)?;
        let found = self.routes.find(&RouteRequest { model, head, listener, key });
        let found = found.map_err(|error| ApiError::no_route(&error))?;
        let Some(name) = found.target().server() else {
            return Err(ApiError::external(found.target().provider().unwrap_or_default()));
        };
        let server = self.servers.get(name).expect("every server of a route has a pool");
        // An adapter's name is the engine's own.
        let model = if found.is_by_adapter() { None } else { found.served_model().or(server.served_model.as_deref()) };
        Ok(Routed { server, model })
    }

    /// The names that clients can ask for: models, then adapters.
    pub(crate) fn models(&self) -> impl Iterator<Item = &str> {
        self.routes.models().chain(self.routes.adapters())
    }

    pub(crate) fn endpoint(&self, index: usize) -> &Endpoint {
        &self.endpoints[index]
    }

    pub(crate) fn id(&self, index: usize) -> EndpointId {
        self.ids[index]
    }

    /// Chooses among `candidates`, which must be in id order as `excluded` must, and books the load there.
    pub(crate) fn choose(
        &self,
        work: Work<'_>,
        key: u64,
        candidates: &[EndpointId],
        excluded: &[EndpointId],
    ) -> Result<Decision, Refusal> {
        let now = self.epoch.elapsed();
        let mut state = self.lock();
        let State { router, index, overlap, held, evidence, times, .. } = &mut *state;
        let start = Instant::now();
        evidence.clear();
        let prompt_tokens = match work {
            Work::Decode => 1,
            Work::Prompt(ask) => {
                index.overlap(&ask.blocks, overlap);
                let block = self.block_size.tokens();
                // Ranks and endpoints joined together, so that rank order is id order.
                overlap.pairs_into(held);
                evidence.extend(held.iter().map(|&(rank, blocks)| (self.ids[rank.index()], blocks * block)));
                ask.prompt_tokens
            }
        };
        let request = Request { key, prompt_tokens, evidence, candidates, excluded };
        let decision = router.decide(&request, now);
        times.record(start.elapsed());
        decision
    }

    pub(crate) fn first_token(&self, reservation: &mut Reservation) {
        let now = self.epoch.elapsed();
        self.lock().router.first_token(reservation, now);
    }

    pub(crate) fn settle(&self, reservation: Reservation, outcome: Outcome) {
        let now = self.epoch.elapsed();
        self.lock().router.settle(reservation, outcome, now);
    }

    /// Counts an update of the cache of the endpoint named `name`; `false` when there is none of that name.
    pub(crate) fn cache_update(&self, name: &str, sequence: u64, event: &CacheEvent) -> bool {
        let Some(index) = self.endpoints.iter().position(|endpoint| endpoint.name == name) else { return false };
        let mut state = self.lock();
        let rank = state.ranks[index];
        let expected = state.next_updates[index].replace(sequence.wrapping_add(1));
        let change = match expected {
            // Something is missing: what the rank still holds is learned again from the updates to come.
            Some(expected) if expected != sequence => Change::Cleared,
            _ => Change::from(event),
        };
        // At the index's bound blocks are left out: the answer is less, never wrong.
        let _ = state.index.apply(rank, change);
        true
    }

    pub(crate) fn decision_times(&self) -> DecisionTimes {
        self.lock().times.clone()
    }

    /// Requests decided and not yet settled.
    pub(crate) fn outstanding(&self) -> u32 {
        self.lock().router.outstanding()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No step of a decision leaves the state half changed, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Endpoints by name. One may be in several pools, and its load is the load of all of them.
#[derive(Debug, Default)]
struct Known {
    endpoints: Vec<Endpoint>,
    places: BTreeMap<String, usize>,
}

impl Known {
    fn index_of(&mut self, endpoint: Endpoint) -> Result<usize, ConfigError> {
        if let Some(&index) = self.places.get(&endpoint.name) {
            if self.endpoints[index].address != endpoint.address {
                return Err(ConfigError::DuplicateEndpoint(endpoint.name));
            }
            return Ok(index);
        }
        self.places.insert(endpoint.name.clone(), self.endpoints.len());
        self.endpoints.push(endpoint);
        Ok(self.endpoints.len() - 1)
    }
}

impl Server {
    fn add(&mut self, index: usize, id: EndpointId, phase: Phase, group: String) {
        match phase {
            Phase::Both => self.whole.push(id),
            Phase::Prefill => self.prefill.entry(group).or_default().push(id),
            Phase::Decode => {
                self.decode.push(id);
                self.decode_groups.insert(index, group);
            }
        }
    }

    /// Candidates are given to the router in id order, each once.
    fn sort(&mut self) {
        for ids in self.prefill.values_mut().chain([&mut self.whole, &mut self.decode]) {
            ids.sort_unstable();
            ids.dedup();
        }
    }

    /// The prefill endpoints that can hand their KV to the decode endpoint at `index`.
    pub(crate) fn prefill_for(&self, index: usize) -> &[EndpointId] {
        let group = self.decode_groups.get(&index);
        group.and_then(|group| self.prefill.get(group)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn is_disaggregated(&self) -> bool {
        self.whole.is_empty() && !self.decode.is_empty()
    }
}
