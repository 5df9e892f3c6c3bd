//! Prompts that share what a tree of prompts shares.

use phalanx_kvcache::BlockHash;

/// How the contents of a prompt's blocks come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// A block's content depends on its place and its branch. Prompts that part and meet again have equal contents there,
    /// behind different ones.
    Placed,
    /// It depends on the branch only: a prompt can be one content many times over. None and all bits are among them.
    Repeated,
    /// It stands for all before it, too, as in the events of a pool.
    Chained,
}

/// A prompt of any length: one branch up to the first turn, another one from there on, and a third from the second turn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) words: Words,
    pub(crate) stem: u8,
    /// Where it turns, and to which branch.
    pub(crate) turns: [(u8, u8); 2],
}

impl Prompt {
    /// The contents of its first blocks.
    pub(crate) fn contents(&self, blocks: usize) -> Vec<BlockHash> {
        let mut before = 0;
        let content = |at: usize| {
            let turned = self.turns.iter().rev().find(|&&(turn, _)| at >= usize::from(turn));
            let branch = u64::from(turned.map_or(self.stem, |&(_, branch)| branch));
            BlockHash(match self.words {
                Words::Placed => at as u64 * 256 + branch,
                Words::Repeated if branch == 1 => u64::MAX,
                Words::Repeated => branch,
                Words::Chained => {
                    before = mix(before ^ (branch + 1));
                    before
                }
            })
        };
        (0..blocks).map(content).collect()
    }
}

/// A fixed mixing of 64 bits (splitmix64's).
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
