//! Floods: memory stays within its bound, and one rank within its own.

use phalanx_kvcache::{Change, Layer};

use crate::hostile::{fresh, store};
use crate::model::{Fleet, World};
use crate::random::Random;

#[test]
fn invariant_10_a_flood_of_blocks_stays_within_the_bound() {
    const RANKS: usize = 8;
    let max_bytes = Some(256 << 10);
    let mut world = World::new(Fleet { max_bytes, ..Fleet::of(RANKS) });
    let mut random = Random::new(4);
    let mut left_out = 0;
    for wave in 0..4 {
        let mut full = false;
        for event in 0..1_000 {
            let rank = random.below(RANKS);
            let start = 1_000_000 * wave + 100 * event;
            let prompt = fresh(start..start + 1 + random.below(60) as u64);
            let counts = store(&mut world, rank, &prompt);
            left_out += u64::from(counts.left_out);
            full |= counts.left_out > 0;
            if event % 20 == 0 {
                world.ask(Layer::MAIN, &prompt);
            }
        }
        assert!(full, "there is no end to the room");
        // What one rank gives up, others can have.
        world.tell(wave as usize, Change::Cleared);
        let other = RANKS - 1 - wave as usize;
        let stored = store(&mut world, other, &fresh(u64::MAX / 2 + 100 * wave..u64::MAX / 2 + 100 * wave + 20)).stored;
        assert!(stored > 0, "room was given up, and nobody can have it");
    }
    assert!(left_out > 10_000, "{left_out} blocks were left out");
    world.count_all();
}

#[test]
fn invariant_10_a_rank_that_stores_without_end_stops_at_its_bound() {
    let mut world = World::new(Fleet { max_rank_blocks: Some(1_000), ..Fleet::of(2) });
    let mut parent = None;
    for event in 0..500 {
        let blocks = fresh(100 * event..100 * event + 20);
        let change = Change::Stored { layer: Layer::MAIN, parent, names: &blocks, contents: &blocks };
        world.tell(0, change);
        parent = blocks.last().copied();
    }
    assert_eq!(world.index.blocks_of(world.id(0)), 1_000);
    assert_eq!(store(&mut world, 1, &fresh(0..900)).stored, 900, "another rank has its own bound");
    world.ask(Layer::MAIN, &fresh(0..20));
    world.count_all();
}
