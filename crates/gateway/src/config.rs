//! What a gateway serves: routes, pools of endpoints, a policy and limits.

mod care;
mod connector;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use phalanx_kvcache::BlockSize;
use phalanx_routing::{Listeners, Policy, RouteTable, Seed};
use phalanx_signals::{EventSource, MetricsSource};

pub(crate) use self::care::Care;
pub use self::care::Timeouts;
pub use self::connector::KvConnector;
use crate::door::Door;
use crate::peer::Snapshot;
use crate::retry::Retry;
use crate::tokens::Tokenizer;

/// One engine that takes requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) phase: Phase,
    pub(crate) group: String,
    pub(crate) bootstrap_port: u16,
    pub(crate) rank: Option<u32>,
    pub(crate) metrics: Option<MetricsSource>,
    pub(crate) kv_events: Option<EventSource>,
}

/// Which part of a request an endpoint runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The whole request.
    #[default]
    Both,
    /// The prompt; its KV then goes to a decode endpoint of the same group.
    Prefill,
    /// Everything after the prompt.
    Decode,
}

/// The endpoints behind one ModelServer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) served_model: Option<String>,
    pub(crate) connector: KvConnector,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Option<Retry>,
    pub(crate) tokenizer: Option<Tokenizer>,
}

/// Settings of one [`Gateway`](crate::Gateway).
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    pub(crate) routes: RouteTable,
    pub(crate) policy: Policy,
    pub(crate) seed: Seed,
    pub(crate) block_size: BlockSize,
    pub(crate) pools: BTreeMap<String, Pool>,
    pub(crate) max_index_bytes: usize,
    pub(crate) door: Door,
    pub(crate) care: Care,
    /// What a peer's index held; none once it is taken.
    pub(crate) snapshot: Option<Snapshot>,
}

impl Endpoint {
    /// An endpoint that runs whole requests. Its name stands in answers and logs.
    ///
    /// ```
    /// use phalanx_gateway::Endpoint;
    ///
    /// let endpoint = Endpoint::new("chat-0-leader-0", "127.0.0.1:9000".parse()?);
    /// assert_eq!(endpoint.name(), "chat-0-leader-0");
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            address,
            phase: Phase::Both,
            group: String::new(),
            bootstrap_port: KvConnector::BOOTSTRAP_PORT,
            rank: None,
            metrics: None,
            kv_events: None,
        }
    }

    /// Runs one phase only; prefill and decode pair when their `group` is equal.
    #[must_use]
    pub fn in_phase(mut self, phase: Phase, group: impl Into<String>) -> Self {
        self.phase = phase;
        self.group = group.into();
        self
    }

    /// Is one data-parallel rank of the engine at its address: requests say so in the header `X-data-parallel-rank`, whatever
    /// their clients said there, as vLLM has it. Each rank has a cache and a load of its own, and is an endpoint of its own.
    ///
    /// ```
    /// use phalanx_gateway::{Endpoint, Pool};
    ///
    /// let address = "10.0.0.1:8000".parse()?;
    /// let pool = Pool::of((0..8).map(|rank| Endpoint::new(format!("chat-0/{rank}"), address).with_rank(rank)));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn with_rank(mut self, rank: u32) -> Self {
        self.rank = Some(rank);
        self
    }

    /// Reads the engine's metrics, for policies that look at its load.
    ///
    /// ```
    /// use phalanx_gateway::Endpoint;
    /// use phalanx_signals::MetricsSource;
    ///
    /// let address = "127.0.0.1:9000".parse()?;
    /// let endpoint = Endpoint::new("chat-0", address).with_metrics(MetricsSource::new(address));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn with_metrics(mut self, source: MetricsSource) -> Self {
        self.metrics = Some(source);
        self
    }

    /// Follows the engine's KV events, so that prompts find the blocks that it holds.
    ///
    /// ```
    /// use phalanx_gateway::Endpoint;
    /// use phalanx_signals::EventSource;
    ///
    /// let events = EventSource::new("tcp://127.0.0.1:5557".parse()?).with_replay("tcp://127.0.0.1:5558".parse()?);
    /// let endpoint = Endpoint::new("chat-0", "127.0.0.1:9000".parse()?).with_kv_events(events);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_kv_events(mut self, source: EventSource) -> Self {
        self.kv_events = Some(source);
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Pool {
    /// A pool of endpoints that run whole requests, or of prefill and decode endpoints that pair up.
    ///
    /// ```
    /// use phalanx_gateway::{Endpoint, Phase, Pool};
    ///
    /// let address = "127.0.0.1:9000".parse()?;
    /// let pool = Pool::of([
    ///     Endpoint::new("prefill-0", address).in_phase(Phase::Prefill, "a"),
    ///     Endpoint::new("decode-0", address).in_phase(Phase::Decode, "a"),
    /// ]);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn of(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        Self { endpoints: endpoints.into_iter().collect(), ..Self::default() }
    }

    /// The name under which the engines serve the model, when it is not the one that clients use.
    #[must_use]
    pub fn serving(mut self, model: impl Into<String>) -> Self {
        self.served_model = Some(model.into());
        self
    }

    /// The model's tokenizer: prompts are then cut into blocks of the tokens that the engines compute.
    ///
    /// ```no_run
    /// use phalanx_gateway::{Pool, TokenizerConfig};
    ///
    /// let pool = Pool::default().with_tokenizer(TokenizerConfig::new("/models/small").load()?);
    /// # Ok::<(), phalanx_gateway::TokenizerError>(())
    /// ```
    #[must_use]
    pub fn with_tokenizer(mut self, tokenizer: Tokenizer) -> Self {
        self.tokenizer = Some(tokenizer);
        self
    }

    /// How long an engine may take until its response head, over all tries; without it there is no limit. The same as that
    /// field of [`Timeouts`].
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.head = Some(timeout);
        self
    }

    /// How long an engine may take for the parts of an answer.
    ///
    /// ```
    /// use std::time::Duration;
    /// use phalanx_gateway::{Pool, Timeouts};
    ///
    /// let timeouts = Timeouts { per_try: Some(Duration::from_secs(10)), ..Timeouts::default() };
    /// let pool = Pool::default().with_timeouts(timeouts);
    /// ```
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// With rules for further tries of its own, instead of the gateway's.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }
}

