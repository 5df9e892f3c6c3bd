//! What kind of engine is modelled.

use phalanx_kvcache::BlockSize;
use thiserror::Error;

use crate::StepTime;

/// vLLM's default on CUDA.
const DEFAULT_BLOCK: BlockSize = match BlockSize::new(16) {
    Ok(size) => size,
    Err(_) => panic!("16 tokens are a valid block"),
};

/// The size and the speed of an engine. Start from a preset and change what differs.
///
/// ```
/// use phalanx_engine::EngineConfig;
/// use phalanx_kvcache::BlockSize;
///
/// let config = EngineConfig::a100_8b().with_block_size(BlockSize::new(512)?).with_kv_tokens(100_000)?;
/// assert_eq!((config.kv_blocks(), config.kv_tokens()), (195, 100_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EngineConfig {
    name: &'static str,
    block_size: BlockSize,
    kv_tokens: u32,
    max_batched_tokens: u32,
    max_sequences: u32,
    step: StepTime,
    report_tokens: bool,
    report_cache: bool,
}

/// A setting that no engine can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// KV memory for not even one block.
    #[error("KV capacity of {kv_tokens} tokens: expected at least one block of {block_size}")]
    NoBlock {
        /// The capacity that was asked for.
        kv_tokens: u32,
        /// The block size.
        block_size: BlockSize,
    },
    /// No seats, or more seats than tokens in a step: then a decode could miss its turn.
    #[error("{max_sequences} seats: expected 1 to the token budget of a step, {max_batched_tokens}")]
    Seats {
        /// Seats.
        max_sequences: u32,
        /// The token budget of a step.
        max_batched_tokens: u32,
    },
}

/// No preset has that name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no preset {name:?}: expected one of {}", EngineConfig::PRESETS.join(", "))]
#[non_exhaustive]
pub struct UnknownPreset {
    /// What was asked for.
    pub name: String,
}

