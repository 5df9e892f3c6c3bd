//! Engines that answer at once: one process, a port each, counts of who asked where.

mod connection;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

use self::connection::{Connection, State};
use crate::prompt::GROUPS;
use crate::say;

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// How many
    #[arg(long, default_value_t = 8)]
    count: usize,
}

/// Requests by engine and prefix group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts(pub(crate) Vec<Vec<u64>>);

/// What `engines` prints first.
#[derive(Debug, Serialize)]
struct Started {
    addresses: Vec<SocketAddr>,
}

/// Bytes read at once.
const READ: usize = 256 << 10;
/// The first event of a stream comes so long after its head.
const FIRST: Duration = Duration::from_millis(1);

struct Engines {
    poll: Poll,
    listeners: Vec<TcpListener>,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Connections with a stream that goes as fast as it can.
    fast: Vec<usize>,
    /// Streams that keep a pace, by when their next event is due: the connection, and which of all streams it is.
    paced: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    /// Streams so far.
    streams: u64,
    counts: Counts,
}

pub(crate) fn run(args: &Args) -> io::Result<()> {
    let poll = Poll::new()?;
    let mut listeners = Vec::new();
    for place in 0..args.count {
        let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        poll.registry().register(&mut listener, Token(place), Interest::READABLE)?;
        listeners.push(listener);
    }
    say(&Started { addresses: listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()? })?;
    let mut engines = Engines {
        poll,
        connections: Vec::new(),
        free: Vec::new(),
        fast: Vec::new(),
        paced: BinaryHeap::new(),
        streams: 0,
        counts: Counts(vec![vec![0; GROUPS]; listeners.len()]),
        listeners,
    };
    let mut events = Events::with_capacity(1_024);
    let mut scratch = vec![0; READ];
    loop {
        let wait = engines.wait();
        if let Err(error) = engines.poll.poll(&mut events, wait)
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        for event in &events {
            let Token(token) = event.token();
            if token < engines.listeners.len() {
                engines.accept(token)?;
            } else {
                engines.serve(token - engines.listeners.len(), event.is_readable(), &mut scratch);
            }
        }
        engines.step();
    }
}

impl Engines {
    /// How long to wait for sockets: whole milliseconds, as the poll has them.
    fn wait(&self) -> Option<Duration> {
        if !self.fast.is_empty() {
            return Some(Duration::ZERO);
        }
        let Reverse((due, ..)) = self.paced.peek()?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    fn accept(&mut self, engine: usize) -> io::Result<()> {
        loop {
            let mut socket = match self.listeners[engine].accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => continue,
            };
            let _ = socket.set_nodelay(true);
            let place = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let token = Token(self.listeners.len() + place);
            self.poll.registry().register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
            self.connections[place] = Some(Connection::new(socket, engine));
        }
    }

    fn serve(&mut self, place: usize, readable: bool, scratch: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(place).and_then(Option::as_mut) else { return };
        let state = connection
            .flush()
            .and_then(|()| if readable { connection.read(scratch, &mut self.counts) } else { Ok(State::Open) });
        match state {
            Ok(State::Open) => {}
            Ok(State::Streams { paced: false }) => self.fast.push(place),
            Ok(State::Streams { paced: true }) => {
                self.streams += 1;
                connection.serial = self.streams;
                self.paced.push(Reverse((Instant::now() + FIRST, place, self.streams)));
            }
            Ok(State::Closed) | Err(_) => self.close(place),
        }
    }

    /// One event of each stream that goes on.
    fn step(&mut self) {
        let mut gone = Vec::new();
        self.fast.retain(|&place| match self.connections[place].as_mut().map(Connection::step) {
            Some(Ok(more)) => more.is_some(),
            Some(Err(_)) => {
                gone.push(place);
                false
            }
            None => false,
        });
        let now = Instant::now();
        while let Some(&Reverse((due, place, serial))) = self.paced.peek().filter(|Reverse((due, ..))| *due <= now) {
            self.paced.pop();
            // Another stream may have its place by now.
            let stream = self.connections[place].as_mut().filter(|connection| connection.serial == serial);
            match stream.map(Connection::step) {
                Some(Ok(Some(delay))) => self.paced.push(Reverse((due + delay, place, serial))),
                Some(Err(_)) => gone.push(place),
                Some(Ok(None)) | None => {}
            }
        }
        for place in gone {
            self.close(place);
        }
    }

    fn close(&mut self, place: usize) {
        // Dropped, and so forgotten by the poll.
        self.connections[place] = None;
        self.fast.retain(|&other| other != place);
        self.free.push(place);
    }
}
