//! What an emulated engine is told when it starts.

use phalanx_engine::EngineConfig;

/// Settings of one [`Emulator`](crate::Emulator).
#[derive(Clone, Debug)]
pub struct EmulatorConfig {
    models: Vec<String>,
    engine: EngineConfig,
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
        Self { models: vec![model.into()], engine, has_byte_tokens: false }
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
