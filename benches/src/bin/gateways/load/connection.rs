//! One connection of the load.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Interest, Poll, Token};

use super::seen::Seen;
use crate::answer::{self, Stream};
use crate::message::{Framing, Reader, Sink, broken, framing};
use crate::prompt::{Bodies, Mark};

/// A request to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) mark: Mark,
    /// When it should be sent: what it waits from then on counts.
    pub(super) intended: Instant,
}

pub(super) struct Connection {
    socket: TcpStream,
    reader: Reader,
    own: Vec<u8>,
    sent: usize,
    job: Option<Job>,
    answer: Answer,
    /// Whether events have to have the request's own id.
    is_strict: bool,
}

/// What has come of an answer.
#[derive(Default)]
struct Answer {
    body: Vec<u8>,
    scratch: Vec<u8>,
    stream: Stream,
    streams: bool,
    over: bool,
    closes: bool,
}

/// An answer as it comes, and what is noted of it.
struct Incoming<'a> {
    answer: &'a mut Answer,
    job: Option<Job>,
    seen: &'a mut Seen,
    now: Instant,
    clock: u64,
}

impl Sink for Incoming<'_> {
    fn head(&mut self, head: &[u8]) -> io::Result<Framing> {
        let status = head.get(9..12).unwrap_or_default();
        if self.job.is_none() {
            return Err(broken(format!("an answer nobody asked for: {}", String::from_utf8_lossy(head))));
        }
        if status != b"200" {
            return Err(broken(format!("not 200: {}", String::from_utf8_lossy(head))));
        }
        let framing = framing(head, Framing::Rest)?;
        self.answer.closes = framing == Framing::Rest;
        Ok(framing)
    }

    fn body(&mut self, piece: &[u8]) -> io::Result<()> {
        let Some(job) = self.job.filter(|_| self.answer.streams) else {
            self.answer.body.extend_from_slice(piece);
            return Ok(());
        };
        let (seen, now, clock) = (&mut *self.seen, self.now, self.clock);
        let mut first = self.answer.stream.chunks == 0;
        self.answer.stream.feed(piece, &mut |sent| {
            if first {
                seen.first_token(now.saturating_duration_since(job.intended));
                first = false;
            }
            seen.chunk(clock.saturating_sub(sent));
        })
    }

    fn end(&mut self) -> io::Result<()> {
        let Some(job) = self.job else { return Ok(()) };
        if self.answer.streams {
            self.answer.stream.end(job.mark.chunks)?;
        } else {
            answer::check_json(job.mark.id, &self.answer.body, &mut self.answer.scratch)?;
        }
        self.seen.answer(self.now.saturating_duration_since(job.intended));
        self.answer.over = true;
        Ok(())
    }
}

impl Connection {
    pub(super) fn open(target: SocketAddr, poll: &Poll, token: Token) -> io::Result<Self> {
        let socket = std::net::TcpStream::connect(target)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(socket);
        poll.registry().register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        let (reader, answer) = (Reader::default(), Answer::default());
        Ok(Self { socket, reader, own: Vec::new(), sent: 0, job: None, answer, is_strict: false })
    }

    /// With events that have to have the request's own id.
    pub(super) fn strict(mut self) -> Self {
        self.is_strict = true;
        self
    }

    /// Events with text so far.
    pub(super) fn chunks(&self) -> u32 {
        self.answer.stream.chunks
    }

    pub(super) fn is_busy(&self) -> bool {
        self.job.is_some()
    }

    /// Begins a request.
    pub(super) fn send(&mut self, job: Job, bodies: &Bodies) -> io::Result<()> {
        bodies.write_own(job.mark, &mut self.own);
        self.sent = 0;
        self.answer.body.clear();
        self.answer.stream.clear();
        if self.is_strict {
            self.answer.stream.expect(job.mark.id);
        }
        self.answer.streams = job.mark.chunks > 0;
        self.answer.over = false;
        self.job = Some(job);
        self.flush(bodies)
    }

    fn flush(&mut self, bodies: &Bodies) -> io::Result<()> {
        let Some(job) = self.job else { return Ok(()) };
        let shared = bodies.shared(job.mark.group);
        while self.sent < shared.len() + self.own.len() {
            let own = self.sent.saturating_sub(shared.len());
            let pieces = [IoSlice::new(&shared[self.sent.min(shared.len())..]), IoSlice::new(&self.own[own..])];
            match self.socket.write_vectored(&pieces) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends and reads what can be sent and read; whether the request is over.
    pub(super) fn look(&mut self, scratch: &mut [u8], bodies: &Bodies, seen: &mut Seen) -> io::Result<bool> {
        self.flush(bodies)?;
        let mut over = false;
        loop {
            let read = match self.socket.read(scratch) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(over),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            seen.read();
            let (now, clock) = (Instant::now(), if self.answer.streams { answer::clock() } else { 0 });
            let mut incoming = Incoming { answer: &mut self.answer, job: self.job, seen, now, clock };
            if read == 0 {
                self.reader.close(&mut incoming)?;
            } else {
                self.reader.feed(&scratch[..read], &mut incoming)?;
            }
            if self.answer.over {
                self.answer.over = false;
                self.job = None;
                over = true;
            }
            if read == 0 && !over {
                return Err(broken("the connection was closed"));
            }
            if read < scratch.len() {
                return Ok(over);
            }
        }
    }
}
