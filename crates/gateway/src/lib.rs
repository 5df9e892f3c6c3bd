//! OpenAI over HTTP, in front of a fleet: each request goes to the endpoint where [`phalanx_routing`] says it runs best.
//!
//! The gateway reads a request once, finds the model's route, turns the prompt into KV-block identities
//! ([`phalanx_kvcache::ChainHasher::contents_of_text`]), asks the fleet index who holds them, lets the router decide, and
//! passes the client's own bytes on. Upstream status, headers and body come back as they are, streams chunk by chunk. Load
//! is counted from the decision to the last byte on every path: see [`Outcome`](phalanx_routing::Outcome).
//!
//! What endpoints hold and how busy they are it learns from them, where it is told to: see [`Endpoint::with_kv_events`] and
//! [`Endpoint::with_metrics`].
//!
//! | path | what |
//! |---|---|
//! | `POST /v1/chat/completions`, `POST /v1/completions` | routed by the body's `model`, the headers and the path |
//! | `POST /v1/…`: embeddings, responses, messages, rerank, score, tokenize and any other | routed by the body's `model` |
//! | `GET /v1/models` | the models and adapters that have a route |
//! | `GET /healthz` | 200 while the gateway serves |
//! | `GET /readyz` | 200 while it takes requests; 503 from the moment that it is to stop |
//! | `GET /metrics` | what it has counted, for Prometheus |
//!
//! A model may name its tokenizer ([`Pool::with_tokenizer`]): its prompts are then blocks of the tokens that its engines
//! compute, and what those tell of their caches is found in them.
//!
//! What it does when engines, clients or the network fail it is in its README, with the test of each case: [`Retry`] says
//! what is tried elsewhere, [`Breaker`](phalanx_routing::Breaker) and [`HealthCheck`] who is left alone, [`Timeouts`] and
//! [`Limits`] how long and how much, and [`Drain`] how it ends.
//!
//! Every routed answer carries `x-phalanx-endpoint`, the name of the endpoint that gave it. Errors of the gateway's own
//! have OpenAI's shape; an engine's errors are its own.
//!
//! ```
//! use phalanx_gateway::{Endpoint, Gateway, GatewayConfig, Pool};
//! use phalanx_kvcache::BlockSize;
//! use phalanx_routing::{ModelRoute, Policy, RouteTable};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let routes = RouteTable::new([ModelRoute::to("tiny", "tiny-server")])?;
//! let engine = Endpoint::new("engine-0", "127.0.0.1:9000".parse()?);
//! let config = GatewayConfig::new(routes, Policy::preset("phalanx")?)
//!     .with_block_size(BlockSize::new(16)?)
//!     .with_pool("tiny-server", Pool::of([engine]));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let gateway = Gateway::start(config, listener)?;
//! println!("curl http://{}/v1/models", gateway.address());
//! gateway.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod accept;
mod access_log;
mod answer;
mod api_error;
mod ask;
mod body;
mod cause;
mod config;
mod connection;
mod debug;
mod decision_log;
mod desk;
mod dialect;
mod disaggregated;
mod door;
mod error;
mod flight;
mod follow;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod json_text;
mod latest;
mod limits;
mod meters;
mod pages;
mod paths;
mod patience;
mod peer;
mod probe;
mod proxy;
mod reload;
mod retry;
mod server;
mod socket;
mod sse;
mod times;
mod tokens;
mod upstream;
mod usage;
mod visit;

pub use access_log::{AccessLog, LogFormat};
pub use config::{Endpoint, GatewayConfig, KvConnector, Phase, Pool, Timeouts};
pub use decision_log::DecisionLog;
pub use error::{ConfigError, StartError};
pub use limits::{Drain, Limits};
pub use peer::{PeerError, Warmth};
pub use probe::{HealthCheck, HealthCheckError};
pub use reload::Reloaded;
pub use retry::{Retry, RetryError};
pub use server::{Gateway, GatewayHandle};
pub use times::DecisionTimes;
pub use tokens::{Tokenizer, TokenizerConfig, TokenizerError};
