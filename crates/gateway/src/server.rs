//! The running gateway.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use phalanx_kvcache::{Applied, Change};
use phalanx_signals::{EventReport, ScrapeReport, Watch};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::accept::accept;
use crate::config::GatewayConfig;
use crate::debug;
use crate::decision_log::OpenDecisionLog;
use crate::desk::Desk;
use crate::error::StartError;
use crate::follow::Follow;
use crate::reload::Reloaded;
use crate::times::DecisionTimes;
use crate::{pages, peer};

/// A gateway that serves. Dropping it cuts open answers; [`shutdown`](Self::shutdown) lets them finish.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    running: Arc<Running>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
    /// Debug pages and peers.
    others: JoinSet<()>,
    log: Option<OpenDecisionLog>,
}

/// A view of a running gateway, for whoever feeds or watches it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GatewayHandle(Arc<Running>);

/// What a gateway's views share.
#[derive(Debug)]
pub(crate) struct Running {
    /// The configuration that is applied.
    desks: watch::Sender<Arc<Desk>>,
    /// None once the gateway is gone.
    follow: Mutex<Option<Follow>>,
}

impl Gateway {
    /// Starts serving on `listener` and returns at once; must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError::Config`] when the configuration contradicts itself, [`StartError::Address`] when `listener` is not
    /// bound. Nothing has been started then.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use phalanx_gateway::{Gateway, GatewayConfig, Pool};
    /// use phalanx_routing::{ModelRoute, Policy, RouteTable};
    ///
    /// let routes = RouteTable::new([ModelRoute::to("tiny", "server")])?;
    /// let config = GatewayConfig::new(routes, Policy::preset("least-request")?).with_pool("server", Pool::default());
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let gateway = Gateway::start(config, listener)?;
    /// gateway.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(config: GatewayConfig, listener: TcpListener) -> Result<Self, StartError> {
        let address = listener.local_addr().map_err(StartError::Address)?;
        let desk = Desk::open(config)?;
        desk.meters.totals.last_reload.set(since_1970());
        let log = desk.config.care.decision_log.clone().map(|log| log.open(Arc::clone(&desk.fleet)));
        let log = log.transpose().map_err(StartError::DecisionLog)?;
        let follow = Mutex::new(Some(Follow::start(&desk)));
        let (desks, latest) = watch::channel(desk);
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(accept(listener, latest, stopped));
        let running = Arc::new(Running { desks, follow });
        Ok(Self { address, running, stop: Some(stop), server, others: JoinSet::new(), log })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that feeds the fleet index and reads figures.
    #[must_use]
    pub fn handle(&self) -> GatewayHandle {
        GatewayHandle(Arc::clone(&self.running))
    }

    /// Applies another configuration, all of it or nothing, and drops nothing that is under way; must be called within a
    /// tokio runtime. An endpoint stays, with all that is known of it, if its name, its address and where its KV events come
    /// from are the same, and it serves a model that it served before. Any other one of its name is a stranger, of whose cache
    /// and load nothing is known. What leaves gets no new request, and what it has under way goes on under the configuration
    /// that it began with.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start); the configuration is what it was then.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use phalanx_gateway::{Endpoint, Gateway, GatewayConfig, Pool};
    /// use phalanx_routing::{ModelRoute, Policy, RouteTable};
    ///
    /// let routes = RouteTable::new([ModelRoute::to("tiny", "server")])?;
    /// let config = GatewayConfig::new(routes, Policy::preset("least-request")?);
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let gateway = Gateway::start(config.clone().with_pool("server", Pool::default()), listener)?;
    /// let engine = Endpoint::new("engine-0", "127.0.0.1:9000".parse()?);
    /// let reloaded = gateway.reload(config.clone().with_pool("server", Pool::of([engine])))?;
    /// assert_eq!((reloaded.joined, reloaded.left), (1, 0));
    /// assert!(gateway.reload(config).is_err(), "the route leads nowhere");
    /// # Ok(())
    /// # }
    /// ```
    pub fn reload(&self, config: GatewayConfig) -> Result<Reloaded, StartError> {
        self.handle().reload(config)
    }

    /// Tells whoever asks at `listener` what goes on inside, as the [README](https://docs.rs/phalanx-gateway) says; must be
    /// called within a tokio runtime. From then on the last decisions are kept. Prompts and headers are not among what is
    /// told.
    ///
    /// # Errors
    ///
    /// [`StartError::NotLoopback`] when others than this machine could ask, [`StartError::Address`] when `listener` is not
    /// bound.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use phalanx_gateway::{Gateway, GatewayConfig};
    /// # use phalanx_routing::{Policy, RouteTable};
    /// # use tokio::net::TcpListener;
    /// # let config = GatewayConfig::new(RouteTable::new([])?, Policy::phalanx());
    /// # let mut gateway = Gateway::start(config, TcpListener::bind("127.0.0.1:0").await?)?;
    /// assert!(gateway.debug(TcpListener::bind("0.0.0.0:0").await?).is_err());
    /// let address = gateway.debug(TcpListener::bind("127.0.0.1:0").await?)?;
    /// println!("curl http://{address}/debug");
    /// # Ok(())
    /// # }
    /// ```
    pub fn debug(&mut self, listener: TcpListener) -> Result<SocketAddr, StartError> {
        let address = listener.local_addr().map_err(StartError::Address)?;
        if !address.ip().is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
        self.running.desk().fleet.keep_recent();
        self.others.spawn(pages::serve(listener, Arc::clone(&self.running), debug::respond));
        Ok(address)
    }

