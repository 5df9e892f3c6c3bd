//! A text that comes in pieces.

use super::ChainHasher;
use crate::identity::xxh3::Sink;
use crate::{BlockHash, text};

/// The content hashes of a text that comes in pieces: a long prompt is hashed where its parts stand, and never put together.
#[derive(Clone, Debug)]
pub struct TextHasher<'a> {
    hasher: &'a ChainHasher,
    /// Bytes behind the last full block; with bigrams, whose blocks overlap, all of the text.
    rest: Vec<u8>,
    bytes: usize,
    blocks: Vec<BlockHash>,
}

impl ChainHasher {
    /// Hashes a text that comes in pieces, with the same outcome as
    /// [`contents_of_text`](Self::contents_of_text) of all of them together. With [bigrams](Self::with_bigrams) the text is
    /// kept until its end; without, less than a block of it is.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, ChainHasher};
    ///
    /// let hasher = ChainHasher::new(BlockSize::new(2)?);
    /// let mut text = hasher.text();
    /// ["fif", "teen byte", "s.."].into_iter().for_each(|piece| text.push(piece.as_bytes()));
    /// assert_eq!(text.tokens(), 4);
    /// assert_eq!(text.finish(), hasher.contents_of_text(b"fifteen bytes.."));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    #[must_use]
    pub const fn text(&self) -> TextHasher<'_> {
        TextHasher { hasher: self, rest: Vec::new(), bytes: 0, blocks: Vec::new() }
    }
}

impl TextHasher<'_> {
    /// Takes the next piece, which may end anywhere. Linear in it.
    pub fn push(&mut self, mut piece: &[u8]) {
        self.bytes += piece.len();
        let block = self.hasher.block_bytes();
        if self.hasher.ahead > 0 {
            self.rest.extend_from_slice(piece);
            return;
        }
        if !self.rest.is_empty() {
            let (head, tail) = piece.split_at(piece.len().min(block - self.rest.len()));
            self.rest.extend_from_slice(head);
            piece = tail;
            if self.rest.len() < block {
                return;
            }
            self.blocks.push(BlockHash(self.hasher.key.hash(&self.rest)));
            self.rest.clear();
        }
        self.hasher.key.hash_each(piece, block, Append(&mut self.blocks));
        self.rest.extend_from_slice(&piece[piece.len() / block * block..]);
    }

    /// Tokens of the text so far: see [`text_tokens`](text::text_tokens).
    #[must_use]
    pub fn tokens(&self) -> u32 {
        u32::try_from(self.bytes.div_ceil(4)).unwrap_or(u32::MAX)
    }

    /// The hashes of its full blocks. The last token is padded with zero bytes, as
    /// [`tokens_of_text`](text::tokens_of_text) does.
    #[must_use]
    pub fn finish(mut self) -> Vec<BlockHash> {
        if self.hasher.ahead > 0 {
            return self.hasher.contents(&text::tokens_of_text(&self.rest));
        }
        let block = self.hasher.block_bytes();
        if self.rest.len().div_ceil(4) * 4 == block {
            self.rest.resize(block, 0);
            self.blocks.push(BlockHash(self.hasher.key.hash(&self.rest)));
        }
        self.blocks
    }
}

/// Where content hashes go behind those that are there.
struct Append<'a>(&'a mut Vec<BlockHash>);

impl Sink for Append<'_> {
    fn take(self, contents: impl ExactSizeIterator<Item = u64>) {
        self.0.extend(contents.map(BlockHash));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::BlockSize;

    proptest! {
        #[test]
        fn pieces_are_hashed_as_the_whole(pieces: Vec<Vec<u8>>, size in 1_u32..40, bigrams: bool) {
            let hasher = ChainHasher::new(BlockSize::new(size).expect("a block size"));
            let hasher = if bigrams { hasher.with_bigrams() } else { hasher };
            let mut text = hasher.text();
            pieces.iter().for_each(|piece| text.push(piece));
            let whole = pieces.concat();
            prop_assert_eq!(text.tokens(), text::text_tokens(&whole));
            prop_assert_eq!(text.finish(), hasher.contents_of_text(&whole));
        }
    }
}
