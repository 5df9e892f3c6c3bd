//! What the layers of one group need of a prompt.

use crate::BlockSize;
use crate::wire::AttentionKind;

/// Which blocks of a group must be held so that an engine can go on behind a number of blocks.
///
/// In every rule the last block before that place must be there: it was computed last, and engines look for it first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GroupRule {
    /// All of them: full attention, with latent vectors (MLA) or sinks or without.
    #[default]
    Full,
    /// The last ones: attention to a sliding window.
    Window {
        /// So many; 0 is taken as 1.
        blocks: u32,
    },
    /// The last one, which has the state after it: Mamba.
    State,
}

impl GroupRule {
    /// The rule of a sliding window of `tokens`: the next token looks back at one less, and at the blocks of these.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, GroupRule};
    ///
    /// let size = BlockSize::new(16)?;
    /// assert_eq!(GroupRule::window(512, size), GroupRule::Window { blocks: 32 });
    /// assert_eq!(GroupRule::window(514, size), GroupRule::Window { blocks: 33 });
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub const fn window(tokens: u32, size: BlockSize) -> Self {
        let blocks = tokens.saturating_sub(1).div_ceil(size.tokens());
        Self::Window { blocks: if blocks == 0 { 1 } else { blocks } }
    }

    /// The rule of a kind of attention, as an engine's events name it. `None` where events do not tell enough: for a
    /// window without its size, chunks (their size is told nowhere; a window of their size is on the safe side), and
    /// kinds whose blocks no prompt is looked for in.
    ///
    /// ```
    /// use phalanx_kvcache::wire::AttentionKind;
    /// use phalanx_kvcache::{BlockSize, GroupRule};
    ///
    /// let size = BlockSize::new(16)?;
    /// assert_eq!(GroupRule::of(AttentionKind::Mla, None, size), Some(GroupRule::Full));
    /// assert_eq!(GroupRule::of(AttentionKind::SlidingWindow, Some(33), size), Some(GroupRule::Window { blocks: 2 }));
    /// assert_eq!(GroupRule::of(AttentionKind::Mamba, None, size), Some(GroupRule::State));
    /// assert_eq!(GroupRule::of(AttentionKind::Cross, None, size), None);
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn of(kind: AttentionKind, sliding_window: Option<u32>, size: BlockSize) -> Option<Self> {
        match kind {
            AttentionKind::Full | AttentionKind::Mla | AttentionKind::SinkFull => Some(Self::Full),
            AttentionKind::SlidingWindow | AttentionKind::SlidingWindowMla | AttentionKind::ChunkedLocal => {
                sliding_window.map(|tokens| Self::window(tokens, size))
            }
            AttentionKind::Mamba => Some(Self::State),
            AttentionKind::EncoderOnly | AttentionKind::Cross | AttentionKind::Unknown => None,
        }
    }

    /// How many blocks before a match's end must be there.
    pub(crate) fn needs(self, end: u32) -> u32 {
        match self {
            Self::Full => end,
            Self::Window { blocks } => blocks.clamp(1, end.max(1)),
            Self::State => 1,
        }
    }

    /// The least end of a match behind `from`, if the blocks from `since` on, which is not behind `from`, are held
    /// without a hole.
    pub(crate) fn first_end(self, since: u32, from: u32) -> Option<u32> {
        match self {
            _ if since == 0 => Some(from + 1),
            Self::Full => None,
            Self::Window { blocks } => Some(since.saturating_add(blocks).max(from + 1)),
            Self::State => Some(from + 1),
        }
    }
}
