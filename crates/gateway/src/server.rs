//! The running gateway: its socket, its paths and its end.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use phalanx_kvcache::{Applied, Change};
use phalanx_signals::{EventReport, ScrapeReport, Watch};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::answer::json_response;
use crate::api_error::ApiError;
use crate::ask::{Api, Ask};
use crate::body::GatewayBody;
use crate::config::GatewayConfig;
use crate::desk::{Desk, Routed};
use crate::error::StartError;
use crate::follow::{Follow, Views};
use crate::proxy::{Proxy, Upstream};
use crate::times::DecisionTimes;

/// How long a client may take to send its request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an engine may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause after an accept that failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
        let desk = Desk::open(config)?;
        let follow = Follow::start(&desk);
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(accept(listener, Arc::clone(&desk), stopped));
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

    /// Takes no new connection, lets open answers finish, and returns when the last has. Bound it with a timeout of
    /// your own if clients may stay for ever.
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

async fn accept(listener: TcpListener, desk: Arc<Desk>, mut stopped: oneshot::Receiver<()>) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let upstream: Upstream = Client::builder(TokioExecutor::new()).build(connector);
    let graceful = GracefulShutdown::new();
    // Aborted with this task, and so cut, unless they have ended.
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
            _ = &mut stopped => break,
        };
        connections.spawn(serve(stream, &desk, &upstream, &graceful));
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Serves one connection to its end.
fn serve(
    stream: TcpStream,
    desk: &Arc<Desk>,
    upstream: &Upstream,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    // Without it the first chunk of a stream waits for a delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let (desk, upstream) = (Arc::clone(desk), upstream.clone());
    let service = service_fn(move |request| {
        let (desk, upstream) = (Arc::clone(&desk), upstream.clone());
        async move { Ok::<_, Infallible>(respond(request, &desk, &upstream).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
    async move {
        // A connection's error is its client's business: load was settled when its body was dropped.
        let _ = connection.await;
    }
}

async fn respond(request: Request<Incoming>, desk: &Arc<Desk>, upstream: &Upstream) -> Response<GatewayBody> {
    let answer = match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/chat/completions") => route(request, Api::Chat, desk, upstream).await,
        (&Method::POST, "/v1/completions") => route(request, Api::Completions, desk, upstream).await,
        (_, "/v1/chat/completions" | "/v1/completions") => Err(ApiError::wrong_method("POST")),
        (&Method::GET | &Method::HEAD, "/v1/models") => Ok(models(desk)),
        (&Method::GET | &Method::HEAD, "/healthz") => Ok(json_response(StatusCode::OK, &json!({ "status": "ok" }))),
        (_, "/v1/models" | "/healthz") => Err(ApiError::wrong_method("GET")),
        (_, path) => Err(ApiError::unknown_path(path)),
    };
    answer.unwrap_or_else(Into::into)
}

async fn route(
    request: Request<Incoming>,
    api: Api,
    desk: &Arc<Desk>,
    upstream: &Upstream,
) -> Result<Response<GatewayBody>, ApiError> {
    let (head, body) = request.into_parts();
    let body = read(body, desk.max_body).await?;
    let ask = Ask::read(body, api, &desk.hasher)?;
    let key = desk.key(head.headers.get("x-request-id").map(|id| id.as_bytes()));
    let Routed { server, model } = desk.route(&ask.model, &head, key)?;
    Proxy { desk, upstream, head: &head, ask: &ask, server, model, key }.run().await
}

async fn read(body: Incoming, limit: usize) -> Result<Bytes, ApiError> {
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect());
    match collected.await {
        Err(_) => Err(ApiError::slow_body()),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::too_large(limit)),
        Ok(Err(error)) => Err(ApiError::bad_request(format!("the body could not be read: {error}"))),
    }
}

fn models(desk: &Desk) -> Response<GatewayBody> {
    let model = |id| json!({ "id": id, "object": "model", "created": 0, "owned_by": "phalanx" });
    let data: Vec<_> = desk.models().map(model).collect();
    json_response(StatusCode::OK, &json!({ "object": "list", "data": data }))
}
