//! What was seen of a load, and what the gateway used meanwhile.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::engines::Counts;
use crate::watch::{self, Memory, Tree};

/// Counters from which a window's use is the difference.
#[derive(Clone, Debug)]
pub(super) struct Window {
    gateway: Option<Tree>,
    engines: Option<Tree>,
    start: Use,
}

/// Processor time so far, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    gateway: f64,
    /// Its part that a tokenizer's threads took.
    tokenizer: f64,
    harness: f64,
    busy: f64,
    memory: Memory,
}

/// What is seen, in the window only.
#[derive(Debug)]
pub(super) struct Seen {
    opens: Instant,
    closes: Instant,
    is_open: bool,
    end: Option<(Duration, Use)>,
    opened: Instant,
    pub(super) window: Option<Window>,
    answers: u64,
    all: u64,
    chunks: u64,
    reads: u64,
    failures: u64,
    failure: Option<String>,
    latencies: Vec<u64>,
    first_tokens: Vec<u64>,
    one_way: Vec<u64>,
}

/// What is printed: times in microseconds, memory in kilobytes of 1,024 bytes, the rest counts and shares.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    seconds: f64,
    requests: u64,
    chunks: u64,
    reads: u64,
    failures: u64,
    failure: Option<String>,
    /// The gateway's processor time.
    cpu_us: f64,
    /// What of it a tokenizer's own threads took.
    tokenizer_us: f64,
    /// The part of the window in which the gateway was on a processor.
    gateway_use: f64,
    /// The same for engines and load together: near 1, they were the limit.
    harness_use: f64,
    /// Processors that anything else took.
    foreign_use: f64,
    latency: Quantiles,
    first_token: Quantiles,
    one_way: Quantiles,
    /// The share of a group's requests that its most used engine got.
    affinity: f64,
    /// The share of all requests that the most used engine got.
    hottest: f64,
    before: Memory,
    after: Memory,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Quantiles {
    p50: f64,
    p99: f64,
}

impl Window {
    pub(super) fn new(gateway: Option<u32>, engines: Option<u32>) -> Self {
        let mut window = Self { gateway: gateway.map(Tree::of), engines: engines.map(Tree::of), start: Use::default() };
        window.start = window.now();
        window
    }

    fn now(&self) -> Use {
        let seconds = |tree: &Tree| tree.on_cpu() as f64 / 1e9;
        let of = |tree: &Option<Tree>| tree.as_ref().map_or(0.0, seconds);
        Use {
            gateway: of(&self.gateway),
            tokenizer: self.gateway.as_ref().map_or(0.0, |tree| tree.on_cpu_of("tokenize-") as f64 / 1e9),
            harness: of(&self.engines) + seconds(&Tree::of(std::process::id())),
            busy: watch::busy(),
            memory: self.gateway.as_ref().map(Tree::memory).unwrap_or_default(),
        }
    }
}

impl Seen {
    pub(super) fn new(now: Instant, warm_up: Duration, seconds: Duration) -> Self {
        let opens = now + warm_up;
        Self {
            opens,
            closes: opens + seconds,
            is_open: false,
            end: None,
            opened: opens,
            window: None,
            answers: 0,
            all: 0,
            chunks: 0,
            reads: 0,
            failures: 0,
            failure: None,
            latencies: Vec::new(),
            first_tokens: Vec::new(),
            one_way: Vec::new(),
        }
    }

    /// Opens and closes the window when it is time; whether it is closed.
    pub(super) fn turn(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.closes {
            let used = self.window.as_ref().map(Window::now).unwrap_or_default();
            self.end = Some((self.opened.elapsed(), used));
            return true;
        }
        if !self.is_open && now >= self.opens {
            if let Some(window) = &mut self.window {
                window.start = window.now();
            }
            self.opened = Instant::now();
            self.is_open = true;
        }
        false
    }

    pub(super) fn answer(&mut self, took: Duration) {
        self.all += 1;
        if self.is_open {
            self.answers += 1;
            self.latencies.push(nanoseconds(took));
        }
    }

    pub(super) fn first_token(&mut self, took: Duration) {
        if self.is_open {
            self.first_tokens.push(nanoseconds(took));
        }
    }

    pub(super) fn chunk(&mut self, took: u64) {
        self.all += 1;
        if self.is_open {
            self.chunks += 1;
            self.one_way.push(took);
        }
    }

