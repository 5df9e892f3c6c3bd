//! Those who mean the index harm: prompts, names and ranks made to cost much. Answers stay exact, and memory bounded.

use phalanx_kvcache::{BlockHash, Change, FleetIndex, Layer, Overlap, Tier};

use crate::model::{Counts, Fleet, World, mix};
use crate::random::Random;

/// Blocks with names and contents of their own, by number.
pub(crate) fn fresh(numbers: core::ops::Range<u64>) -> Vec<BlockHash> {
    numbers.map(|number| BlockHash(mix(number))).collect()
}

/// Stores a prompt from its start, named by its contents' chain.
pub(crate) fn store(world: &mut World, rank: usize, contents: &[BlockHash]) -> Counts {
    let names = named(contents);
    let change = Change::Stored { layer: Layer::MAIN, parent: None, names: &names, contents };
    world.tell(rank, change).expect("as many names as contents")
}

pub(crate) fn remove(world: &mut World, rank: usize, names: &[BlockHash]) -> Counts {
    world.tell(rank, Change::Removed { layer: Layer::MAIN, names }).expect("the rank is there")
}

pub(crate) fn named(contents: &[BlockHash]) -> Vec<BlockHash> {
    let chain = contents.iter().scan(0, |path, &BlockHash(content)| {
        *path = mix(*path ^ content);
        Some(BlockHash(*path))
    });
    chain.collect()
}

/// A trunk, and at each of its blocks some prompts that leave it there.
#[test]
fn prompts_that_part_at_every_block() {
    const TRUNK: usize = 130;
    let trunk = fresh(0..TRUNK as u64);
    let mut world = World::new(Fleet::of(7));
    let branch = |at: usize, child: u64| {
        let tail = fresh(1_000 * (at as u64 + 1) + 10 * child..1_000 * (at as u64 + 1) + 10 * child + 1 + child);
        [&trunk[..at], &tail[..]].concat()
    };
    let mut prompts: Vec<Vec<BlockHash>> =
        (0..TRUNK).flat_map(|at| (0..5).map(move |child| (at, child))).map(|(at, child)| branch(at, child)).collect();
    Random::new(1).shuffle(&mut prompts);
    prompts.push(trunk.clone());
    for (at, prompt) in prompts.iter().enumerate() {
        store(&mut world, at % 7, prompt);
        store(&mut world, (at / 7) % 7, prompt);
    }
    for prompt in &prompts {
        world.ask(Layer::MAIN, prompt);
    }
    world.count_all();
    // All of it goes again, the trunk's blocks one by one and in any order.
    let mut names = named(&trunk);
    Random::new(2).shuffle(&mut names);
    for (at, name) in names.iter().enumerate() {
        for rank in 0..7 {
            while remove(&mut world, rank, &[*name]).unplaced == 0 {}
        }
        for prompt in prompts.iter().skip(at % 16).step_by(16) {
            world.ask(Layer::MAIN, prompt);
        }
    }
    for prompt in &prompts {
        for rank in 0..7 {
            let names = named(prompt);
            while remove(&mut world, rank, &names).unplaced < names.len() as u32 {}
        }
    }
    assert_eq!((world.index.pairs(), world.index.blocks()), (0, 0));
}

/// Very many prompts that begin with different blocks, and go in any order.
#[test]
fn a_block_with_a_multitude_of_children() {
    const CHILDREN: u64 = 20_000;
    let mut world = World::new(Fleet::of(3));
    let stem = fresh(0..11);
    for rank in 0..3 {
        store(&mut world, rank, &stem);
    }
    let parent = named(&stem)[10];
    let mut children: Vec<BlockHash> = fresh(100..100 + CHILDREN);
    for (at, &child) in children.iter().enumerate() {
        let change = Change::Stored { layer: Layer::MAIN, parent: Some(parent), names: &[child], contents: &[child] };
        world.tell(at % 3, change);
    }
    let mut random = Random::new(3);
    random.shuffle(&mut children);
    for (at, &child) in children.iter().enumerate() {
        if at % 50 == 0 {
            world.ask(Layer::MAIN, &[&stem[..], &[child]].concat());
        }
        for rank in 0..3 {
            remove(&mut world, rank, &[child]);
        }
    }
    world.ask(Layer::MAIN, &stem);
    world.count_all();
    assert_eq!(world.index.blocks(), 11);
}

