//! Prompt to block hashes: the XXH3 scheme that Dynamo and SMG's index use too.

mod pieces;

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64_with_seed;

pub use self::pieces::TextHasher;
use super::BlockObjects;
use super::xxh3::{Key, Pair, Sink};
use crate::{BlockHash, BlockSize, text};

#[cfg(test)]
mod tests;

/// Seed of the plain namespace, and of every link of the chain.
const SEED: u64 = 1337;

/// One link of the chain.
const LINK: Pair = Pair::new(SEED);

/// Turns a prompt into the hashes of its full blocks: of each block's content, and of each block with all before it.
///
/// A block's **content** hash is XXH3-64 over its token ids as little-endian `u32`, seeded by the namespace. Its place
/// in the **chain** is that hash for the first block, and XXH3-64 over (the chain before, its content hash) after it.
/// Only full blocks have either. The bytes are those of Dynamo's router and SMG's index, so hashes can be compared with
/// theirs.
///
/// Content hashes are what [`FleetIndex`](crate::FleetIndex) compares, and cheaper: a link of the chain waits for the
/// one before it, which takes longer than to hash 16 tokens. Where both are needed,
/// [`contents_and_chain_into`](Self::contents_and_chain_into) does one while it waits for the other.
///
/// The seeds are public and XXH3 is no cryptographic hash: give tenants that must not share blocks different salts, but
/// do not take a hash for a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChainHasher {
    block_size: BlockSize,
    /// Tokens that a block looks at beyond its own: none, or one.
    ahead: u8,
    key: Key,
}

impl ChainHasher {
    /// A hasher for the plain namespace: no LoRA adapter, no salt.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, ChainHasher};
    ///
    /// let hasher = ChainHasher::new(BlockSize::new(16)?);
    /// let tokens: Vec<u32> = (0..16).collect();
    /// assert_eq!(hasher.hash_tokens(&tokens)[0].get(), 15310707395893867146);
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub const fn new(block_size: BlockSize) -> Self {
        Self { block_size, ahead: 0, key: Key::new(SEED) }
    }

