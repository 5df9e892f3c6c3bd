//! One event of a batch: blocks stored, blocks removed, or all gone.

use super::Extra;
use crate::{BlockHash, Layer};

/// An event as it was published, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Blocks can be reused from now on.
    Stored(Stored<'a>),
    /// Blocks are gone from a layer.
    Removed {
        /// Where they were.
        layer: Layer,
        /// The engine's hashes.
        names: &'a [BlockHash],
    },
    /// The prefix cache was emptied.
    Cleared,
}

/// Blocks that can be reused from now on, each the child of the one before it.
///
/// With a sliding window the tokens may cover more blocks than there are names: which ones have none is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored<'a> {
    /// Where they are: the group of layers and the medium.
    pub layer: Layer,
    /// The engine's hash of the block before the first one; `None` where a prompt begins.
    pub parent: Option<BlockHash>,
    /// The engine's hashes, in prompt order.
    pub names: &'a [BlockHash],
    /// The tokens of the blocks.
    pub tokens: Tokens<'a>,
    /// Tokens in a block.
    pub block_size: u32,
    /// Number of the LoRA adapter, where the engine tells it; its sign is not kept.
    pub lora_id: Option<u64>,
    /// Name of the LoRA adapter; never empty.
    pub lora_name: Option<&'a str>,
    /// The salt of the request, where it has a field of its own (SGLang); never empty. vLLM tells it as an [`Extra`].
    pub cache_salt: Option<&'a str>,
    /// What else decides the identity of single blocks, in the order of blocks.
    pub extras: &'a [Extra],
    /// What kind of attention the group has.
    pub kind: Option<AttentionKind>,
    /// Tokens of the sliding window of the group.
    pub sliding_window: Option<u32>,
    /// Who owns the blocks, in the engine's words; never empty.
    pub ownership: Option<&'a str>,
    /// The session that the blocks belong to; never empty.
    pub session_id: Option<&'a str>,
}

impl<'a> Stored<'a> {
    /// Blocks in the accelerator's memory at the beginning of a prompt; every other field is public, too.
    ///
    /// ```
    /// use phalanx_kvcache::BlockHash;
    /// use phalanx_kvcache::wire::{Stored, Tokens};
    ///
    /// let names = [BlockHash(1), BlockHash(2)];
    /// let mut stored = Stored::new(&names, Tokens::Ids(&[5, 6, 7, 8]), 2);
    /// stored.lora_name = Some("adapter");
    /// assert_eq!(stored.parent, None);
    /// ```
    pub const fn new(names: &'a [BlockHash], tokens: Tokens<'a>, block_size: u32) -> Self {
        Self {
            layer: Layer::MAIN,
            parent: None,
            names,
            tokens,
            block_size,
            lora_id: None,
            lora_name: None,
            cache_salt: None,
            extras: &[],
            kind: None,
            sliding_window: None,
            ownership: None,
            session_id: None,
        }
    }
}

/// The tokens of stored blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens<'a> {
    /// Token ids.
    Ids(&'a [u32]),
    /// Each token with the one behind it, as an engine with an EAGLE draft model keys its cache.
    Bigrams(&'a [[u32; 2]]),
}

impl Tokens<'_> {
    /// How many there are; a pair counts once.
    ///
    /// ```
    /// # use phalanx_kvcache::wire::Tokens;
    /// assert_eq!(Tokens::Bigrams(&[[1, 2], [2, 3]]).len(), 2);
    /// ```
    pub const fn len(&self) -> usize {
        match self {
            Self::Ids(ids) => ids.len(),
            Self::Bigrams(pairs) => pairs.len(),
        }
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What kind of attention the layers of a group have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AttentionKind {
    /// To every token before.
    Full,
    /// The same, with latent vectors as keys and values.
    Mla,
    /// To the last tokens only.
    SlidingWindow,
    /// The same, with latent vectors.
    SlidingWindowMla,
    /// A state instead of keys and values.
    Mamba,
    /// Within chunks of the prompt.
    ChunkedLocal,
    /// To every token, and to sinks.
    SinkFull,
    /// Of an encoder alone.
    EncoderOnly,
    /// To an encoder's output.
    Cross,
    /// Not known to the engine, or a kind that this version does not know.
    Unknown,
}

impl AttentionKind {
    /// Each kind by the name that it has on the wire.
    const NAMES: [(Self, &'static str); 10] = [
        (Self::Full, "full_attention"),
        (Self::Mla, "mla_attention"),
        (Self::SlidingWindow, "sliding_window"),
        (Self::SlidingWindowMla, "sliding_window_mla"),
        (Self::Mamba, "mamba"),
        (Self::ChunkedLocal, "chunked_local_attention"),
        (Self::SinkFull, "sink_full_attention"),
        (Self::EncoderOnly, "encoder_only_attention"),
        (Self::Cross, "cross_attention"),
        (Self::Unknown, "unknown"),
    ];

    pub(super) fn from_name(name: &[u8]) -> Self {
        Self::NAMES.iter().find(|(_, known)| known.as_bytes() == name).map_or(Self::Unknown, |(kind, _)| *kind)
    }

    /// Its name on the wire.
    ///
    /// ```
    /// assert_eq!(phalanx_kvcache::wire::AttentionKind::Full.name(), "full_attention");
    /// ```
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("unknown", |(_, name)| name)
    }
}
