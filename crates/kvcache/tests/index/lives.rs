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
            let counted_copies = life % 2 == 0;
            let mut world = World::new(Fleet { counted_copies, seed: life, ..fleet.clone() });
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
fn invariant_9_in_a_long_life_of_engines_that_name_blocks_anew() {
    live(Manner::Fickle, &Fleet::of(20));
    live(Manner::Slots, &Fleet::of(20));
}

#[test]
fn invariant_9_in_a_long_life_of_liars() {
    live(Manner::Lying, &Fleet { lying: true, ..Fleet::of(20) });
}

/// Few ranks and very short prompts: places are given back and taken again all the time.
#[test]
fn invariant_9_in_long_lives_on_a_few_pages() {
    for life in 0..u64::from(cases(200).cases.div_ceil(25)) {
        let manner = [Manner::Alike, Manner::Own, Manner::Fickle, Manner::Slots, Manner::Lying][life as usize % 5];
        let operations: Vec<Operation> = operations(4_000, manner, life).into_iter().map(Operation::small).collect();
        hold(&operations, |operations| {
            let (lying, counted_copies) = (manner == Manner::Lying, life / 2 % 2 == 0);
            let mut world = World::new(Fleet { lying, counted_copies, seed: life, ..Fleet::of(3) });
            operations.iter().for_each(|operation| world.step(operation));
            world.count_all();
        });
    }
}

#[test]
fn invariant_10_in_a_long_life_at_the_bounds() {
    live(Manner::Alike, &Fleet { max_rank_blocks: Some(300), ..Fleet::of(20) });
    live(Manner::Lying, &Fleet { max_rank_blocks: Some(300), lying: true, ..Fleet::of(20) });
}
