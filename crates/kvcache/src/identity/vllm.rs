//! vLLM's own block hashes, to check an engine's events against, or to name blocks before it does.

mod digest;
mod encode;
mod keys;

#[cfg(test)]
mod tests;

pub use digest::{VllmDigest, VllmDigestError};
pub use keys::{VllmExtra, VllmKeys, VllmMedia};

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_128;

use self::encode::{Cbor, Form, Pickle};
use crate::{BlockHash, BlockSize};

/// How a vLLM engine hashes its blocks: its setting `prefix_caching_hash_algo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VllmAlgorithm {
    /// `sha256`, the default: SHA-256 over Python's pickle.
    Sha256,
    /// `sha256_cbor`: SHA-256 over canonical CBOR.
    Sha256Cbor,
    /// `xxhash`: XXH3 of 128 bits over Python's pickle.
    Xxhash,
    /// `xxhash_cbor`: XXH3 of 128 bits over canonical CBOR.
    XxhashCbor,
}

/// Names the full blocks of a prompt as a vLLM engine does: each name is a hash of the name before, the block's tokens
/// and its [extra keys](VllmKeys).
///
/// The names are those that the engine's events carry, so they tell whether an engine is what it says it is, and the
/// blocks of a prompt can be looked up in what speaks vLLM's names. They cost twenty to sixty times as much as
/// [`ChainHasher`](crate::ChainHasher)'s hashes, which are enough to compare contents.
///
/// With pickle there is one limit: it writes an object that occurs twice in one block's keys only once, and text that is
/// equal need not be the same object in the engine. Here it never is, except for vLLM's own constants. So a block that
/// names one adapter and its path alike, or holds one image twice, may have another name than the engine gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VllmHasher {
    block_size: BlockSize,
    algorithm: VllmAlgorithm,
    bare: bool,
    root: VllmDigest,
}

impl VllmHasher {
    /// The seed of an engine that was started without a word about it, if its algorithm is one of the SHA-256 kinds.
    pub const DEFAULT_SEED: &'static str = "vllm-none-hash";

    /// A hasher for an engine with this seed: its environment's `PYTHONHASHSEED`, or else
    /// [`DEFAULT_SEED`](Self::DEFAULT_SEED).
    ///
    /// Without `PYTHONHASHSEED` an engine of an XXH3 kind draws a seed at random, and so did engines of every kind
    /// before 0.32: what they name their blocks cannot be known.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, BlockSize, VllmAlgorithm, VllmHasher, VllmKeys};
    ///
    /// let hasher = VllmHasher::new(BlockSize::new(16)?, VllmAlgorithm::Sha256Cbor, VllmHasher::DEFAULT_SEED);
    /// let tokens: Vec<u32> = (0..16).collect();
    /// assert_eq!(hasher.hash_tokens(&tokens, &VllmKeys::new()), [BlockHash(2233398808101521225)]);
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn new(block_size: BlockSize, algorithm: VllmAlgorithm, seed: &str) -> Self {
        let mut bytes = Vec::new();
        match algorithm {
            VllmAlgorithm::Sha256 | VllmAlgorithm::Xxhash => write_seed(Pickle::new(&mut bytes), seed),
            VllmAlgorithm::Sha256Cbor | VllmAlgorithm::XxhashCbor => write_seed(Cbor::new(&mut bytes), seed),
        }
        Self { block_size, algorithm, bare: false, root: digest(algorithm, &bytes) }
    }

