//! Where decisions are made: routes, the fleet index and the router behind one short lock.

mod adapters;
mod care;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::request::Parts;
use phalanx_kvcache::{Applied, ApproximateConfig, ChainHasher, Change, IndexConfig};
use phalanx_routing::{
    AdapterId, Decision, EndpointId, Outcome, PoolId, Refusal, Request, Reservation, RouteRequest, RouteTable, Router,
};

use self::adapters::Adapters;
pub(crate) use self::care::Standing;
use crate::access_log::OpenLog;
use crate::api_error::ApiError;
use crate::ask::Ask;
use crate::config::{Endpoint, GatewayConfig, Phase, Timeouts};
use crate::door::{self, Door, Sent};
use crate::error::ConfigError;
use crate::follow;
use crate::limits::Limits;
use crate::meters::Meters;
use crate::retry::{Budget, Retry};
use crate::times::DecisionTimes;
use crate::tokens::Tokenizer;

/// Everything that requests share.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) hasher: ChainHasher,
    pub(crate) limits: Limits,
    pub(crate) retry: Retry,
    pub(crate) meters: Meters,
    pub(crate) access_log: Option<OpenLog>,
    /// Whether it is about to stop.
    is_leaving: AtomicBool,
    seed: u64,
    routes: RouteTable,
    door: Door,
    servers: BTreeMap<String, Server>,
    /// Those of the servers, each once.
    pub(crate) tokenizers: Vec<Tokenizer>,
    endpoints: Vec<Endpoint>,
    ids: Vec<EndpointId>,
    /// The pools of each endpoint.
    pools: Vec<Vec<PoolId>>,
    epoch: Instant,
    requests: AtomicU64,
    state: Mutex<State>,
}

/// What decisions read and change.
#[derive(Debug)]
struct State {
    router: Router,
    times: DecisionTimes,
    /// Endpoints that checks have found down.
    down: Vec<bool>,
    adapters: Adapters,
}

