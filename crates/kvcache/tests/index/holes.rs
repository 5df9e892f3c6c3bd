//! Evictions that leave holes, on a large scale: not one wrong answer.

use phalanx_kvcache::{BlockHash, Change, Layer, Tier};

use crate::cases::cases;
use crate::model::{Fleet, World, mix};
use crate::random::{Random, hold};

/// Chains of blocks of which many begin alike.
struct Chains {
    contents: Vec<Vec<BlockHash>>,
    names: Vec<Vec<BlockHash>>,
}

impl Chains {
    /// Each begins like some earlier one, up to anywhere.
    fn new(count: usize, blocks: usize, random: &mut Random) -> Self {
        let mut contents: Vec<Vec<BlockHash>> = Vec::new();
        for at in 0..count {
            let mut chain = match at.checked_rem(8) {
                Some(1..) => contents[random.below(at)][..random.below(blocks)].to_vec(),
                _ => Vec::new(),
            };
            chain.resize_with(blocks, || BlockHash(random.word()));
            contents.push(chain);
        }
        let names = contents.iter().map(|chain| names(chain)).collect();
        Self { contents, names }
    }
}

/// Names as an honest engine gives them: by all that is before.
fn names(contents: &[BlockHash]) -> Vec<BlockHash> {
    let chain = contents.iter().scan(0, |path, &BlockHash(content)| {
        *path = mix(*path ^ content);
        Some(BlockHash(*path))
    });
    chain.collect()
}

/// One event of an engine, by numbers.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The chain from the first block that is missing at or behind `from`, for as many blocks as are missing.
    Store {
        rank: usize,
        layer: Layer,
        chain: usize,
        from: usize,
        blocks: usize,
    },
    /// These blocks of a chain, wherever they are.
    Evict {
        rank: usize,
        layer: Layer,
        chain: usize,
        bits: u64,
    },
    Clear {
        rank: usize,
    },
    Ask {
        layer: Layer,
        chain: usize,
        blocks: usize,
    },
}

impl Step {
    /// So many blocks it is about.
    fn apply(self, world: &mut World, chains: &Chains) -> usize {
        match self {
            Step::Store { rank, layer, chain, from, blocks } => {
                let contents = &chains.contents[chain];
                let names = &chains.names[chain];
                let to = (from + blocks).min(contents.len());
                let parent = from.checked_sub(1).map(|at| names[at]);
                world.tell(
                    rank,
                    Change::Stored { layer, parent, names: &names[from..to], contents: &contents[from..to] },
                );
                to - from
            }
            Step::Evict { rank, layer, chain, bits } => {
                let names = chains.names[chain].iter().enumerate();
                let names: Vec<BlockHash> =
                    names.filter(|(at, _)| bits >> (at % 64) & 1 == 1).map(|(_, &name)| name).collect();
                world.tell(rank, Change::Removed { layer, names: &names });
                names.len()
            }
            Step::Clear { rank } => {
                world.tell(rank, Change::Cleared);
                0
            }
            Step::Ask { layer, chain, blocks } => {
                world.ask(layer, &chains.contents[chain][..blocks]);
                0
            }
        }
    }
}

/// The experiment of the facts: 16 ranks, 40 chains of 48 blocks, any block evicted at any time.
#[test]
fn no_answer_of_640_is_wrong_if_any_block_may_go() {
    for counted_copies in [false, true] {
        let mut random = Random::new(24);
        let chains = Chains::new(40, 48, &mut random);
        let mut world = World::new(Fleet { counted_copies, ..Fleet::of(16) });
        for _ in 0..3_619 {
            let (rank, chain) = (random.below(16), random.below(40));
            let layer = Layer::MAIN;
            let step = match random.below(3) {
                0 => Step::Store { rank, layer, chain, from: 0, blocks: 1 + random.below(48) },
                1 => Step::Store { rank, layer, chain, from: random.below(40), blocks: 1 + random.below(16) },
                _ => Step::Evict { rank, layer, chain, bits: 1 << random.below(48) },
            };
            step.apply(&mut world, &chains);
        }
        // One question is answered for all 16 ranks.
        let mut hidden = 0;
        for (chain, names) in chains.contents.iter().zip(&chains.names) {
            world.ask(Layer::MAIN, chain);
            for (rank, blocks) in world.model.overlap_in(Layer::MAIN, chain) {
                let rank = world.model.rank(rank).expect("it is there");
                hidden += usize::from(names[blocks as usize..].iter().any(|&name| rank.path(name).is_some()));
            }
        }
        assert!(hidden > 60, "only {hidden} answers end at a hole: this proves nothing");
        world.count_all();
    }
}

/// Rounds of about 4,000 block operations: a million of them, unless the environment says otherwise.
#[test]
fn a_million_random_block_operations_leave_no_wrong_answer() {
    const RANKS: usize = 24;
    const CHAINS: usize = 300;
    const BLOCKS: usize = 80;
    let rounds = cases(250).cases as usize;
    // A few long lives, since a state must grow to be old.
    let lives = rounds.div_ceil(64);
    for life in 0..lives {
        let random = &mut Random::new(life as u64);
        let chains = Chains::new(CHAINS, BLOCKS, random);
        let mut steps = Vec::new();
        let mut blocks = 0;
        while blocks < rounds * 4_000 / lives {
            // Three that only listen are before each.
            let rank = random.below(RANKS) * 4 + 3;
            // Few chains are asked for often, as prompts are.
            let chain = random.below(1 + random.clone().below(CHAINS));
            let layer = match random.below(12) {
                0 => Layer { group: 0, tier: Tier::Cpu },
                1 => Layer { group: 1, tier: Tier::Gpu },
                _ => Layer::MAIN,
            };
            steps.push(match random.below(100) {
                0..25 => Step::Store { rank, layer, chain, from: 0, blocks: 1 + random.below(BLOCKS) },
                25..50 => Step::Store { rank, layer, chain, from: random.below(BLOCKS), blocks: 1 + random.below(40) },
                50..90 => Step::Evict { rank, layer, chain, bits: random.word() & random.word() & random.word() },
                90 if random.below(8) == 0 => Step::Clear { rank },
                _ => Step::Ask { layer, chain, blocks: 1 + random.below(BLOCKS) },
            });
            blocks += match steps[steps.len() - 1] {
                Step::Store { from, blocks, .. } => blocks.min(BLOCKS - from),
                Step::Evict { bits, .. } => bits.count_ones() as usize,
                _ => 0,
            };
        }
        hold(&steps, |steps| {
            let mut world = World::new(Fleet { idle_before: vec![3; RANKS], seed: life as u64, ..Fleet::of(0) });
            for step in steps {
                step.apply(&mut world, &chains);
            }
            world.count_all();
        });
    }
}
