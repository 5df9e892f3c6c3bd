//! The load: connections that ask, check each answer, and what was seen of it.

mod connection;
pub(crate) mod crowd;
mod pace;
mod seen;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use mio::{Events, Poll, Token, Waker};

use self::connection::{Connection, Job};
use self::pace::Pace;
use self::seen::{Control, Seen, Window};
use crate::prompt::{Bodies, GROUPS, Mark, Random};
use crate::say;

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Args {
    /// Where to send; several are used in turn, connection by connection
    #[arg(long = "target", required = true)]
    targets: Vec<SocketAddr>,
    /// One of the engines: who asked where is asked there
    #[arg(long)]
    engines: SocketAddr,
    /// The gateway's process, whose processor time and memory are looked at
    #[arg(long)]
    watch: Option<u32>,
    /// The engines' process, which is no foreign load
    #[arg(long)]
    engines_process: Option<u32>,
    /// Bytes of a body
    #[arg(long, default_value_t = 4_500)]
    bytes: usize,
    /// Events of an answer with text; 0 asks for one JSON object
    #[arg(long, default_value_t = 0)]
    chunks: u32,
    /// Milliseconds between them
    #[arg(long, default_value_t = 0)]
    delay: u32,
    /// Requests in flight, each followed by the next at once
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests a second at random instead (Poisson)
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds before the window
    #[arg(long, default_value_t = 0.7)]
    warm_up: f64,
    /// Seconds of the window
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Starts of the first requests are spread over so many seconds
    #[arg(long, default_value_t = 0.0)]
    spread: f64,
    /// First ask each group once, one after another
    #[arg(long)]
    first_contact: bool,
    /// The first request's number
    #[arg(long, default_value_t = 1)]
    first: u64,
}

/// The most connections of a load at random.
const MOST: usize = 256;
/// The token of the waker.
const WAKE: Token = Token(usize::MAX - 1);
/// A run that gets no answer for so long is over.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: Args) -> io::Result<()> {
    let control = Control::new(args.engines);
    let mut load = Load::new(args)?;
    if load.args.first_contact {
        load.serial()?;
    }
    control.reset()?;
    let before = load.windows();
    let seen = load.window()?;
    say(&seen.report(&before, control.counts()?))
}

struct Load {
    args: Args,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    bodies: Bodies,
    random: Random,
    next: u64,
    targets: usize,
}

impl Load {
    fn new(args: Args) -> io::Result<Self> {
        let bodies = Bodies::new(args.bytes, args.chunks);
        let (random, next) = (Random::new(args.first), args.first);
        let poll = Poll::new()?;
        Ok(Self { poll, connections: Vec::new(), free: Vec::new(), bodies, random, next, targets: 0, args })
    }

    /// The next request, of a group or of any.
    fn job(&mut self, group: Option<usize>, intended: Instant) -> Job {
        let group = group.unwrap_or_else(|| self.random.below(GROUPS as u64) as usize);
        self.next += 1;
        Job { mark: Mark { group, id: self.next, chunks: self.args.chunks, delay: self.args.delay }, intended }
    }

    /// Opens a connection at a place, or a new one.
    fn open(&mut self, place: Option<usize>) -> io::Result<usize> {
        let target = self.args.targets[self.targets % self.args.targets.len()];
        self.targets += 1;
        let place = place.unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        self.connections[place] = Some(Connection::open(target, &self.poll, Token(place))?);
        Ok(place)
    }

