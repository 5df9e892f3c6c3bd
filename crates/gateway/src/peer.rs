//! Gateways that serve the same fleet: one that starts takes over what another one knows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use phalanx_kvcache::snapshot::{Restored, SnapshotError};
use phalanx_kvcache::{FleetIndex, IndexConfig};

use crate::api_error::ApiError;
use crate::config::GatewayConfig;
use crate::server::Running;
use crate::upstream::{AskError, Upstream};

/// Where the index is had.
const PATH: &str = "/peer/index";
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

/// Answers a peer.
pub(crate) fn respond(request: &Request<Incoming>, running: &Running) -> Result<Response<Bytes>, ApiError> {
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
