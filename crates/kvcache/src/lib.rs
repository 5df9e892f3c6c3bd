//! KV-cache blocks: their identity, one engine's pool, and who in a fleet holds which prefix.
//!
//! An inference engine keeps the attention keys and values of the tokens that it has seen, in blocks of equal size, and
//! reuses them for a later prompt that begins with the same tokens. Questions follow from that, and this crate answers them:
//!
//! | question | answer |
//! |---|---|
//! | Are these two blocks the same, with everything before them? | [`ChainHasher`]: tokens or text in, [`BlockHash`]es out |
//! | What does the engine itself call them? | [`VllmHasher`] and [`SglangHasher`]: the same, in the engines' own schemes |
//! | Which blocks does one engine hold, and what must go when it needs room? | [`Pool`]: an exact ledger of one rank |
//! | Which blocks does an engine probably hold that tells no events? | [`ApproximateLedger`]: learns from what it is sent |
//! | Who in the fleet could reuse how much of this prompt? | [`FleetIndex`]: fed by [`Change`]s, asked for an [`Overlap`] |
//! | And for many threads? | [`SharedIndex`]: a [`RankWriter`] for each rank, and readers that never wait |
//! | And of hybrid models, and from slower tiers? | [`FleetIndex::reuse`]: by the rules of [`CacheGroups`] |
//! | How does a new replica of the gateway come to know it? | [`snapshot`]: the index as bytes, in a form that stays |
//! | What does an engine say about its cache? | [`wire`]: what vLLM, SGLang and Dynamo publish, as events; [`feed`]: in order, and no longer trusted behind a gap |
//!
//! What it is not: it moves no tensors, opens no socket and runs no tokenizer. There is no clock, no randomness and
//! no I/O in it, and no answer depends on the order of a hash table.
//!
//! # Example
//!
//! A pool computes a prompt, tells the index about it, and the index finds the prefix again:
//!
//! ```
//! use phalanx_kvcache::{BlockSize, Change, ChainHasher, FleetIndex, Overlap, Pool};
//!
//! let hasher = ChainHasher::new(BlockSize::new(4)?);
//! let first = hasher.hash_tokens(&[1, 2, 3, 4, 5, 6, 7, 8, 9]); // two full blocks; the ninth token is in none
//! assert_eq!(first.len(), 2);
//!
//! let mut pool = Pool::new(16);
//! let mut events = Vec::new();
//! let mut sequence = pool.allocate(&first, 3, &mut events)?; // nothing to reuse yet
//! pool.seal(&mut sequence, &first, &mut events)?; // both full blocks are computed: now they match
//!
//! let mut index = FleetIndex::new();
//! let rank = index.join();
//! for event in &events {
//!     let _ = index.apply(rank, Change::from(event))?;
//! }
//!
//! let second = hasher.hash_tokens(&[1, 2, 3, 4, 99, 99, 99, 99]); // shares the first block only
//! let mut overlap = Overlap::new();
//! index.overlap(&second, &mut overlap);
//! assert_eq!(overlap.blocks_of(rank), 1);
//! assert_eq!(pool.match_prefix(&second), 1);
//! pool.free(sequence);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod approximate;
mod block;
mod change;
mod event;
pub mod feed;
mod identity;
mod index;
mod layer;
mod lookup;
mod lru;
mod overlap;
mod pool;
mod rank;
mod reuse;
mod shared;
pub mod snapshot;
pub mod text;
pub mod wire;

pub use approximate::{Accuracy, ApproximateConfig, ApproximateLedger, Expectation};
pub use block::{BlockHash, BlockHashError, BlockSize, BlockSizeError};
pub use change::{Applied, Change};
pub use event::CacheEvent;
pub use identity::{BlockObjects, ChainHasher, SglangHasher, TextHasher};
pub use identity::{VllmAlgorithm, VllmDigest, VllmDigestError, VllmExtra, VllmHasher, VllmKeys, VllmMedia};
pub use index::{FleetIndex, IndexConfig, IndexError};
pub use layer::{Layer, Tier};
pub use overlap::{Level, Loads, Overlap, RankSet};
pub use pool::{AllocateError, Pool, SealError, Sequence};
pub use rank::RankId;
pub use reuse::{CacheGroups, GroupRule, Reusable, Reuse};
pub use shared::{ClaimError, RankWriter, SharedIndex};
pub use text::{chat_text, text_tokens};

/// The README's examples, which are run as these docs' are.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
