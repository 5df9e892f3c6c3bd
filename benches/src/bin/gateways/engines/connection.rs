//! One connection to an engine.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use mio::net::TcpStream;

use super::Counts;
use crate::answer::{self, Event};
use crate::message::{Framing, Reader, Sink, framing};
use crate::prompt::{MODEL, Mark};

/// Bytes of a body's end that are kept: the mark is there.
const TAIL: usize = 2_048;

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It waits for a request.
    Open,
    /// A stream has begun.
    Streams {
        /// Whether it keeps a pace.
        paced: bool,
    },
    /// The client has closed it.
    Closed,
}

pub(super) struct Connection {
    socket: TcpStream,
    engine: usize,
    reader: Reader,
    incoming: Incoming,
    /// Bytes to send, of which the first so many are sent.
    out: Vec<u8>,
    sent: usize,
    stream: Option<Stream>,
    /// Which of all paced streams is under way here.
    pub(super) serial: u64,
}

/// A stream under way.
struct Stream {
    mark: Mark,
    event: Event,
    next: u32,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Path {
    Chat,
    Models,
    Counts,
    Reset,
    Unknown,
    #[default]
    Other,
}

#[derive(Default)]
struct Incoming {
    path: Path,
    tail: Vec<u8>,
    done: Vec<(Path, Option<Mark>)>,
}

impl Sink for Incoming {
    fn head(&mut self, head: &[u8]) -> io::Result<Framing> {
        let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
        let is = |path: &str| memchr::memmem::find(line, path.as_bytes()).is_some();
        self.path = if is(" /v1/chat/completions ") {
            Path::Chat
        } else if is("/render") {
            Path::Unknown
        } else if is(" /v1/models") {
            Path::Models
        } else if is(" /bench/counts") {
            Path::Counts
        } else if is(" /bench/reset") {
            Path::Reset
        } else {
            Path::Other
        };
        self.tail.clear();
        framing(head, Framing::Sized(0))
    }

    fn body(&mut self, piece: &[u8]) -> io::Result<()> {
        if piece.len() >= TAIL {
            self.tail.clear();
            self.tail.extend_from_slice(&piece[piece.len() - TAIL..]);
            return Ok(());
        }
        let over = (self.tail.len() + piece.len()).saturating_sub(TAIL);
        self.tail.drain(..over.min(self.tail.len()));
        self.tail.extend_from_slice(piece);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        let mark = if self.path == Path::Chat { Mark::find(&self.tail) } else { None };
        self.done.push((self.path, mark));
        Ok(())
    }
}

impl Connection {
    pub(super) fn new(socket: TcpStream, engine: usize) -> Self {
        let (reader, incoming) = (Reader::default(), Incoming::default());
        Self { socket, engine, reader, incoming, out: Vec::new(), sent: 0, stream: None, serial: 0 }
    }

    /// Reads what there is and answers it.
    pub(super) fn read(&mut self, scratch: &mut [u8], counts: &mut Counts) -> io::Result<State> {
        let mut state = State::Open;
        loop {
            let read = match self.socket.read(scratch) {
                Ok(0) => return Ok(State::Closed),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(state),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.reader.feed(&scratch[..read], &mut self.incoming)?;
            for (path, mark) in std::mem::take(&mut self.incoming.done) {
                if self.answer(path, mark, counts) {
                    state = State::Streams { paced: mark.is_some_and(|mark| mark.delay > 0) };
                }
            }
            self.flush()?;
            // Less than there was room for: all that had come.
            if read < scratch.len() {
                return Ok(state);
            }
        }
    }

    /// Writes an answer; whether it is a stream, whose events follow.
    fn answer(&mut self, path: Path, mark: Option<Mark>, counts: &mut Counts) -> bool {
        let body = match (path, mark) {
            (Path::Chat, Some(mark)) => {
                if let Some(count) = counts.0[self.engine].get_mut(mark.group) {
                    *count += 1;
                }
                if mark.chunks > 0 {
                    self.out.extend_from_slice(
                        b"HTTP/1.1 200 OK\r\nserver: mock\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
                          transfer-encoding: chunked\r\n\r\n",
                    );
                    self.stream = Some(Stream { mark, event: Event::new(mark.id), next: 0 });
                    return true;
                }
                let mut body = Vec::with_capacity(400);
                answer::write_json(mark.id, &mut body);
                body
            }
            (Path::Chat, None) => return self.refuse("400 Bad Request", "no mark"),
            (Path::Unknown, _) => return self.refuse("404 Not Found", "no such path"),
            (Path::Models, _) => format!(
                r#"{{"object":"list","data":[{{"id":"{MODEL}","object":"model","created":1,"owned_by":"mock","max_model_len":131072}}]}}"#
            )
            .into_bytes(),
            (Path::Counts, _) => serde_json::to_vec(counts).expect("plain data"),
            (Path::Reset, _) => {
                counts.0.iter_mut().for_each(|groups| groups.fill(0));
                b"{}".to_vec()
            }
            // No name of a model to look up: some would fetch its tokenizer.
            (Path::Other, _) => br#"{"status":"ok"}"#.to_vec(),
        };
        self.write("200 OK", &body);
        false
    }

    fn refuse(&mut self, status: &str, message: &str) -> bool {
        self.write(status, format!(r#"{{"error":{{"message":"{message}"}}}}"#).as_bytes());
        false
    }

    fn write(&mut self, status: &str, body: &[u8]) {
        let length = body.len();
        write!(
            self.out,
            "HTTP/1.1 {status}\r\nserver: mock\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
        .expect("memory takes all");
        self.out.extend_from_slice(body);
    }

    /// Sends the stream's next event: how long until the one after it, and nothing when this was the last.
    pub(super) fn step(&mut self) -> io::Result<Option<Duration>> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let delay = Duration::from_millis(u64::from(stream.mark.delay));
        if !self.out.is_empty() {
            // The client reads too slowly: it has to take what is there first.
            return Ok(Some(delay));
        }
        if stream.next < stream.mark.chunks {
            self.out.extend_from_slice(stream.event.at(stream.next, answer::clock()));
            stream.next += 1;
            self.flush()?;
            return Ok(Some(delay));
        }
        let Mark { id, chunks, .. } = stream.mark;
        self.stream = None;
        answer::write_end(id, chunks, &mut self.out);
        self.flush()?;
        Ok(None)
    }

    /// Sends what is to be sent, as far as the socket takes it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.out.len() {
            match self.socket.write(&self.out[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.sent = 0;
        Ok(())
    }
}
