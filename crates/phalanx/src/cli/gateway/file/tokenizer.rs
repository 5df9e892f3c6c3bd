//! `tokenizer` in the file: where a model's tokenizer is, and what it may take.

use std::sync::{Arc, OnceLock};

use phalanx_gateway::{Tokenizer, TokenizerConfig};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::super::super::input::Wrong;
use super::{care, wrong};

/// A model's tokenizer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenizerPart {
    path: Spanned<String>,
    #[serde(default)]
    threads: Option<Spanned<usize>>,
    #[serde(default)]
    cache: care::Value,
    /// It takes a while, and is asked for more than once.
    #[serde(skip)]
    loaded: Arc<OnceLock<Tokenizer>>,
}

impl TokenizerPart {
    /// Takes over what another part has loaded, if it is what this one would load now.
    pub(super) fn keep(&self, loaded_by: &Self) {
        if let (Some(loaded), Ok(config)) = (loaded_by.loaded.get(), self.config())
            && loaded.is_still(&config)
        {
            let _ = self.loaded.set(loaded.clone());
        }
    }

    /// The tokenizer: that of an earlier model which says the same, or one that is loaded now.
    pub(super) fn load<'a>(&self, earlier: impl IntoIterator<Item = &'a Self>) -> Result<Tokenizer, Wrong> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded.clone());
        }
        let config = self.config()?;
        let same = earlier.into_iter().find(|other| other.config().is_ok_and(|other| other == config));
        let loaded = match same.and_then(|other| other.loaded.get()) {
            Some(loaded) => loaded.clone(),
            None => config.load().map_err(|error| wrong(&self.path, format!("tokenizer.path: {error}")))?,
        };
        Ok(self.loaded.get_or_init(|| loaded).clone())
    }

    fn config(&self) -> Result<TokenizerConfig, Wrong> {
        let mut config = TokenizerConfig::new(&self.path.value);
        if let Some(threads) = &self.threads {
            let most = TokenizerConfig::MOST_THREADS;
            if !(1..=most).contains(&threads.value) {
                let message = format!("tokenizer.threads: found {}; expected 1 to {most}", threads.value);
                return Err(wrong(threads, message));
            }
            config = config.with_threads(threads.value);
        }
        if let Some(bytes) = care::bytes("tokenizer.cache", &self.cache)? {
            config = config.with_cache_bytes(bytes);
        }
        Ok(config)
    }
}
