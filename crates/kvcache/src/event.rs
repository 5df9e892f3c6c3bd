//! What a pool tells the rest of the fleet.

use crate::BlockHash;

/// A change in what one rank could reuse.
///
/// A rank's events in order, from an empty pool on, say exactly which blocks it holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CacheEvent {
    /// These blocks can be matched from now on; each is the child of the one before it.
    Stored {
        /// The block before the first one; `None` where a prompt begins.
        parent: Option<BlockHash>,
        /// At least one block, in prompt order.
        blocks: Vec<BlockHash>,
    },
    /// These blocks are gone, in the order of their eviction.
    Removed {
        /// At least one block.
        blocks: Vec<BlockHash>,
    },
    /// Nothing can be matched any more.
    Cleared,
}
