//! Gateways that serve the same fleet: one that starts takes over what another one knows.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use phalanx_kvcache::snapshot::{Restored, SnapshotError};
use phalanx_kvcache::{FleetIndex, IndexConfig};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::api_error::ApiError;
use crate::config::GatewayConfig;
use crate::server::Running;
use crate::upstream::{AskError, Upstream};

/// Where the index is had.
const PATH: &str = "/peer/index";
/// Peers that are answered at the same time: each takes an index's worth of memory.
const AT_ONCE: usize = 2;
/// How long a peer may take to read.
const LONGEST: Duration = Duration::from_secs(60);

/// What a peer's index held.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot(Arc<Restored<FleetIndex>>);

/// What was had from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warmth {
    /// Its endpoints.
    pub endpoints: usize,
    /// Blocks that are held by any of them.
    pub blocks: u64,
}

/// Why nothing was had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// It did not answer in time.
    #[error("no answer within {0:?}")]
    Slow(Duration),
    /// It could not be asked, or broke off.
    #[error("{0}")]
    Unreachable(String),
    /// It answered something else.
    #[error("it answered {0}; expected an index of the same block size")]
    Refused(StatusCode),
    /// What it sent is no index.
    #[error("no index: {0}")]
    Malformed(#[from] SnapshotError),
}

impl Snapshot {
    pub(crate) fn take(self) -> Restored<FleetIndex> {
        Arc::unwrap_or_clone(self.0)
    }
}

impl GatewayConfig {
    /// Asks another gateway, at the address that it [listens](crate::Gateway::peers) on for peers, for what its fleet index
    /// holds, so that this one starts with it. Of endpoints that both know, with the same address and model, the entries are
    /// taken over if they come from KV events, and the engine is asked for what happened since; of all others nothing is.
    /// Waits no longer than `wait`.
    ///
    /// # Errors
    ///
    /// A [`PeerError`]; the configuration is as it was, and the gateway starts cold.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use phalanx_gateway::GatewayConfig;
    /// use phalanx_routing::{Policy, RouteTable};
    ///
    /// let mut config = GatewayConfig::new(RouteTable::new([])?, Policy::phalanx());
    /// let nobody = "127.0.0.1:1".parse()?;
    /// assert!(config.warm_from(nobody, Duration::from_secs(1)).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn warm_from(&mut self, peer: SocketAddr, wait: Duration) -> Result<Warmth, PeerError> {
        let bounds = IndexConfig::new().max_bytes(self.max_index_bytes);
        let path = format!("{PATH}?block_size={}", self.block_size.tokens());
        let asked = fetch(peer, path, self.max_index_bytes, wait);
        let bytes = tokio::time::timeout(wait, asked).await.map_err(|_| PeerError::Slow(wait))??;
        let restored = FleetIndex::restore(&bytes, bounds)?;
        let warmth = Warmth { endpoints: restored.ranks.len(), blocks: restored.index.blocks() };
        self.snapshot = Some(Snapshot(Arc::new(restored)));
        Ok(warmth)
    }
}

async fn fetch(peer: SocketAddr, path: String, most: usize, wait: Duration) -> Result<Bytes, PeerError> {
    let request = Request::get(path).body(()).map_err(|error| PeerError::Unreachable(error.to_string()))?;
    let unreachable = |error: AskError| PeerError::Unreachable(error.to_string());
    let (head, ()) = request.into_parts();
    let response = Upstream::new(wait).send(peer, &head, Bytes::new()).await.map_err(unreachable)?;
    if response.status() != StatusCode::OK {
        return Err(PeerError::Refused(response.status()));
    }
    let body = Limited::new(response.into_body(), most).collect().await;
    body.map(|body| body.to_bytes()).map_err(|error| PeerError::Unreachable(error.to_string()))
}

/// Answers peers until it is dropped.
pub(crate) async fn serve(listener: TcpListener, running: Arc<Running>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < AT_ONCE => {
                let Ok((stream, _)) = accepted else {
                    // Most likely for want of file descriptors.
                    tokio::task::yield_now().await;
                    continue;
                };
                let running = Arc::clone(&running);
                let service = service_fn(move |request| {
                    let answer = respond(&request, &running).unwrap_or_else(Response::from);
                    async move { Ok::<_, Infallible>(answer.map(Full::new)) }
                });
                let mut http = http1::Builder::new();
                let http = http.timer(TokioTimer::new()).keep_alive(false);
                let connection = http.serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move { _ = tokio::time::timeout(LONGEST, connection).await });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn respond(request: &Request<Incoming>, running: &Running) -> Result<Response<Bytes>, ApiError> {
    if request.method() != Method::GET {
        return Err(ApiError::wrong_method("GET"));
    }
    if request.uri().path() != PATH {
        return Err(ApiError::unknown_page(request.uri().path()));
    }
    let fleet = &running.desk().fleet;
    let size = format!("block_size={}", fleet.hasher.block_size().tokens());
    // Blocks of another size are other blocks.
    if request.uri().query() != Some(&size) {
        return Err(ApiError::bad_request(format!("found another block size; expected {size}")));
    }
    Ok(Response::new(Bytes::from(fleet.snapshot())))
}
