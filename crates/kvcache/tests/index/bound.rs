//! Floods: memory stays within its bound, and one rank within its own.

use phalanx_kvcache::{Applied, BlockHash, Change, FleetIndex, IndexConfig, Layer, RankId, Tier};

use crate::hostile::{fresh, named, remove, store};
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

/// Prompts that one rank holds up to a bound on memory, and another one, too, as far as there is room.
fn full(max_bytes: usize, counted_copies: bool) -> (World, Vec<Vec<BlockHash>>) {
    let mut world = World::new(Fleet { max_bytes: Some(max_bytes), counted_copies, ..Fleet::of(3) });
    let prompts: Vec<Vec<BlockHash>> = (0..200).map(|prompt| fresh(1_000 * prompt..1_000 * prompt + 100)).collect();
    let left_out = prompts.iter().filter(|prompt| store(&mut world, 0, prompt).left_out > 0).count();
    assert!(left_out > 10, "there is room for all");
    for prompt in &prompts {
        store(&mut world, 1, prompt);
    }
    (world, prompts)
}

#[test]
fn invariant_10_copies_stay_within_the_bound() {
    let (mut world, prompts) = full(256 << 10, true);
    for _ in 0..2 {
        for prompt in &prompts {
            store(&mut world, 0, prompt);
            store(&mut world, 1, &prompt[..50]);
        }
    }
}

#[test]
fn invariant_10_new_names_stay_within_the_bound() {
    let (mut world, prompts) = full(256 << 10, false);
    for (at, prompt) in prompts.iter().enumerate() {
        let names = fresh(1_000_000 + 1_000 * at as u64..1_000_000 + 1_000 * at as u64 + prompt.len() as u64);
        world.tell(at % 2, Change::Stored { layer: Layer::MAIN, parent: None, names: &names, contents: prompt });
    }
    for prompt in prompts.iter().step_by(7) {
        world.ask(Layer::MAIN, prompt);
    }
}

#[test]
fn invariant_10_holes_stay_within_the_bound() {
    let (mut world, prompts) = full(256 << 10, false);
    for step in [2, 3, 5] {
        for (at, prompt) in prompts.iter().enumerate() {
            let names: Vec<BlockHash> = named(prompt).into_iter().skip(at % 3).step_by(step).collect();
            remove(&mut world, at % 2, &names);
        }
    }
    for prompt in prompts.iter().step_by(7) {
        world.ask(Layer::MAIN, prompt);
    }
}

#[test]
fn invariant_10_layers_stay_within_the_bound() {
    let (mut world, prompts) = full(256 << 10, false);
    for (at, prompt) in prompts.iter().enumerate() {
        let names = named(prompt);
        for group in 0..20 {
            let layer = Layer { group, tier: Tier::Cpu };
            world.tell(at % 2, Change::Stored { layer, parent: None, names: &names[..at % 100], contents: &[] });
        }
    }
}

/// A change of one rank; the index stays within its bound. Says what was done.
fn tell(index: &mut FleetIndex, rank: RankId, change: Change<'_>) -> Applied {
    let applied = index.apply(rank, change).expect("the rank has joined");
    let (bytes, most) = (index.bytes(), 2 << 20);
    assert!(bytes <= most, "{bytes} bytes of {most}");
    applied
}

/// Searches enter blocks into a table, and make notes of others: there must be room for that.
#[test]
fn invariant_10_searches_stay_within_the_bound() {
    let mut index = FleetIndex::with_config(IndexConfig::new().max_bytes(2 << 20));
    let ranks: Vec<RankId> = (0..60).map(|_| index.join()).collect();
    let stored = |parent, blocks| Change::Stored { layer: Layer::MAIN, parent, names: blocks, contents: blocks };
    // Two paths that grow by turns, a page at a time, so that neither has neighbouring pages.
    let paths = [fresh(0..100_000), fresh(1_000_000..1_100_000)];
    let mut len = 0;
    while paths.iter().all(|path| {
        let parent = (len > 0).then(|| path[len - 1]);
        tell(&mut index, ranks[0], stored(parent, &path[len..len + 8])).left_out == 0
    }) {
        len += 8;
    }
    assert!(len < 100_000, "there is no end to the room");
    // Others hold them, too, and parts of them, until nothing fits.
    let mut left_out = 0;
    for &rank in &ranks[1..4] {
        left_out += paths.iter().map(|path| tell(&mut index, rank, stored(None, &path[..len])).left_out).sum::<u32>();
    }
    for (at, &rank) in ranks.iter().enumerate().skip(4).cycle().take(3_000) {
        let from = (at * 997) % (len - 10);
        let path = &paths[at % 2];
        let layer = Layer { group: at as u16 % 7, tier: Tier::Cpu };
        let change = Change::Stored { layer, parent: None, names: &path[from..from + 5], contents: &[] };
        left_out += tell(&mut index, rank, stored(None, &path[..from])).left_out;
        left_out += tell(&mut index, rank, change).left_out;
    }
    assert!(left_out > 0, "there is room for all");
    for (at, unknown) in fresh(5_000_000..5_009_000).into_iter().enumerate() {
        let change = Change::Removed { layer: Layer::MAIN, names: &[unknown] };
        assert_eq!(tell(&mut index, ranks[at % ranks.len()], change).unplaced, 1);
    }
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
