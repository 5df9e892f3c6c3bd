//! `phalanx up`: the whole system on this machine.

mod drive;
mod fleet;
mod load;
mod report;
mod sample;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args as ClapArgs;
use phalanx_gateway::Gateway;
use phalanx_routing::{Policy, Seed};
use phalanx_sim::Trace;

use self::fleet::Fleet;
use self::load::Load;
use super::engine_args::EngineArgs;
use super::manifests::FileArgs;
use super::output::{self, Format};
use super::place::Placements;
use super::serve::{Stop, bind, drain_on_signal, runtime};
use super::{Failure, flags, input};

/// The port without `--listen`: known beforehand where people are to connect.
const DEFAULT_PORT: u16 = 8080;

/// Arguments of `phalanx up`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  phalanx up examples/quickstart                        serve until Ctrl-C
  phalanx up examples/quickstart --drive sample         send a sample load, print what came of it, stop
  phalanx up examples/quickstart --drive trace.jsonl --model small --speed 2 --limit 200

JSON (with --drive): gangs (as `phalanx place -o json` has them), requests, failed, failures (the first five), seconds,
decisions, decision_p50_us, decision_p99_us, total and endpoints. Both have endpoint, node, requests (answers that came from
here), prompt_tokens (to compute here: what a prefill engine handed over is not), cached_tokens, hit_ratio, ttft_p50_ms and
ttft_p99_ms (streamed answers, as the client saw them), output_tokens_per_s. Exits 1 when a gang has no place (JSON is then
the gangs alone) or a request failed.")]
pub(super) struct Args {
    #[command(flatten)]
    manifests: FileArgs,
    /// Address of the gateway [default: 127.0.0.1:8080, and with --drive any free port on loopback]
    #[arg(long, value_name = "IP:PORT", value_parser = flags::address)]
    listen: Option<SocketAddr>,
    /// Routing policy
    #[arg(long, default_value = "phalanx", value_name = "NAME", value_parser = flags::policy())]
    policy: Policy,
    /// Tokens a KV block
    #[arg(long, default_value = "16", value_name = "TOKENS")]
    block_size: u32,
    #[command(flatten)]
    engine: EngineArgs,
    /// Send a load, print what came of it and stop: `sample`, or a trace file in Mooncake's JSONL format
    #[arg(long, value_name = "sample|FILE")]
    drive: Option<String>,
    /// Send the load N times faster than it was recorded
    #[arg(long, default_value = "1", value_name = "N", requires = "drive", allow_hyphen_values = true, value_parser = flags::speed)]
    speed: f64,
    /// Send the first N requests of the load only
    #[arg(long, value_name = "N", requires = "drive")]
    limit: Option<usize>,
    /// Model that a trace asks for [default: the first that has a route]
    #[arg(long, value_name = "NAME", requires = "drive")]
    model: Option<String>,
    /// Seed of ties and of the sample load
    #[arg(long, default_value = "0")]
    seed: u64,
    /// Output format of the report
    #[arg(short, long, value_enum, default_value_t, requires = "drive")]
    output: Format,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    // Everything that can be wrong with the input is found before anything starts.
    let placements = Placements::plan(&args.manifests)?;
    let fleet = Fleet::read(&placements, args.engine.config(args.block_size)?)?;
    let load = args.drive.as_deref().map(|drive| read_load(drive, &args, &fleet)).transpose()?;
    runtime()?.block_on(serve(args, placements, fleet, load))
}

async fn serve(args: Args, placements: Placements, fleet: Fleet, load: Option<Load>) -> Result<(), Failure> {
    let port = if load.is_some() { 0 } else { DEFAULT_PORT };
    let address = args.listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let listener = bind("--listen", address).await?;
    let quiet = args.output == Format::Json;
    if !quiet {
        output::say(&placements.page());
    } else if placements.rejected() {
        output::say(&placements.json());
    }
    if placements.rejected() {
        output::complain("nothing was started, since a gang has no place");
        return Err(Failure::No);
    }
    let running = fleet.start().await?;
    let config = running.gateway_config(args.policy.clone(), Seed::from(args.seed));
    let stop = load.is_none().then(Stop::listen);
    let gateway = Gateway::start(config, listener).map_err(|error| Failure::Input(error.to_string()))?;
    if !quiet {
        output::say(&format!("\n{}", running.page()));
        output::say(&format!("\ngateway on http://{}, policy {}", gateway.address(), args.policy));
    }

    let Some(load) = load else {
        output::say(&format!("try: {}\nCtrl-C drains and stops", running.curl(gateway.address())));
        drain_on_signal(stop.unwrap_or_else(Stop::listen), async {
            gateway.shutdown().await;
            running.shutdown().await;
        })
        .await;
        return Ok(());
    };
    let done = drive::run(gateway.address(), load).await;
    let handle = gateway.handle();
    let report = report::Report::new(&done, &running, &placements, &handle).await;
    gateway.shutdown().await;
    running.shutdown().await;
    output::say(&if quiet { report.json() } else { format!("\n{}", report.page()) });
    if report.failed() { Err(Failure::No) } else { Ok(()) }
}

fn read_load(drive: &str, args: &Args, fleet: &Fleet) -> Result<Load, Failure> {
    let models = fleet.models();
    let load = if drive == "sample" {
        if let Some(model) = &args.model {
            return Err(Failure::Input(format!("--model {model}: the sample load asks for every model; give a trace")));
        }
        if models.is_empty() {
            return Err(Failure::Input("no ModelRoute names a model: there is nothing to ask for".to_owned()));
        }
        sample::load(&models, args.seed).limited(args.limit).faster(args.speed)
    } else {
        let path = PathBuf::from(drive);
        let text = input::text(&path)?;
        let trace = Trace::parse(&text).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
        let model = match &args.model {
            Some(model) if models.contains(model) => model.clone(),
            Some(model) => {
                let known = models.join(", ");
                return Err(Failure::Input(format!("--model {model}: no such model; expected one of: {known}")));
            }
            None => models.first().cloned().ok_or_else(|| Failure::Input("no ModelRoute names a model".to_owned()))?,
        };
        let trace = trace.limited(args.limit.unwrap_or(usize::MAX)).faster(args.speed);
        Load::trace(&trace.map_err(|error| Failure::Input(format!("--{error}")))?, &model)
    };
    if load.jobs.is_empty() {
        return Err(Failure::Input(format!("--drive {drive}: no request to send; expected one or more")));
    }
    Ok(load)
}
