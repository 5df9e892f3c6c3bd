//! Long lives of large fleets, some of whose engines lie: what a few operations do not bring about.

use crate::cases::cases;
use crate::model::{Fleet, Manner, Operation, World};
use crate::random::{Random, hold};

/// So many operations in any order; each run has its own seed.
fn operations(count: usize, manner: Manner, seed: u64) -> Vec<Operation> {
    let mut random = Random::new(seed);
    (0..count).map(|_| Operation::read(core::array::from_fn(|_| random.word() as u8), manner)).collect()
}

/// One life for each hundred cases that the environment asks for.
fn live(manner: Manner, fleet: &Fleet) {
    for life in 0..u64::from(cases(200).cases.div_ceil(100)) {
        let operations = operations(4_000, manner, life);
        hold(&operations, |operations| {
            let mut world = World::new(Fleet { seed: life, ..fleet.clone() });
            for operation in operations {
                world.step(operation);
            }
            for (layer, contents) in operations.iter().rev().take(500).filter_map(Operation::prompt) {
                world.ask(layer, &contents);
            }
            world.count_all();
        });
    }
}

#[test]
fn invariant_9_in_a_long_life_of_engines_alike() {
    live(Manner::Alike, &Fleet::of(40));
}

#[test]
fn invariant_9_in_a_long_life_of_engines_with_seeds_of_their_own() {
    live(Manner::Own, &Fleet::of(30));
}

#[test]
fn invariant_9_in_a_long_life_of_liars() {
    live(Manner::Lying, &Fleet::of(20));
}

#[test]
fn invariant_10_in_a_long_life_at_the_bounds() {
    let fleet = Fleet { max_rank_blocks: Some(300), lying: true, ..Fleet::of(20) };
    live(Manner::Lying, &fleet);
}
