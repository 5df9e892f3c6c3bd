//! The gateway in front of very many endpoints, with very many streams open for long.

use std::net::SocketAddr;
use std::process::Command;

use serde::Deserialize;

use super::contender::{self, OURS};
use super::harness::{self, Harness, Seen};
use super::process::{self, allow_files, most_files};
use crate::error::Error;
use crate::measure::phalanx::Phalanx;
use crate::measure::row::{Row, Want};
use crate::measure::{Setting, Subject};

/// The gateway at scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale;

/// What is held, and for how long.
#[derive(Clone, Copy, Debug)]
struct Plan {
    engines: usize,
    /// Streams that are open at once, at the least.
    open: usize,
    /// Clients. A few more: between the end of a stream and the first chunk of the next one a client has none.
    clients: usize,
    /// Of the longest streams; the shortest have a third.
    chunks: u32,
    /// Milliseconds.
    delay: u32,
    /// Of each group.
    prompts: u32,
    /// Seconds, as those that follow.
    spread: f64,
    warm_up: f64,
    window: f64,
    /// Files and sockets of the gateway: each stream has two, and connections to engines are kept for a minute.
    files: u64,
}

const WHOLE: Plan = Plan {
    engines: 1_000,
    open: 8_000,
    clients: 8_300,
    chunks: 60,
    delay: 1_000,
    prompts: 1,
    spread: 20.0,
    warm_up: 120.0,
    window: 600.0,
    files: 20_000,
};

const TINY: Plan = Plan {
    engines: 50,
    open: 380,
    clients: 400,
    chunks: 30,
    delay: 50,
    prompts: 1,
    spread: 0.5,
    warm_up: 1.5,
    window: 3.0,
    files: 1_024,
};

/// What the program saw: memory in kilobytes of 1,024 bytes.
#[derive(Clone, Debug, Deserialize)]
struct Crowd {
    open: (usize, usize),
    asked: usize,
    left: u64,
    astray: u64,
    failures: u64,
    failure: Option<String>,
    memory: Flat,
    load: Seen,
    after: After,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Flat {
    idle: u64,
    first: u64,
    last: u64,
    most: u64,
    each_minute: f64,
}

/// What is counted as under way when all has ended.
#[derive(Clone, Copy, Debug, Deserialize)]
struct After {
    metrics: u64,
    samples: u64,
    loads: u64,
    endpoints: u64,
    listed: u64,
}

impl Subject for Scale {
    fn about(&self) -> &'static str {
        "The gateway in front of 1,000 endpoints with 8,000 streams open at any moment for ten minutes, after two minutes of \
         warm-up: the gateway on one core; on the other one process with a mock engine on each of 1,000 ports, and one with \
         the clients. A stream has 20 to 60 chunks, one a second, and each client begins its next one when one ends, one in \
         four on a new connection; one in fifty is left half way. Chunks are numbered by the engines and bear their stream's id: \
         clients check that each comes once, in order and to whom it belongs. The prompts are the same 32 all \
         the time, so that what the gateway learns of caches, and forgets after ten minutes, is learned early. Ours decides by `phalanx` with blocks of text. Memory is resident, looked at \
         each second; first and last are medians of the first and the last tenth. 1 MB is 1,000,000 bytes."
    }

    fn measure(&self, setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
        let plan = if setting.tiny { TINY } else { WHOLE };
        let absent = harness::absent().map(str::to_owned).or_else(|| too_few_files(plan.files));
        if let Some(reason) = absent {
            return Ok(vec![Row::new("gateway at scale: all figures").skip(reason)]);
        }
        allow_files(plan.files)?;
        let phalanx = Phalanx::prepare(setting)?;
        let harness = Harness::prepare(setting, plan.engines)?;
        let place = harness.place()?;
        let debug = process::free_address()?;
        let path = place.folder.join("scale.yaml");
        let text = format!("debug: {debug}\n{}", contender::phalanx_file(&place));
        std::fs::write(&path, text).map_err(|error| Error::file(&path, error))?;
        let mut command = Command::new(phalanx.path());
        command.args(["gateway", "--config"]).arg(&path);
        let running = harness.serve(&format!("{OURS}-scale"), &command, place.address)?;
        (setting.note)(&format!(
            "gateway: {} streams over {} endpoints for {} s\n",
            plan.open, plan.engines, plan.window
        ));
        let crowd: Crowd = harness.crowd(&running, &plan.arguments(debug))?;
        Ok(plan.rows(setting, &crowd))
    }
}

