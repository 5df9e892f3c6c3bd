//! The program that stands around a gateway: engines, load, huge bodies.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::contender::{Contender, Place};
use super::process::{self, Process, pinned, told};
use crate::error::Error;
use crate::measure::Setting;
use crate::measure::program::Program;

/// The gateway's core.
const GATEWAY: u32 = 0;
/// The core of engines and load.
const HARNESS: u32 = 1;

/// Running engines, and the program that loads them.
pub(super) struct Harness<'a> {
    setting: &'a Setting<'a>,
    program: PathBuf,
    engines: Child,
    addresses: Vec<SocketAddr>,
    folder: PathBuf,
    /// Loads so far: none sends what another did.
    loads: AtomicU64,
}

/// A load to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    name: &'static str,
    bytes: u32,
    /// Requests a second; without, 64 in flight.
    rate: Option<u32>,
    chunks: u32,
    /// Milliseconds between chunks.
    delay: u32,
}

/// A gateway that serves.
#[derive(Debug)]
pub(super) struct Running {
    process: Process,
    address: SocketAddr,
}

/// What the load saw: times in microseconds, memory in kilobytes of 1,024 bytes.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Seen {
    pub(super) seconds: f64,
    pub(super) requests: u64,
    pub(super) chunks: u64,
    pub(super) reads: u64,
    pub(super) failures: u64,
    pub(super) failure: Option<String>,
    pub(super) cpu_us: f64,
    /// What of it a tokenizer's own threads took.
    pub(super) tokenizer_us: f64,
    pub(super) gateway_use: f64,
    pub(super) harness_use: f64,
    pub(super) foreign_use: f64,
    pub(super) latency: Quantiles,
    pub(super) first_token: Quantiles,
    pub(super) one_way: Quantiles,
    pub(super) affinity: Option<f64>,
    pub(super) hottest: Option<f64>,
    pub(super) before: Memory,
    pub(super) after: Memory,
}

/// `None` of nothing.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Quantiles {
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

/// Of the gateway's processes.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Memory {
    pub(super) resident: u64,
    pub(super) peak: u64,
}

/// What a huge body did.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Big {
    pub(super) after: Memory,
    pub(super) milliseconds: f64,
}

#[derive(Debug, Deserialize)]
struct Started {
    addresses: Vec<SocketAddr>,
}

/// Why nothing can be measured here, if nothing can.
pub(super) fn absent() -> Option<&'static str> {
    if !cfg!(target_os = "linux") {
        return Some("only Linux counts what is needed");
    }
    if std::thread::available_parallelism().map_or(1, std::num::NonZero::get) < 2 {
        return Some("needs two cores: one for the gateway, one for engines and load");
    }
    let found = Command::new("taskset").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_err().then_some("no `taskset` in PATH (package util-linux)")
}

impl Load {
    /// 64 requests in flight.
    pub(super) fn closed(name: &'static str, bytes: u32) -> Self {
        Self { name, bytes, rate: None, chunks: 0, delay: 0 }
    }

    /// 200 requests a second.
    pub(super) fn at_random(name: &'static str, bytes: u32) -> Self {
        Self { rate: Some(200), ..Self::closed(name, bytes) }
    }

    /// 64 streams of 100 chunks.
    pub(super) fn streams(name: &'static str, delay: u32) -> Self {
        Self { chunks: 100, delay, ..Self::closed(name, 4_500) }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    fn arguments(&self, tiny: bool) -> Vec<String> {
        let (warm_up, seconds) = match (self.rate, self.delay, tiny) {
            // Long enough for each stream to begin once.
            (None, 1.., true) => (0.3, 1.4),
            (_, _, true) => (0.3, 0.7),
            (Some(_), _, false) => (0.7, 4.0),
            // All have begun: starts are spread over one second.
            (None, 1.., false) => (1.5, 3.0),
            (None, 0, false) => (0.7, 3.0),
        };
        let mut arguments = vec![
            format!("--bytes={}", self.bytes),
            format!("--chunks={}", self.chunks),
            format!("--delay={}", self.delay),
            format!("--warm-up={warm_up}"),
            format!("--seconds={seconds}"),
        ];
        arguments.extend(self.rate.map(|rate| format!("--rate={rate}")));
        if self.delay > 0 {
            arguments.push(format!("--spread={}", if tiny { 0.2 } else { 1.0 }));
        }
        arguments
    }
}

impl<'a> Harness<'a> {
    /// Builds the program and starts so many engines.
    ///
    /// # Errors
    /// When it does not build or start.
    pub(super) fn prepare(setting: &'a Setting<'a>, engines: usize) -> Result<Self, Error> {
        let program = Program::prepare(setting, "gateways")?.into_path();
        let folder = setting.workspace.target.join("gateways-run");
        std::fs::create_dir_all(&folder).map_err(|error| Error::file(&folder, error))?;
        let mut command = Command::new(&program);
        command.args(["engines".to_owned(), format!("--count={engines}")]);
        let start = |source| Error::Start { command: told(&command), source };
        let mut engines = pinned(HARNESS, &command).stdout(Stdio::piped()).spawn().map_err(start)?;
        let mut line = String::new();
        if let Some(out) = engines.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(start)?;
        }
        let addresses = serde_json::from_str(&line).map(|started: Started| started.addresses).unwrap_or_default();
        let harness = Self { setting, program, engines, addresses, folder, loads: AtomicU64::new(0) };
        if harness.addresses.is_empty() {
            let expected = format!("expected the engines' addresses, found {line:?}");
            return Err(Error::Answer { command: told(&command), expected });
        }
        Ok(harness)
    }

