//! One change of a rank's blocks, as the index takes it.

use crate::{BlockHash, CacheEvent, Layer};

/// What a rank stored or removed.
///
/// Each block has two hashes. Its *name* is what the engine calls it: names come again when the block is removed or
/// continued. Its *content* is what a query asks for: a hash of the block's own tokens, not of what came before them
/// (the index knows the path), or the chained identity where only that is known.
///
/// A rank gives a name to one block at a time; several ranks need not agree. One that gives it to several blocks at once
/// contradicts itself: they are held as told, and what names them (a removal, a parent) means one of them, without a
/// promise which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Blocks that can be reused from now on; each continues the one before it.
    Stored {
        /// Where they are.
        layer: Layer,
        /// Name of the block before the first one; `None` where a prompt begins.
        parent: Option<BlockHash>,
        /// The engine's names, in prompt order.
        names: &'a [BlockHash],
        /// As many contents; or none, for blocks whose contents were told before in another layer (the blocks of a
        /// sliding window, a copy in another tier).
        contents: &'a [BlockHash],
    },
    /// Blocks that are gone from a layer.
    Removed {
        /// Where they were.
        layer: Layer,
        /// The engine's names, in any order.
        names: &'a [BlockHash],
    },
    /// Nothing is left, in no layer.
    Cleared,
}

impl<'a> From<&'a CacheEvent> for Change<'a> {
    /// A pool's event: its hashes are names and contents in one.
    fn from(event: &'a CacheEvent) -> Self {
        match event {
            CacheEvent::Stored { parent, blocks } => {
                Self::Stored { layer: Layer::MAIN, parent: *parent, names: blocks, contents: blocks }
            }
            CacheEvent::Removed { blocks } => Self::Removed { layer: Layer::MAIN, names: blocks },
            CacheEvent::Cleared => Self::Cleared,
        }
    }
}

/// What a change did, in blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "blocks that were left out or could not be placed are told here only"]
pub struct Applied {
    /// Held from now on.
    pub stored: u32,
    /// Held before as well, and after: a copy more or less, or the same news twice.
    pub repeated: u32,
    /// Not held any more.
    pub removed: u32,
    /// Of a name that the rank does not hold there, or behind a parent that it does not hold, such as one that was left
    /// out before: nothing was changed.
    pub unplaced: u32,
    /// Not taken in, because a bound is reached. What is stored behind them later counts as unplaced.
    pub left_out: u32,
}

impl core::ops::AddAssign for Applied {
    fn add_assign(&mut self, other: Self) {
        self.stored = self.stored.saturating_add(other.stored);
        self.repeated = self.repeated.saturating_add(other.repeated);
        self.removed = self.removed.saturating_add(other.removed);
        self.unplaced = self.unplaced.saturating_add(other.unplaced);
        self.left_out = self.left_out.saturating_add(other.left_out);
    }
}
