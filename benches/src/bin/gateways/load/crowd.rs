//! Very many streams at once, for long: each begins anew when it ends, every chunk is checked, and the gateway's memory is
//! looked at all the while. At the end all streams end, and what the gateway still counts as under way is asked for.

mod after;
mod memory;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use mio::{Events, Poll, Token};
use serde::Serialize;

use self::after::Counters;
use self::memory::{Flat, Samples};
use super::connection::{Connection, Job};
use super::seen::{Control, Report as Load, Seen, Window};
use crate::answer::Astray;
use crate::prompt::{Bodies, GROUPS, Mark, Random};
use crate::say;
use crate::watch::Tree;

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Args {
    /// Where to send
    #[arg(long)]
    target: SocketAddr,
    /// Where the gateway tells what goes on inside
    #[arg(long)]
    debug: SocketAddr,
    /// One of the engines: who asked where is asked there
    #[arg(long)]
    engines: SocketAddr,
    /// The gateway's process, whose processor time and memory are looked at
    #[arg(long)]
    watch: u32,
    /// The engines' process, which is no foreign load
    #[arg(long)]
    engines_process: u32,
    /// Streams at once
    #[arg(long, default_value_t = 8_100)]
    streams: usize,
    /// Events of the longest answers with text; the shortest have a third of them
    #[arg(long, default_value_t = 60)]
    chunks: u32,
    /// Milliseconds between them
    #[arg(long, default_value_t = 1_000)]
    delay: u32,
    /// Bytes of a body
    #[arg(long, default_value_t = 1_000)]
    bytes: usize,
    /// Prompts that are asked again and again
    #[arg(long, default_value_t = 10_000)]
    prompts: u64,
    /// Starts of the first streams are spread over so many seconds
    #[arg(long, default_value_t = 20.0)]
    spread: f64,
    /// Seconds before the window
    #[arg(long, default_value_t = 60.0)]
    warm_up: f64,
    /// Seconds of the window
    #[arg(long, default_value_t = 600.0)]
    seconds: f64,
}

/// One in so many streams is left by its client half way.
const LEAVES: u64 = 50;
/// One in so many begins on a connection of its own.
const ANEW: u64 = 4;
/// A stream that says nothing for so long, beyond what lies between its chunks, has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often memory is looked at, at the least so many times in a window.
const LOOKS: f64 = 60.0;

/// What is printed.
#[derive(Debug, Serialize)]
struct Report {
    /// Streams with a chunk behind them and one to come, at the least and at the most, over the window.
    open: (usize, usize),
    /// Engines that were asked.
    asked: usize,
    /// Streams whose clients left.
    left: u64,
    /// Streams with a chunk that was lost, came twice or went elsewhere.
    astray: u64,
    /// Failures of any kind, those among them.
    failures: u64,
    failure: Option<String>,
    memory: Flat,
    load: Load,
    /// When all streams had ended.
    after: Counters,
}

pub(crate) fn run(args: Args) -> io::Result<()> {
    let control = Control::new(args.engines);
    control.reset()?;
    let before = Window::new(Some(args.watch), Some(args.engines_process));
    let mut crowd = Crowd::new(args)?;
    let seconds = Duration::from_secs_f64;
    let mut seen = Seen::new(Instant::now(), seconds(crowd.args.warm_up), seconds(crowd.args.seconds));
    seen.window = Some(before.clone());
    crowd.hold(&mut seen)?;
    // What comes from here on is checked, and is none of the window's.
    let mut rest = Seen::new(Instant::now(), Duration::from_secs(86_400), Duration::ZERO);
    crowd.end(&mut rest)?;
    let counts = control.counts()?;
    let asked = counts.0.iter().filter(|engine| engine.iter().any(|&count| count > 0)).count();
    let failures = seen.failures() + rest.failures();
    let failed = [&seen, &rest].into_iter().find(|seen| seen.failures() > 0);
    let failure = failed.map(|seen| seen.first_failure().to_owned());
    let Crowd { args, open, left, astray, memory, .. } = crowd;
    let (memory, after) = (memory.flat(), after::zero(args.target, args.debug)?);
    say(&Report { open, asked, left, astray, failures, failure, memory, load: seen.report(&before, counts), after })
}

/// A client, with the stream that it reads.
struct Client {
    connection: Option<Connection>,
    /// It leaves after so many chunks.
    leaves: Option<u32>,
    /// Chunks that had come, and when it last was one more.
    moved: (u32, Instant),
}

struct Crowd {
    args: Args,
    poll: Poll,
    clients: Vec<Client>,
    bodies: Bodies,
    random: Random,
    next: u64,
    is_over: bool,
    open: (usize, usize),
    left: u64,
    astray: u64,
    memory: Samples,
}

impl Crowd {
    fn new(args: Args) -> io::Result<Self> {
        let bodies = Bodies::new(args.bytes, args.chunks).with_prompts(args.prompts);
        let memory = Samples::new(Tree::of(args.watch));
        Ok(Self {
            poll: Poll::new()?,
            clients: Vec::new(),
            bodies,
            random: Random::new(args.prompts),
            next: 0,
            is_over: false,
            open: (usize::MAX, 0),
            left: 0,
            astray: 0,
            memory,
            args,
        })
    }

