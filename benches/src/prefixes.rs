//! A fleet index full of conversations, and prompts to look up in it.

use phalanx_kvcache::{BlockHash, BlockSize, ChainHasher, Change, FleetIndex, Layer, Overlap, RankId};

/// An index over ranks that all hold one system prompt, and each conversation on two of them.
#[derive(Debug)]
pub struct Prefixes {
    index: FleetIndex,
    prompts: Vec<Vec<BlockHash>>,
    next: usize,
    overlap: Overlap,
    held: Vec<(RankId, u32)>,
}

/// Tokens in a block.
const BLOCK: u32 = 16;

/// Blocks of the system prompt that every conversation begins with.
const SYSTEM_BLOCKS: u32 = 128;

/// Blocks that a conversation adds.
const OWN_BLOCKS: u32 = 128;

/// Conversations for each rank of the fleet.
const CONVERSATIONS: u32 = 16;

impl Prefixes {
    /// An index over `ranks` ranks with 16 conversations for each, all held twice; a prompt is 256 blocks of 16 tokens.
    ///
    /// # Panics
    /// When the index refuses an event, which its default bound on memory rules out for a few hundred ranks.
    #[must_use]
    pub fn new(ranks: u32) -> Self {
        let hasher = ChainHasher::new(BlockSize::new(BLOCK).expect("a block size in range"));
        let mut index = FleetIndex::new();
        let fleet: Vec<_> = (0..ranks).map(|_| index.join()).collect();
        let mut store = |rank: RankId, parent: Option<BlockHash>, blocks: &[BlockHash]| {
            let change = Change::Stored { layer: Layer::MAIN, parent, names: blocks, contents: blocks };
            let applied = index.apply(rank, change).expect("the rank has joined");
            // With few ranks both homes of a conversation may be the same one.
            let held = applied.stored + applied.repeated;
            assert_eq!(held as usize, blocks.len(), "the parent is known, and there is room");
        };
        let prompts: Vec<_> = (0..ranks * CONVERSATIONS).map(|number| prompt(&hasher, number)).collect();
        let (system, _) = prompts[0].split_at(SYSTEM_BLOCKS as usize);
        for &rank in &fleet {
            store(rank, None, system);
        }
        for (number, prompt) in prompts.iter().enumerate() {
            let (system, own) = prompt.split_at(SYSTEM_BLOCKS as usize);
            let homes = [number % fleet.len(), (number + 1 + number / fleet.len()) % fleet.len()];
            for home in homes {
                store(fleet[home], system.last().copied(), own);
            }
        }
        Self { index, prompts, next: 0, overlap: Overlap::new(), held: Vec::new() }
    }

    /// Looks up the next prompt, and gives how many ranks hold a part of it.
    pub fn look_up(&mut self) -> usize {
        let prompt = &self.prompts[self.next];
        self.next = (self.next + 1) % self.prompts.len();
        self.index.overlap(prompt, &mut self.overlap);
        self.overlap.pairs_into(&mut self.held);
        self.held.len()
    }

    /// The index itself.
    #[must_use]
    pub fn index(&self) -> &FleetIndex {
        &self.index
    }

    /// The prompts that are looked up, one after the other.
    #[must_use]
    pub fn prompts(&self) -> &[Vec<BlockHash>] {
        &self.prompts
    }

    /// The most blocks of the last prompt that one rank holds.
    #[must_use]
    pub fn best(&self) -> u32 {
        self.held.iter().map(|(_, blocks)| *blocks).max().unwrap_or(0)
    }
}

/// The blocks of one conversation: the same system prompt, then tokens that no other has.
fn prompt(hasher: &ChainHasher, number: u32) -> Vec<BlockHash> {
    let system = 0..SYSTEM_BLOCKS * BLOCK;
    let own = (0..OWN_BLOCKS * BLOCK).map(|token| token + 1_000_000 + number * OWN_BLOCKS * BLOCK);
    hasher.hash_tokens(&system.chain(own).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_holds_the_system_prompt_and_two_hold_the_conversation() {
        let mut prefixes = Prefixes::new(8);
        for _ in 0..8 * CONVERSATIONS {
            assert_eq!(prefixes.look_up(), 8);
            assert_eq!(prefixes.best(), SYSTEM_BLOCKS + OWN_BLOCKS);
            let whole = prefixes.held.iter().filter(|(_, blocks)| *blocks > SYSTEM_BLOCKS).count();
            assert!((1..=2).contains(&whole), "held whole by {whole}");
        }
    }
}
