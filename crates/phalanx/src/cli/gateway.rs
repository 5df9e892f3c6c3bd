//! `phalanx gateway`: a gateway in front of engines that a file lists.

pub(super) mod file;
mod signals;

use std::path::PathBuf;

use clap::Args as ClapArgs;
use phalanx_gateway::Gateway;

use self::file::GatewayFile;
use super::serve::{bind, runtime, stop_on_signal};
use super::{Failure, input, output};

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
  retry: {tries: 3, share: 20%, per_second: 10, statuses: [502, 503, 504]}
  breaker: {failures: 5, pause: 30s}    # or off
  health_check: {path: /health, interval: 5s, timeout: 1s, up_after: 2, down_after: 3}
  limits: {max_body: 64MiB, max_connections: 16384, head_timeout: 30s, body_timeout: 60s}
  drain: {delay: 5s, grace: 30s}        # /readyz says 503 during the delay
  access_log: {format: json, output: stdout}

metrics and kv_events may stand at a model as well, for all of its endpoints. metrics may also be a path, or
{path: /metrics, interval: 200ms}; address and replay are ports of the endpoint, or such as tcp://10.0.0.2:5557;
topic, beside them, is how the topics begin that are listened to.

examples/gateway.yaml has every field of these with its default.

`phalanx check FILE` says what is wrong with such a file, with line and field, and starts nothing.")]
pub(super) struct Args {
    /// The file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let path = args.config.display();
    let file = GatewayFile::parse(&input::text(&args.config)?);
    let file = file.map_err(|wrong| Failure::Input(format!("{path}{wrong}")))?;
    let address = file.listen();
    let config = file.config().map_err(|wrong| Failure::Input(format!("{path}{wrong}")))?;
    runtime()?.block_on(async {
        let listener = bind(&format!("{path}: listen"), address).await?;
        let gateway = Gateway::start(config, listener).map_err(|error| Failure::Input(format!("{path}: {error}")))?;
        output::say(&format!("gateway on http://{}, {file}; Ctrl-C drains and stops", gateway.address()));
        stop_on_signal(gateway.shutdown()).await;
        Ok(())
    })
}
