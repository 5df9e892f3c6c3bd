//! Prompt to block hashes: the XXH3 scheme that Dynamo and SMG's index use too.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::xxh3::{Key, Pair, Sink};
use crate::{BlockHash, BlockSize};

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
        Self { block_size, key: Key::new(SEED) }
    }

    /// The same hasher in the namespace of a LoRA adapter and a cache salt; an empty name stands for none.
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
        self.key.hash_each(&token_bytes(tokens), self.block_bytes(), sink);
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
fn link(before: &mut Option<u64>, content: u64) -> BlockHash {
    let hash = before.map_or(content, |before| LINK.hash(before, content));
    *before = Some(hash);
    BlockHash(hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text;

    fn hasher(block_size: u32) -> ChainHasher {
        ChainHasher::new(BlockSize::new(block_size).expect("a valid size"))
    }

    #[test]
    fn golden_vectors_of_the_scheme() {
        let first: Vec<u32> = (0..16).collect();
        let second: Vec<u32> = (1000..1016).collect();
        let both = [first.as_slice(), second.as_slice()].concat();
        assert_eq!(hasher(16).hash_tokens(&first), [BlockHash(15310707395893867146)]);
        assert_eq!(hasher(16).hash_tokens(&second), [BlockHash(17863182269597592868)]);
        assert_eq!(hasher(16).hash_tokens(&both), [BlockHash(15310707395893867146), BlockHash(14119623318381745760)]);
    }

    #[test]
    fn golden_vector_of_the_namespace() {
        assert_eq!(hasher(16).with_namespace("adapter", "salty").key, Key::new(7709613182634776700));
        assert_eq!(hasher(16).with_namespace("", "").key, Key::new(SEED));
        assert_ne!(hasher(16).with_namespace("a", ""), hasher(16).with_namespace("", "a"));
    }

    #[test]
    fn partial_blocks_have_no_identity() {
        assert_eq!(hasher(16).hash_tokens(&[]), []);
        assert_eq!(hasher(16).hash_tokens(&[1; 15]), []);
        assert_eq!(hasher(4).hash_text(b"twelve bytes"), []);
        assert_eq!(hasher(4).hash_text(b"thirteen byte").len(), 1, "the fourth token is there in part");
    }

    #[test]
    fn content_and_chain_of_every_size_are_those_of_its_bytes() {
        let tokens: Vec<u32> = (0..9000u32).map(|i| i.wrapping_mul(2_654_435_761)).collect();
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
        for size in (1..140).chain([255, 256, 257, 511, 512, 1023, 1024, 1025, 4095, 4096]) {
            let hasher = hasher(size);
            let (mut contents, mut chain) = (vec![BlockHash(7)], vec![BlockHash(8)]);
            hasher.contents_and_chain_into(&tokens, &mut contents, &mut chain);
            let blocks = bytes.chunks_exact(size as usize * 4);
            let want: Vec<_> = blocks.map(|block| BlockHash(xxh3_64_with_seed(block, SEED))).collect();
            assert_eq!(contents, want, "{size} tokens");
            assert_eq!(hasher.contents(&tokens), want, "{size} tokens");
            let mut before: Option<BlockHash> = None;
            for (content, hash) in contents.iter().zip(&chain) {
                let link = |before: BlockHash| {
                    let bytes = [before.0.to_le_bytes(), content.0.to_le_bytes()].concat();
                    BlockHash(xxh3_64_with_seed(&bytes, SEED))
                };
                assert_eq!(*hash, before.map_or(*content, link), "{size} tokens");
                before = Some(*hash);
            }
            assert_eq!(chain.len(), want.len());
        }
    }

    proptest! {
        #[test]
        fn one_pass_is_two(tokens in prop::collection::vec(any::<u32>(), 0..700), size in 1u32..140, salt in ".?") {
            let hasher = hasher(size).with_namespace("", &salt);
            let (mut contents, mut chain, mut again) = (Vec::new(), Vec::new(), Vec::new());
            hasher.contents_and_chain_into(&tokens, &mut contents, &mut chain);
            ChainHasher::chain_of(&contents, &mut again);
            prop_assert_eq!(&contents, &hasher.contents(&tokens));
            prop_assert_eq!(&chain, &hasher.hash_tokens(&tokens));
            prop_assert_eq!(&chain, &again);
            prop_assert_eq!(contents.len() as u32, tokens.len() as u32 / size);
        }

        #[test]
        fn other_namespaces_have_other_blocks(token in any::<u32>(), a in "[a-c]{0,2}", b in "[a-c]{0,2}") {
            let plain = hasher(1).with_namespace(&a, "").contents(&[token]);
            prop_assert_eq!(plain == hasher(1).with_namespace(&b, "").contents(&[token]), a == b);
            let salted = hasher(1).with_namespace("", &b).contents(&[token]);
            prop_assert_eq!(plain == salted, a.is_empty() && b.is_empty());
        }

        #[test]
        fn text_blocks_are_the_blocks_of_its_tokens(text in prop::collection::vec(any::<u8>(), 0..200), size in 1u32..9) {
            let tokens = text::tokens_of_text(&text);
            let hashes = hasher(size).hash_text(&text);
            prop_assert_eq!(hasher(size).contents_of_text(&text), hasher(size).contents(&tokens));
            prop_assert_eq!(&hashes, &hasher(size).hash_tokens(&tokens));
            prop_assert_eq!(hashes.len() as u32, text::text_tokens(&text) / size);
        }

        #[test]
        fn equal_hashes_mean_equal_prefixes(
            a in prop::collection::vec(0u32..3, 0..24),
            b in prop::collection::vec(0u32..3, 0..24),
            size in 1u32..5,
        ) {
            let (x, y) = (hasher(size).hash_tokens(&a), hasher(size).hash_tokens(&b));
            for i in 0..x.len().min(y.len()) {
                let end = (i + 1) * size as usize;
                prop_assert_eq!(x[i] == y[i], a[..end] == b[..end]);
            }
        }
    }
}
