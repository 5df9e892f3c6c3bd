//! From what an engine published to what the index takes.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use super::{Event, Extra, ExtraKey, Stored, Tokens};
use crate::{BlockHash, BlockObjects, BlockSize, ChainHasher, Change};

/// Turns the events of one engine into [`Change`]s.
///
/// Names are the engine's own hashes. Contents are those of [`ChainHasher::contents`] in the namespace of the adapter,
/// with the objects of each block; the first block of a prompt is in the namespace of the salt as well. That is where a
/// salt is published, and it is enough: what comes behind it has another path.
/// [`prompt_contents_into`](ChainHasher::prompt_contents_into) hashes a prompt in the same way.
///
/// Where tokens and names do not match, as with a sliding window whose older blocks have none, contents stay empty: the
/// index then finds the blocks by their names, if another group of the engine told what they are.
#[derive(Clone, Debug)]
pub struct Translator {
    plain: ChainHasher,
    /// The adapter of the last event, and its hasher.
    adapter: (String, ChainHasher),
    adapters: BTreeMap<u64, String>,
    mismatches: u64,
    contents: Vec<BlockHash>,
    /// Of pairs, what comes one after the other.
    tokens: Vec<u32>,
}

impl Translator {
    /// A translator for an engine with blocks of this size.
    ///
    /// ```
    /// use phalanx_kvcache::wire::{Event, Stored, Tokens, Translator};
    /// use phalanx_kvcache::{BlockHash, BlockSize, Change, ChainHasher};
    ///
    /// let size = BlockSize::new(2)?;
    /// let mut translator = Translator::new(size);
    /// let stored = Event::Stored(Stored::new(&[BlockHash(71), BlockHash(72)], Tokens::Ids(&[1, 2, 3, 4]), 2));
    /// let Change::Stored { names, contents, .. } = translator.change(&stored)? else { panic!("blocks are stored") };
    /// assert_eq!(names, [BlockHash(71), BlockHash(72)]);
    /// assert_eq!(contents, ChainHasher::new(size).contents(&[1, 2, 3, 4]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(size: BlockSize) -> Self {
        let plain = ChainHasher::new(size);
        Self {
            plain,
            adapter: (String::new(), plain),
            adapters: BTreeMap::new(),
            mismatches: 0,
            contents: Vec::new(),
            tokens: Vec::new(),
        }
    }

    /// Says what the adapter is called that an older engine tells only the number of. Without that, its blocks are in a
    /// namespace of their own that no prompt is looked for in.
    ///
    /// ```
    /// use phalanx_kvcache::wire::{Event, Stored, Tokens, Translator};
    /// use phalanx_kvcache::{BlockHash, BlockSize, Change};
    ///
    /// let mut translator = Translator::new(BlockSize::new(1)?);
    /// translator.name_adapter(3, "poet");
    /// let names = [BlockHash(71)];
    /// let mut by_number = Stored::new(&names, Tokens::Ids(&[1]), 1);
    /// by_number.lora_id = Some(3);
    /// let mut by_name = Stored::new(&names, Tokens::Ids(&[1]), 1);
    /// by_name.lora_name = Some("poet");
    /// let mut contents = |stored| match translator.change(&Event::Stored(stored)) {
    ///     Ok(Change::Stored { contents, .. }) => contents.to_vec(),
    ///     other => panic!("{other:?}"),
    /// };
    /// assert_eq!(contents(by_number), contents(by_name));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn name_adapter(&mut self, number: u64, name: impl Into<String>) {
        self.adapters.insert(number, name.into());
    }

    /// What an event changes.
    ///
    /// # Errors
    /// [`TranslateError::BlockSize`] if its blocks are of another size; it is counted. Pass over that event and go on
    /// with the rest of its batch: what is not stored is too little, what is not removed would be too much.
    ///
    /// ```
    /// use phalanx_kvcache::wire::{Event, Stored, Tokens, Translator};
    /// use phalanx_kvcache::{BlockHash, BlockSize, Change};
    ///
    /// let mut translator = Translator::new(BlockSize::new(16)?);
    /// assert_eq!(translator.change(&Event::Cleared), Ok(Change::Cleared));
    /// let other = Event::Stored(Stored::new(&[BlockHash(1)], Tokens::Ids(&[0; 32]), 32));
    /// let error = translator.change(&other).unwrap_err();
    /// assert_eq!(error.to_string(), "blocks of 32 tokens: expected 16");
    /// assert_eq!(translator.mismatches(), 1);
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn change<'a>(&'a mut self, event: &Event<'a>) -> Result<Change<'a>, TranslateError> {
        match event {
            Event::Stored(stored) => {
                let expected = self.plain.block_size().tokens();
                if stored.block_size != expected {
                    self.mismatches += 1;
                    return Err(TranslateError::BlockSize { expected, found: stored.block_size });
                }
                self.hash(stored);
                let Stored { layer, parent, names, .. } = *stored;
                Ok(Change::Stored { layer, parent, names, contents: &self.contents })
            }
            Event::Removed { layer, names } => Ok(Change::Removed { layer: *layer, names }),
            Event::Cleared => Ok(Change::Cleared),
        }
    }

    /// How many events told of blocks of another size.
    pub const fn mismatches(&self) -> u64 {
        self.mismatches
    }

    /// Hashes the contents of an event's blocks; none if it does not say what is in which.
    fn hash(&mut self, stored: &Stored<'_>) {
        self.contents.clear();
        let size = self.plain.block_size().tokens() as usize;
        if stored.names.len().checked_mul(size) != Some(stored.tokens.len()) || stored.names.is_empty() {
            return;
        }
        self.choose_adapter(stored);
        let (name, mut hasher) = (self.adapter.0.as_str(), self.adapter.1);
        let tokens = match stored.tokens {
            Tokens::Ids(ids) => ids,
            Tokens::Bigrams(pairs) => {
                if pairs.windows(2).any(|two| two[0][1] != two[1][0]) {
                    return;
                }
                hasher = hasher.with_bigrams();
                self.tokens.clear();
                self.tokens.extend(pairs.first().map(|pair| pair[0]));
                self.tokens.extend(pairs.iter().map(|pair| pair[1]));
                &self.tokens
            }
        };
        if stored.extras.is_empty() && stored.cache_salt.is_none() {
            return hasher.contents_into(tokens, &mut self.contents);
        }
        let (salt, objects) = keys(stored, name);
        let salt = salt.filter(|_| stored.parent.is_none()).unwrap_or_default();
        hash_prompt(hasher, tokens, (name, salt), &objects, &mut self.contents);
    }

    fn choose_adapter(&mut self, stored: &Stored<'_>) {
        let unnamed;
        let name = match (stored.lora_name, stored.lora_id) {
            (Some(name), _) => name,
            (None, None) => "",
            (None, Some(number)) => match self.adapters.get(&number) {
                Some(name) => name,
                None => {
                    unnamed = format!("\0{number}");
                    &unnamed
                }
            },
        };
        if self.adapter.0 != name {
            self.adapter = (name.to_owned(), self.plain.with_namespace(name, ""));
        }
    }
}

