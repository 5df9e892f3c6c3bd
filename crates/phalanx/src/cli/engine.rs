//! `phalanx engine`: one emulated engine.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args as ClapArgs;
use phalanx_emulator::{Emulator, EmulatorConfig, Fault};
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
  phalanx engine --model tiny --fault status,status=503,permille=200 --fault slow,millis=50

It batches, queues, reuses prefixes and runs out of KV blocks like an engine on a GPU; the text it answers is filler.

Prefill and decode: a request with kv_transfer_params as vLLM's NIXL connector has them, or with bootstrap_host,
bootstrap_port and bootstrap_room as SGLang has them (the port is the engine's own), is one leg of two; what does not
belong together is an error.

Adapters, with --max-loras: POST /v1/load_lora_adapter {\"lora_name\": \"poet\", \"lora_path\": \"/any\"}, and
POST /v1/unload_lora_adapter {\"lora_name\": \"poet\"}.

Faults, written as a name and fields:
  refuse,millis=2000   no connection is taken, for a time from now on; those that are open stay
  hang                 there is no answer, until the client leaves
  close                the connection ends before the head of an answer
  status,status=503    an error is answered; status is 500 if it is left out; body=... stands last
  die,after=3          the connection ends after so many chunks of an answer; 0 if it is left out
  garbage              what is answered is no HTTP
  slow,millis=50       each chunk of an answer comes so much later
All but refuse take permille (of requests, 1000), count (at the most) and path (how paths begin, /v1/). The first fault
that strikes a request is the one. While the engine runs: GET /fault lists them, POST /fault adds one, with the same
fields ({\"fault\": \"die\", \"after\": 3, \"count\": 1}), and DELETE /fault removes all.")]
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
    /// LoRA adapters that are in use at once; with 0 none are taken
    #[arg(long, default_value = "0", value_name = "N")]
    max_loras: u32,
    /// Seconds to wait for the other leg of a request, and to keep KV for it
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    transfer_timeout: u64,
    /// Something to do wrong; may be given more than once
    #[arg(long = "fault", value_name = "NAME[,FIELD=VALUE]...")]
    faults: Vec<Fault>,
    /// Seed of the draws of faults that strike a share of the requests
    #[arg(long, default_value = "0", value_name = "SEED")]
    fault_seed: u64,
    #[command(flatten)]
    engine: EngineArgs,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = EmulatorConfig::new(args.model, args.engine.config(args.block_size)?)
        .with_max_loras(args.max_loras)
        .with_transfer_timeout(Duration::from_secs(args.transfer_timeout))
        .with_fault_seed(args.fault_seed);
    let config = args.faults.into_iter().fold(config, EmulatorConfig::with_fault);
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
        let stop = serve::Stop::listen();
        let emulator = emulator.map_err(|error| Failure::Input(error.to_string()))?;
        output::say(&format!("serving on http://{}{tells}; Ctrl-C drains and stops", emulator.address()));
        serve::drain_on_signal(stop, emulator.shutdown()).await;
        Ok(())
    })
}
