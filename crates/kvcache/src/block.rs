//! The size of a block in tokens, and its identity.

use core::fmt;

use thiserror::Error;

/// Tokens in one KV block: 1 to 4096.
///
/// vLLM's default is 16; Mooncake's traces count in units of 512.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSize(u16);

impl BlockSize {
    /// The largest size, in tokens.
    pub const MAX: u32 = 4096;

    /// A block of `tokens` tokens.
    ///
    /// # Errors
    /// [`BlockSizeError`] unless `tokens` is 1 to 4096.
    ///
    /// ```
    /// use phalanx_kvcache::BlockSize;
    ///
    /// assert_eq!(BlockSize::new(16)?.tokens(), 16);
    /// assert!(BlockSize::new(0).is_err());
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub const fn new(tokens: u32) -> Result<Self, BlockSizeError> {
        if tokens == 0 || tokens > Self::MAX {
            return Err(BlockSizeError { tokens });
        }
        Ok(Self(tokens as u16))
    }

    /// The size in tokens.
    pub const fn tokens(self) -> u32 {
        self.0 as u32
    }

    /// Blocks that hold `tokens` tokens, the last one perhaps in part.
    ///
    /// ```
    /// # use phalanx_kvcache::BlockSize;
    /// let size = BlockSize::new(16)?;
    /// assert_eq!((size.blocks_ceil(32), size.blocks_ceil(33)), (2, 3));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub const fn blocks_ceil(self, tokens: u32) -> u32 {
        tokens.div_ceil(self.tokens())
    }

    /// Blocks that `tokens` tokens fill completely.
    ///
    /// ```
    /// # use phalanx_kvcache::BlockSize;
    /// let size = BlockSize::new(16)?;
    /// assert_eq!((size.blocks_full(32), size.blocks_full(47)), (2, 2));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub const fn blocks_full(self, tokens: u32) -> u32 {
        tokens / self.tokens()
    }
}

impl fmt::Display for BlockSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A block size outside 1 to 4096 tokens.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("block size {tokens}: expected 1 to {max} tokens", max = BlockSize::MAX)]
#[non_exhaustive]
pub struct BlockSizeError {
    /// What was asked for.
    pub tokens: u32,
}

/// A hash of a block, of 64 bits.
///
/// Of what exactly is up to who makes it. A block's *content* hash is of its own tokens. Its place in a *chain*, and the
/// *name* that an engine gives it, are hashes of everything up to its end: two prompts have the same at position `i`
/// exactly when they agree on all tokens up to the end of block `i` (hash collisions aside).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockHash(pub u64);

impl BlockHash {
    /// The identity of a hash that an engine sends as bytes: its last 8, big-endian.
    ///
    /// This is how vLLM itself makes a number of a digest, so the bytes and the number of one block come to one
    /// identity.
    ///
    /// # Errors
    /// [`BlockHashError`] if there are fewer than 8 bytes.
    ///
    /// ```
    /// use phalanx_kvcache::BlockHash;
    ///
    /// assert_eq!(BlockHash::from_bytes(&[7, 0, 0, 0, 0, 0, 0, 1, 2])?, BlockHash(258));
    /// assert!(BlockHash::from_bytes(&[1; 7]).is_err());
    /// # Ok::<(), phalanx_kvcache::BlockHashError>(())
    /// ```
    pub const fn from_bytes(bytes: &[u8]) -> Result<Self, BlockHashError> {
        match bytes.last_chunk() {
            Some(last) => Ok(Self(u64::from_be_bytes(*last))),
            None => Err(BlockHashError { bytes: bytes.len() }),
        }
    }

    /// The identity of a hash that an engine sends as a signed number, as SGLang does: its 64 bits as they are.
    ///
    /// ```
    /// use phalanx_kvcache::BlockHash;
    ///
    /// assert_eq!(BlockHash::from_i64(-1), BlockHash(u64::MAX));
    /// ```
    pub const fn from_i64(hash: i64) -> Self {
        Self(hash.cast_unsigned())
    }

    /// The number itself, as engines send it.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A block hash of fewer than 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("block hash of {bytes} bytes: expected 8 or more")]
#[non_exhaustive]
pub struct BlockHashError {
    /// How many bytes there are.
    pub bytes: usize,
}