/// The endpoints behind one ModelServer, by what they run.
#[derive(Debug)]
pub(crate) struct Server {
    name: String,
    served_model: Option<String>,
    pub(crate) timeouts: Timeouts,
    pub(crate) tokenizer: Option<Tokenizer>,
    pub(crate) budget: Budget,
    /// Endpoints that run whole requests.
    pub(crate) whole: PoolId,
    pub(crate) decode: PoolId,
    is_disaggregated: bool,
    /// The pairing group of each decode endpoint, by its place in the desk's list.
    decode_groups: BTreeMap<usize, String>,
    /// Prefill endpoints by pairing group.
    prefill: BTreeMap<String, PoolId>,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routed<'a> {
    pub(crate) server: &'a Server,
    /// The name to ask the server for, where it is not the client's.
    pub(crate) model: Option<&'a str>,
    /// The adapter that is asked for.
    pub(crate) adapter: Option<AdapterId>,
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
    pub(crate) fn open(config: GatewayConfig, access_log: Option<OpenLog>) -> Result<Arc<Self>, ConfigError> {
        for route in config.routes.routes() {
            for target in route.targets() {
                if let Some(server) = target.server().filter(|server| !config.pools.contains_key(*server)) {
                    let names = [route.model()].into_iter().chain(route.adapters().iter().map(String::as_str));
                    let model = names.filter(|name| !name.is_empty()).take(1).collect();
                    return Err(ConfigError::UnknownServer { model, server: server.to_owned() });
                }
            }
        }
        let index = IndexConfig::new().max_bytes(config.max_index_bytes);
        let mut router = Router::new(config.block_size, config.seed).with_index(index);
        if let Some(age) = follow::max_age(&config.pools) {
            router = router.with_max_age(age);
        }
        if let Some(breaker) = config.care.breaker {
            router = router.with_breaker(breaker);
        }
        let (mut known, mut ids, mut pools, mut servers) = (Known::default(), Vec::new(), Vec::new(), BTreeMap::new());
        for (name, pool) in config.pools {
            let mut pool_for = || router.balancer_mut().add_pool(config.policy.clone());
            let mut server = Server {
                name: name.clone(),
                served_model: pool.served_model,
                timeouts: pool.timeouts,
                tokenizer: pool.tokenizer,
                budget: Budget::new(&config.care.retry),
                whole: pool_for(),
                decode: pool_for(),
                is_disaggregated: is_disaggregated(&pool.endpoints),
                decode_groups: BTreeMap::new(),
                prefill: BTreeMap::new(),
            };
            for endpoint in pool.endpoints {
                let (phase, group) = (endpoint.phase, endpoint.group.clone());
                let named = phalanx_routing::Endpoint::new().with_name(&endpoint.name);
                let index = known.index_of(endpoint)?;
                if index == ids.len() {
                    ids.push(router.join(named));
                    pools.push(Vec::new());
                }
                let pool = match phase {
                    Phase::Both => server.whole,
                    Phase::Decode => {
                        server.decode_groups.insert(index, group);
                        server.decode
                    }
                    Phase::Prefill => {
                        let policy = &config.policy;
                        let add = || router.balancer_mut().add_pool(policy.clone());
                        *server.prefill.entry(group).or_insert_with(add)
                    }
                };
                router.balancer_mut().enter(pool, ids[index]);
                pools[index].push(pool);
            }
            servers.insert(name, server);
        }
        // What an engine does not tell of its cache is guessed, where that has a say.
        if config.policy.sees_cache() {
            let capacity = phalanx_routing::Endpoint::new().kv_tokens() / config.block_size.tokens();
            let silent = known.endpoints.iter().zip(&ids).filter(|(endpoint, _)| endpoint.kv_events.is_none());
            silent.for_each(|(_, id)| _ = router.guess(*id, capacity, ApproximateConfig::new()));
        }
        let mut tokenizers: Vec<Tokenizer> = Vec::new();
        for tokenizer in servers.values().filter_map(|server| server.tokenizer.as_ref()) {
            if !tokenizers.contains(tokenizer) {
                tokenizers.push(tokenizer.clone());
            }
        }
        let (down, adapters) = (vec![false; ids.len()], Adapters::new(&config.routes));
        let state = State { router, times: DecisionTimes::new(), down, adapters };
        Ok(Arc::new(Self {
            hasher: ChainHasher::new(config.block_size),
            limits: config.care.limits,
            retry: config.care.retry,
            meters: Meters::new(&config.routes, |name| servers.get(name).and_then(Server::served_model)),
            access_log,
            is_leaving: AtomicBool::new(false),
            seed: config.seed.into(),
            routes: config.routes.with_seed(config.seed),
            door: config.door,
            servers,
            tokenizers,
            endpoints: known.endpoints,
            ids,
            pools,
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
        if found.is_by_adapter() {
            return Ok(Routed { server, model: None, adapter: self.lock().adapters.get(model) });
        }
        Ok(Routed { server, model: found.served_model().or(server.served_model.as_deref()), adapter: None })
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

    /// Chooses in a pool, and books the load there.
    pub(crate) fn choose(
        &self,
        work: Work<'_>,
        adapter: Option<AdapterId>,
        key: u64,
        pool: PoolId,
        excluded: &[EndpointId],
    ) -> Result<Decision, Refusal> {
        let now = self.epoch.elapsed();
        let (prompt_tokens, blocks) = match work {
            Work::Decode => (1, &[][..]),
            Work::Prompt(ask) => (ask.prompt_tokens, ask.blocks.as_slice()),
        };
        let mut state = self.lock();
        let start = Instant::now();
        let request = Request::new(pool, key, prompt_tokens).with_excluded(excluded);
        let request = adapter.map_or(request, |adapter| request.with_adapter(adapter));
        let decision = state.router.decide(&request, blocks, now);
        state.times.record(start.elapsed());
        decision
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

    pub(crate) fn settle(&self, reservation: Reservation, outcome: Outcome) {
        let now = self.epoch.elapsed();
        let _ = self.lock().router.settle(reservation, outcome, now);
    }

    /// Every endpoint, in the order of their places.
    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// What times count from.
    pub(crate) fn epoch(&self) -> Instant {
        self.epoch
    }

    /// Tells the index what the cache of an endpoint stored or removed.
    pub(crate) fn apply(&self, index: usize, change: Change<'_>) -> Applied {
        // At the index's bound blocks are left out: the answer is less, never wrong.
        self.lock().router.apply(self.ids[index], change).unwrap_or_default()
    }

    pub(crate) fn decision_times(&self) -> DecisionTimes {
        self.lock().times.clone()
    }

    /// Requests decided and not yet settled.
    pub(crate) fn outstanding(&self) -> usize {
        self.lock().router.balancer().outstanding()
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
            self.endpoints[index].metrics = self.endpoints[index].metrics.take().or(endpoint.metrics);
            self.endpoints[index].kv_events = self.endpoints[index].kv_events.take().or(endpoint.kv_events);
            return Ok(index);
        }
        self.places.insert(endpoint.name.clone(), self.endpoints.len());
        self.endpoints.push(endpoint);
        Ok(self.endpoints.len() - 1)
    }
}

/// Whether endpoints run one phase each, and none a whole request.
fn is_disaggregated(endpoints: &[Endpoint]) -> bool {
    let any = |phase| endpoints.iter().any(|endpoint| endpoint.phase == phase);
    any(Phase::Decode) && !any(Phase::Both)
}

impl Server {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn served_model(&self) -> Option<&str> {
        self.served_model.as_deref()
    }

    /// The prefill endpoints that can hand their KV to the decode endpoint at `index`.
    pub(crate) fn prefill_for(&self, index: usize) -> Option<PoolId> {
        let group = self.decode_groups.get(&index);
        group.and_then(|group| self.prefill.get(group)).copied()
    }

    pub(crate) fn is_disaggregated(&self) -> bool {
        self.is_disaggregated
    }
}
