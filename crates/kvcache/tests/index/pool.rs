//! What a pool would reuse is what the index says of it: the pool's events tell all.

use phalanx_kvcache::{BlockHash, CacheEvent, Change, Layer, Pool, Sequence};
use proptest::prelude::*;

use crate::cases::cases;
use crate::model::{Fleet, World, mix};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Allocates, computes and seals so many blocks of a prompt.
    Run {
        pool: u8,
        prompt: u8,
        blocks: u8,
        sealed: u8,
    },
    /// Frees the sequence at this position, modulo how many there are.
    Free {
        pool: u8,
        sequence: u8,
    },
    Clear {
        pool: u8,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => any::<[u8; 4]>().prop_map(|[pool, prompt, blocks, sealed]| Step::Run { pool, prompt, blocks, sealed }),
        6 => any::<[u8; 2]>().prop_map(|[pool, sequence]| Step::Free { pool, sequence }),
        1 => any::<u8>().prop_map(|pool| Step::Clear { pool }),
    ];
    prop::collection::vec(step, 0..80)
}

/// A prompt of 20 blocks by number: each number leaves the one before it somewhere else.
fn prompt(number: u8) -> Vec<BlockHash> {
    let number = u64::from(number % 12);
    let chain = (0..20_u64).scan(0, |path, at| {
        *path = mix(*path ^ if at < number * 7 % 20 { number % 3 } else { number });
        Some(BlockHash(*path))
    });
    chain.collect()
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn invariant_10_a_match_is_what_the_engine_could_reuse(capacity in 4_u32..60, steps in steps()) {
        let mut world = World::new(Fleet::of(3));
        let mut pools: Vec<Pool> = (0..3).map(|_| Pool::new(capacity)).collect();
        let mut sequences: Vec<Vec<Sequence>> = (0..3).map(|_| Vec::new()).collect();
        let mut events: Vec<CacheEvent> = Vec::new();
        for step in steps {
            let (Step::Run { pool: at, .. } | Step::Free { pool: at, .. } | Step::Clear { pool: at }) = step;
            let at = usize::from(at % 3);
            let (pool, running) = (&mut pools[at], &mut sequences[at]);
            match step {
                Step::Run { prompt: number, blocks, sealed, .. } => {
                    let hashes = prompt(number);
                    let blocks = u32::from(blocks % 20 + 1);
                    if let Ok(mut sequence) = pool.allocate(&hashes, blocks, &mut events) {
                        let from = sequence.sealed_blocks() as usize;
                        let to = (from + usize::from(sealed % 20)).min(blocks as usize);
                        pool.seal(&mut sequence, &hashes[from..to], &mut events).expect("there are so many to seal");
                        running.push(sequence);
                    }
                }
                Step::Free { sequence, .. } => {
                    if let Some(which) = usize::from(sequence).checked_rem(running.len()) {
                        pool.free(running.swap_remove(which));
                    }
                }
                Step::Clear { .. } => pool.clear(&mut events),
            }
            for event in events.drain(..) {
                world.tell(at, Change::from(&event)).expect("its names are its contents");
            }
            for number in 0..12 {
                let hashes = prompt(number);
                world.ask(Layer::MAIN, &hashes);
                let told = world.model.overlap_in(Layer::MAIN, &hashes);
                for (rank, pool) in pools.iter().enumerate() {
                    let blocks = told.iter().find(|(of, _)| *of == rank).map_or(0, |&(_, blocks)| blocks);
                    prop_assert_eq!(blocks, pool.match_prefix(&hashes), "pool {}, prompt {}", rank, number);
                }
            }
        }
    }
}