/// Numbers whose low or high bits are all the same, to fill one place of a table.
#[test]
fn numbers_made_to_defeat_a_table() {
    let shapes: [fn(u64) -> u64; 6] = [
        |n| n,
        |n| n << 32,
        |n| n << 48 | n >> 16 << 20,
        |n| u64::MAX - n,
        |n| n.reverse_bits(),
        |n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
    ];
    let mut world = World::new(Fleet::of(shapes.len()));
    for (rank, shape) in shapes.into_iter().enumerate() {
        let numbers: Vec<BlockHash> = (0..6_000).map(|n| BlockHash(shape(n))).collect();
        for prompt in numbers.chunks(40) {
            let change = Change::Stored { layer: Layer::MAIN, parent: None, names: prompt, contents: prompt };
            world.tell(rank, change);
        }
        for prompt in numbers.chunks(40).step_by(5) {
            world.ask(Layer::MAIN, prompt);
        }
        for prompt in numbers.chunks(40).skip(1).step_by(2) {
            remove(&mut world, rank, prompt);
            world.ask(Layer::MAIN, prompt);
        }
    }
    world.count_all();
}

#[test]
fn invariant_9_a_hundred_thousand_ranks_in_64_places_inherit_nothing() {
    const PLACES: usize = 64;
    let system = fresh(0..12);
    let mut world = World::new(Fleet::of(0));
    let mut ranks = Vec::new();
    let mut random = Random::new(5);
    let mut highest = 0;
    for number in 0..100_000 {
        if ranks.len() == PLACES {
            let rank = ranks.swap_remove(random.below(PLACES));
            // Some leave with nothing, having cleared.
            if number % 5 == 0 {
                world.tell(rank, Change::Cleared);
            }
            world.leave(rank);
        }
        let rank = world.join();
        ranks.push(rank);
        highest = highest.max(world.id(rank).index());
        let prompt = &system[..random.below(13)];
        if number % 3 > 0 {
            store(&mut world, rank, prompt);
        }
        if number % 16 == 0 {
            world.ask(Layer::MAIN, &system);
        }
    }
    assert!(highest < 4 * PLACES, "numbers stay dense: {highest}");
    world.count_all();
    let bytes = world.index.bytes();
    assert!(bytes < 1 << 20, "{bytes} bytes for 64 ranks");
}

/// The same where each rank leaves much behind: what is swept by and by must keep up.
#[test]
fn invariant_9_ranks_that_leave_much_behind_are_swept_away() {
    const PLACES: usize = 64;
    let trunk = fresh(0..70);
    let mut world = World::new(Fleet::of(0));
    let mut ranks = Vec::new();
    let mut random = Random::new(6);
    let (mut highest, mut bytes) = (0, Vec::new());
    for number in 0..1_200_u64 {
        if ranks.len() == PLACES {
            world.leave(ranks.swap_remove(random.below(PLACES)));
        }
        let rank = world.join();
        ranks.push(rank);
        highest = highest.max(world.id(rank).index());
        store(&mut world, rank, &trunk[..random.below(70)]);
        for branch in 0..12 {
            let own = fresh(1_000_000 + 100 * (number * 12 + branch)..1_000_000 + 100 * (number * 12 + branch) + 2);
            let prompt = [&trunk[..random.below(70)], &own[..]].concat();
            store(&mut world, rank, &prompt);
            if branch == 0 {
                world.ask(Layer::MAIN, &prompt);
            }
        }
        if number % 200 == 199 {
            bytes.push(world.index.bytes());
        }
    }
    assert!(highest < 4 * PLACES, "numbers stay dense: {highest}");
    assert!(bytes[5] <= bytes[1] * 3 / 2, "memory grows with those who left: {bytes:?}");
    world.count_all();
}

