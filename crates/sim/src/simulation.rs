//! A fleet on virtual time.

mod fleet;
#[cfg(test)]
mod tests;

use core::num::NonZeroU32;

use phalanx_engine::EngineConfig;
use phalanx_kvcache::BlockSize;
use phalanx_routing::{Policy, Seed};

use self::fleet::Fleet;
use crate::{Report, TRACE_BLOCK_TOKENS, Trace};

/// A trace's block as a block of the engine.
const TRACE_BLOCK: BlockSize = match BlockSize::new(TRACE_BLOCK_TOKENS) {
    Ok(size) => size,
    Err(_) => panic!("512 tokens are a valid block"),
};

/// A fleet of equal engines behind one router, and what it does to a trace.
///
/// Requests are decided one by one in the trace's order; the router sees first tokens, ends and cache events at the
/// moment that they happen. A request that its engine refuses as too large is counted, and not tried elsewhere: the
/// engines are equal. A run uses one thread and never looks at a clock.
#[derive(Clone, Debug)]
pub struct Simulation {
    engines: NonZeroU32,
    config: EngineConfig,
    policy: Policy,
    seed: Seed,
}

impl Simulation {
    /// `engines` engines of the kind of `config` behind a router with `policy`, whose ties `seed` decides.
    ///
    /// The engines' block size is set to that of traces, [`TRACE_BLOCK_TOKENS`], for which traces name the blocks; the
    /// capacity in tokens stays.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use phalanx_engine::EngineConfig;
    /// use phalanx_routing::{Policy, Seed};
    /// use phalanx_sim::Simulation;
    ///
    /// let simulation = Simulation::new(NonZeroU32::MIN, EngineConfig::a100_8b(), Policy::least_request(), Seed::from(1));
    /// assert_eq!(simulation.config().kv_blocks(), 800);
    /// ```
    pub fn new(engines: NonZeroU32, config: EngineConfig, policy: Policy, seed: Seed) -> Self {
        let config = config.with_block_size(TRACE_BLOCK).report_tokens(false).report_cache(true);
        Self { engines, config, policy, seed }
    }

    /// Replays `trace` from empty caches to the last answer.
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// # use phalanx_engine::EngineConfig;
    /// # use phalanx_routing::{Policy, Seed};
    /// # use phalanx_sim::{Simulation, Trace};
    /// let line = r#"{"timestamp": 0, "input_length": 1000, "output_length": 1, "hash_ids": [1, 2]}"#;
    /// let simulation = Simulation::new(NonZeroU32::MIN, EngineConfig::a100_8b(), Policy::round_robin(), Seed::from(1));
    /// let report = simulation.run(&Trace::parse(line)?);
    /// assert_eq!((report.completed, report.ttft_p50_ms), (1, 78.0)); // 8 ms and 70 µs for each of 1,000 tokens
    /// # Ok::<(), phalanx_sim::TraceError>(())
    /// ```
    pub fn run(&self, trace: &Trace) -> Report {
        self.run_with_progress(trace, &mut |_| {})
    }

    /// Like [`run`](Self::run), and calls `progress` with the number of requests that were dispatched since the last
    /// call, now and then; in all with each request once.
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// # use phalanx_engine::EngineConfig;
    /// # use phalanx_routing::{Policy, Seed};
    /// # use phalanx_sim::{Simulation, Trace};
    /// # let line = r#"{"timestamp": 0, "input_length": 1000, "output_length": 1, "hash_ids": [1, 2]}"#;
    /// # let simulation = Simulation::new(NonZeroU32::MIN, EngineConfig::a100_8b(), Policy::round_robin(), Seed::from(1));
    /// let mut seen = 0;
    /// simulation.run_with_progress(&Trace::parse(line)?, &mut |requests| seen += requests);
    /// assert_eq!(seen, 1);
    /// # Ok::<(), phalanx_sim::TraceError>(())
    /// ```
    pub fn run_with_progress(&self, trace: &Trace, progress: &mut dyn FnMut(u64)) -> Report {
        const EVERY: usize = 256;
        let mut fleet = Fleet::new(self, trace);
        fleet.open();
        for requests in trace.requests().chunks(EVERY) {
            for request in requests {
                fleet.advance_before(request.at);
                fleet.dispatch(request);
            }
            progress(requests.len() as u64);
        }
        fleet.finish().report(self.policy.name(), trace.len(), self.engines.get())
    }

    /// How many engines there are.
    pub fn engines(&self) -> NonZeroU32 {
        self.engines
    }

    /// What kind of engine they are, as simulated.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }
}
