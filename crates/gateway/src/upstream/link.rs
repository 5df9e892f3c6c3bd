//! One connection to an engine.

use std::future::{Future as _, poll_fn};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::net::TcpStream;

use super::AskError;
use super::head::{self, Head};

/// What the first read has room for; the room doubles when a read fills it,
const LEAST_ROOM: usize = 4 << 10;
/// up to this.
const MOST_ROOM: usize = 64 << 10;

/// A connection, what was read of it, and what is written to it.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    address: SocketAddr,
    /// The address, as `Host` has it.
    host: String,
    /// Bytes that were read and not yet taken.
    pub(super) buffer: BytesMut,
    room: usize,
    out: Vec<u8>,
    /// Whether anything was read since the last request was begun.
    has_read: bool,
    /// When it was last put aside, in turns of the pool's.
    pub(super) rests_since: u64,
}

impl Link {
    pub(super) fn new(stream: TcpStream, address: SocketAddr) -> Self {
        // Without it the end of a request could wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            address,
            host: address.to_string(),
            buffer: BytesMut::new(),
            room: LEAST_ROOM,
            out: Vec::new(),
            has_read: false,
            rests_since: 0,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn has_read(&self) -> bool {
        self.has_read
    }

    /// Whether the other side has neither closed it nor said anything, as far as is known without asking the kernel.
    pub(super) fn is_quiet(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        self.buffer.is_empty() && read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Writes a request and reads the head of its response. A response that comes before all is written ends the writing.
    pub(super) async fn ask(&mut self, head: &Parts, body: &Bytes) -> Result<Head, AskError> {
        self.has_read = false;
        self.out.clear();
        head::write(&mut self.out, head, &self.host, body.len());
        let (total, mut written, mut failure) = (self.out.len() + body.len(), 0, None);
        poll_fn(|context| {
            while written < total && failure.is_none() {
                match self.poll_write(body, written, context) {
                    Poll::Ready(Ok(0)) => failure = Some(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(Ok(count)) => written += count,
                    // What it said before it closed is read all the same.
                    Poll::Ready(Err(error)) => failure = Some(error),
                    Poll::Pending => break,
                }
            }
            loop {
                match self.poll_read(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Err(AskError::Broken(failure.take().unwrap_or(error))));
                    }
                    Poll::Ready(Ok(0)) => {
                        return Poll::Ready(Err(failure.take().map_or(AskError::Closed, AskError::Broken)));
                    }
                    Poll::Ready(Ok(_)) => match head::take(&mut self.buffer, &head.method) {
                        Ok(None) => {}
                        Ok(Some(mut head)) => {
                            head.is_kept &= written == total;
                            return Poll::Ready(Ok(head));
                        }
                        Err(why) => return Poll::Ready(Err(AskError::Malformed(why))),
                    },
                }
            }
        })
        .await
    }

    fn poll_write(&mut self, body: &[u8], written: usize, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        match self.out.get(written..).filter(|head| !head.is_empty()) {
            Some(head) => stream.poll_write_vectored(context, &[IoSlice::new(head), IoSlice::new(body)]),
            None => stream.poll_write(context, &body[written - self.out.len()..]),
        }
    }

    /// Reads what is there; how many bytes, 0 at the connection's end.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() - self.buffer.len() < self.room / 2 {
            self.buffer.reserve(self.room);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let read = pin!(self.stream.read_buf(&mut self.buffer)).poll(context);
        if let Poll::Ready(Ok(count)) = read {
            self.has_read |= count > 0;
            if count == room {
                self.room = (self.room * 2).min(MOST_ROOM);
            }
        }
        read
    }
}