/// Why the streams could not be opened, if so.
fn too_few_files(needed: u64) -> Option<String> {
    match most_files() {
        None => Some("no `prlimit` in PATH (package util-linux)".to_owned()),
        Some(most) if most < needed => {
            Some(format!("may open {most} files and sockets; needs `ulimit -Hn` of {needed} or more"))
        }
        Some(_) => None,
    }
}

impl Plan {
    fn arguments(&self, debug: SocketAddr) -> Vec<String> {
        vec![
            format!("--debug={debug}"),
            format!("--streams={}", self.clients),
            format!("--chunks={}", self.chunks),
            format!("--delay={}", self.delay),
            format!("--prompts={}", self.prompts),
            format!("--spread={}", self.spread),
            format!("--warm-up={}", self.warm_up),
            format!("--seconds={}", self.window),
        ]
    }

    fn rows(&self, setting: &Setting<'_>, crowd: &Crowd) -> Vec<Row> {
        let Crowd { open: (least, most), memory, load, after, .. } = crowd;
        let megabytes = |kilobytes: u64| kilobytes as f64 * 1_024.0 / 1e6;
        let none = |name: &str| Row::new(name).want(Want::AtMost(0.0));
        let failure = crowd.failure.as_deref().map_or_else(String::new, |failure| format!("first: {failure}"));
        let micro = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let open = Row::new("streams open at once, at the least");
        let open = open.saw(*least as f64).note(format!("{most} at the most, for {:.0} s", load.seconds));
        let flat = Row::new("memory at the end, as times that at the beginning").unit("x");
        let flat = flat.saw(memory.last as f64 / memory.first as f64);
        let held = memory.first.saturating_sub(memory.idle) as f64 * 1_024.0 / 1e3 / self.clients as f64;
        vec![
            if setting.tiny { open } else { open.want(Want::AtLeast(self.open as f64)) },
            Row::new("endpoints that were asked")
                .want(Want::AtLeast(self.engines as f64))
                .saw(crowd.asked as f64)
                .note(format!("the hottest had {:.2}% of the requests", 100.0 * load.hottest.unwrap_or_default())),
            Row::new("streams that ended in the window").saw(load.requests as f64),
            Row::new("streams that were left half way").saw(crowd.left as f64),
            Row::new("chunks checked in the window")
                .saw(load.chunks as f64)
                .note(format!("{:.0} a second", load.chunks as f64 / load.seconds)),
            none("streams with a chunk lost, doubled, out of order or of another stream").saw(crowd.astray as f64),
            none("streams that failed, for any reason").saw(crowd.failures as f64).note(failure),
            Row::new("memory idle").unit("MB").saw(megabytes(memory.idle)),
            Row::new("memory at the beginning").unit("MB").saw(megabytes(memory.first)),
            Row::new("memory at the end").unit("MB").saw(megabytes(memory.last)),
            Row::new("memory at the most").unit("MB").saw(megabytes(memory.most)),
            if setting.tiny { flat } else { flat.want(Want::AtMost(1.05)).stretch(Want::AtMost(1.01)) },
            Row::new("memory that is added a minute, by the line that fits best")
                .unit("kB")
                .saw(memory.each_minute * 1.024),
            Row::new("memory of a stream, open or about to").unit("kB").saw(held),
            Row::new("CPU a chunk, all else with it")
                .unit("us")
                .saw(load.cpu_us / load.chunks as f64)
                .note(format!("{:.2} of a core", load.gateway_use)),
            Row::new("one-way time of a chunk, p50").unit("us").saw(micro(load.one_way.p50)),
            Row::new("one-way time of a chunk, p99").unit("us").saw(micro(load.one_way.p99)),
            Row::new("TTFT, p50").unit("us").saw(micro(load.first_token.p50)),
            Row::new("TTFT, p99").unit("us").saw(micro(load.first_token.p99)),
            none("requests under way by /metrics when all have ended")
                .saw(if after.samples > 0 { after.metrics as f64 } else { f64::NAN })
                .note(format!("the sum of {} counters", after.samples)),
            none("loads of endpoints in the debug dump when all have ended")
                .saw(if after.endpoints > 0 { (after.loads + after.listed) as f64 } else { f64::NAN })
                .note(format!("the sum over {} endpoints, and the requests that are listed", after.endpoints)),
            Row::new("harness core in use").saw(load.harness_use),
            Row::new("cores that anything else took").saw(load.foreign_use),
        ]
    }
}