#[test]
fn five_thousand_ranks_at_once() {
    const RANKS: usize = 5_000;
    let system = fresh(0..9);
    let mut world = World::new(Fleet::of(RANKS));
    for rank in 0..RANKS {
        let own = fresh(1_000 + rank as u64 / 3 * 10..1_000 + rank as u64 / 3 * 10 + 3);
        store(&mut world, rank, &[&system[..rank % 10], &own[..rank % 4]].concat());
    }
    for rank in (0..RANKS).step_by(499) {
        let own = fresh(1_000 + rank as u64 / 3 * 10..1_000 + rank as u64 / 3 * 10 + 3);
        world.ask(Layer::MAIN, &[&system[..rank % 10], &own[..]].concat());
    }
    for rank in (0..RANKS).filter(|rank| rank % 7 != 0) {
        if rank % 2 == 0 {
            world.leave(rank);
        } else {
            world.tell(rank, Change::Cleared);
        }
    }
    world.ask(Layer::MAIN, &system);
    for _ in 0..1_000 {
        let rank = world.join();
        store(&mut world, rank, &system[..3]);
    }
    world.ask(Layer::MAIN, &system);
    world.count_all();
}

/// What all ranks do at once after a network's fault: they forget everything, and learn it again.
#[test]
fn a_storm_of_clears_leaves_no_memory_behind() {
    const RANKS: usize = 40;
    let shared = fresh(0..50);
    let mut world = World::new(Fleet::of(RANKS));
    let mut bytes = Vec::new();
    for storm in 0..30_u64 {
        for rank in 0..RANKS {
            store(&mut world, rank, &shared);
            let own = fresh(10_000 * (storm + 1) + 100 * rank as u64..10_000 * (storm + 1) + 100 * rank as u64 + 30);
            store(&mut world, rank, &[&shared[..20], &own[..]].concat());
        }
        world.ask(Layer::MAIN, &shared);
        bytes.push(world.index.bytes());
        for rank in 0..RANKS {
            world.tell(rank, Change::Cleared);
            if rank % 9 == 0 {
                world.tell(rank, Change::Cleared);
            }
        }
        world.ask(Layer::MAIN, &shared);
        assert_eq!(world.index.pairs(), 0);
    }
    assert!(bytes[29] <= bytes[4] * 3 / 2, "memory grows with each storm: {bytes:?}");
}

/// Blocks come and go one by one for a long time, no two alike.
#[test]
fn what_was_once_held_costs_nothing() {
    let mut world = World::new(Fleet::of(4));
    let mut bytes = Vec::new();
    for day in 0..60_u64 {
        let prompts: Vec<Vec<BlockHash>> =
            (0..40).map(|prompt| fresh(100_000 * day + 100 * prompt..100_000 * day + 100 * prompt + 25)).collect();
        for (at, prompt) in prompts.iter().enumerate() {
            store(&mut world, at % 4, prompt);
        }
        bytes.push(world.index.bytes());
        for (at, prompt) in prompts.iter().enumerate() {
            let mut names = named(prompt);
            if day % 2 == 0 {
                names.reverse();
            }
            assert_eq!(remove(&mut world, at % 4, &names).removed, 25);
        }
        assert_eq!((world.index.pairs(), world.index.blocks()), (0, 0));
    }
    assert!(bytes[59] <= bytes[4] * 3 / 2, "memory grows with what was: {bytes:?}");
}

#[test]
fn one_prompt_as_long_as_a_book() {
    let book = fresh(0..60_000);
    let names = named(&book);
    let mut world = World::new(Fleet::of(2));
    store(&mut world, 0, &book);
    store(&mut world, 1, &book[..40_000]);
    world.ask(Layer::MAIN, &book);
    remove(&mut world, 0, &names[50_000..]);
    for at in (1_000..50_000).step_by(1_000).rev() {
        remove(&mut world, 0, &names[at..=at]);
    }
    world.ask(Layer::MAIN, &book);
    remove(&mut world, 1, &names[..10_000]);
    world.ask(Layer::MAIN, &book);
    store(&mut world, 1, &book[..10_000]);
    world.ask(Layer::MAIN, &book);
    world.count_all();
}

