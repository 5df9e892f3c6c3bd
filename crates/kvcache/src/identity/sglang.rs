//! SGLang's own page hashes, to check an engine's events against, or to name pages before it does.

use sha2::{Digest, Sha256};

use crate::{BlockHash, BlockSize};

/// What a chain that starts with a cache salt is told to be one by.
const SALT: &[u8] = b"sglang-cache-salt-v1\0";

/// The same of a namespace of stored pages, and of one of published numbers.
const STORED: &[u8] = b"sglang-cache-namespace-v1";
const PUBLISHED: &[u8] = b"sglang-kv-event-namespace-v1";

/// Names the full pages of a prompt as SGLang does: a page's name is the SHA-256 of the name before and of its token
/// ids, four bytes each, little-endian.
///
/// Events carry the first 8 bytes of a name as a signed number. SGLang's word for a block is a page, and a page is
/// often one token. The rules are those of SGLang 0.5.23; older engines had no salts or namespaces in their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SglangHasher {
    page_size: BlockSize,
    bigrams: bool,
    /// What stands before the first page.
    root: Option<[u8; 32]>,
    /// What the published numbers are hashed with once more.
    published: Option<[u8; 32]>,
}

impl SglangHasher {
    /// A hasher for prompts without a salt and without an adapter.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, BlockSize, SglangHasher};
    ///
    /// let hasher = SglangHasher::new(BlockSize::new(16)?);
    /// let tokens: Vec<u32> = (0..16).collect();
    /// assert_eq!(hasher.hash_tokens(&tokens), [BlockHash::from_i64(6738917275443968386)]);
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub const fn new(page_size: BlockSize) -> Self {
        Self { page_size, bigrams: false, root: None, published: None }
    }

    /// The same hasher for prompts with a cache salt: their chains begin with it in events.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, SglangHasher};
    ///
    /// let plain = SglangHasher::new(BlockSize::new(1)?);
    /// assert_ne!(plain.with_salt("tenant").hash_tokens(&[7]), plain.hash_tokens(&[7]));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    #[must_use]
    pub fn with_salt(self, salt: &str) -> Self {
        Self { root: Some(Sha256::new().chain_update(SALT).chain_update(salt).finalize().into()), ..self }
    }

    /// The same hasher for pages in a hierarchical cache's storage: their chains begin with the request's extra key (its
    /// adapter) and its salt. None and an empty one are not the same here.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, SglangHasher};
    ///
    /// let plain = SglangHasher::new(BlockSize::new(1)?);
    /// assert_eq!(plain.with_storage_namespace(None, None), plain);
    /// assert_ne!(plain.with_storage_namespace(Some(""), None), plain);
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    #[must_use]
    pub fn with_storage_namespace(self, extra_key: Option<&str>, salt: Option<&str>) -> Self {
        Self { root: namespace(STORED, extra_key, salt), ..self }
    }

    /// The same hasher for an engine that publishes its numbers by namespace: each is hashed once more, with the extra
    /// key (a LoRA adapter's) and the salt. An engine that publishes for Dynamo does so with both, any other one with the
    /// key of an adapter that it knows by name, and no salt.
    ///
    /// The chain itself does not change: where there is a salt, say so [to it](Self::with_salt) as well.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, SglangHasher};
    ///
    /// let plain = SglangHasher::new(BlockSize::new(1)?);
    /// let tuned = plain.with_published_namespace(Some("adapter"), None);
    /// assert_ne!(tuned.hash_tokens(&[7]), plain.hash_tokens(&[7]));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    #[must_use]
    pub fn with_published_namespace(self, extra_key: Option<&str>, salt: Option<&str>) -> Self {
        Self { published: namespace(PUBLISHED, extra_key, salt), ..self }
    }

    /// The same hasher for an engine whose cache is of token pairs (EAGLE's drafts): both tokens of each pair are
    /// hashed, and a page is full when the token after it is there.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, SglangHasher};
    ///
    /// let hasher = SglangHasher::new(BlockSize::new(2)?).with_bigrams();
    /// assert_eq!(hasher.hash_tokens(&[1, 2, 3, 4]).len(), 1, "the pairs (1, 2) and (2, 3)");
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    #[must_use]
    pub const fn with_bigrams(self) -> Self {
        Self { bigrams: true, ..self }
    }

    /// The page size that this hasher cuts by.
    pub const fn page_size(&self) -> BlockSize {
        self.page_size
    }

    /// Identities of the full pages of a prompt: what an engine's events carry.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, SglangHasher};
    ///
    /// let hasher = SglangHasher::new(BlockSize::new(2)?);
    /// assert_eq!(hasher.hash_tokens(&[1, 2, 3, 4, 5]).len(), 2);
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn hash_tokens(&self, tokens: &[u32]) -> Vec<BlockHash> {
        let mut out = Vec::new();
        self.each_page(tokens, |digest| out.push(self.identity(digest)));
        out
    }

