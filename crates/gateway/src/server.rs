//! The running gateway.

use std::net::SocketAddr;
use std::sync::Arc;

use phalanx_kvcache::{Applied, Change};
use phalanx_signals::{EventReport, ScrapeReport, Watch};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::accept::{Rules, accept};
use crate::access_log::AccessLog;
use crate::config::GatewayConfig;
use crate::desk::Desk;
use crate::error::StartError;
use crate::follow::{Follow, Views};
use crate::times::DecisionTimes;

/// A gateway that serves. Dropping it cuts open answers; [`shutdown`](Self::shutdown) lets them finish.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    desk: Arc<Desk>,
    follow: Follow,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

/// A view of a running gateway, for whoever feeds or watches it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GatewayHandle(Arc<Desk>, Arc<Views>);

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
        let log = config.care.access_log.clone().map(AccessLog::open).transpose().map_err(StartError::AccessLog)?;
        let care = Rules::of(&config);
        let desk = Desk::open(config, log)?;
        let follow = Follow::start(&desk);
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(accept(listener, Arc::clone(&desk), care, stopped));
        Ok(Self { address, desk, follow, stop: Some(stop), server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that feeds the fleet index and reads figures.
    #[must_use]
    pub fn handle(&self) -> GatewayHandle {
        GatewayHandle(Arc::clone(&self.desk), self.follow.views())
    }

    /// Says on `/readyz` that it will stop, takes no new connection after [`Drain::delay`](crate::Drain::delay), lets open
    /// answers finish, and returns when the last has, or when [`Drain::grace`](crate::Drain::grace) is over.
    pub async fn shutdown(mut self) {
        drop(self.stop.take());
        // A server that panicked is over too.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
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
        let index = self.0.endpoints().iter().position(|known| known.name() == endpoint)?;
        Some(self.0.apply(index, change))
    }

    /// How it goes with the KV events of an endpoint; `None` when they are not followed.
    #[must_use]
    pub fn kv_events(&self, endpoint: &str) -> Option<&Watch<EventReport>> {
        self.1.kv_events(endpoint)
    }

    /// How it goes with the metrics of an endpoint; `None` when they are not read.
    #[must_use]
    pub fn metrics(&self, endpoint: &str) -> Option<&Watch<ScrapeReport>> {
        self.1.metrics(endpoint)
    }

    /// How long the decisions so far took.
    #[must_use]
    pub fn decision_times(&self) -> DecisionTimes {
        self.0.decision_times()
    }

    /// Requests under way: decided and not yet ended. Zero when idle, whatever happened before.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.0.outstanding()
    }
}
