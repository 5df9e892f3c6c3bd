//! Paths by number.

use std::collections::BTreeMap;

use phalanx_kvcache::BlockHash;

/// The contents of a prompt from block 0 to some block. Equal paths have equal numbers, and others have others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(u32);

/// Every path that was ever met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    children: BTreeMap<(Path, BlockHash), Path>,
}

impl Paths {
    /// No block at all.
    pub(crate) const ROOT: Path = Path(0);

    /// The path one block further.
    pub(crate) fn child(&mut self, path: Path, content: BlockHash) -> Path {
        let next = Path(self.children.len() as u32 + 1);
        *self.children.entry((path, content)).or_insert(next)
    }

    /// The paths of one block, of two, and so on, for as long as they were met: nobody holds what lies behind.
    pub(crate) fn prefixes(&self, contents: &[BlockHash]) -> Vec<Path> {
        let mut path = Self::ROOT;
        let known = contents.iter().map_while(|&content| {
            path = *self.children.get(&(path, content))?;
            Some(path)
        });
        known.collect()
    }
}
