//! `phalanx gateway`: a gateway in front of engines that a file lists.

pub(super) mod file;
mod pairing;
mod signals;
mod sources;
mod watch;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use phalanx_gateway::{DecisionLog, Gateway, GatewayConfig, StartError, Warmth};
use tokio::time::Instant;

use self::file::peers::Peers;
use self::sources::{Read, Sources};
use self::watch::Watched;
use super::serve::{Stop, bind, runtime, stop_on_signal};
use super::{Failure, output};

/// Arguments of `phalanx gateway`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  phalanx gateway --config gateway.yaml

The file, of which only models, their names and endpoints must be there:
  listen: 127.0.0.1:8080        # the default; port 0 takes any
  policy: phalanx               # the default: a name, or a policy as `phalanx route` reads it
  block_size: 16                # the default: tokens a KV block, as the engines have it
  models:
    - name: small               # as clients ask for it
      served_as: org/small-7b   # as the engines serve it, where that is another name
      timeout: 60s              # until an engine's response head; s, ms or m; without it there is no limit
      tokenizer: {path: models/small-7b}  # the model's folder: KV blocks are then of the engine's own tokens
      timeouts: {per_try: 10s, idle: 5m, total: 10m}  # of one try, between two parts of an answer, of all
      endpoints:
        - 10.0.0.1:8000
        - name: second          # stands in answers and logs; the default is the address
          address: 10.0.0.2:8000
          metrics: true         # read /metrics each second, for policies that look at the engine's load
          kv_events: {address: 5557, replay: 5558}  # follow what its KV cache holds, over ZMQ
          ranks: 8              # data-parallel ranks, each an endpoint: named in X-data-parallel-rank, with ports that follow
    - name: large               # prompts computed by some, answered by others
      kv_connector: nixl        # the default; http, sglang; lmcache is as http, mooncake as nixl
      endpoints:
        - {name: p0, address: 10.0.0.3:8000, phase: prefill}  # bootstrap_port: 8998, with sglang
        - {name: d0, address: 10.0.0.4:8000, phase: decode}   # group: only with those of the same
  retry: {tries: 3, share: 20%, per_second: 10, statuses: [502, 503, 504]}
  breaker: {failures: 5, pause: 30s}    # or off
  health_check: {path: /health, interval: 5s, timeout: 1s, up_after: 2, down_after: 3}
  limits: {max_body: 64MiB, max_connections: 16384, head_timeout: 30s, body_timeout: 60s}
  drain: {delay: 5s, grace: 30s}        # /readyz says 503 during the delay
  access_log: {format: json, output: stdout}
  decision_log: {path: decisions.jsonl}  # for `phalanx replay`; what an earlier run left is kept as decisions.jsonl.old
  peers: {listen: 10.0.0.1:9091, from: [gateways:9091]}  # take over the index of another gateway at the start
  debug: 127.0.0.1:9090         # GET /debug tells what goes on inside, as JSON; loopback only

metrics and kv_events may stand at a model as well, for all of its endpoints. metrics may also be a path, or
{path: /metrics, interval: 200ms}; address and replay are ports of the endpoint, or such as tcp://10.0.0.2:5557;
topic, beside them, is how the topics begin that are listened to.

examples/gateway.yaml has every field of these with its default.

While it runs it looks at the file every half a second, and at once on SIGHUP: what has changed is applied, and nothing that
is under way is dropped. A file that is wrong changes nothing, and is told with line and field on stderr; /metrics has
phalanx_gateway_config_reload_failures_total. listen, block_size, debug, peers and decision_log take a restart.

--policy takes Kthena's router configuration (routerConfiguration.yaml) as well: its plugins, weights and arguments become the
policy, and what has no effect here is told with its line.

`phalanx check FILE` says what is wrong with such a file, with line and field, and starts nothing.")]
pub(super) struct Args {
    /// The file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Another policy than the file's: a name, or a file with a policy, such as Kthena's router configuration
    #[arg(long, value_name = "NAME|FILE")]
    policy: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let path = args.config.display();
    let sources = Sources::new(args.config.clone(), args.policy.clone());
    let texts = sources.texts()?;
    let Read { file, mut config, warnings } = sources.read(&texts, None).map_err(Failure::Input)?;
    for warning in warnings {
        output::complain(&format!("warning: {warning}"));
    }
    let address = file.listen();
    let debug = file.debug().map_err(|wrong| Failure::Input(format!("{path}{wrong}")))?;
    if let Some(log) = file.decision_log() {
        config = config.with_decision_log(DecisionLog::new(create(log)?));
    }
    let peers = file.peers().map_err(|wrong| Failure::Input(format!("{path}{wrong}")))?;
    runtime()?.block_on(async {
        let listener = bind(&format!("{path}: listen"), address).await?;
        let [debug, answers] = [("debug", debug), ("peers.listen", peers.listen)].map(|(field, address)| {
            let flag = format!("{path}: {field}");
            async move {
                match address {
                    Some(address) => bind(&flag, address).await.map(Some),
                    None => Ok(None),
                }
            }
        });
        let (debug, answers) = (debug.await?, answers.await?);
        warm(&mut config, &peers).await;
        let wrong = |error: StartError| Failure::Input(format!("{path}: {error}"));
        let stop = Stop::listen();
        let mut gateway = Gateway::start(config, listener).map_err(wrong)?;
        output::say(&format!("gateway on http://{}, {file}; Ctrl-C drains and stops", gateway.address()));
        if let Some(listener) = debug {
            output::say(&format!("debug at http://{}/debug", gateway.debug(listener).map_err(wrong)?));
        }
        if let Some(listener) = answers {
            output::say(&format!("peers are answered on {}", gateway.peers(listener).map_err(wrong)?));
        }
        let watched = Watched::new(sources, texts, file, gateway.handle());
        let watching = tokio::spawn(watched.follow());
        stop_on_signal(stop, gateway.shutdown()).await;
        watching.abort();
        Ok(())
    })
}

/// Takes over what a peer knows, the first of those that answer; without one the gateway starts cold.
async fn warm(config: &mut GatewayConfig, peers: &Peers) {
    let ends = Instant::now() + peers.wait;
    for name in &peers.from {
        let left = || ends.saturating_duration_since(Instant::now());
        let found = match tokio::time::timeout(left(), tokio::net::lookup_host(name)).await {
            Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
            Ok(Err(error)) => {
                output::complain(&format!("peer {name}: {error}"));
                continue;
            }
            Err(_) => break,
        };
        for address in found.into_iter().filter(|address| Some(*address) != peers.listen) {
            match config.warm_from(address, left()).await {
                Ok(warmth) => {
                    let Warmth { endpoints, blocks, .. } = warmth;
                    return output::say(&format!("warm: {blocks} blocks of {endpoints} endpoints from peer {address}"));
                }
                Err(error) => output::complain(&format!("peer {address}: {error}")),
            }
        }
    }
    if !peers.from.is_empty() {
        output::complain("no peer told what its index holds; starting cold");
    }
}

/// A new file for decisions; what an earlier run left there is kept beside it.
fn create(path: &Path) -> Result<File, Failure> {
    let failed = |error: std::io::Error| Failure::Input(format!("decision_log: {}: {error}", path.display()));
    if fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0) {
        let mut old = path.as_os_str().to_owned();
        old.push(".old");
        fs::rename(path, old).map_err(failed)?;
    }
    File::create(path).map_err(failed)
}
