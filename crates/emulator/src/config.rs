//! What an emulated engine is told when it starts.

use std::time::Duration;

use phalanx_engine::EngineConfig;

use crate::faults::Fault;

/// Settings of one [`Emulator`](crate::Emulator).
#[derive(Clone, Debug)]
pub struct EmulatorConfig {
    models: Vec<String>,
    engine: EngineConfig,
    max_loras: u32,
    transfer_timeout: Duration,
    faults: Vec<Fault>,
    fault_seed: u64,
    has_byte_tokens: bool,
}

impl EmulatorConfig {
    /// An engine that answers for `model` and runs as `engine` says.
    ///
    /// ```
    /// use phalanx_emulator::EmulatorConfig;
    /// use phalanx_engine::EngineConfig;
    ///
    /// let config = EmulatorConfig::new("tiny", EngineConfig::a100_8b());
    /// assert_eq!(config.models(), ["tiny"]);
    /// ```
    #[must_use]
    pub fn new(model: impl Into<String>, engine: EngineConfig) -> Self {
        Self {
            models: vec![model.into()],
            engine,
            max_loras: 0,
            transfer_timeout: Duration::from_secs(30),
            faults: Vec::new(),
            fault_seed: 0,
            has_byte_tokens: false,
        }
    }

    /// Serves the model under one more name; answers carry the first.
    ///
    /// ```
    /// use phalanx_emulator::EmulatorConfig;
    /// use phalanx_engine::EngineConfig;
    ///
    /// let config = EmulatorConfig::new("tiny", EngineConfig::a100_8b()).also_serving("tiny-latest");
    /// assert_eq!(config.models(), ["tiny", "tiny-latest"]);
    /// ```
    #[must_use]
    pub fn also_serving(mut self, model: impl Into<String>) -> Self {
        self.models.push(model.into());
        self
    }

    /// Takes LoRA adapters, of which so many are in use at once; none by default. They are loaded and unloaded over HTTP.
    ///
    /// ```
    /// use phalanx_emulator::EmulatorConfig;
    /// use phalanx_engine::EngineConfig;
    ///
    /// let config = EmulatorConfig::new("tiny", EngineConfig::a100_8b()).with_max_loras(4);
    /// ```
    #[must_use]
    pub fn with_max_loras(mut self, slots: u32) -> Self {
        self.max_loras = slots;
        self
    }

    /// Waits so long for the other leg of a request whose prompt is computed on one engine and answered on another, and
    /// keeps KV for so long; 30 s by default.
    #[must_use]
    pub fn with_transfer_timeout(mut self, limit: Duration) -> Self {
        self.transfer_timeout = limit;
        self
    }

    /// Does one more thing wrong, from the start. The first fault that strikes a request is the one.
    ///
    /// ```
    /// use phalanx_emulator::EmulatorConfig;
    /// use phalanx_engine::EngineConfig;
    ///
    /// let config = EmulatorConfig::new("tiny", EngineConfig::a100_8b()).with_fault("die,after=3,permille=200".parse()?);
    /// # Ok::<(), phalanx_emulator::FaultError>(())
    /// ```
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Draws by this seed which requests a fault strikes that strikes a share of them; 0 by default.
    #[must_use]
    pub fn with_fault_seed(mut self, seed: u64) -> Self {
        self.fault_seed = seed;
        self
    }

    /// Takes each byte of a text for the token of its number, as a byte-level tokenizer without merges does: whoever has
    /// that tokenizer finds the same blocks as this engine, in conversations framed by
    /// [`chat_text`](phalanx_kvcache::chat_text) too.
    ///
    /// ```
    /// use phalanx_emulator::EmulatorConfig;
    /// use phalanx_engine::EngineConfig;
    ///
    /// let config = EmulatorConfig::new("tiny", EngineConfig::a100_8b()).with_byte_tokens();
    /// assert!(config.has_byte_tokens());
    /// ```
    #[must_use]
    pub fn with_byte_tokens(mut self) -> Self {
        self.has_byte_tokens = true;
        self
    }

    /// Whether each byte of a text is a token; otherwise each four bytes are one.
    #[must_use]
    pub fn has_byte_tokens(&self) -> bool {
        self.has_byte_tokens
    }

    pub(crate) fn max_loras(&self) -> u32 {
        self.max_loras
    }

    pub(crate) fn transfer_timeout(&self) -> Duration {
        self.transfer_timeout
    }

    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    pub(crate) fn fault_seed(&self) -> u64 {
        self.fault_seed
    }

    /// The names under which the model is served: at least one.
    #[must_use]
    pub fn models(&self) -> &[String] {
        &self.models
    }

    /// The engine behind the endpoints.
    #[must_use]
    pub fn engine(&self) -> &EngineConfig {
        &self.engine
    }
}