    /// The same hasher in the namespace of a LoRA adapter and a cache salt; an empty name stands for none. Every block is
    /// hashed with it. What engines publish is told apart by its first block only: ask an
    /// index that is fed from their messages with [`prompt_contents_into`](Self::prompt_contents_into).
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, ChainHasher};
    ///
    /// let plain = ChainHasher::new(BlockSize::new(1)?);
    /// let tuned = plain.with_namespace("adapter", "");
    /// assert_ne!(plain.hash_tokens(&[7]), tuned.hash_tokens(&[7]));
    /// assert_eq!(plain.with_namespace("", ""), plain);
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    #[must_use]
    pub fn with_namespace(self, lora: &str, salt: &str) -> Self {
        let part = |name: &str, seed| if name.is_empty() { 0 } else { xxh3_64_with_seed(name.as_bytes(), seed) };
        let seed = SEED.wrapping_add(part(lora, 0)).wrapping_add(part(salt, 1));
        Self { key: Key::new(seed), ..self }
    }

    /// The same hasher for an engine whose cache is of token pairs (EAGLE's drafts): a block is hashed with the token
    /// that comes after it, and is full when that one is there.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, ChainHasher};
    ///
    /// let hasher = ChainHasher::new(BlockSize::new(2)?).with_bigrams();
    /// assert_eq!(hasher.contents(&[1, 2, 3, 4]).len(), 1, "the pairs (1, 2) and (2, 3); for two blocks there must be 5");
    /// assert_ne!(hasher.contents(&[1, 2, 3]), hasher.contents(&[1, 2, 4]));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    #[must_use]
    pub const fn with_bigrams(self) -> Self {
        Self { ahead: 1, ..self }
    }

    /// The block size that this hasher cuts by.
    pub const fn block_size(&self) -> BlockSize {
        self.block_size
    }

    /// Content hashes of the full blocks of `tokens`.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, ChainHasher};
    ///
    /// let hasher = ChainHasher::new(BlockSize::new(2)?);
    /// let (a, b) = (hasher.contents(&[1, 2, 3, 4]), hasher.contents(&[9, 2, 3, 4, 5]));
    /// assert_eq!((a.len(), b.len()), (2, 2));
    /// assert_eq!(a[1], b[1], "the second blocks have the same tokens, whatever came before");
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn contents(&self, tokens: &[u32]) -> Vec<BlockHash> {
        let mut out = Vec::new();
        self.contents_into(tokens, &mut out);
        out
    }

    /// Like [`contents`](Self::contents), into a buffer of the caller: it is emptied first, and nothing is allocated
    /// once it is large enough.
    ///
    /// ```
    /// # use phalanx_kvcache::{BlockSize, ChainHasher};
    /// let hasher = ChainHasher::new(BlockSize::new(2)?);
    /// let mut out = Vec::new();
    /// hasher.contents_into(&[1, 2, 3], &mut out);
    /// assert_eq!(out, hasher.contents(&[1, 2, 3]));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn contents_into(&self, tokens: &[u32], out: &mut Vec<BlockHash>) {
        self.hash_blocks(tokens, Contents(out));
    }

    /// Content hashes of a prompt with images or the like: a block's objects are hashed with its tokens. The buffer is
    /// emptied first.
    ///
    /// Blocks without objects have the hashes of [`contents`](Self::contents); for the chain of all of them, see
    /// [`chain_of`](Self::chain_of).
    ///
    /// ```
    /// use phalanx_kvcache::{BlockObjects, BlockSize, ChainHasher};
    ///
    /// let hasher = ChainHasher::new(BlockSize::new(2)?);
    /// let mut objects = BlockObjects::new();
    /// objects.add_span(BlockObjects::hash_of("cat.png"), 2..4, hasher.block_size());
    /// let mut seen = Vec::new();
    /// hasher.contents_with_into(&[1, 2, 9, 9, 5, 6], &objects, &mut seen);
    /// let blind = hasher.contents(&[1, 2, 9, 9, 5, 6]);
    /// assert_eq!((seen[0], seen[2]), (blind[0], blind[2]));
    /// assert_ne!(seen[1], blind[1]);
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn contents_with_into(&self, tokens: &[u32], objects: &BlockObjects, out: &mut Vec<BlockHash>) {
        self.contents_into(tokens, out);
        let size = self.block_size.tokens() as usize;
        let window = size + usize::from(self.ahead);
        let mut bytes = Vec::new();
        objects.visit_blocks(u32::try_from(out.len()).unwrap_or(u32::MAX), |block, objects| {
            let block = block as usize;
            bytes.clear();
            bytes.extend_from_slice(&token_bytes(&tokens[block * size..][..window]));
            bytes.extend(objects.iter().flat_map(|object| object.to_le_bytes()));
            out[block] = BlockHash(self.key.hash(&bytes));
        });
    }

    /// Both kinds of hashes in one pass, into buffers of the caller: they are emptied first.
    ///
    /// ```
    /// # use phalanx_kvcache::{BlockSize, ChainHasher};
    /// let hasher = ChainHasher::new(BlockSize::new(2)?);
    /// let (mut contents, mut chain) = (Vec::new(), Vec::new());
    /// hasher.contents_and_chain_into(&[1, 2, 3, 4, 5], &mut contents, &mut chain);
    /// assert_eq!(contents, hasher.contents(&[1, 2, 3, 4]));
    /// assert_eq!(chain, hasher.hash_tokens(&[1, 2, 3, 4]));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn contents_and_chain_into(&self, tokens: &[u32], contents: &mut Vec<BlockHash>, chain: &mut Vec<BlockHash>) {
        self.hash_blocks(tokens, Both(contents, chain));
    }

    /// The chain of the full blocks of `tokens`.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, ChainHasher};
    ///
    /// let hasher = ChainHasher::new(BlockSize::new(2)?);
    /// let (a, b) = (hasher.hash_tokens(&[1, 2, 3, 4]), hasher.hash_tokens(&[9, 2, 3, 4, 5]));
    /// assert_eq!((a.len(), b.len()), (2, 2));
    /// assert_ne!(a[1], b[1], "the second blocks have the same tokens, but not the same past");
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn hash_tokens(&self, tokens: &[u32]) -> Vec<BlockHash> {
        let mut out = Vec::new();
        self.hash_tokens_into(tokens, &mut out);
        out
    }

    /// Like [`hash_tokens`](Self::hash_tokens), into a buffer of the caller: it is emptied first, and nothing is
    /// allocated once it is large enough.
    ///
    /// ```
    /// # use phalanx_kvcache::{BlockSize, ChainHasher};
    /// let hasher = ChainHasher::new(BlockSize::new(2)?);
    /// let mut out = Vec::new();
    /// hasher.hash_tokens_into(&[1, 2, 3], &mut out);
    /// assert_eq!(out, hasher.hash_tokens(&[1, 2, 3]));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn hash_tokens_into(&self, tokens: &[u32], out: &mut Vec<BlockHash>) {
        self.hash_blocks(tokens, Chain(out));
    }

    /// Content hashes of the full blocks of a prompt for which there is no tokenizer: each 4 bytes are one token
    /// ([`text`](crate::text)), so these are the hashes of [`text::tokens_of_text`](crate::text::tokens_of_text).
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, ChainHasher, text};
    ///
    /// let hasher = ChainHasher::new(BlockSize::new(2)?);
    /// let prompt = b"fifteen bytes..";
    /// assert_eq!(hasher.contents_of_text(prompt), hasher.contents(&text::tokens_of_text(prompt)));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn contents_of_text(&self, text: &[u8]) -> Vec<BlockHash> {
        if self.ahead > 0 {
            return self.contents(&text::tokens_of_text(text));
        }
        let bytes = self.block_bytes();
        let mut out = Vec::with_capacity(text.len().div_ceil(bytes));
        // A token id's little-endian bytes are the text's own: whole blocks are hashed where they stand.
        self.key.hash_each(text, bytes, Contents(&mut out));
        let rest = &text[out.len() * bytes..];
        if rest.len().div_ceil(4) * 4 == bytes {
            let mut block = rest.to_vec();
            block.resize(bytes, 0);
            out.push(BlockHash(self.key.hash(&block)));
        }
        out
    }

    /// The chain of a prompt for which there is no tokenizer, like
    /// [`contents_of_text`](Self::contents_of_text).
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, ChainHasher, text};
    ///
    /// let hasher = ChainHasher::new(BlockSize::new(2)?);
    /// let prompt = b"fifteen bytes..";
    /// assert_eq!(hasher.hash_text(prompt), hasher.hash_tokens(&text::tokens_of_text(prompt)));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn hash_text(&self, text: &[u8]) -> Vec<BlockHash> {
        let mut chain = Vec::new();
        Self::chain_of(&self.contents_of_text(text), &mut chain);
        chain
    }

    /// The chain of blocks whose content hashes are known, into a buffer of the caller: it is emptied first.
    ///
    /// ```
    /// # use phalanx_kvcache::{BlockSize, ChainHasher};
    /// let hasher = ChainHasher::new(BlockSize::new(2)?);
    /// let mut chain = Vec::new();
    /// ChainHasher::chain_of(&hasher.contents(&[1, 2, 3, 4]), &mut chain);
    /// assert_eq!(chain, hasher.hash_tokens(&[1, 2, 3, 4]));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn chain_of(contents: &[BlockHash], out: &mut Vec<BlockHash>) {
        Chain(out).take(contents.iter().map(|content| content.0));
    }

    /// Chains blocks that are known by an own id each instead of by tokens, as in traces that publish block ids only.
    /// The id takes the place of the content hash.
    ///
    /// ```
    /// use phalanx_kvcache::ChainHasher;
    ///
    /// let (a, b) = (ChainHasher::chain_ids(&[0, 1, 2]), ChainHasher::chain_ids(&[0, 7, 2]));
    /// assert_eq!(a[0], b[0]);
    /// assert_ne!(a[2], b[2]);
    /// ```
    pub fn chain_ids(ids: &[u64]) -> Vec<BlockHash> {
        let mut out = Vec::new();
        Chain(&mut out).take(ids.iter().copied());
        out
    }

    const fn block_bytes(&self) -> usize {
        self.block_size.tokens() as usize * 4
    }

    fn hash_blocks(&self, tokens: &[u32], sink: impl Sink) {
        let (bytes, block) = (token_bytes(tokens), self.block_bytes());
        if self.ahead == 0 {
            self.key.hash_each(&bytes, block, sink);
        } else {
            let window = block + usize::from(self.ahead) * 4;
            let blocks = bytes.len().saturating_sub(window - block) / block;
            sink.take((0..blocks).map(|at| self.key.hash(&bytes[at * block..][..window])));
        }
    }
}