    /// Hands what the fleet index holds to gateways that start, as [`GatewayConfig::warm_from`] asks for it; must be called
    /// within a tokio runtime. Decisions wait while the index is written: some 20 ns a block. There are hashes of blocks in
    /// it and names of endpoints, and no prompts; it is for a network that only peers are in.
    ///
    /// # Errors
    ///
    /// [`StartError::Address`] when `listener` is not bound.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use phalanx_gateway::{Gateway, GatewayConfig};
    /// # use phalanx_routing::{Policy, RouteTable};
    /// # use tokio::net::TcpListener;
    /// # let config = GatewayConfig::new(RouteTable::new([])?, Policy::phalanx());
    /// let mut first = Gateway::start(config.clone(), TcpListener::bind("127.0.0.1:0").await?)?;
    /// let address = first.peers(TcpListener::bind("127.0.0.1:0").await?)?;
    /// let mut config = config;
    /// let warmth = config.warm_from(address, Duration::from_secs(5)).await?;
    /// assert_eq!(warmth.blocks, 0);
    /// let second = Gateway::start(config, TcpListener::bind("127.0.0.1:0").await?)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn peers(&mut self, listener: TcpListener) -> Result<SocketAddr, StartError> {
        let address = listener.local_addr().map_err(StartError::Address)?;
        self.others.spawn(pages::serve(listener, Arc::clone(&self.running), peer::respond));
        Ok(address)
    }

    /// Says on `/readyz` that it will stop, takes no new connection after [`Drain::delay`](crate::Drain::delay), lets open
    /// answers finish, and returns when the last has, or when [`Drain::grace`](crate::Drain::grace) is over.
    pub async fn shutdown(mut self) {
        drop(self.stop.take());
        // A server that panicked is over too.
        let _ = (&mut self.server).await;
        if let Some(log) = self.log.take() {
            // A slow disk holds up nobody else.
            let _ = tokio::task::spawn_blocking(|| log.finish()).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
        self.running.follow().take();
    }
}

impl Running {
    pub(crate) fn follow(&self) -> MutexGuard<'_, Option<Follow>> {
        // Who panicked here has left sources that are as good as any.
        self.follow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desks.borrow())
    }
}

impl GatewayHandle {
    /// Tells the fleet index what an endpoint's cache stored or removed, for endpoints whose events the gateway does not
    /// follow itself; contents are those of [`ChainHasher::contents`](phalanx_kvcache::ChainHasher::contents). `None` when
    /// no endpoint has that name.
    ///
    /// ```
    /// # fn show(gateway: &phalanx_gateway::Gateway) {
    /// use phalanx_kvcache::Change;
    ///
    /// let applied = gateway.handle().cache_change("engine-0", Change::Cleared);
    /// # }
    /// ```
    #[must_use]
    pub fn cache_change(&self, endpoint: &str, change: Change<'_>) -> Option<Applied> {
        let desk = self.0.desk();
        let member = desk.member(endpoint)?;
        Some(desk.fleet.apply(member.id, change))
    }

    /// How it goes with the KV events of an endpoint; `None` when they are not followed.
    #[must_use]
    pub fn kv_events(&self, endpoint: &str) -> Option<Watch<EventReport>> {
        let id = self.0.desk().member(endpoint)?.id;
        self.0.follow().as_ref()?.kv_events(id).cloned()
    }

    /// How it goes with the metrics of an endpoint; `None` when they are not read.
    #[must_use]
    pub fn metrics(&self, endpoint: &str) -> Option<Watch<ScrapeReport>> {
        let id = self.0.desk().member(endpoint)?.id;
        self.0.follow().as_ref()?.metrics(id).cloned()
    }

    /// Applies another configuration, as [`Gateway::reload`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Gateway::start`]; the configuration is what it was then.
    pub fn reload(&self, config: GatewayConfig) -> Result<Reloaded, StartError> {
        // One at a time.
        let mut follow = self.0.follow();
        let desk = self.0.desk();
        let totals = &desk.meters.totals;
        let (next, reloaded) = desk.next(config).inspect_err(|_| self.note_reload_failure())?;
        if let Some(follow) = follow.as_mut() {
            follow.change(&next);
        }
        self.0.desks.send_replace(next);
        totals.reloads.add(1);
        totals.is_reload_broken.set(0);
        totals.last_reload.set(since_1970());
        Ok(reloaded)
    }

    /// Counts a configuration that could not even be read, so that the gateway's metrics tell of it.
    pub fn note_reload_failure(&self) {
        let totals = &self.0.desk().meters.totals;
        totals.reload_failures.add(1);
        totals.is_reload_broken.set(1);
    }

    /// How long the decisions so far took.
    #[must_use]
    pub fn decision_times(&self) -> DecisionTimes {
        self.0.desk().fleet.decision_times()
    }

    /// Requests under way: decided and not yet ended. Zero when idle, whatever happened before.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.0.desk().fleet.outstanding()
    }
}

/// The time of the clock on the wall, in seconds.
fn since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
