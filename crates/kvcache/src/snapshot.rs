//! A fleet index as bytes, so that a new replica of a gateway can start warm from a peer.
//!
//! [`FleetIndex::snapshot`](crate::FleetIndex::snapshot) writes, [`FleetIndex::restore`](crate::FleetIndex::restore)
//! reads; [`SharedIndex`](crate::SharedIndex) has both as well. Each rank takes a *tag* along, bytes of the caller's:
//! what the rank is called, and how far its stream was read, so that whoever restores can go on from there. The index and
//! the tags must be of one moment: no batch may be in the index and not yet counted in its rank's tag, or the other way
//! round.
//!
//! ```
//! use core::time::Duration;
//! use phalanx_kvcache::feed::{Action, Cursor, Feed};
//! use phalanx_kvcache::{BlockHash, Change, FleetIndex, IndexConfig, Layer, Overlap};
//!
//! // Here is a gateway, which has read the first batch of an engine:
//! let (mut index, mut feed) = (FleetIndex::new(), Feed::new());
//! let rank = index.join();
//! feed.on_live(0, b"the first batch", Duration::ZERO);
//! assert!(matches!(feed.poll(), Some(Action::Apply { seq: 0, .. })));
//! let blocks = [1, 2, 3].map(BlockHash);
//! let _ = index.apply(rank, Change::Stored { layer: Layer::MAIN, parent: None, names: &blocks, contents: &blocks })?;
//!
//! let mut bytes = Vec::new();
//! let cursor = feed.cursor().expect("it is in step");
//! index.snapshot(|_| [cursor.to_bytes().as_slice(), b"pod-1"].concat(), &mut bytes);
//!
//! // There is another one, which gets the bytes and goes on:
//! let restored = FleetIndex::restore(&bytes, IndexConfig::new())?;
//! let mut overlap = Overlap::new();
//! restored.index.overlap(&blocks, &mut overlap);
//! let (rank, tag) = &restored.ranks[0];
//! assert_eq!((overlap.blocks_of(*rank), restored.left_out), (3, 0));
//!
//! let (cursor, name) = tag.split_first_chunk().expect("our own tag");
//! assert_eq!(name, b"pod-1");
//! let mut feed = Feed::<Vec<u8>>::resume(Cursor::from_bytes(*cursor), Duration::ZERO);
//! assert_eq!(feed.poll(), Some(Action::Ask { from: 0, ticket: 1 }), "is it still the same engine?");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What equal bytes mean
//!
//! The bytes say what is held, not how it came about: two indexes of the same ranks, tags and holders write the same
//! bytes, in whatever order their changes came, however much has come and gone since, and whatever their
//! [configuration](crate::IndexConfig). What the engines call their blocks is part of it, as are counted copies. Two
//! exceptions:
//! - a block that nobody holds but that lies before one that is held keeps a name that it had once, which is that of any
//!   former holder where engines do not name alike;
//! - an engine that gives one name to several blocks at the same time contradicts itself, and what the index makes of it
//!   depends on the order.
//!
//! # The form, version 1
//!
//! All words of fixed length are little-endian. A *number* is up to 64 bits in LEB128: seven bits a byte, the least
//! first, the top bit set in all bytes but the last; no more bytes than needed. A *hash* is 8 bytes.
//!
//! | part | bytes |
//! |---|---|
//! | magic | `phxindex` |
//! | version | 2 bytes: 1 |
//! | ranks | number of ranks; for each, by ascending index from 0: number 0 if none has joined under it, or 1 plus the length of its tag, and the tag. The last one has joined |
//! | layers | number of layers that anybody holds a block in; for each, ascending by (group, tier): number of the group, 1 byte for the tier (0 GPU, 1 CPU, 2 disk, 3 remote) |
//! | beginnings | number of nodes with which prompts begin |
//! | nodes | all nodes, each followed by its children and all behind them |
//! | checksum | 8 bytes: XXH3 (64 bits, seed 0) of all before |
//!
//! A *node* is a piece of a path of blocks, as long as can be: it ends where paths part (then it has two children or
//! more) or where nobody holds a block any more (then it has none, and its last block is held). Children, and
//! beginnings, ascend by their first content, which no two of them share. A node is
//!
//! 1. number of its blocks, at least 1;
//! 2. number of its children, times 2; plus 1 if its names are its contents;
//! 3. the contents, a hash each;
//! 4. the names, a hash each, unless they are the contents;
//! 5. number of layers in which anybody holds any of it; for each, ascending:
//!    1. number of the layer, as a place in the list of layers;
//!    2. number of ranks that hold all of it; for each, ascending, the number of ranks between it and the one before;
//!    3. number of parts; a part is a rank and neighbouring blocks that it holds, as many as can be, not all. For each,
//!       ascending by (rank, place): rank, less that of the part before (or 0); blocks in front of it, less those up to
//!       the end of the part before plus 1 if that is of the same rank; number of its blocks less 1;
//! 6. number of blocks of a holder of its own mind, who calls a block by another name; for each, ascending by (place,
//!    rank): blocks in front of it; rank; the name, a hash;
//! 7. number of copies; for each (layer, place, rank) of which the rank holds more than one, ascending: place in the list
//!    of layers; blocks in front of it; rank; number of copies less 1.
//!
//! The name under 4 is that which most of the block's holders give it, the least of these if there are several.

mod error;

pub use error::SnapshotError;

use crate::RankId;

/// The version of the form that is written, and the only one that is read.
pub const VERSION: u16 = 1;

/// How every snapshot begins.
pub(crate) const MAGIC: &[u8; 8] = b"phxindex";

/// What a snapshot holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Restored<I> {
    /// The index, a [`FleetIndex`](crate::FleetIndex) or a [`SharedIndex`](crate::SharedIndex).
    pub index: I,
    /// Its ranks, ascending, with the tags that were given to them.
    pub ranks: Vec<(RankId, Vec<u8>)>,
    /// Blocks of ranks that were not taken in, over all layers, because a bound is reached. Nothing else is missing.
    pub left_out: u64,
}
