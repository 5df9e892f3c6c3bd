//! Prompt to block hashes: the XXH3 chain that Dynamo and SMG's index use too.

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use crate::{BlockHash, BlockSize};

/// Seed of the plain namespace, and of every link of the chain.
const SEED: u64 = 1337;

/// Tokens whose bytes are gathered on the stack before they are hashed.
const GATHER: usize = 64;

/// Turns a prompt into the identities of its full blocks.
///
/// A block's own hash is XXH3-64 over its token ids as little-endian `u32`, seeded by the namespace; its identity is
/// that hash for the first block, and XXH3-64 over (identity of the block before, own hash) after it. Only full blocks
/// have an identity. The bytes are those of Dynamo's router and SMG's index, so hashes can be compared with theirs.
///
/// The seeds are public and XXH3 is no cryptographic hash: give tenants that must not share blocks different salts, but
/// do not take a hash for a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChainHasher {
    block_size: BlockSize,
    seed: u64,
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
        Self { block_size, seed: SEED }
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
        Self { seed, ..self }
    }

    /// The block size that this hasher cuts by.
    pub const fn block_size(&self) -> BlockSize {
        self.block_size
    }

    /// Identities of the full blocks of `tokens`. One pass.
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
        let blocks = tokens.chunks_exact(self.block_size.tokens() as usize);
        Self::chain(blocks.map(|block| self.local(block)), out);
    }

    /// Identities of the full blocks of a prompt for which there is no tokenizer: each 4 bytes are one token
    /// ([`text`](crate::text)), so these are the hashes of [`text::tokens_of_text`](crate::text::tokens_of_text).
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
        let bytes = self.block_size.tokens() as usize * 4;
        // A token id's little-endian bytes are the text's own: whole blocks are hashed where they stand.
        let whole = text.chunks_exact(bytes);
        let rest = whole.remainder();
        let padding = [0; 4];
        let padded = (rest.len().div_ceil(4) * 4 == bytes).then(|| {
            let mut hasher = Xxh3::with_seed(self.seed);
            hasher.update(rest);
            hasher.update(&padding[..bytes - rest.len()]);
            hasher.digest()
        });
        let mut out = Vec::new();
        Self::chain(whole.map(|block| xxh3_64_with_seed(block, self.seed)).chain(padded), &mut out);
        out
    }

    /// Chains blocks that are known by an own id each instead of by tokens, as in traces that publish block ids only.
    /// The id takes the place of the block's own hash.
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
        Self::chain(ids.iter().copied(), &mut out);
        out
    }

    fn chain(locals: impl Iterator<Item = u64>, out: &mut Vec<BlockHash>) {
        out.clear();
        let mut parent = None;
        for local in locals {
            let hash = match parent {
                None => local,
                Some(BlockHash(parent)) => {
                    let mut link = [0; 16];
                    link[..8].copy_from_slice(&u64::to_le_bytes(parent));
                    link[8..].copy_from_slice(&local.to_le_bytes());
                    xxh3_64_with_seed(&link, SEED)
                }
            };
            out.push(BlockHash(hash));
            parent = Some(BlockHash(hash));
        }
    }

    /// Hash of one block's tokens, whatever came before them.
    fn local(&self, block: &[u32]) -> u64 {
        let mut bytes = [0; GATHER * 4];
        let mut gather = |tokens: &[u32]| {
            for (to, token) in bytes.chunks_exact_mut(4).zip(tokens) {
                to.copy_from_slice(&token.to_le_bytes());
            }
            bytes
        };
        if block.len() <= GATHER {
            return xxh3_64_with_seed(&gather(block)[..block.len() * 4], self.seed);
        }
        let mut hasher = Xxh3::with_seed(self.seed);
        for tokens in block.chunks(GATHER) {
            hasher.update(&gather(tokens)[..tokens.len() * 4]);
        }
        hasher.digest()
    }
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
        assert_eq!(hasher(16).with_namespace("adapter", "salty").seed, 7709613182634776700);
        assert_eq!(hasher(16).with_namespace("", "").seed, SEED);
        assert_ne!(hasher(16).with_namespace("a", "").seed, hasher(16).with_namespace("", "a").seed);
    }

    #[test]
    fn partial_blocks_have_no_identity() {
        assert_eq!(hasher(16).hash_tokens(&[]), []);
        assert_eq!(hasher(16).hash_tokens(&[1; 15]), []);
        assert_eq!(hasher(4).hash_text(b"twelve bytes"), []);
        assert_eq!(hasher(4).hash_text(b"thirteen byte").len(), 1, "the fourth token is there in part");
    }

    proptest! {
        #[test]
        fn large_blocks_hash_like_their_bytes(block_size in 1u32..400, token in any::<u32>()) {
            let tokens: Vec<u32> = (0..block_size).map(|i| token.wrapping_mul(i + 1)).collect();
            let bytes: Vec<u8> = tokens.iter().flat_map(|t| t.to_le_bytes()).collect();
            prop_assert_eq!(hasher(block_size).hash_tokens(&tokens), [BlockHash(xxh3_64_with_seed(&bytes, SEED))]);
        }

        #[test]
        fn text_blocks_are_the_blocks_of_its_tokens(text in prop::collection::vec(any::<u8>(), 0..200), size in 1u32..9) {
            let tokens = text::tokens_of_text(&text);
            let hashes = hasher(size).hash_text(&text);
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