    pub(super) fn read(&mut self) {
        self.reads += u64::from(self.is_open);
    }

    /// Counts also what fails outside of the window.
    pub(super) fn failed(&mut self, error: &io::Error) {
        self.failures += 1;
        self.failure.get_or_insert_with(|| error.to_string());
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    /// Whether the window is.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn first_failure(&self) -> &str {
        self.failure.as_deref().unwrap_or("nothing failed")
    }

    /// Answers and chunks so far, in the window or not.
    pub(super) fn answered(&self) -> u64 {
        self.all
    }

    /// Nothing failed.
    pub(super) fn whole(&self) -> io::Result<()> {
        if self.failures == 0 { Ok(()) } else { Err(io::Error::other(self.first_failure().to_owned())) }
    }

    pub(super) fn report(self, before: &Window, counts: Counts) -> Report {
        let (took, end) = self.end.unwrap_or_default();
        let start = self.window.map(|window| window.start).unwrap_or_default();
        let seconds = took.as_secs_f64();
        let (gateway, harness) = (end.gateway - start.gateway, end.harness - start.harness);
        let Spread { affinity, hottest } = Spread::of(&counts);
        Report {
            seconds,
            requests: self.answers,
            chunks: self.chunks,
            reads: self.reads,
            failures: self.failures,
            failure: self.failure,
            cpu_us: gateway * 1e6,
            tokenizer_us: (end.tokenizer - start.tokenizer) * 1e6,
            gateway_use: gateway / seconds,
            harness_use: harness / seconds,
            foreign_use: ((end.busy - start.busy) - gateway - harness).max(0.0) / seconds,
            latency: Quantiles::of(self.latencies),
            first_token: Quantiles::of(self.first_tokens),
            one_way: Quantiles::of(self.one_way),
            affinity,
            hottest,
            before: before.start.memory,
            after: end.memory,
        }
    }
}

impl Quantiles {
    fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let at = |share: f64| {
            let place = (times.len() as f64 * share) as usize;
            times.get(place).or(times.last()).map_or(f64::NAN, |&time| time as f64 / 1e3)
        };
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

/// How requests were spread.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    affinity: f64,
    hottest: f64,
}

impl Spread {
    fn of(Counts(counts): &Counts) -> Self {
        let groups = counts.first().map_or(0, Vec::len);
        let total: u64 = counts.iter().flatten().sum();
        let most = |group: usize| counts.iter().map(|engine| engine[group]).max().unwrap_or_default();
        let kept: u64 = (0..groups).map(most).sum();
        let hottest = counts.iter().map(|engine| engine.iter().sum::<u64>()).max().unwrap_or_default();
        let share = |part: u64| part as f64 / total as f64;
        Self { affinity: share(kept), hottest: share(hottest) }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Asks the engines who asked where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control(SocketAddr);

impl Control {
    pub(super) fn new(engine: SocketAddr) -> Self {
        Self(engine)
    }

    pub(super) fn reset(self) -> io::Result<()> {
        self.ask("/bench/reset").map(drop)
    }

    pub(super) fn counts(self) -> io::Result<Counts> {
        Ok(serde_json::from_slice(&self.ask("/bench/counts")?)?)
    }

    fn ask(self, path: &str) -> io::Result<Vec<u8>> {
        let mut socket = TcpStream::connect(self.0)?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(socket, "GET {path} HTTP/1.1\r\nhost: engine\r\n\r\n")?;
        crate::big::read_answer(&mut socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinity_and_share_are_told_apart() {
        let of = |counts: [[u64; 2]; 2]| Spread::of(&Counts(counts.iter().map(|row| row.to_vec()).collect()));
        assert_eq!(of([[4, 0], [0, 4]]), Spread { affinity: 1.0, hottest: 0.5 });
        assert_eq!(of([[4, 4], [0, 0]]), Spread { affinity: 1.0, hottest: 1.0 });
        assert_eq!(of([[2, 2], [2, 2]]), Spread { affinity: 0.5, hottest: 0.5 });
    }

    #[test]
    fn quantiles_are_of_what_was_seen() {
        let Quantiles { p50, p99 } = Quantiles::of((0..1_000).map(|time| time * 1_000).collect());
        assert_eq!((p50, p99), (500.0, 990.0));
        assert!(Quantiles::of(Vec::new()).p50.is_nan());
    }
}
