//! Connections that can be refused, ended or spoilt.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

const WHOLE: u8 = 0;
const GARBLED: u8 = 1;
const CLOSED: u8 = 2;

/// What is no HTTP.
const GARBAGE: &[u8] = b"\x00\xff\x16\x03 no such thing\r\n\x7f\x80\r\n\r\n";
/// Between two attempts to listen again.
const PAUSE: Duration = Duration::from_millis(5);

/// Takes connections, or refuses them for a time.
#[derive(Debug)]
pub(crate) struct Gate {
    /// `None` while connections are refused.
    listener: Option<TcpListener>,
    address: SocketAddr,
    down: watch::Receiver<Option<Instant>>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    peer: Peer,
}

/// The state of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer(Arc<AtomicU8>);

impl Gate {
    pub(crate) fn new(listener: TcpListener, address: SocketAddr, down: watch::Receiver<Option<Instant>>) -> Self {
        Self { listener: Some(listener), address, down }
    }

    /// Waits until something changes, or for ever when nothing can.
    async fn change(down: &mut watch::Receiver<Option<Instant>>) {
        if down.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Listener for Gate {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            let until = *self.down.borrow_and_update();
            if let Some(until) = until.filter(|until| *until > Instant::now()) {
                self.listener = None;
                tokio::select! {
                    () = sleep_until(until) => {}
                    () = Self::change(&mut self.down) => {}
                }
                continue;
            }
            let Some(listener) = &self.listener else {
                match TcpListener::bind(self.address).await {
                    Ok(listener) => self.listener = Some(listener),
                    Err(_) => sleep(PAUSE).await,
                }
                continue;
            };
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, from)) => {
                        // Without it the first chunk of a stream waits for a delayed acknowledgement.
                        let _ = stream.set_nodelay(true);
                        return (Wire { stream, peer: Peer(Arc::new(AtomicU8::new(WHOLE))) }, from);
                    }
                    // Too many open files, or a client that is gone: neither is mended by a look at it.
                    Err(_) => sleep(PAUSE).await,
                },
                () = Self::change(&mut self.down) => {}
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, Gate>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Self {
        stream.io().peer.clone()
    }
}

impl Peer {
    /// Ends the connection at the next byte.
    pub(crate) fn close(&self) {
        self.0.store(CLOSED, Ordering::Relaxed);
    }

    /// Has the next bytes be others, and ends it then.
    pub(crate) fn garble(&self) {
        self.0.store(GARBLED, Ordering::Relaxed);
    }

    fn state(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "a fault on purpose")
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.peer.state() == CLOSED {
            return Poll::Ready(Err(closed()));
        }
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.peer.state() {
            WHOLE => Pin::new(&mut self.stream).poll_write(context, bytes),
            GARBLED => {
                ready!(Pin::new(&mut self.stream).poll_write(context, GARBAGE))?;
                self.peer.close();
                Poll::Ready(Err(closed()))
            }
            _ => Poll::Ready(Err(closed())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.peer.state() == WHOLE {
            return Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        }
        self.poll_write(context, parts.first().map_or(&[], |part| part))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.peer.state() == CLOSED {
            return Poll::Ready(Err(closed()));
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
