//! Who holds which prefix: hash a prompt, listen to what the engines cache, ask who could reuse how much.
//!
//! Paste it into a gateway of your own: it needs `phalanx-kvcache` and the standard library.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use phalanx_kvcache::{BlockSize, ChainHasher, Change, FleetIndex, Overlap, Pool, chat_text};

/// Runs the example; panics if it does not do what it says.
pub fn main() {
    // A conversation, and its continuation. Without a tokenizer each 4 bytes of the framed text count as a token.
    let hasher = ChainHasher::new(BlockSize::new(16).expect("16 tokens are a valid block"));
    let system = "You answer questions about the city library: its opening hours, its branches and its rules.";
    let first_turn = [("system", system), ("user", "When does the main branch open on Saturdays?")];
    let answer = "The main branch opens at ten on Saturdays.";
    let second_turn = [first_turn[0], first_turn[1], ("assistant", answer), ("user", "And on Sundays?")];
    let hash = |turns: &[(&str, &str)]| hasher.hash_text(chat_text(turns.iter().copied()).as_bytes());
    let (first, second) = (hash(&first_turn), hash(&second_turn));
    println!("first turn: {} blocks, second turn: {} blocks", first.len(), second.len());

    // Two engines. The first one has served the first turn: its pool says what it can reuse from now on.
    let mut index = FleetIndex::new();
    let ranks = [index.join(), index.join()];
    let mut pool = Pool::new(64);
    let mut events = Vec::new();
    let mut sequence = pool.allocate(&first, first.len() as u32 + 1, &mut events).expect("64 blocks are enough");
    pool.seal(&mut sequence, &first, &mut events).expect("there is a block for each hash");
    pool.free(sequence); // the blocks stay cached until their room is needed
    for event in &events {
        let applied = index.apply(ranks[0], Change::from(event)).expect("the rank has joined");
        assert_eq!((applied.unplaced, applied.left_out), (0, 0), "nothing was missed, and there is room");
    }

    // The second turn: who could reuse how much of it?
    let mut overlap = Overlap::new(); // keep it: once warm, asking does not allocate
    index.overlap(&second, &mut overlap);
    for rank in ranks {
        println!("engine {}: {} of {} blocks", rank.index(), overlap.blocks_of(rank), second.len());
    }
    let reusable = overlap.blocks_of(ranks[0]);

    // Another tenant's salt is another world: nothing matches.
    let salted = hasher.with_namespace("", "tenant-b").hash_text(chat_text(second_turn.iter().copied()).as_bytes());
    index.overlap(&salted, &mut overlap);
    let strangers = overlap.levels().map(|level| level.ranks.len()).max().unwrap_or(0);
    println!("with another salt: {strangers} engines hold something");

    // The engine restarts with an empty cache: what was known of it is dropped at once.
    index.clear(ranks[0]).expect("the rank has joined");
    index.overlap(&second, &mut overlap);
    println!("after the restart: {} blocks on engine 0", overlap.blocks_of(ranks[0]));

    assert_eq!(reusable as usize, first.len(), "the second turn begins with the whole first one");
    assert_eq!(strangers, 0);
    assert!(overlap.is_empty());
}
