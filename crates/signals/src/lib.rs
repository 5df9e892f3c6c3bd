//! What inference engines say of themselves: their metrics, and what their KV caches store and remove.
//!
//! | question | answer |
//! |---|---|
//! | What does a page of metrics say? | [`EngineMetrics`]: vLLM's, SGLang's and TensorRT-LLM's names, any bytes; a [`Meter`] makes [`Signals`](phalanx_routing::Signals) of one page after the other |
//! | And of a fleet, all the time? | [`Scraper`]: one loop over all engines; a failure is no reading, and an old reading keeps its age |
//! | What does an engine hold? | [`Follower`]: an [`EventSource`]'s KV events over ZMQ, in order, with replays; out come [`Change`](phalanx_kvcache::Change)s for an index |
//! | And the engine's end of that? | [`Publisher`]: batches to subscribers, and the latest ones again to whoever asks |
//!
//! It makes no decisions: what it learns goes to [`phalanx_routing`], with the time at which it was so.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::{Arc, Mutex};
//! use std::time::Instant;
//!
//! use phalanx_kvcache::BlockSize;
//! use phalanx_routing::{Endpoint, Router, Seed};
//! use phalanx_signals::{EventSource, Follower, MetricsSource, Scraper, ScraperConfig};
//!
//! let size = BlockSize::new(16)?;
//! let mut router = Router::new(size, Seed::from(7));
//! let engine = router.join(Endpoint::new());
//! let router = Arc::new(Mutex::new(router));
//!
//! let source = EventSource::new("tcp://127.0.0.1:5557".parse()?).with_replay("tcp://127.0.0.1:5558".parse()?);
//! let index = Arc::clone(&router);
//! let follower = Follower::start(source, size, 7, move |change| {
//!     index.lock().expect("nobody panics").apply(engine, change).expect("it has joined")
//! });
//! let sources = vec![MetricsSource::new("127.0.0.1:8000".parse()?)];
//! let load = Arc::clone(&router);
//! let scraper = Scraper::start(&ScraperConfig::new(), sources, Instant::now(), move |_, signals, _| {
//!     load.lock().expect("nobody panics").balancer_mut().signals(engine, signals);
//! });
//! assert!(!follower.watch().report().connected);
//! # Ok(())
//! # }
//! ```

mod address;
mod backoff;
mod child;
mod events;
mod metrics;
mod publisher;
mod scrape;
mod watch;
mod zmtp;

pub use address::{Address, AddressError};
pub use events::{EventReport, EventSource, Follower};
pub use metrics::{AdapterMetrics, EngineMetrics, Meter, Observed};
pub use publisher::{Publisher, PublisherConfig};
pub use scrape::{MetricsSource, ScrapeError, ScrapeReport, Scraper, ScraperConfig};
pub use watch::Watch;
pub use zmtp::LinkError;
