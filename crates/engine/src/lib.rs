//! A model of an inference engine: continuous batching, a KV pool and step times, driven by whoever owns the clock.
//!
//! [`Engine`] does to requests what vLLM's scheduler does, without a GPU: it batches continuously, computes prompts in
//! chunks beside the decodes, reuses cached prefixes, preempts when memory runs out, and takes for each step the time
//! that a [`StepTime`] gives. A simulator drives it on virtual time, an emulator on real time; both see the same engine.
//!
//! What it is not: it computes no tokens, knows no model beyond its step times, and has no clock or thread. Time is an
//! argument, and equal calls give equal events.
//!
//! # The model
//!
//! Work happens in steps. A step gives every decoding sequence its next token; what is left of the token budget goes to
//! prompts, first come first served, in chunks. A waiting request gets a seat when one is free and the blocks of its
//! whole prompt can be had. Blocks can be matched once the step that computed them has ended; the blocks of generated
//! tokens are private and never matched. At least the last prompt token is computed, however much is cached. The first
//! token comes with the end of the step that completes the prompt. When a decode needs a block and none is left, the
//! sequence that was admitted last gives up its blocks, waits in front of all others, and computes prompt and answer
//! anew; no request is admitted in such a step.
//!
//! # Example
//!
//! ```
//! use core::time::Duration;
//! use phalanx_engine::{Engine, EngineConfig, EventKind, Request, RequestId};
//!
//! let mut engine = Engine::new(EngineConfig::a100_8b());
//! let request = Request { id: RequestId(1), blocks: vec![], prompt_tokens: 1000, output_tokens: 2, transferred: false };
//! engine.submit(request, Duration::ZERO)?;
//!
//! let mut events = Vec::new();
//! while let Some(at) = engine.next_timeout() {
//!     engine.advance(at, &mut events); // a real-time driver would sleep until then
//! }
//! // 8 ms and 70 µs for each of 1,000 tokens; then a step of one sequence with 1,001 tokens of context.
//! assert_eq!(events[0].at, Duration::from_millis(78));
//! assert_eq!(events[0].kind, EventKind::FirstToken { id: RequestId(1), cached_tokens: 0 });
//! assert_eq!(events[1].at, Duration::from_nanos(78_000_000 + 8_000_000 + 30_000 + 1001 * 80));
//! assert_eq!(events[1].kind, EventKind::Finished { id: RequestId(1), cached_tokens: 0, output_tokens: 2 });
//! # Ok::<(), phalanx_engine::Rejection>(())
//! ```

mod config;
mod engine;
mod event;
mod load;
mod request;
mod step;

pub use config::{ConfigError, EngineConfig, UnknownPreset};
pub use engine::Engine;
pub use event::{Event, EventKind};
pub use load::{Counters, Load};
pub use request::{Rejection, Request, RequestId};
pub use step::{StepTime, StepTimeError};