    /// Begins a client's next stream.
    fn begin(&mut self, place: usize, seen: &mut Seen) -> io::Result<()> {
        self.next += 1;
        let (chunks, delay) = (self.args.chunks, self.args.delay);
        let chunks = chunks - self.random.below(u64::from(chunks) * 2 / 3 + 1) as u32;
        let group = self.random.below(GROUPS as u64) as usize;
        let job = Job { mark: Mark { group, id: self.next, chunks, delay }, intended: Instant::now() };
        let client = &mut self.clients[place];
        client.leaves = self.next.is_multiple_of(LEAVES).then_some(chunks / 2);
        client.moved = (0, job.intended);
        if self.next.is_multiple_of(ANEW) {
            client.connection = None;
        }
        for _ in 0..2 {
            let connection = match &mut client.connection {
                Some(connection) => connection,
                none => none.insert(Connection::open(self.args.target, &self.poll, Token(place))?.strict()),
            };
            match connection.send(job, &self.bodies) {
                Ok(()) => return Ok(()),
                // The gateway may have closed it meanwhile.
                Err(_) => client.connection = None,
            }
        }
        seen.failed(&io::Error::other("a new connection broke at once, twice"));
        Ok(())
    }

    /// Moves a client on; whether its stream is over.
    fn look(&mut self, place: usize, scratch: &mut [u8], seen: &mut Seen) -> bool {
        let Some(client) = self.clients.get_mut(place) else { return false };
        let Some(connection) = &mut client.connection else { return false };
        let was_busy = connection.is_busy();
        match connection.look(scratch, &self.bodies, seen) {
            Ok(over) => {
                let chunks = connection.chunks();
                if chunks > client.moved.0 {
                    client.moved = (chunks, Instant::now());
                }
                if !over && client.leaves.is_some_and(|after| chunks >= after) {
                    client.connection = None;
                    client.leaves = None;
                    self.left += 1;
                    return true;
                }
                over
            }
            Err(error) => {
                client.connection = None;
                if was_busy {
                    self.astray += u64::from(Astray::is(&error));
                    seen.failed(&error);
                }
                was_busy
            }
        }
    }

    /// Waits for sockets, a little while at the most, and moves on whoever has something.
    fn turn(&mut self, events: &mut Events, scratch: &mut [u8], seen: &mut Seen) -> io::Result<()> {
        match self.poll.poll(events, Some(Duration::from_millis(20))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &*events {
            let Token(place) = event.token();
            if self.look(place, scratch, seen) && !self.is_over {
                self.begin(place, seen)?;
            }
        }
        Ok(())
    }

    /// Gives up the streams that say nothing; how many go on, and have begun.
    fn count(&mut self, seen: &mut Seen) -> io::Result<(usize, usize)> {
        let patience = PATIENCE + Duration::from_millis(self.args.delay.into());
        let (mut busy, mut streaming) = (0, 0);
        for place in 0..self.clients.len() {
            let client = &mut self.clients[place];
            let Some(connection) = client.connection.as_ref().filter(|connection| connection.is_busy()) else {
                continue;
            };
            if client.moved.1.elapsed() > patience {
                seen.failed(&io::Error::other(format!("a stream stood still after {} chunks", client.moved.0)));
                client.connection = None;
                if !self.is_over {
                    self.begin(place, seen)?;
                }
                continue;
            }
            busy += 1;
            streaming += usize::from(connection.chunks() > 0);
        }
        Ok((busy, streaming))
    }

    /// All streams, for the whole time.
    fn hold(&mut self, seen: &mut Seen) -> io::Result<()> {
        let (mut events, mut scratch) = (Events::with_capacity(1_024), vec![0; 64 << 10]);
        let started = Instant::now();
        let every = Duration::from_secs_f64((self.args.seconds / LOOKS).clamp(0.05, 1.0));
        let mut looked = started;
        while !seen.turn() {
            self.turn(&mut events, &mut scratch, seen)?;
            let share = (started.elapsed().as_secs_f64() / self.args.spread.max(0.01)).min(1.0);
            while self.clients.len() < (self.args.streams as f64 * share) as usize {
                self.clients.push(Client { connection: None, leaves: None, moved: (0, started) });
                self.begin(self.clients.len() - 1, seen)?;
            }
            if looked.elapsed() >= every {
                looked = Instant::now();
                let (_, streaming) = self.count(seen)?;
                if seen.is_open() {
                    self.open = (self.open.0.min(streaming), self.open.1.max(streaming));
                    self.memory.take();
                }
            }
        }
        Ok(())
    }

    /// No stream begins any more; until the last has ended.
    fn end(&mut self, seen: &mut Seen) -> io::Result<()> {
        self.is_over = true;
        let (mut events, mut scratch) = (Events::with_capacity(1_024), vec![0; 64 << 10]);
        let mut looked = Instant::now();
        loop {
            self.turn(&mut events, &mut scratch, seen)?;
            if looked.elapsed() >= Duration::from_millis(200) {
                looked = Instant::now();
                if self.count(seen)?.0 == 0 {
                    break;
                }
            }
        }
        self.clients.clear();
        Ok(())
    }
}