#[test]
fn a_hundred_thousand_copies_are_counted() {
    let mut world = World::new(Fleet::of(1));
    let prompt = fresh(0..3);
    let names = named(&prompt);
    let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: &names, contents: &prompt };
    for _ in 0..100_000 {
        world.tell(0, stored);
    }
    let middle = Change::Removed { layer: Layer::MAIN, names: &names[1..2] };
    for _ in 0..99_999 {
        world.tell(0, middle);
    }
    world.ask(Layer::MAIN, &prompt);
    assert_eq!(remove(&mut world, 0, &names[1..2]).removed, 1);
    world.ask(Layer::MAIN, &prompt);
    world.count_all();
}

#[test]
fn a_block_in_a_thousand_layers() {
    let mut world = World::new(Fleet::of(2));
    let prompt = fresh(0..5);
    let names = named(&prompt);
    let layers = (0..250_u16).flat_map(|group| {
        [Tier::Gpu, Tier::Cpu, Tier::Disk, Tier::Remote].map(|tier| Layer { group: group.wrapping_mul(263), tier })
    });
    let layers: Vec<Layer> = layers.collect();
    for (at, &layer) in layers.iter().enumerate() {
        let (names, contents) = (&names[..1 + at % 5], &prompt[..1 + at % 5]);
        world.tell(at % 2, Change::Stored { layer, parent: None, names, contents });
    }
    for &layer in layers.iter().step_by(17) {
        world.ask(layer, &prompt);
    }
    world.count_all();
    for (at, &layer) in layers.iter().enumerate() {
        world.tell(at % 2, Change::Removed { layer, names: &names[..1] });
    }
    for &layer in layers.iter().step_by(37) {
        world.ask(layer, &prompt);
    }
    world.tell(0, Change::Cleared);
    world.leave(1);
    assert_eq!(world.index.pairs(), 0);
}

/// An engine that calls all its blocks 0 is no weight on others: each step stays short, and nothing of it is left behind.
#[test]
fn invariant_10_one_name_for_all_blocks() {
    let mut index = FleetIndex::new();
    let (liar, other) = (index.join(), index.join());
    let names = [BlockHash(0); 500];
    for prompt in 0..200u64 {
        let contents: Vec<_> =
            (0..500).map(|block| BlockHash((prompt << 32 | block).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: &names, contents: &contents };
        let applied = index.apply(liar, stored).expect("the rank has joined");
        assert_eq!(applied.stored + applied.left_out, 500);
        let mut overlap = Overlap::new();
        index.overlap(&contents, &mut overlap);
        assert!(overlap.blocks_of(liar) <= index.blocks_of(liar));
    }
    assert_eq!(index.pairs(), u64::from(index.blocks_of(liar)));
    // Asking for the name finds one block after another, and what cannot be asked for any more goes with the clear.
    for _ in 0..1_000 {
        let before = index.pairs();
        let removed = Change::Removed { layer: Layer::MAIN, names: &names[..1] };
        let applied = index.apply(liar, removed).expect("the rank has joined");
        assert!(applied.removed <= 1, "one name is one block at most");
        assert!(index.pairs() <= before - u64::from(applied.removed == 1));
        assert_eq!(index.pairs(), u64::from(index.blocks_of(liar)));
    }
    index.clear(liar).expect("the rank has joined");
    for block in 1..200 {
        let block = [BlockHash(block)];
        let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: &block, contents: &block };
        assert_eq!(index.apply(other, stored).expect("the rank has joined").stored, 1);
    }
    assert_eq!((index.pairs(), index.blocks()), (199, 199));
}
