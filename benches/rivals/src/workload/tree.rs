//! All blocks that a workload knows, as a forest of prefixes.

use crate::random::mix;

/// Blocks by number. A block's content is made of its number, its name of its parent's name and its content, as a chain
/// of hashes is.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// 0 where no path has come by yet.
    names: Vec<u64>,
}

impl Tree {
    /// Makes the names of the blocks along a path from the start.
    pub fn add_path(&mut self, path: impl IntoIterator<Item = u32>) {
        let mut parent = 0;
        for block in path {
            if self.names.len() <= block as usize {
                self.names.resize(block as usize + 1, 0);
            }
            let name = &mut self.names[block as usize];
            if *name == 0 {
                *name = mix(parent ^ self::content(block)) | 1;
            }
            parent = *name;
        }
    }

    /// What engines call a block.
    pub fn name(&self, block: u32) -> u64 {
        self.names[block as usize]
    }

    /// The hash of a block's own tokens.
    pub fn content(&self, block: u32) -> u64 {
        content(block)
    }
}

fn content(block: u32) -> u64 {
    mix(u64::from(block) + 0x1234_5678_9abc)
}
