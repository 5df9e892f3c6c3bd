//! What every request handler shares: the way to the driver, and what answers say of the engine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use phalanx_engine::{Counters, Load, RequestId};
use phalanx_kvcache::ChainHasher;
use phalanx_kvcache::text::tokens_of_text;
use tokio::sync::{mpsc, oneshot};

use crate::adapters::Adapters;
use crate::config::EmulatorConfig;
use crate::driver::Command;
use crate::faults::Faults;
use crate::handover::Peers;
use crate::metrics::Metrics;
use crate::transfers::Transfers;

/// One engine, as request handlers see it.
#[derive(Debug)]
pub(crate) struct Shared {
    /// At least one; answers carry the first.
    pub(crate) models: Vec<String>,
    pub(crate) hasher: ChainHasher,
    /// The tokens of a text.
    pub(crate) tokens: fn(&[u8]) -> Vec<u32>,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) transfers: Arc<Transfers>,
    pub(crate) peers: Peers,
    pub(crate) adapters: Adapters,
    pub(crate) faults: Arc<Faults>,
    next_id: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        config: &EmulatorConfig,
        address: SocketAddr,
        metrics: Metrics,
        commands: mpsc::UnboundedSender<Command>,
        faults: Arc<Faults>,
    ) -> Self {
        Self {
            models: config.models().to_vec(),
            hasher: ChainHasher::new(config.engine().block_size()),
            tokens: if config.has_byte_tokens() { tokens_of_bytes } else { tokens_of_text },
            commands,
            address,
            metrics,
            transfers: Arc::new(Transfers::new(&address.to_string(), config.transfer_timeout())),
            peers: Client::builder(TokioExecutor::new()).build_http(),
            adapters: Adapters::new(config.max_loras()),
            faults,
            next_id: AtomicU64::new(0),
        }
    }

    pub(crate) fn next_id(&self) -> RequestId {
        RequestId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// The engine's load and sums; `None` when it has stopped.
    pub(crate) async fn measure(&self) -> Option<(Load, Counters)> {
        let (reply, measured) = oneshot::channel();
        self.commands.send(Command::Measure(reply)).ok()?;
        measured.await.ok()
    }
}

fn tokens_of_bytes(text: &[u8]) -> Vec<u32> {
    text.iter().copied().map(u32::from).collect()
}