    /// Sends a request on a connection; where that breaks, on a new one.
    fn send(&mut self, place: usize, job: Job, seen: &mut Seen) -> io::Result<()> {
        for _ in 0..2 {
            if self.connections[place].is_none() {
                self.open(Some(place))?;
            }
            let connection = self.connections[place].as_mut().expect("it was just opened");
            match connection.send(job, &self.bodies) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    seen.failed(&error);
                    self.connections[place] = None;
                }
            }
        }
        Err(io::Error::other("a new connection broke at once, twice"))
    }

    /// Each group once, one after another.
    fn serial(&mut self) -> io::Result<()> {
        let mut seen = Seen::new(Instant::now(), Duration::ZERO, Duration::ZERO);
        let place = self.open(None)?;
        let mut events = Events::with_capacity(16);
        let mut scratch = vec![0; 256 << 10];
        for group in 0..GROUPS {
            let job = self.job(Some(group), Instant::now());
            self.send(place, job, &mut seen)?;
            let started = Instant::now();
            while self.connections[place].as_ref().is_some_and(Connection::is_busy) {
                self.wait(&mut events, Some(PATIENCE))?;
                self.look(place, &mut scratch, &mut seen);
                if started.elapsed() > PATIENCE {
                    return Err(io::Error::other("no answer on first contact"));
                }
            }
        }
        seen.whole()?;
        self.free.push(place);
        Ok(())
    }

    fn wait(&mut self, events: &mut Events, most: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, most) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Moves a connection on; whether its request is over.
    fn look(&mut self, place: usize, scratch: &mut [u8], seen: &mut Seen) -> bool {
        let Some(connection) = self.connections.get_mut(place).and_then(Option::as_mut) else { return false };
        match connection.look(scratch, &self.bodies, seen) {
            Ok(over) => over,
            Err(error) => {
                let busy = connection.is_busy();
                // An idle connection that the other side gives up is no failure.
                if busy {
                    seen.failed(&error);
                }
                self.connections[place] = None;
                busy
            }
        }
    }

    fn windows(&self) -> Window {
        Window::new(self.args.watch, self.args.engines_process)
    }

    /// The load itself, for its whole time.
    fn window(&mut self) -> io::Result<Seen> {
        let seconds = Duration::from_secs_f64;
        let mut seen = Seen::new(Instant::now(), seconds(self.args.warm_up), seconds(self.args.seconds));
        seen.window = Some(self.windows());
        let mut pace = match self.args.rate {
            Some(rate) => {
                let mut random = Random::new(self.args.first ^ 0x5eed);
                Some(Pace::new(move || Duration::from_secs_f64(random.gap(rate)), None))
            }
            // The first requests of all connections, spread.
            None if self.args.spread > 0.0 => {
                let gap = seconds(self.args.spread / self.args.connections as f64);
                Some(Pace::new(move || gap, Some(self.args.connections)))
            }
            None => None,
        };
        if let Some(pace) = &mut pace {
            pace.start(Waker::new(self.poll.registry(), WAKE)?);
        } else {
            for _ in 0..self.args.connections {
                let place = self.free.pop().map_or_else(|| self.open(None), Ok)?;
                let job = self.job(None, Instant::now());
                self.send(place, job, &mut seen)?;
            }
        }
        let mut queue: VecDeque<Instant> = VecDeque::new();
        let mut events = Events::with_capacity(1_024);
        let mut scratch = vec![0; 256 << 10];
        let (mut last, mut answered) = (Instant::now(), 0);
        while !seen.turn() {
            self.wait(&mut events, Some(Duration::from_millis(50)))?;
            for event in &events {
                let Token(place) = event.token();
                if event.token() == WAKE || !self.look(place, &mut scratch, &mut seen) {
                    continue;
                }
                if self.args.rate.is_none() {
                    let job = self.job(None, Instant::now());
                    self.send(place, job, &mut seen)?;
                } else if let Some(intended) = queue.pop_front() {
                    let job = self.job(None, intended);
                    self.send(place, job, &mut seen)?;
                } else {
                    self.free.push(place);
                }
            }
            for intended in pace.iter().flat_map(Pace::due) {
                let place = match self.free.pop() {
                    Some(place) => place,
                    None if self.connections.len() < MOST => self.open(None)?,
                    None => {
                        queue.push_back(intended);
                        continue;
                    }
                };
                let job = self.job(None, intended);
                self.send(place, job, &mut seen)?;
            }
            if seen.answered() > answered {
                (last, answered) = (Instant::now(), seen.answered());
            } else if last.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("no answer for {PATIENCE:?}; {}", seen.first_failure())));
            }
        }
        Ok(seen)
    }
}
