//! Prefill and decode by two engines: what a request says of it, and how an engine gets KV from another one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::body::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::error::ApiError;
use crate::shared::Shared;
use crate::transfers::{Fetch, Source};

/// A client of other engines.
pub(crate) type Peers = Client<HttpConnector, Full<Bytes>>;

/// Where KV is fetched: below no path that a real engine has.
pub(crate) const PATH: &str = "/kv_transfer";

/// The port that two legs meet at if nothing else is said: SGLang's.
const BOOTSTRAP_PORT: u16 = 8998;

/// The most that is read of why KV does not come.
const MAX_REASON: usize = 64 << 10;

/// The fields of a request that are about it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Fields {
    kv_transfer_params: Option<Parameters>,
    bootstrap_host: Option<String>,
    bootstrap_port: Option<u16>,
    bootstrap_room: Option<u64>,
}

/// Of vLLM's NIXL connector.
#[derive(Clone, Debug, Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    do_remote_decode: bool,
    #[serde(default)]
    do_remote_prefill: bool,
    remote_engine_id: Option<String>,
    remote_block_ids: Option<Vec<u64>>,
    remote_host: Option<String>,
    remote_port: Option<u16>,
}

/// Where the prompt's KV comes from, and where it goes.
#[derive(Clone, Debug)]
pub(crate) enum Handover {
    /// It is computed here and used here.
    None,
    /// It is computed here and kept for whoever gets to know of it by the answer.
    Keep,
    /// It is fetched from an engine that keeps it.
    Fetch { host: String, port: u16, from: Source },
    /// The two legs meet in a room of the prefill engine.
    Meet { host: Option<String>, port: u16, room: u64 },
}

impl Fields {
    pub(crate) fn handover(self) -> Handover {
        if let Some(room) = self.bootstrap_room {
            let port = self.bootstrap_port.unwrap_or(BOOTSTRAP_PORT);
            return Handover::Meet { host: self.bootstrap_host, port, room };
        }
        let parameters = self.kv_transfer_params.unwrap_or_default();
        if parameters.do_remote_decode {
            return Handover::Keep;
        }
        match (parameters.remote_engine_id, parameters.remote_block_ids, parameters.remote_host, parameters.remote_port)
        {
            (Some(engine_id), Some(block_ids), Some(host), Some(port)) if parameters.do_remote_prefill => {
                Handover::Fetch { host, port, from: Source::Blocks { engine_id, block_ids } }
            }
            // Without them there is nothing to fetch: vLLM computes the prompt then.
            _ => Handover::None,
        }
    }
}

impl Shared {
    /// Whether the room is this engine's: then it has the prefill leg.
    pub(crate) fn is_met_here(&self, host: Option<&str>, port: u16) -> bool {
        let Some(host) = host else { return true };
        let own = self.address.ip();
        let is_own = host.parse().is_ok_and(|host: IpAddr| host == own || own.is_unspecified());
        is_own && port == self.address.port()
    }

    /// Where other engines reach this one.
    pub(crate) fn reached_at(&self) -> SocketAddr {
        let ip = self.address.ip();
        let ip = if ip.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { ip };
        SocketAddr::new(ip, self.address.port())
    }

    /// What the answer of a request says whose KV is kept.
    pub(crate) fn keep(&self, prompt: u64, prompt_tokens: u32) -> Value {
        let blocks = self.transfers.keep(prompt, prompt_tokens.div_ceil(self.hasher.block_size().tokens()).into());
        let address = self.reached_at();
        json!({
            "do_remote_prefill": true, "do_remote_decode": false, "remote_engine_id": self.transfers.engine_id(),
            "remote_block_ids": blocks, "remote_host": address.ip().to_string(), "remote_port": address.port(),
        })
    }

    /// Fetches the KV of a prompt from another engine.
    pub(crate) async fn fetch(&self, host: &str, port: u16, prompt: u64, from: Source) -> Result<(), ApiError> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let (peer, fetch) = (format!("{host}:{port}"), json!(Fetch::new(prompt, from)).to_string());
        let request = hyper::Request::post(format!("http://{peer}{PATH}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(fetch)));
        let failed = |why: &dyn std::fmt::Display| ApiError::no_kv(&peer, why);
        let request = request.map_err(|error| failed(&error))?;
        let work = async {
            let answer = self.peers.request(request).await.map_err(|error| failed(&error))?;
            if answer.status().is_success() {
                return Ok(());
            }
            let reason =
                Limited::new(answer.into_body(), MAX_REASON).collect().await.map_err(|error| failed(&error))?;
            let told: Value = serde_json::from_slice(&reason.to_bytes()).unwrap_or_default();
            Err(failed(&told["error"]["message"].as_str().unwrap_or("no reason is told")))
        };
        // The other engine waits as long, and may say more of it.
        let limit = self.transfers.limit() + std::time::Duration::from_secs(1);
        timeout(limit, work).await.unwrap_or_else(|_| Err(failed(&"it does not answer in time")))
    }
}

/// What tells one prompt from another.
pub(crate) fn digest(model: &str, prompt: &[u32]) -> u64 {
    // FNV-1a: the same in every process.
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = model.bytes().chain([0xff]).chain(prompt.iter().flat_map(|token| token.to_le_bytes()));
    bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}