/// Token ids as the bytes that are hashed: little-endian, so on most machines as they lie in memory.
fn token_bytes(tokens: &[u32]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(tokens))
    } else {
        Cow::Owned(tokens.iter().flat_map(|token| token.to_le_bytes()).collect())
    }
}

/// Where content hashes go as they are.
struct Contents<'a>(&'a mut Vec<BlockHash>);

/// Where content hashes become a chain.
struct Chain<'a>(&'a mut Vec<BlockHash>);

/// Where they are kept, and become a chain too.
struct Both<'a>(&'a mut Vec<BlockHash>, &'a mut Vec<BlockHash>);

impl Sink for Contents<'_> {
    fn take(self, contents: impl ExactSizeIterator<Item = u64>) {
        self.0.clear();
        self.0.extend(contents.map(BlockHash));
    }
}

impl Sink for Chain<'_> {
    fn take(self, contents: impl ExactSizeIterator<Item = u64>) {
        let mut before = None;
        self.0.clear();
        self.0.extend(contents.map(|content| link(&mut before, content)));
    }
}

impl Sink for Both<'_> {
    fn take(self, contents: impl ExactSizeIterator<Item = u64>) {
        let Self(kept, chain) = self;
        let mut before = None;
        chain.clear();
        chain.resize(contents.len(), BlockHash(0));
        kept.clear();
        kept.extend(contents.zip(chain).map(|(content, slot)| {
            *slot = link(&mut before, content);
            BlockHash(content)
        }));
    }
}

/// Adds a block to the chain that ends with `before`.
#[inline(always)]
pub(crate) fn link(before: &mut Option<u64>, content: u64) -> BlockHash {
    let hash = before.map_or(content, |before| LINK.hash(before, content));
    *before = Some(hash);
    BlockHash(hash)
}
