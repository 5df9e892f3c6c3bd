//! The engine's end: batches of KV events, published and kept for replays.

mod kept;
mod serve;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::broadcast;

use self::kept::Kept;
use self::serve::{Shared, serve_events, serve_replays};
use crate::child::Child;

/// How one engine publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherConfig {
    topic: String,
    kept: usize,
    bytes: usize,
}

/// Publishes one engine's batches over ZMQ as vLLM does, until it is dropped: three frames to whoever subscribed, and the
/// batches that are still kept to whoever asks for a replay.
///
/// A subscriber that does not read fast enough loses batches, and sees that by their numbers.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
    address: SocketAddr,
    replay_address: Option<SocketAddr>,
    _tasks: Vec<Child>,
}

impl Default for PublisherConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl PublisherConfig {
    /// An empty topic, and the last 10,000 batches kept for replays, at most 64 MiB of them.
    ///
    /// ```
    /// use phalanx_signals::PublisherConfig;
    ///
    /// let config = PublisherConfig::new().with_topic("kv@10.0.0.1@tiny").with_kept(100, 1 << 20);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { topic: String::new(), kept: 10_000, bytes: 64 << 20 }
    }

    /// The topic of every batch.
    #[must_use]
    pub fn with_topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = topic.into();
        self
    }

    /// How many batches are kept for replays at most, and how many bytes of them.
    #[must_use]
    pub fn with_kept(mut self, batches: usize, bytes: usize) -> Self {
        (self.kept, self.bytes) = (batches, bytes);
        self
    }
}

impl Publisher {
    /// Publishes on one listener, and answers replays on another; must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// If a listener has no address: it is not bound.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use phalanx_signals::{Publisher, PublisherConfig};
    /// use tokio::net::TcpListener;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let publisher = Publisher::start(&PublisherConfig::new(), listener, None)?;
    /// assert_eq!(publisher.publish(b"a batch".to_vec()), 0);
    /// assert_eq!(publisher.publish(b"another".to_vec()), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(config: &PublisherConfig, events: TcpListener, replays: Option<TcpListener>) -> io::Result<Self> {
        let address = events.local_addr()?;
        let replay_address = replays.as_ref().map(TcpListener::local_addr).transpose()?;
        let shared = Arc::new(Shared {
            topic: config.topic.clone().into_bytes(),
            kept: Mutex::new(Kept::new(config.kept, config.bytes)),
            live: broadcast::Sender::new(serve::WAITING),
        });
        let mut tasks = vec![Child::start(serve_events(events, Arc::clone(&shared)))];
        tasks.extend(replays.map(|replays| Child::start(serve_replays(replays, Arc::clone(&shared)))));
        Ok(Self { shared, address, replay_address, _tasks: tasks })
    }

    /// Publishes a batch, and says its number. It does not wait for anybody.
    pub fn publish(&self, payload: Vec<u8>) -> u64 {
        self.put(payload, true)
    }

    /// Keeps a batch as if it had been lost on its way: only a replay brings it. For tests of what follows.
    pub fn lose(&self, payload: Vec<u8>) -> u64 {
        self.put(payload, false)
    }

    /// Where it publishes.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers replays.
    #[must_use]
    pub fn replay_address(&self) -> Option<SocketAddr> {
        self.replay_address
    }

    fn put(&self, payload: Vec<u8>, send: bool) -> u64 {
        // Numbers go out in order, and what a replay does not bring comes live after it.
        let mut kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = kept.push(payload);
        let seq = batch.seq;
        if send {
            // Without subscribers nobody takes it.
            let _ = self.shared.live.send(batch);
        }
        seq
    }
}