    /// Starts a gateway in front of the engines, and waits until it serves.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn start(&self, contender: &Contender) -> Result<Running, Error> {
        let place = self.place()?;
        self.serve(contender.name(), &contender.command(&place)?, place.address)
    }

    /// A free address, and the engines.
    ///
    /// # Errors
    /// When no address is free.
    pub(super) fn place(&self) -> Result<Place<'_>, Error> {
        Ok(Place { folder: &self.folder, address: process::free_address()?, engines: &self.addresses })
    }

    /// Starts a gateway by a command, and waits until it serves at the address.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn serve(&self, name: &str, command: &Command, address: SocketAddr) -> Result<Running, Error> {
        let log = self.folder.join(format!("{}.log", name.replace(' ', "-")));
        let mut process = Process::start(GATEWAY, command, &log)?;
        let ready = self.ask_nothing(&["ready".to_owned(), format!("--target={address}"), "--timeout=60".to_owned()]);
        if ready.is_err() || process.has_ended() {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let last: Vec<_> = text.lines().rev().take(5).collect();
            let said = last.into_iter().rev().collect::<Vec<_>>().join("; ");
            let expected = format!("expected it to serve on {address}; it said: {said}");
            return Err(Error::Answer { command: told(command), expected });
        }
        Ok(Running { process, address })
    }

    /// A load straight to the engines.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub(super) fn direct(&self, load: &Load) -> Result<Seen, Error> {
        let targets = self.addresses.iter().map(|address| format!("--target={address}"));
        self.load(load, targets.collect())
    }

    /// A load through a gateway, each group of prompts once before it.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub(super) fn through(&self, running: &Running, load: &Load) -> Result<Seen, Error> {
        let watch = format!("--watch={}", running.process.id());
        let mut arguments = vec![format!("--target={}", running.address), watch];
        if load.rate.is_none() && load.chunks == 0 {
            arguments.push("--first-contact".to_owned());
        }
        self.load(load, arguments)
    }

    /// A body of 64 MB through a gateway.
    ///
    /// # Errors
    /// When no answer comes.
    pub(super) fn big(&self, running: &Running) -> Result<Big, Error> {
        let bytes = if self.setting.tiny { 4_000_000 } else { 64_000_000 };
        let target = format!("--target={}", running.address);
        self.ask(&["big".to_owned(), target, format!("--watch={}", running.process.id()), format!("--bytes={bytes}")])
    }

    /// Very many streams at once through a gateway.
    ///
    /// # Errors
    /// When they cannot be held.
    pub(super) fn crowd<T: DeserializeOwned>(&self, running: &Running, arguments: &[String]) -> Result<T, Error> {
        let mut all = vec![
            "crowd".to_owned(),
            format!("--target={}", running.address),
            format!("--watch={}", running.process.id()),
            format!("--engines={}", self.addresses[0]),
            format!("--engines-process={}", self.engines.id()),
        ];
        all.extend_from_slice(arguments);
        self.ask(&all)
    }

    fn load(&self, load: &Load, mut arguments: Vec<String>) -> Result<Seen, Error> {
        let first = self.loads.fetch_add(1, Ordering::Relaxed) * 100_000_000;
        arguments.insert(0, "load".to_owned());
        arguments.extend(load.arguments(self.setting.tiny));
        arguments.extend([
            format!("--engines={}", self.addresses[0]),
            format!("--engines-process={}", self.engines.id()),
            format!("--first={first}"),
        ]);
        self.ask(&arguments)
    }

    fn ask<T: DeserializeOwned>(&self, arguments: &[String]) -> Result<T, Error> {
        let out = self.ask_nothing(arguments)?;
        serde_json::from_slice(&out).map_err(|error| Error::Answer {
            command: format!("gateways {}", arguments.join(" ")),
            expected: format!("{error}: {}", String::from_utf8_lossy(&out)),
        })
    }

    fn ask_nothing(&self, arguments: &[String]) -> Result<Vec<u8>, Error> {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        let output = pinned(HARNESS, &command).output();
        let output = output.map_err(|source| Error::Start { command: told(&command), source })?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::Failed { command: told(&command), status: output.status, stderr });
        }
        Ok(output.stdout)
    }
}

impl Drop for Harness<'_> {
    fn drop(&mut self) {
        let _ = self.engines.kill();
        let _ = self.engines.wait();
    }
}
