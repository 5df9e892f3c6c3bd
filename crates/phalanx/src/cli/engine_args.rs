//! How engines are modelled: the flags that `up`, `simulate` and `engine` share.

use clap::Args;
use phalanx_engine::EngineConfig;
use phalanx_kvcache::BlockSize;

use super::Failure;

/// Which engine to model.
#[derive(Clone, Debug, Args)]
pub(super) struct EngineArgs {
    /// Engine preset: `a100-8b` is an 8B model in bf16 on one 80 GB A100
    #[arg(long, default_value = "a100-8b", value_parser = EngineConfig::PRESETS)]
    preset: String,
    /// KV-cache capacity of an engine, in tokens [default: the preset's]
    #[arg(long, value_name = "TOKENS")]
    kv_tokens: Option<u32>,
}

impl EngineArgs {
    /// The engine with blocks of `block_size` tokens.
    pub(super) fn config(&self, block_size: u32) -> Result<EngineConfig, Failure> {
        let size = BlockSize::new(block_size).map_err(|error| Failure::Input(format!("--block-size: {error}")))?;
        let config =
            EngineConfig::preset(&self.preset).map_err(|error| Failure::Input(format!("--preset: {error}")))?;
        let tokens = self.kv_tokens.unwrap_or_else(|| config.kv_tokens());
        config
            .with_block_size(size)
            .with_kv_tokens(tokens)
            .map_err(|error| Failure::Input(format!("--kv-tokens: {error}")))
    }
}
