//! What besides tokens goes into vLLM's block hashes.

use super::encode::Form;

/// An image or the like in a vLLM prompt, and the placeholder tokens that stand for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VllmMedia<'a> {
    /// What vLLM calls it: usually a digest of its content.
    pub identifier: &'a str,
    /// The prompt's first token that stands for it.
    pub offset: u32,
    /// How many tokens do.
    pub length: u32,
}

/// What besides its tokens makes a vLLM prompt what it is: an adapter, a salt, images, embeddings.
///
/// vLLM calls these a request's extra keys. Each block gets those that concern it: the adapter every block, the salt the
/// first one, an image those that hold a token of it.
///
/// ```
/// use phalanx_kvcache::{BlockSize, VllmAlgorithm, VllmHasher, VllmKeys};
///
/// let hasher = VllmHasher::new(BlockSize::new(2)?, VllmAlgorithm::Sha256, VllmHasher::DEFAULT_SEED);
/// let plain = hasher.hash_tokens(&[1, 2, 3, 4], &VllmKeys::new());
/// let salted = hasher.hash_tokens(&[1, 2, 3, 4], &VllmKeys::new().salt("tenant"));
/// assert_ne!(plain[0], salted[0]);
/// assert_ne!(plain[1], salted[1], "the second block has no salt of its own, but another past");
/// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VllmKeys<'a> {
    lora: Option<(&'a str, &'a str)>,
    media: &'a [VllmMedia<'a>],
    salt: &'a str,
    embeds: &'a [[u8; 32]],
}

impl<'a> VllmKeys<'a> {
    /// Tokens and nothing else.
    pub const fn new() -> Self {
        Self { lora: None, media: &[], salt: "", embeds: &[] }
    }

    /// With the LoRA adapter `name`, which the engine has loaded from `path`. Engines' events do not say the path.
    #[must_use]
    pub const fn lora(self, name: &'a str, path: &'a str) -> Self {
        Self { lora: Some((name, path)), ..self }
    }

    /// With a cache salt; an empty one is none.
    #[must_use]
    pub const fn salt(self, salt: &'a str) -> Self {
        Self { salt, ..self }
    }

    /// With images or the like, by ascending offset.
    #[must_use]
    pub const fn media(self, media: &'a [VllmMedia<'a>]) -> Self {
        Self { media, ..self }
    }

    /// With embeddings in place of tokens: of each block's embeddings the SHA-256, as the engine takes it from its
    /// tensors.
    #[must_use]
    pub const fn prompt_embeds(self, digests: &'a [[u8; 32]]) -> Self {
        Self { embeds: digests, ..self }
    }

    /// What concerns one block, in vLLM's order.
    pub(super) fn of_block(&self, block: usize, size: u32, out: &mut Vec<VllmExtra<'a>>) {
        out.clear();
        out.extend(self.lora.map(|(name, path)| VllmExtra::Lora { name, path }));
        let start = block as u64 * u64::from(size);
        let end = start + u64::from(size);
        for media in self.media {
            let (first, last) = (u64::from(media.offset), u64::from(media.offset) + u64::from(media.length));
            if first < end && start < last {
                let offset = first.cast_signed() - start.cast_signed();
                out.push(VllmExtra::Media { identifier: media.identifier, offset: Some(offset) });
                // Nothing behind an object that goes on after this block is in it.
                if end < last {
                    break;
                }
            }
        }
        out.extend((block == 0 && !self.salt.is_empty()).then_some(VllmExtra::Salt(self.salt)));
        out.extend(self.embeds.get(block).map(VllmExtra::PromptEmbeds));
    }
}

/// One extra key of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VllmExtra<'a> {
    /// The LoRA adapter.
    Lora {
        /// Its name.
        name: &'a str,
        /// Where the engine has loaded it from.
        path: &'a str,
    },
    /// An image or the like that has tokens in this block.
    Media {
        /// What vLLM calls it.
        identifier: &'a str,
        /// Its first token, counted from the first one of the block, so it may be negative. Older engines have none.
        offset: Option<i64>,
    },
    /// The cache salt, on the first block.
    Salt(&'a str),
    /// SHA-256 of the block's embeddings.
    PromptEmbeds(&'a [u8; 32]),
}

impl VllmExtra<'_> {
    /// Writes the key as vLLM 0.32 does: with a word ahead that says what it is.
    pub(super) fn write_tagged<'a>(&self, form: &mut impl Form<'a>) {
        match self {
            Self::Lora { name, path } => form.tuple(3, |form| {
                form.tag("lora");
                form.text(name);
                form.text(path);
            }),
            Self::Media { identifier, offset } => form.tuple(2 + usize::from(offset.is_some()), |form| {
                form.tag("mm");
                form.text(identifier);
                if let Some(offset) = offset {
                    form.int(*offset);
                }
            }),
            Self::Salt(salt) => form.tuple(2, |form| {
                form.tag("cache_salt");
                form.text(salt);
            }),
            Self::PromptEmbeds(digest) => form.tuple(2, |form| {
                form.tag("prompt_embeds");
                form.bytes(*digest);
            }),
        }
    }

    /// Writes the key as older engines do, and as events show it: bare, and an adapter without its path.
    pub(super) fn write_bare<'a>(&self, form: &mut impl Form<'a>) {
        match self {
            Self::Lora { name: text, .. } | Self::Media { identifier: text, offset: None } | Self::Salt(text) => {
                form.text(text);
            }
            Self::Media { identifier, offset: Some(offset) } => form.tuple(2, |form| {
                form.text(identifier);
                form.int(*offset);
            }),
            Self::PromptEmbeds(digest) => form.bytes(*digest),
        }
    }
}