    /// The same hasher for an engine whose chains begin with other bytes than those of a seed: before 0.32 they were 32
    /// random ones, which such an engine may have shared.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, VllmAlgorithm, VllmDigest, VllmHasher};
    ///
    /// let root = VllmDigest::new(&[7; 32])?;
    /// let hasher = VllmHasher::new(BlockSize::new(16)?, VllmAlgorithm::Sha256, "").with_root(root);
    /// assert_eq!(hasher.root(), root);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn with_root(self, root: VllmDigest) -> Self {
        Self { root, ..self }
    }

    /// The same hasher for an engine before 0.32, whose extra keys do not say what they are: a salt is a bare text there,
    /// and an adapter is known by its name alone.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, VllmAlgorithm, VllmHasher, VllmKeys};
    ///
    /// let new = VllmHasher::new(BlockSize::new(1)?, VllmAlgorithm::Sha256, "0");
    /// let old = new.with_bare_keys();
    /// assert_eq!(new.hash_tokens(&[7], &VllmKeys::new()), old.hash_tokens(&[7], &VllmKeys::new()));
    /// let salted = VllmKeys::new().salt("s");
    /// assert_ne!(new.hash_tokens(&[7], &salted), old.hash_tokens(&[7], &salted));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    #[must_use]
    pub const fn with_bare_keys(self) -> Self {
        Self { bare: true, ..self }
    }

    /// What stands before a prompt's first block.
    pub const fn root(&self) -> VllmDigest {
        self.root
    }

    /// The block size that this hasher cuts by.
    pub const fn block_size(&self) -> BlockSize {
        self.block_size
    }

    /// Identities of the full blocks of a prompt: what an engine's events carry as numbers.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, VllmAlgorithm, VllmHasher, VllmKeys};
    ///
    /// let hasher = VllmHasher::new(BlockSize::new(2)?, VllmAlgorithm::Sha256, VllmHasher::DEFAULT_SEED);
    /// assert_eq!(hasher.hash_tokens(&[1, 2, 3, 4, 5], &VllmKeys::new()).len(), 2);
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn hash_tokens(&self, tokens: &[u32], keys: &VllmKeys<'_>) -> Vec<BlockHash> {
        let mut out = Vec::new();
        self.each_block(tokens, keys, |digest| out.push(digest.identity()));
        out
    }

    /// Names of the full blocks of a prompt: what an engine's events carry as bytes. The buffer is emptied first.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, VllmAlgorithm, VllmHasher, VllmKeys};
    ///
    /// let hasher = VllmHasher::new(BlockSize::new(2)?, VllmAlgorithm::XxhashCbor, "0");
    /// let mut digests = Vec::new();
    /// hasher.digests_into(&[1, 2, 3, 4, 5], &VllmKeys::new(), &mut digests);
    /// assert_eq!(digests[1], hasher.digest_block(Some(&digests[0]), &[3, 4], &[]));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn digests_into(&self, tokens: &[u32], keys: &VllmKeys<'_>, out: &mut Vec<VllmDigest>) {
        out.clear();
        self.each_block(tokens, keys, |digest| out.push(digest));
    }

    /// The name of one block: after `parent`, or the first of a prompt.
    ///
    /// Of use where a chain is known from its middle on, as from events that carry bytes.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, VllmAlgorithm, VllmExtra, VllmHasher, VllmKeys};
    ///
    /// let hasher = VllmHasher::new(BlockSize::new(2)?, VllmAlgorithm::Sha256, "0");
    /// let digest = hasher.digest_block(None, &[1, 2], &[VllmExtra::Salt("s1")]);
    /// assert_eq!([digest.identity()], *hasher.hash_tokens(&[1, 2], &VllmKeys::new().salt("s1")));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn digest_block(&self, parent: Option<&VllmDigest>, tokens: &[u32], extras: &[VllmExtra<'_>]) -> VllmDigest {
        self.digest_into(parent.unwrap_or(&self.root), tokens, extras, &mut Vec::new())
    }

    fn each_block(&self, tokens: &[u32], keys: &VllmKeys<'_>, mut visit: impl FnMut(VllmDigest)) {
        let size = self.block_size.tokens();
        let (mut extras, mut bytes) = (Vec::new(), Vec::new());
        let mut parent = self.root;
        for (block, tokens) in tokens.chunks_exact(size as usize).enumerate() {
            keys.of_block(block, size, &mut extras);
            parent = self.digest_into(&parent, tokens, &extras, &mut bytes);
            visit(parent);
        }
    }

    fn digest_into(
        &self,
        parent: &VllmDigest,
        tokens: &[u32],
        extras: &[VllmExtra<'_>],
        bytes: &mut Vec<u8>,
    ) -> VllmDigest {
        bytes.clear();
        match self.algorithm {
            VllmAlgorithm::Sha256 | VllmAlgorithm::Xxhash => {
                self.write_block(Pickle::new(bytes), parent, tokens, extras);
            }
            VllmAlgorithm::Sha256Cbor | VllmAlgorithm::XxhashCbor => {
                self.write_block(Cbor::new(bytes), parent, tokens, extras);
            }
        }
        digest(self.algorithm, bytes)
    }

    /// The key of a block: a tuple of its parent, its tokens and its extra keys.
    fn write_block<'a>(&self, mut form: impl Form<'a>, parent: &VllmDigest, tokens: &[u32], extras: &[VllmExtra<'_>]) {
        form.tuple(3, |form| {
            form.bytes(parent.as_bytes());
            form.tokens(tokens);
            if extras.is_empty() {
                form.none();
            } else {
                form.tuple(extras.len(), |form| {
                    for extra in extras {
                        if self.bare { extra.write_bare(form) } else { extra.write_tagged(form) }
                    }
                });
            }
        });
        form.finish();
    }
}

fn write_seed<'a>(mut form: impl Form<'a>, seed: &str) {
    form.text(seed);
    form.finish();
}

fn digest(algorithm: VllmAlgorithm, bytes: &[u8]) -> VllmDigest {
    match algorithm {
        VllmAlgorithm::Sha256 | VllmAlgorithm::Sha256Cbor => VllmDigest::of_32(Sha256::digest(bytes).into()),
        VllmAlgorithm::Xxhash | VllmAlgorithm::XxhashCbor => VllmDigest::of_16(xxh3_128(bytes).to_be_bytes()),
    }
}
