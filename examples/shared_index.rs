//! One index for many threads: two engines tell what they cache, each through its own writer, while a router asks.
//!
//! Paste it into a gateway of your own: it needs `phalanx-kvcache` and the standard library.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::atomic::{AtomicBool, Ordering};

use phalanx_kvcache::{
    BlockHash, BlockSize, ChainHasher, Change, IndexConfig, Loads, Overlap, Pool, RankId, RankWriter, SharedIndex,
};

/// Runs the example; panics if it does not do what it says.
pub fn main() {
    // Every handle means the same index. What is held takes this much memory twice: readers have one copy, writers
    // prepare the other.
    let shared = SharedIndex::new(IndexConfig::new().max_bytes(64 << 20));
    let (one, two) = (shared.join(), shared.join());
    let ranks = [one.rank(), two.rank()];

    // Thirty prompts that begin alike, eight blocks each.
    let hasher = ChainHasher::new(BlockSize::new(16).expect("16 tokens are a valid block"));
    let prompts: Vec<Vec<BlockHash>> = (0..30).map(|number| hasher.hash_tokens(&prompt(number))).collect();

    let done = AtomicBool::new(false);
    let asked = std::thread::scope(|scope| {
        // The router's threads ask by `&SharedIndex`, and never wait for a writer.
        let routers = [0, 1].map(|_| scope.spawn(|| route(&shared, &prompts, &done)));
        // Each engine's events come in on a thread of their own.
        let engines = [
            scope.spawn(|| serve(one, &prompts[..20])), // room for twelve prompts: it evicts
            scope.spawn(|| serve(two, &prompts[20..])),
        ];
        let writers = engines.map(|engine| engine.join());
        done.store(true, Ordering::Release);
        let writers = writers.map(|writer| writer.expect("the engine's thread is well"));
        println!("writers are still there for ranks {:?}", writers.each_ref().map(|writer| writer.rank().index()));
        let [one, _two] = writers;
        one.leave(); // its engine is gone; the other one's blocks stay, with or without a writer
        routers.map(|router| router.join().expect("the router's thread is well"))
    });
    assert!(asked.iter().all(|&times| times >= prompts.len()));

    // Several questions to one and the same state.
    let (left, held) = shared.read(|index| (index.ranks().collect::<Vec<RankId>>(), index.pairs()));
    println!("left: {left:?} with {held} blocks");
    assert_eq!(left, [ranks[1]]);

    let mut overlap = Overlap::new();
    shared.overlap(&prompts[29], &mut overlap);
    assert_eq!((overlap.blocks_of(ranks[0]), overlap.blocks_of(ranks[1])), (0, 8));
}

/// One engine: serves the prompts, and tells the index what its pool says. Gives its writer back.
fn serve(mut writer: RankWriter, prompts: &[Vec<BlockHash>]) -> RankWriter {
    let mut pool = Pool::new(96);
    let mut events = Vec::new();
    for prompt in prompts {
        let mut sequence = pool.allocate(prompt, prompt.len() as u32 + 1, &mut events).expect("one prompt fits");
        let computed = &prompt[sequence.reused_blocks() as usize..];
        pool.seal(&mut sequence, computed, &mut events).expect("a block for each hash");
        pool.free(sequence);
        // All events of a step at once: no reader sees some of them only.
        events.iter().for_each(|event| writer.stage(Change::from(event)));
        let applied = writer.publish().expect("the rank has joined");
        assert_eq!((applied.unplaced, applied.left_out), (0, 0), "nothing was missed, and there is room");
        events.clear();
    }
    writer
}

/// A router's thread: asks for every prompt until the engines are done, and once more. Gives how often it asked.
fn route(shared: &SharedIndex, prompts: &[Vec<BlockHash>], done: &AtomicBool) -> usize {
    let mut overlap = Overlap::new(); // each thread keeps its own: once warm, asking does not allocate
    let loads = Loads::from(vec![0, 0]);
    let mut asked = 0;
    loop {
        let last = done.load(Ordering::Acquire);
        for prompt in prompts {
            shared.overlap(prompt, &mut overlap);
            if let Some((_, blocks)) = overlap.best(&loads) {
                assert!((1..=8).contains(&blocks));
            }
            asked += 1;
        }
        if last {
            return asked;
        }
    }
}

/// Tokens of a prompt: half a system prompt that all share, half its own.
fn prompt(number: u32) -> Vec<u32> {
    (0..128).map(|at| if at < 64 { at } else { 1000 * (number + 1) + at }).collect()
}
