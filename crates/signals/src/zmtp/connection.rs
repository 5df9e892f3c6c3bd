//! One connection, from its greeting on.

use core::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::LinkError;
use super::frames::{Decoder, Received, write_command, write_message};
use super::greeting::{self, greeting, readable, socket_type};
use crate::address::Address;

/// How long a connection may take to be made, greetings included.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// What a socket of ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Subscriber,
    Publisher,
    Dealer,
    Router,
}

/// A connection whose other side is what it should be.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    decoder: Decoder,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Subscriber => "SUB",
            Self::Publisher => "PUB",
            Self::Dealer => "DEALER",
            Self::Router => "ROUTER",
        }
    }

    /// What the other side may be: as a list, and as a text.
    fn partners(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Subscriber => (&["PUB", "XPUB"], "PUB"),
            Self::Publisher => (&["SUB", "XSUB"], "SUB"),
            Self::Dealer => (&["ROUTER", "REP", "DEALER"], "ROUTER"),
            Self::Router => (&["REQ", "DEALER", "ROUTER"], "REQ or DEALER"),
        }
    }
}

/// Connects to a socket as one of this kind.
pub(crate) async fn connect(address: &Address, kind: Kind, limit: usize) -> Result<Connection, LinkError> {
    let connecting = async {
        let stream = TcpStream::connect((address.host(), address.port())).await?;
        Connection::greet(stream, kind, limit).await
    };
    timeout(HANDSHAKE, connecting).await.unwrap_or(Err(LinkError::Silent))
}

impl Connection {
    /// Greets whoever connected to a socket of this kind.
    pub(crate) async fn accept(stream: TcpStream, kind: Kind, limit: usize) -> Result<Self, LinkError> {
        timeout(HANDSHAKE, Self::greet(stream, kind, limit)).await.unwrap_or(Err(LinkError::Silent))
    }

    async fn greet(stream: TcpStream, kind: Kind, limit: usize) -> Result<Self, LinkError> {
        stream.set_nodelay(true)?;
        let mut connection = Self { stream, decoder: Decoder::new(limit) };
        let mut hello = greeting().to_vec();
        write_command("READY", &greeting::ready(kind.name()), &mut hello);
        connection.stream.write_all(&hello).await?;
        let theirs = loop {
            if let Some(bytes) = connection.decoder.take::<{ greeting::LENGTH }>() {
                break bytes;
            }
            connection.fill().await?;
        };
        greeting::check(&theirs)?;
        let Received::Command(name, body) = connection.recv().await? else { return Err(LinkError::Framing) };
        match name.as_slice() {
            b"READY" => {}
            b"ERROR" => return Err(LinkError::Refused(readable(body.get(1..).unwrap_or_default()))),
            _ => return Err(LinkError::Framing),
        }
        let (found, (partners, expected)) = (socket_type(&body)?, kind.partners());
        if !partners.contains(&found.as_str()) {
            return Err(LinkError::Kind { found, expected });
        }
        Ok(connection)
    }

    /// The next message or command. Whoever stops waiting for it loses nothing.
    pub(crate) async fn recv(&mut self) -> Result<Received, LinkError> {
        loop {
            if let Some(received) = self.decoder.next()? {
                return Ok(received);
            }
            self.fill().await?;
        }
    }

    /// Sends a message of one frame at least.
    pub(crate) async fn send(&mut self, frames: &[&[u8]]) -> Result<(), LinkError> {
        let mut bytes = Vec::new();
        write_message(frames, &mut bytes);
        Ok(self.stream.write_all(&bytes).await?)
    }

    /// Asks the other side for a sign of life.
    pub(crate) async fn ping(&mut self) -> Result<(), LinkError> {
        // No time to live: the other side need not watch us.
        self.command("PING", &[0, 0]).await
    }

    /// Answers what a command asks, as far as it is for the connection and not for the socket; what is not known is
    /// passed over.
    pub(crate) async fn obey(&mut self, name: &[u8], body: &[u8]) -> Result<(), LinkError> {
        match name {
            b"PING" => self.command("PONG", body.get(2..).ok_or(LinkError::Framing)?).await,
            b"ERROR" => Err(LinkError::Refused(readable(body.get(1..).unwrap_or_default()))),
            _ => Ok(()),
        }
    }

    async fn command(&mut self, name: &str, body: &[u8]) -> Result<(), LinkError> {
        let mut bytes = Vec::new();
        write_command(name, body, &mut bytes);
        Ok(self.stream.write_all(&bytes).await?)
    }

    async fn fill(&mut self) -> Result<(), LinkError> {
        if self.stream.read_buf(self.decoder.space()).await? == 0 {
            return Err(LinkError::Io(std::io::ErrorKind::UnexpectedEof));
        }
        Ok(())
    }
}
