//! The running gateway.

use std::net::SocketAddr;
use std::sync::Arc;

use phalanx_kvcache::CacheEvent;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::accept::{Rules, accept};
use crate::access_log::AccessLog;
use crate::config::GatewayConfig;
use crate::desk::Desk;
use crate::error::StartError;
use crate::times::DecisionTimes;

/// A gateway that serves. Dropping it cuts open answers; [`shutdown`](Self::shutdown) lets them finish.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    desk: Arc<Desk>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

/// A view of a running gateway, for whoever feeds or watches it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GatewayHandle(Arc<Desk>);

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
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(accept(listener, Arc::clone(&desk), care, stopped));
        Ok(Self { address, desk, stop: Some(stop), server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that feeds the fleet index and reads figures.
    #[must_use]
    pub fn handle(&self) -> GatewayHandle {
        GatewayHandle(Arc::clone(&self.desk))
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
    /// Tells the fleet index what an endpoint's cache stored or removed; `sequence` counts that endpoint's updates from
    /// 0, and a gap makes the index forget the endpoint's blocks rather than trust them. `false` when no endpoint has
    /// that name.
    ///
    /// ```
    /// # fn show(gateway: &phalanx_gateway::Gateway, event: &phalanx_kvcache::CacheEvent) {
    /// let known = gateway.handle().cache_update("engine-0", 0, event);
    /// # }
    /// ```
    #[must_use]
    pub fn cache_update(&self, endpoint: &str, sequence: u64, event: &CacheEvent) -> bool {
        self.0.cache_update(endpoint, sequence, event)
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
