//! Requests that arrive at one engine.

use core::time::Duration;

use phalanx_engine::{Engine, EngineConfig, Event, EventKind, Request, RequestId};
use phalanx_kvcache::ChainHasher;

/// Requests at even intervals: prompts of 2,048 tokens whose first half is one of ten, and 128 tokens of answer.
#[derive(Clone, Debug)]
pub struct Arrivals {
    config: EngineConfig,
    requests: Vec<(Duration, Request)>,
}

/// Tokens in a prompt.
const PROMPT_TOKENS: u32 = 2_048;

/// Tokens of a prompt that others begin with too.
const SHARED_TOKENS: u32 = 1_024;

/// Different beginnings.
const BEGINNINGS: u32 = 10;

/// Tokens of an answer.
const OUTPUT_TOKENS: u32 = 128;

/// From one arrival to the next: the engine of the preset is busy, and keeps up.
const INTERVAL: Duration = Duration::from_millis(150);

impl Arrivals {
    /// So many requests for an engine of the preset `a100-8b`.
    #[must_use]
    pub fn new(requests: u32) -> Self {
        let config = EngineConfig::a100_8b();
        let hasher = ChainHasher::new(config.block_size());
        let request = |number: u32| {
            let beginning = (number % BEGINNINGS) * SHARED_TOKENS;
            let shared = beginning..beginning + SHARED_TOKENS;
            let own = (SHARED_TOKENS..PROMPT_TOKENS).map(|token| 1_000_000 + number * PROMPT_TOKENS + token);
            Request {
                id: RequestId(number.into()),
                blocks: hasher.hash_tokens(&shared.chain(own).collect::<Vec<_>>()),
                prompt_tokens: PROMPT_TOKENS,
                output_tokens: OUTPUT_TOKENS,
                transferred: false,
            }
        };
        Self { config, requests: (0..requests).map(|number| (INTERVAL * number, request(number))).collect() }
    }

    /// Runs all of them through a new engine on virtual time, and gives how many finished.
    ///
    /// # Panics
    /// When the engine rejects one, which the preset's size rules out.
    #[must_use]
    pub fn run(&self) -> usize {
        let mut engine = Engine::new(self.config.clone());
        let mut events: Vec<Event> = Vec::new();
        let mut finished = 0;
        let mut count = |events: &mut Vec<Event>| {
            finished += events.drain(..).filter(|event| matches!(event.kind, EventKind::Finished { .. })).count();
        };
        for (at, request) in &self.requests {
            engine.advance(*at, &mut events);
            count(&mut events);
            engine.submit(request.clone(), *at).expect("the preset holds the request");
        }
        while let Some(at) = engine.next_timeout() {
            engine.advance(at, &mut events);
            count(&mut events);
        }
        finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_requests_finish() {
        assert_eq!(Arrivals::new(50).run(), 50);
    }
}
