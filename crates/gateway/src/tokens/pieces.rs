//! Text to tokens, in pieces whose tokens do not depend on what is around them.

mod cut;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokenizers::Tokenizer;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use self::cut::Cutter;
use super::cache::Cache;
use super::folder::Ends;

/// A tokenizer that remembers pieces. Shared by threads.
#[derive(Debug)]
pub(super) struct Pieces {
    tokenizer: Tokenizer,
    cutter: Cutter,
    /// `None` if it does more around a prompt than to begin and to end it.
    around: Option<Around>,
    cache: Mutex<Cache>,
    /// So that nobody from outside can make two pieces alike.
    seed: u64,
}

/// The tokens that begin and end a prompt.
#[derive(Clone, Debug, Default)]
struct Around {
    before: Vec<u32>,
    behind: Vec<u32>,
}

/// Where tokens came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) cached: usize,
    pub(super) fresh: usize,
}

impl Pieces {
    /// A tokenizer from its file; what is wrong with it, if it is none.
    pub(super) fn new(json: &[u8], ends: &Ends, cache_bytes: usize) -> Result<Self, String> {
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(|error| error.to_string())?;
        // An engine sets both anew for each prompt.
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
        tokenizer.with_padding(None);
        let cutter = Cutter::new(json, &tokenizer)?;
        let around = Around::new(&tokenizer, ends)?;
        let cache = Mutex::new(Cache::new(cache_bytes));
        Ok(Self { tokenizer, cutter, around, cache, seed: RandomState::new().hash_one(0) })
    }

    /// Bytes of what is remembered.
    pub(super) fn cache_bytes(&self) -> usize {
        self.cache().bytes()
    }

    /// The tokens of a text, with those that begin and end a prompt if `is_special`.
    ///
    /// O(bytes) for what is remembered; what is not costs what the tokenizer takes.
    pub(super) fn encode(&self, text: &str, is_special: bool) -> tokenizers::Result<(Vec<u32>, Came)> {
        let Some(Around { before, behind }) = &self.around else {
            let ids = self.tokenizer.encode_fast(text, is_special)?.get_ids().to_vec();
            let came = Came { fresh: ids.len(), ..Came::default() };
            return Ok((ids, came));
        };
        let pieces: Vec<&str> = self.cutter.pieces(text).collect();
        let key =
            |(place, piece): (usize, &&str)| xxh3_128_with_seed(piece.as_bytes(), self.seed ^ u64::from(place == 0));
        let keys: Vec<u128> = pieces.iter().enumerate().map(key).collect();
        let mut gone = Vec::new();
        let mut known: Vec<Option<Arc<[u32]>>> = Vec::with_capacity(pieces.len());
        {
            let mut cache = self.cache();
            for key in &keys {
                let (ids, dropped) = cache.get(*key);
                known.push(ids);
                gone.extend(dropped);
            }
        }
        let mut came = Came::default();
        let mut ids = if is_special { before.clone() } else { Vec::new() };
        let mut fresh: Vec<(u128, Arc<[u32]>)> = Vec::new();
        let mut anchored = String::new();
        for (place, (piece, known)) in pieces.iter().zip(known).enumerate() {
            if let Some(known) = known {
                came.cached += known.len();
                ids.extend_from_slice(&known);
                continue;
            }
            let new: Arc<[u32]> = match self.cutter.anchor().filter(|_| place > 0) {
                None => self.tokenizer.encode_fast(*piece, false)?.get_ids().into(),
                Some(anchor) => {
                    anchored.clear();
                    anchored.push_str(anchor);
                    anchored.push_str(piece);
                    // The anchor is one token.
                    self.tokenizer.encode_fast(anchored.as_str(), false)?.get_ids().get(1..).unwrap_or_default().into()
                }
            };
            came.fresh += new.len();
            ids.extend_from_slice(&new);
            fresh.push((keys[place], new));
        }
        if is_special {
            ids.extend_from_slice(behind);
        }
        if !fresh.is_empty() {
            let mut cache = self.cache();
            gone.extend(fresh.into_iter().filter_map(|(key, ids)| cache.put(key, ids)));
        }
        drop(gone);
        Ok((ids, came))
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // It is whole after each call.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Around {
    /// What the tokenizer adds, as its file or the configuration says.
    fn new(tokenizer: &Tokenizer, ends: &Ends) -> Result<Option<Self>, String> {
        let ids = |is_special| match tokenizer.encode_fast("a", is_special) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(error) => Err(error.to_string()),
        };
        let (plain, whole) = (ids(false)?, ids(true)?);
        if plain.is_empty() {
            return Ok(None);
        }
        let Some(at) = whole.windows(plain.len()).position(|part| part == plain) else { return Ok(None) };
        let told = |end: &Option<Option<String>>, own: &[u32]| match end {
            None => own.to_vec(),
            Some(token) => token.iter().filter_map(|token| tokenizer.token_to_id(token)).collect(),
        };
        let (before, behind) = (told(&ends.before, &whole[..at]), told(&ends.behind, &whole[at + plain.len()..]));
        Ok(Some(Self { before, behind }))
    }
}