    /// Names of the full pages of a prompt. The buffer is emptied first.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockSize, SglangHasher};
    ///
    /// let hasher = SglangHasher::new(BlockSize::new(2)?);
    /// let mut digests = Vec::new();
    /// hasher.digests_into(&[1, 2, 3, 4, 5], &mut digests);
    /// assert_eq!(digests[1], hasher.digest_page(Some(&digests[0]), &[3, 4]));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn digests_into(&self, tokens: &[u32], out: &mut Vec<[u8; 32]>) {
        out.clear();
        self.each_page(tokens, |digest| out.push(*digest));
    }

    /// The name of one page: after `parent`, or the first of a prompt. With pairs, `tokens` has one more than the page.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, BlockSize, SglangHasher};
    ///
    /// let hasher = SglangHasher::new(BlockSize::new(1)?);
    /// let digest = hasher.digest_page(None, &[7]);
    /// assert_eq!([hasher.identity(&digest)], *hasher.hash_tokens(&[7]));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn digest_page(&self, parent: Option<&[u8; 32]>, tokens: &[u32]) -> [u8; 32] {
        self.digest_into(parent.or(self.root.as_ref()), tokens, &mut Vec::new())
    }

    /// The number that events carry for a name: its first 8 bytes, big-endian, or that number
    /// [hashed once more](Self::with_published_namespace).
    pub fn identity(&self, digest: &[u8; 32]) -> BlockHash {
        let number = first_eight(digest);
        BlockHash(match self.published {
            None => number,
            Some(namespace) => {
                first_eight(&Sha256::new().chain_update(namespace).chain_update(number.to_be_bytes()).finalize().into())
            }
        })
    }

    fn each_page(&self, tokens: &[u32], mut visit: impl FnMut(&[u8; 32])) {
        let size = self.page_size.tokens() as usize;
        let ahead = usize::from(self.bigrams);
        let mut bytes = Vec::new();
        let mut parent = self.root;
        for page in 0..tokens.len().saturating_sub(ahead) / size {
            let digest = self.digest_into(parent.as_ref(), &tokens[page * size..][..size + ahead], &mut bytes);
            visit(&digest);
            parent = Some(digest);
        }
    }

    fn digest_into(&self, parent: Option<&[u8; 32]>, tokens: &[u32], bytes: &mut Vec<u8>) -> [u8; 32] {
        bytes.clear();
        bytes.extend(parent.into_iter().flatten());
        if self.bigrams {
            bytes.extend(tokens.windows(2).flatten().flat_map(|token| token.to_le_bytes()));
        } else {
            bytes.extend(tokens.iter().flat_map(|token| token.to_le_bytes()));
        }
        Sha256::digest(bytes).into()
    }
}

fn first_eight(digest: &[u8; 32]) -> u64 {
    digest[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The digest of a namespace; of none, if neither part is there.
fn namespace(tag: &[u8], extra_key: Option<&str>, salt: Option<&str>) -> Option<[u8; 32]> {
    if extra_key.is_none() && salt.is_none() {
        return None;
    }
    let mut hasher = Sha256::new_with_prefix(tag);
    for part in [extra_key, salt] {
        match part {
            None => hasher.update([0]),
            Some(part) => {
                hasher.update([1]);
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
    }
    Some(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher() -> SglangHasher {
        SglangHasher::new(BlockSize::new(16).expect("a valid size"))
    }

    fn tokens() -> Vec<u32> {
        (0..16).chain(1000..1016).chain([1; 7]).collect()
    }

    fn hex(digest: [u8; 32]) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn check(hasher: SglangHasher, tokens: &[u32], expected: &[i64]) {
        let expected: Vec<_> = expected.iter().copied().map(BlockHash::from_i64).collect();
        assert_eq!(hasher.hash_tokens(tokens), expected);
    }

    #[test]
    fn two_pages() {
        let mut digests = Vec::new();
        hasher().digests_into(&tokens(), &mut digests);
        assert_eq!(
            digests.into_iter().map(hex).collect::<Vec<_>>(),
            [
                "5d85718ec594b982c252d0279e5966ffca33a5eaf2a455038d3ab331fde70cea",
                "b9d59c816442112f395c154fa223ca1c216392e97585dae13d188b71ba6cf109",
            ]
        );
        check(hasher(), &tokens(), &[6738917275443968386, -5055962927106748113]);
        check(hasher(), &tokens()[..15], &[]);
    }

    // The vectors below were made by following SGLang 0.5.23's own functions in Python.

    #[test]
    fn pairs() {
        let tokens: Vec<u32> = (0..33).collect();
        let pairs = hasher().with_bigrams();
        assert_eq!(
            hex(pairs.digest_page(None, &tokens[..17])),
            "061c2e13278f634dac5aef60fbbca0358080bd3e9c967f79d339b13d95b49f85"
        );
        assert_eq!(pairs.hash_tokens(&tokens)[1], BlockHash::from_i64(8758297635285116024));
        assert_eq!(pairs.hash_tokens(&tokens[..32]).len(), 1);
        check(pairs, &[], &[]);
    }

    #[test]
    fn salts_and_namespaces() {
        let salted = hasher().with_salt("tenant");
        assert_eq!(salted.hash_tokens(&tokens())[0], BlockHash::from_i64(1250485511459658798));
        let stored = hasher().with_storage_namespace(Some("ad"), Some("tenant"));
        assert_eq!(
            hex(stored.digest_page(None, &tokens()[..16])),
            "0c03c62f5e18a7ea2e1263ed319c4bf7ba3d1910ecd4e31437786924d13f587d"
        );
        check(
            hasher().with_published_namespace(Some("ad"), None),
            &tokens(),
            &[8391620993757875397, 2099706433195953523],
        );
        check(
            salted.with_published_namespace(Some("ad"), Some("tenant")),
            &tokens(),
            &[-3990793250747999961, 3454067355531118443],
        );
        assert_eq!(hasher().with_published_namespace(None, None), hasher());
        assert_ne!(namespace(STORED, Some("a"), Some("bc")), namespace(STORED, Some("ab"), Some("c")));
    }
}