impl ChainHasher {
    /// Content hashes of a prompt as a [`Translator`] has those of an engine's blocks: `lora` is the name of its adapter,
    /// `salt` its cache salt (empty for none), `objects` what else is in it. The buffer is emptied first. What this hasher
    /// says of a namespace is of no account.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockObjects, BlockSize, ChainHasher};
    ///
    /// let hasher = ChainHasher::new(BlockSize::new(2)?);
    /// let (mut plain, mut salted) = (Vec::new(), Vec::new());
    /// hasher.prompt_contents_into(&[1, 2, 3, 4], "", "", &BlockObjects::new(), &mut plain);
    /// hasher.prompt_contents_into(&[1, 2, 3, 4], "", "tenant", &BlockObjects::new(), &mut salted);
    /// assert_eq!(plain, hasher.contents(&[1, 2, 3, 4]));
    /// assert_ne!(plain[0], salted[0]);
    /// assert_eq!(plain[1], salted[1], "behind another first block");
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn prompt_contents_into(
        &self,
        tokens: &[u32],
        lora: &str,
        salt: &str,
        objects: &BlockObjects,
        out: &mut Vec<BlockHash>,
    ) {
        hash_prompt(self.with_namespace(lora, ""), tokens, (lora, salt), objects, out);
    }
}

/// Hashes a prompt by the hasher of its adapter, and its first block with the salt.
fn hash_prompt(
    hasher: ChainHasher,
    tokens: &[u32],
    (lora, salt): (&str, &str),
    objects: &BlockObjects,
    out: &mut Vec<BlockHash>,
) {
    hasher.contents_with_into(tokens, objects, out);
    if let Some(first) = out.first_mut()
        && !salt.is_empty()
    {
        // With pairs, the block is full when one more token is there.
        let end = tokens.len().min(hasher.block_size().tokens() as usize + 1);
        let mut salted = Vec::new();
        hasher.with_namespace(lora, salt).contents_with_into(&tokens[..end], objects, &mut salted);
        *first = salted.first().copied().unwrap_or(*first);
    }
}

/// What the extra keys of an event are: its salt, and the objects of its blocks. The keys are untagged, but their order
/// is known: the adapter, the objects, and in a prompt's first block the salt; digests come last.
fn keys<'a>(stored: &Stored<'a>, adapter: &str) -> (Option<&'a str>, BlockObjects) {
    let mut objects = BlockObjects::new();
    let mut salt = stored.cache_salt;
    let mut before = None;
    for Extra { block, key } in stored.extras {
        let first_key = before.replace(*block) != Some(*block);
        match key {
            ExtraKey::Text(text) if first_key && text == adapter => {}
            ExtraKey::Text(text) if salt == Some(text) => {}
            ExtraKey::Text(text) if salt.is_none() && *block == 0 && stored.parent.is_none() => salt = Some(text),
            ExtraKey::Text(text) => objects.add(*block, BlockObjects::hash_of(text)),
            ExtraKey::Bytes(bytes) => objects.add(*block, xxh3_64(bytes)),
            ExtraKey::Object { identifier, .. } => objects.add(*block, BlockObjects::hash_of(identifier)),
            ExtraKey::Number(number) if Some(*number) == stored.lora_id => {}
            ExtraKey::Number(number) => objects.add(*block, *number),
            ExtraKey::Other(raw) => objects.add(*block, xxh3_64(raw)),
        }
    }
    (salt, objects)
}

/// An event that means nothing to the index.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TranslateError {
    /// Its blocks are not of the size that prompts are cut by.
    #[error("blocks of {found} tokens: expected {expected}")]
    BlockSize {
        /// The size of the translator, in tokens.
        expected: u32,
        /// The size of the event.
        found: u32,
    },
}
