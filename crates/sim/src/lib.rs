//! A fleet of engines on virtual time: traces in, the production policies, a report out.
//!
//! A [`Simulation`] sends the requests of a [`Trace`] to modelled engines ([`phalanx_engine`]) by the router that runs in
//! the gateway ([`phalanx_routing::Router`]), which sees prefixes through the same fleet index
//! ([`phalanx_kvcache::FleetIndex`]), fed by the engines' cache events. What comes out is a [`Report`]: the same bytes on
//! every run, thread count and platform.
//!
//! What it is not: it has no network, no tokenizer and no proxy, so nothing of their delay is in the report; events and
//! first tokens are seen at once. Figures rank policies, they do not predict milliseconds.
//!
//! # Example
//!
//! ```
//! use std::num::NonZeroU32;
//!
//! use phalanx_engine::EngineConfig;
//! use phalanx_routing::{Policy, Seed};
//! use phalanx_sim::{Simulation, Trace};
//!
//! // Two conversations, each with a second turn that begins like its first.
//! let trace = Trace::parse(r#"
//!     {"timestamp": 0, "input_length": 1024, "output_length": 10, "hash_ids": [1, 2]}
//!     {"timestamp": 0, "input_length": 1024, "output_length": 10, "hash_ids": [3, 4]}
//!     {"timestamp": 5000, "input_length": 1536, "output_length": 10, "hash_ids": [3, 4, 5]}
//!     {"timestamp": 5000, "input_length": 1536, "output_length": 10, "hash_ids": [1, 2, 6]}
//! "#)?;
//! let two = NonZeroU32::new(2).expect("two is not zero");
//! let run = |policy| Simulation::new(two, EngineConfig::a100_8b(), policy, Seed::from(0)).run(&trace);
//!
//! assert_eq!(run(Policy::round_robin()).hit_ratio, 0.0, "each second turn goes to the other engine");
//! assert_eq!(run(Policy::phalanx()).hit_ratio, 0.4, "2,048 of 5,120 prompt tokens");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod report;
mod simulation;
mod trace;

pub use report::Report;
pub use simulation::Simulation;
pub use trace::{SpeedError, TRACE_BLOCK_TOKENS, TRACE_MAX_SPAN, Trace, TraceError, TraceRequest};
