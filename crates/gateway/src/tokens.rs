//! A model's own tokenizer and chat template, in process: prompts as the tokens that its engines compute.
//!
//! It runs on threads of its own, never on those that move bytes. What cannot be had in time, or at all, is no failed
//! request: the prompt is then cut by its text, and what engines tell of their caches finds nothing in it.

mod cache;
mod counts;
mod error;
mod folder;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod pieces;
mod pool;
mod prompt;
mod python;
mod stamp;
mod template;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use phalanx_kvcache::{BlockHash, ChainHasher};
use tokio::sync::oneshot;

pub(crate) use self::counts::Counts;
use self::error::Fallback;
pub use self::error::TokenizerError;
use self::folder::Folder;
use self::pieces::Pieces;
use self::pool::{Job, Queue, Worker};
use self::stamp::Stamp;
use crate::ask::{Api, Ask};

/// How long a request waits for its tokens. What is later than that costs more than it can save.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bodies longer than this are cut by their text, in bytes.
const LONGEST: usize = 8 << 20;
/// Prompts that wait for a thread at the most.
const QUEUE: usize = 1024;

/// Where a model's tokenizer is, and what it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerConfig {
    path: PathBuf,
    threads: usize,
    cache_bytes: usize,
}

/// A model's tokenizer and chat template, with the threads that they run on. Cheap to clone: clones share all of it, and
/// the threads end with the last one.
#[derive(Clone, Debug)]
pub struct Tokenizer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: TokenizerConfig,
    /// What its files were when it was loaded.
    stamp: Stamp,
    queue: Arc<Queue>,
    pieces: Arc<Pieces>,
    counts: Arc<Counts>,
}

/// The blocks of a prompt and its tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    blocks: Vec<BlockHash>,
    count: u32,
}

impl TokenizerConfig {
    /// The most threads.
    pub const MOST_THREADS: usize = 64;

    /// The tokenizer of a model's folder, as engines load it: `tokenizer.json`, with `tokenizer_config.json` and
    /// `chat_template.jinja` where they are there; or of a `tokenizer.json` with the others beside it. Defaults: two
    /// threads, and 64 MiB for the tokens of what came before.
    ///
    /// ```
    /// use phalanx_gateway::TokenizerConfig;
    ///
    /// let config = TokenizerConfig::new("/models/small").with_threads(4);
    /// let error = config.load().unwrap_err();
    /// assert!(error.to_string().starts_with("/models/small: "), "{error}");
    /// ```
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), threads: 2, cache_bytes: 64 << 20 }
    }

    /// With so many threads: 1 to [`MOST_THREADS`](Self::MOST_THREADS), to which other numbers are brought.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.clamp(1, Self::MOST_THREADS);
        self
    }

    /// With so many bytes at the most for the tokens of what came before: a later turn of a conversation costs only what
    /// is new in it. About 4 a token; 0 remembers nothing.
    #[must_use]
    pub fn with_cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Reads the files and starts the threads. It takes a second or so for a large vocabulary.
    ///
    /// # Errors
    ///
    /// [`TokenizerError`], which says which file is missing or wrong and what was expected of it.
    ///
    /// ```no_run
    /// use phalanx_gateway::{Pool, TokenizerConfig};
    ///
    /// let tokenizer = TokenizerConfig::new("/models/small").load()?;
    /// let pool = Pool::default().with_tokenizer(tokenizer);
    /// # Ok::<(), phalanx_gateway::TokenizerError>(())
    /// ```
    pub fn load(&self) -> Result<Tokenizer, TokenizerError> {
        // Before they are read: what changes meanwhile is another one.
        let stamp = Stamp::of(&self.path);
        let Folder { tokenizer: (file, bytes), template, ends } = Folder::read(&self.path)?;
        let pieces = Pieces::new(&bytes, &ends, self.cache_bytes)
            .map_err(|reason| TokenizerError::Tokenizer { path: file, reason })?;
        let (queue, pieces, template) = (Arc::new(Queue::new(QUEUE)), Arc::new(pieces), Arc::new(template));
        let (config, counts) = (self.clone(), Arc::new(Counts::new()));
        let shared = Shared { config, stamp, queue, pieces: Arc::clone(&pieces), counts };
        // From here on the threads end with it.
        let tokenizer = Tokenizer(Arc::new(shared));
        for place in 0..self.threads {
            let worker = Worker {
                queue: Arc::clone(&tokenizer.0.queue),
                pieces: Arc::clone(&pieces),
                template: Arc::clone(&template),
                counts: Arc::clone(&tokenizer.0.counts),
            };
            worker.start(place).map_err(|error| TokenizerError::Threads(error.to_string()))?;
        }
        Ok(tokenizer)
    }
}

impl Tokenizer {
    /// Where it was loaded from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.config.path
    }

    /// Whether it is what a configuration would load now: it was loaded with the same one, and the sizes and times of its files
    /// are what they were. Looks at four files.
    ///
    /// ```no_run
    /// use phalanx_gateway::TokenizerConfig;
    ///
    /// let config = TokenizerConfig::new("/models/small");
    /// let tokenizer = config.load()?;
    /// let again = if tokenizer.is_still(&config) { tokenizer.clone() } else { config.load()? };
    /// assert_eq!(again, tokenizer);
    /// # Ok::<(), phalanx_gateway::TokenizerError>(())
    /// ```
    #[must_use]
    pub fn is_still(&self, config: &TokenizerConfig) -> bool {
        self.0.config == *config && self.0.stamp == Stamp::of(&config.path)
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.0.counts
    }

    pub(crate) fn cache_bytes(&self) -> usize {
        self.0.pieces.cache_bytes()
    }

    /// The tokens of a body's prompt, for an engine that computes it with the adapter `lora`, if that is not empty.
    async fn tokens(&self, body: Bytes, api: Api, lora: &str, hasher: ChainHasher) -> Result<Tokens, Fallback> {
        if body.len() > LONGEST {
            return Err(Fallback::TooLong);
        }
        let (answer, tokens) = oneshot::channel();
        self.0.queue.push(Job { body, api, lora: lora.to_owned(), hasher, answer })?;
        match tokio::time::timeout(PATIENCE, tokens).await {
            Err(_) => Err(Fallback::Late),
            // The thread that had it is gone.
            Ok(Err(_)) => Err(Fallback::Failed),
            Ok(Ok(tokens)) => tokens,
        }
    }
}

impl Ask {
    /// Finds the blocks of the prompt, which were left for later: by the model's tokenizer if there is one, or else by the
    /// text.
    pub(crate) async fn cut(&mut self, tokenizer: Option<&Tokenizer>, api: Api, lora: &str, hasher: &ChainHasher) {
        if let Some(tokenizer) = tokenizer.filter(|_| api != Api::Other) {
            match tokenizer.tokens(self.body.clone(), api, lora, *hasher).await {
                Ok(Tokens { blocks, count }) => {
                    (self.blocks, self.prompt_tokens) = (blocks, count);
                    return;
                }
                Err(reason) => tokenizer.counts().fall_back(reason),
            }
        }
        self.cut_text(api, hasher);
    }
}

/// Two are equal when they are clones of one.
impl PartialEq for Tokenizer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tokenizer {}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod tiny;
