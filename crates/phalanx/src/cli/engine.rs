//! `phalanx engine`: one emulated engine.

use std::net::SocketAddr;

use clap::Args as ClapArgs;
use phalanx_emulator::{Emulator, EmulatorConfig};
use phalanx_signals::{Publisher, PublisherConfig};

use super::engine_args::EngineArgs;
use super::{Failure, flags, output, serve};

/// Arguments of `phalanx engine`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  phalanx engine --model tiny --listen 127.0.0.1:8000
  curl http://127.0.0.1:8000/v1/completions -H 'content-type: application/json' -d '{\"model\":\"tiny\",\"prompt\":\"Hello\"}'

  phalanx engine --model tiny --kv-events tcp://127.0.0.1:5557 --kv-replay tcp://127.0.0.1:5558

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
    /// Address to publish KV events on over ZMQ, as vLLM does; port 0 takes any
    #[arg(long, value_name = "tcp://IP:PORT", value_parser = flags::zmq_address)]
    kv_events: Option<SocketAddr>,
    /// Address to answer replays of KV events on
    #[arg(long, value_name = "tcp://IP:PORT", value_parser = flags::zmq_address, requires = "kv_events")]
    kv_replay: Option<SocketAddr>,
    /// Topic of the KV events
    #[arg(long, default_value = "", value_name = "TOPIC", requires = "kv_events", hide_default_value = true)]
    kv_topic: String,
    #[command(flatten)]
    engine: EngineArgs,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = EmulatorConfig::new(args.model, args.engine.config(args.block_size)?);
    serve::runtime()?.block_on(async {
        let listener = serve::bind("--listen", args.listen).await?;
        let mut tells = String::new();
        let emulator = match args.kv_events {
            None => Emulator::start(config, listener),
            Some(address) => {
                let events = serve::bind("--kv-events", address).await?;
                let replays = match args.kv_replay {
                    Some(address) => Some(serve::bind("--kv-replay", address).await?),
                    None => None,
                };
                let publisher = PublisherConfig::new().with_topic(args.kv_topic);
                let publisher = Publisher::start(&publisher, events, replays);
                let publisher = publisher.map_err(|error| Failure::Input(format!("--kv-events: {error}")))?;
                tells = format!(", KV events on tcp://{}", publisher.address());
                tells.extend(publisher.replay_address().map(|address| format!(", replays on tcp://{address}")));
                Emulator::publishing(config, listener, publisher)
            }
        };
        let emulator = emulator.map_err(|error| Failure::Input(error.to_string()))?;
        output::say(&format!("serving on http://{}{tells}; Ctrl-C drains and stops", emulator.address()));
        serve::drain_on_signal(emulator.shutdown()).await;
        Ok(())
    })
}
