//! An OpenAI server without a GPU: [`phalanx_engine::Engine`] on real time, behind the endpoints and the metric names of
//! a vLLM server.
//!
//! Use it to try a gateway, a policy or a client against engines that batch, queue, reuse prefixes and run out of KV
//! blocks like real ones, on any machine. It is not a language model: the text it answers is filler, and sampling
//! parameters change nothing. Only lengths, times and cache hits mean something.
//!
//! | path | what |
//! |---|---|
//! | `POST /v1/completions`, `POST /v1/chat/completions` | one prompt a request, plain or as server-sent events; `max_tokens` tokens are generated |
//! | `POST /v1/messages` | the same as Anthropic's clients ask for it |
//! | `GET /v1/models` | the served model, and the adapters that are loaded |
//! | `POST /v1/load_lora_adapter`, `POST /v1/unload_lora_adapter` | as vLLM: see [`EmulatorConfig::with_max_loras`] |
//! | `GET /healthz`, `GET /health` | 200 while the engine runs |
//! | `GET /metrics` | Prometheus text under vLLM's names |
//! | `GET`, `POST`, `DELETE /fault` | what it does wrong on purpose: see [`Fault`] |
//!
//! A prompt that it computes for another engine, or that another one computes for it, comes with a handshake as vLLM's NIXL
//! connector or SGLang has it: its README says how, and what is refused.
//!
//! What its KV cache stores and removes it publishes over ZMQ, as vLLM does: see [`Emulator::publishing`].
//!
//! A prompt given as text is read as one token for each four bytes ([`phalanx_kvcache::text::text_tokens`]), or for each one
//! ([`EmulatorConfig::with_byte_tokens`]); a prompt given as
//! token ids is taken as it is.
//!
//! ```
//! use phalanx_emulator::{Emulator, EmulatorConfig};
//! use phalanx_engine::EngineConfig;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let emulator = Emulator::start(EmulatorConfig::new("tiny", EngineConfig::a100_8b()), listener)?;
//! println!("curl http://{}/v1/models", emulator.address());
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod adapters;
mod api;
mod completions;
mod config;
mod driver;
mod error;
mod faults;
mod handover;
mod messages;
mod metrics;
mod server;
mod shared;
mod teller;
mod transfers;

pub use config::EmulatorConfig;
pub use error::StartError;
pub use faults::{Fault, FaultError, FaultKind};
pub use server::Emulator;