impl GatewayConfig {
    /// A gateway for `routes` that decides by `policy`. Defaults: blocks of 16 tokens, an index of at most 512 MiB,
    /// seed 0, and those of [`Limits`](crate::Limits), [`Retry`](crate::Retry), [`Drain`](crate::Drain) and
    /// [`Breaker`](phalanx_routing::Breaker).
    ///
    /// ```
    /// use phalanx_gateway::{GatewayConfig, Pool};
    /// use phalanx_routing::{ModelRoute, Policy, RouteTable};
    ///
    /// let routes = RouteTable::new([ModelRoute::to("tiny", "server")])?;
    /// let config = GatewayConfig::new(routes, Policy::preset("least-request")?).with_pool("server", Pool::default());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(routes: RouteTable, policy: Policy) -> Self {
        Self {
            routes,
            policy,
            seed: Seed::from(0),
            block_size: BlockSize::new(16).expect("16 is a block size"),
            pools: BTreeMap::new(),
            max_index_bytes: 512 << 20,
            door: Door::Default,
            care: Care::default(),
            snapshot: None,
        }
    }

    /// Adds the pool that routes name `server`, or replaces it.
    #[must_use]
    pub fn with_pool(mut self, server: impl Into<String>, pool: Pool) -> Self {
        self.pools.insert(server.into(), pool);
        self
    }

    /// Takes what comes in by the listeners of Gateways that are on `port`, by the host that a request asks for: a route
    /// that names a Gateway is taken on its listeners, and one that names none on those of its namespace. A host that no
    /// listener is for is answered 404. Without this call the port is the default listener, which routes that name a Gateway
    /// are not taken on.
    ///
    /// ```
    /// use phalanx_gateway::GatewayConfig;
    /// use phalanx_routing::{GatewayListener, Listeners, ModelRoute, Policy, RouteTable};
    ///
    /// let routes = RouteTable::new([ModelRoute::to("tiny", "server")])?;
    /// let listener = GatewayListener::new("default", "edge", "http", 80).with_hostname("*.example.com")?;
    /// let config = GatewayConfig::new(routes, Policy::least_request()).with_listeners(Listeners::new([listener]), 80);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_listeners(mut self, listeners: Listeners, port: u16) -> Self {
        self.door = Door::Gateways(listeners, port);
        self
    }

    /// Takes every route, whatever Gateway it names: the one port stands for all listeners, as on a laptop.
    #[must_use]
    pub fn with_every_listener(mut self) -> Self {
        self.door = Door::Every;
        self
    }

    /// Tokens a KV block: must be the engines' own, or nothing they report matches a prompt.
    #[must_use]
    pub fn with_block_size(mut self, block_size: BlockSize) -> Self {
        self.block_size = block_size;
        self
    }

    /// The seed of ties and weighted targets.
    #[must_use]
    pub fn with_seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// The memory of the fleet index in bytes: about 25 for each block that an endpoint holds, and next to none for the
    /// further endpoints that hold it too. At the bound new blocks are left out.
    #[must_use]
    pub fn with_max_index_bytes(mut self, bytes: usize) -> Self {
        self.max_index_bytes = bytes;
        self
    }
}
