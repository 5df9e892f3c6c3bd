//! A real vLLM on this machine's processor, with a model that is made up.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Two layers of noise, a tokenizer of bytes and few merges, and a chat template.
pub(crate) const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny-model");
/// Tokens a block.
pub(crate) const BLOCK: u64 = 32;

/// On two cores that others work on too it has taken 121 s.
const LONGEST_START: Duration = Duration::from_secs(600);
const LONGEST_END: Duration = Duration::from_secs(60);

pub(crate) struct Vllm {
    child: Child,
    pub(crate) address: String,
    pub(crate) events: u16,
    pub(crate) replay: u16,
    /// Whether it serves; closed when all of its processes have ended.
    told: Receiver<Told>,
}

enum Told {
    Serves,
    Line(String),
}

/// A port that nobody listens at just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port()
}

impl Vllm {
    /// Starts one; [`serves`](Self::serves) waits for it.
    pub(crate) fn start(python: &str, more: &[&str]) -> Self {
        let [port, events, replay] = [free_port(), free_port(), free_port()];
        let address = format!("127.0.0.1:{port}");
        // Of the addresses that it binds, this one alone has a port that is known.
        let publisher = format!(
            r#"{{"enable_kv_cache_events":true,"publisher":"zmq","endpoint":"tcp://*:{events}",
                "replay_endpoint":"tcp://127.0.0.1:{replay}","topic":"kv@{address}@tiny"}}"#
        );
        let (port, block) = (port.to_string(), BLOCK.to_string());
        let arguments = ["-m", "vllm.entrypoints.openai.api_server", "--model", MODEL, "--served-model-name", "tiny"];
        let place = ["--host", "127.0.0.1", "--port", &port, "--kv-events-config", &publisher];
        let model = ["--load-format", "dummy", "--dtype", "bfloat16", "--enforce-eager", "--max-model-len", "1024"];
        let cache = ["--block-size", &block, "--enable-prefix-caching", "--enable-prompt-tokens-details"];
        let (said, output) = std::io::pipe().expect("a pipe");
        let mut command = Command::new(python);
        command.args(arguments).args(place).args(model).args(cache).args(["--max-num-seqs", "8"]).args(more);
        for name in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "VLLM_NO_USAGE_STATS", "DO_NOT_TRACK", "OMP_NUM_THREADS"]
        {
            command.env(name, "1");
        }
        command.env("VLLM_CPU_KVCACHE_SPACE", "1").env("VLLM_CPU_OMP_THREADS_BIND", "nobind");
        command.env("VLLM_SERVER_DEV_MODE", "1");
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("a pipe")).stderr(output);
        // Its processes are a group, so that all of them can be ended.
        let child = command.process_group(0).spawn().expect("python runs");
        drop(command);
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                let serves = line.contains("Application startup complete");
                let _ = tell.send(if serves { Told::Serves } else { Told::Line(line) });
            }
        });
        Self { child, address, events, replay, told }
    }

    /// Waits until it serves.
    pub(crate) fn serves(&self) {
        let mut lines = Vec::new();
        loop {
            match self.told.recv_timeout(LONGEST_START) {
                Ok(Told::Serves) => return,
                Ok(Told::Line(line)) => lines.push(line),
                Err(reason) => panic!("vLLM does not serve ({reason}):\n{}", lines.join("\n")),
            }
        }
    }

    fn signal(&self, signal: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Vllm {
    fn drop(&mut self) {
        self.signal("-TERM");
        while self.told.recv_timeout(LONGEST_END).is_ok() {}
        self.signal("-KILL");
        let _ = self.child.wait();
    }
}