impl EngineConfig {
    /// The names that [`preset`](Self::preset) knows.
    pub const PRESETS: [&'static str; 1] = ["a100-8b"];

    /// The preset `a100-8b`: an 8B model in bf16 on one 80 GB A100, with room for 409,600 tokens of KV in blocks of 16,
    /// 8,192 tokens a step, 256 seats, and [`StepTime::A100_8B`]. Reports neither tokens nor cache events.
    ///
    /// ```
    /// let config = phalanx_engine::EngineConfig::a100_8b();
    /// assert_eq!((config.name(), config.kv_blocks()), ("a100-8b", 25_600));
    /// ```
    pub fn a100_8b() -> Self {
        Self {
            name: Self::PRESETS[0],
            block_size: DEFAULT_BLOCK,
            kv_tokens: 409_600,
            max_batched_tokens: 8192,
            max_sequences: 256,
            step: StepTime::A100_8B,
            report_tokens: false,
            report_cache: false,
        }
    }

    /// A preset by its name.
    ///
    /// # Errors
    /// [`UnknownPreset`], which lists those that there are.
    ///
    /// ```
    /// use phalanx_engine::EngineConfig;
    ///
    /// assert_eq!(EngineConfig::preset("a100-8b"), Ok(EngineConfig::a100_8b()));
    /// let error = EngineConfig::preset("a1").unwrap_err();
    /// assert_eq!(error.to_string(), r#"no preset "a1": expected one of a100-8b"#);
    /// ```
    pub fn preset(name: &str) -> Result<Self, UnknownPreset> {
        match name {
            "a100-8b" => Ok(Self::a100_8b()),
            _ => Err(UnknownPreset { name: name.to_owned() }),
        }
    }

    /// Cuts KV memory into blocks of another size; the capacity in tokens stays, less what does not fill a block. An
    /// engine whose capacity does not fill even one rejects every request as too large.
    ///
    /// ```
    /// use phalanx_engine::EngineConfig;
    /// use phalanx_kvcache::BlockSize;
    ///
    /// assert_eq!(EngineConfig::a100_8b().with_block_size(BlockSize::new(512)?).kv_blocks(), 800);
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    #[must_use]
    pub fn with_block_size(self, block_size: BlockSize) -> Self {
        Self { block_size, ..self }
    }

    /// Gives room for `kv_tokens` tokens of KV, less what does not fill a block.
    ///
    /// # Errors
    /// [`ConfigError::NoBlock`] if that is less than one block of the present size.
    ///
    /// ```
    /// use phalanx_engine::EngineConfig;
    ///
    /// assert_eq!(EngineConfig::a100_8b().with_kv_tokens(1000)?.kv_blocks(), 62);
    /// assert!(EngineConfig::a100_8b().with_kv_tokens(15).is_err());
    /// # Ok::<(), phalanx_engine::ConfigError>(())
    /// ```
    pub fn with_kv_tokens(self, kv_tokens: u32) -> Result<Self, ConfigError> {
        if self.block_size.blocks_full(kv_tokens) == 0 {
            return Err(ConfigError::NoBlock { kv_tokens, block_size: self.block_size });
        }
        Ok(Self { kv_tokens, ..self })
    }

    /// Sets the token budget of a step and the number of seats.
    ///
    /// # Errors
    /// [`ConfigError::Seats`] unless there is at least one seat and a token for each.
    ///
    /// ```
    /// use phalanx_engine::EngineConfig;
    ///
    /// assert_eq!(EngineConfig::a100_8b().with_batch(2048, 64)?.max_sequences(), 64);
    /// assert!(EngineConfig::a100_8b().with_batch(2048, 4096).is_err());
    /// # Ok::<(), phalanx_engine::ConfigError>(())
    /// ```
    pub fn with_batch(self, max_batched_tokens: u32, max_sequences: u32) -> Result<Self, ConfigError> {
        if max_sequences == 0 || max_sequences > max_batched_tokens {
            return Err(ConfigError::Seats { max_sequences, max_batched_tokens });
        }
        Ok(Self { max_batched_tokens, max_sequences, ..self })
    }

    /// Sets how long steps take.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_engine::{EngineConfig, StepTime};
    ///
    /// let ms = Duration::from_millis;
    /// let constant = StepTime::new(ms(10), ms(0), ms(0), ms(0))?;
    /// assert_eq!(EngineConfig::a100_8b().with_step_time(constant).step_time(), constant);
    /// # Ok::<(), phalanx_engine::StepTimeError>(())
    /// ```
    #[must_use]
    pub fn with_step_time(self, step: StepTime) -> Self {
        Self { step, ..self }
    }

    /// Whether each token is an event. Off by default; it makes the engine stop at every step.
    ///
    /// ```
    /// let config = phalanx_engine::EngineConfig::a100_8b().report_tokens(true);
    /// assert!(config.reports_tokens());
    /// ```
    #[must_use]
    pub fn report_tokens(self, report_tokens: bool) -> Self {
        Self { report_tokens, ..self }
    }

    /// Whether a change in what can be matched is an event. Off by default.
    ///
    /// ```
    /// let config = phalanx_engine::EngineConfig::a100_8b().report_cache(true);
    /// assert!(config.reports_cache());
    /// ```
    #[must_use]
    pub fn report_cache(self, report_cache: bool) -> Self {
        Self { report_cache, ..self }
    }

    /// The preset that this began as.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Tokens in a block.
    pub fn block_size(&self) -> BlockSize {
        self.block_size
    }

    /// KV capacity as it was asked for, in tokens.
    pub fn kv_tokens(&self) -> u32 {
        self.kv_tokens
    }

    /// KV capacity in blocks.
    pub fn kv_blocks(&self) -> u32 {
        self.block_size.blocks_full(self.kv_tokens)
    }

    /// The token budget of a step: decodes count one each, prompt tokens one each.
    pub fn max_batched_tokens(&self) -> u32 {
        self.max_batched_tokens
    }

    /// Seats: how many requests can run at once.
    pub fn max_sequences(&self) -> u32 {
        self.max_sequences
    }

    /// How long steps take.
    pub fn step_time(&self) -> StepTime {
        self.step
    }

    /// Whether each token is an event.
    pub fn reports_tokens(&self) -> bool {
        self.report_tokens
    }

    /// Whether a change in what can be matched is an event.
    pub fn reports_cache(&self) -> bool {
        self.report_cache
    }
}
