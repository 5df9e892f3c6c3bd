//! How an engine would behave: batching, prefix reuse and step times, without a GPU and faster than the clock.
//!
//! Paste it into a capacity planner of your own: it needs `phalanx-engine`, `phalanx-kvcache` and the standard library.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use core::time::Duration;

use phalanx_engine::{Engine, EngineConfig, EventKind, Rejection, Request, RequestId};
use phalanx_kvcache::ChainHasher;

/// Runs the example; panics if it does not do what it says.
pub fn main() {
    // An 8B model on an A100, but with a quarter of its KV memory.
    let config = EngineConfig::a100_8b().with_kv_tokens(100_000).expect("that is more than a block");
    println!("{}: {} KV blocks of {} tokens", config.name(), config.kv_blocks(), config.block_size());
    let block_tokens = config.block_size().tokens();
    let mut engine = Engine::new(config);

    // Three requests share a system prompt of 2,048 tokens; each adds 512 of its own. The second and the third arrive
    // while the first is being answered.
    let request = |id: u64| {
        let shared = (0..2048 / block_tokens).map(u64::from);
        let own = (0..512 / block_tokens).map(|block| 1_000_000 * (id + 1) + u64::from(block));
        let blocks = ChainHasher::chain_ids(&shared.chain(own).collect::<Vec<u64>>());
        Request { id: RequestId(id), blocks, prompt_tokens: 2560, output_tokens: 100, transferred: false }
    };
    let arrivals = [0, 300, 320].map(Duration::from_millis);
    for (id, at) in (0..).zip(arrivals) {
        engine.submit(request(id), at).expect("the request fits");
    }

    // Whoever owns the clock drives it: sleep until the timeout in an emulator, jump to it in a simulation.
    let mut events = Vec::new();
    while let Some(at) = engine.next_timeout() {
        engine.advance(at, &mut events);
    }
    let mut first_token = [Duration::ZERO; 3];
    let mut cached = [0; 3];
    let mut finished = 0;
    for event in &events {
        match event.kind {
            EventKind::FirstToken { id, cached_tokens } => {
                let at = id.0 as usize;
                first_token[at] = event.at - arrivals[at];
                cached[at] = cached_tokens;
                println!("{id}: first token after {:?}, {cached_tokens} of 2560 tokens cached", first_token[at]);
            }
            EventKind::Finished { id, output_tokens, .. } => {
                finished += 1;
                println!("{id}: {output_tokens} tokens, done at {:?}", event.at);
            }
            _ => {}
        }
    }
    let stats = engine.stats();
    println!("{} steps, {} tokens generated, {} preemptions", stats.steps, stats.generated_tokens, stats.preemptions);

    // What can never fit is refused at once, with the numbers.
    let refused = engine.submit(Request { prompt_tokens: 200_000, ..request(9) }, Duration::from_secs(60));
    if let Err(rejection) = &refused {
        println!("refused: {rejection}");
    }

    assert_eq!(first_token[0], Duration::from_micros(8000 + 2560 * 70), "alone: one step for the whole prompt");
    assert_eq!(cached, [0, 2048, 2048], "the system prompt is computed once");
    assert!(first_token[1] < first_token[0] && first_token[2] < first_token[0]);
    assert_eq!((finished, stats.generated_tokens, stats.preemptions), (3, 300, 0));
    assert!(matches!(refused, Err(Rejection::TooLarge { capacity_tokens: 100_000, .. })));
}
