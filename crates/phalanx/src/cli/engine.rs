//! `phalanx engine`: one emulated engine.

use std::net::SocketAddr;

use clap::Args as ClapArgs;
use phalanx_emulator::{Emulator, EmulatorConfig};

use super::engine_args::EngineArgs;
use super::{Failure, flags, output, serve};

/// Arguments of `phalanx engine`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  phalanx engine --model tiny --listen 127.0.0.1:8000
  curl http://127.0.0.1:8000/v1/completions -H 'content-type: application/json' -d '{\"model\":\"tiny\",\"prompt\":\"Hello\"}'

It batches, queues, reuses prefixes and runs out of KV blocks like an engine on a GPU; the text it answers is filler.")]
pub(super) struct Args {
    /// Name under which the model is served
    #[arg(long, default_value = "emulated")]
    model: String,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "IP:PORT", value_parser = flags::address)]
    listen: SocketAddr,
    /// Tokens a KV block
    #[arg(long, default_value = "16", value_name = "TOKENS")]
    block_size: u32,
    #[command(flatten)]
    engine: EngineArgs,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = EmulatorConfig::new(args.model, args.engine.config(args.block_size)?);
    serve::runtime()?.block_on(async {
        let listener = serve::bind("--listen", args.listen).await?;
        let emulator = Emulator::start(config, listener).map_err(|error| Failure::Input(error.to_string()))?;
        output::say(&format!("serving on http://{}; Ctrl-C drains and stops", emulator.address()));
        serve::drain_on_signal(emulator.shutdown()).await;
        Ok(())
    })
}
