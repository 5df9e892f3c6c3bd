//! Asking engines over HTTP/1.1, on connections that are used again.
//!
//! A request drives its own connection: no other task stands between an engine's bytes and the client, so what comes with
//! one read is passed on with one write, and a request that is dropped closes its connection, by which the engine knows.

mod body;
mod framing;
mod head;
mod link;
mod pool;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) use self::body::{BrokenBody, EngineBody};
use self::link::Link;
use self::pool::Pool;

/// A client of engines, with its pool of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Upstream(Arc<Pool>);

/// Why an engine gave no response head.
#[derive(Debug, Error)]
pub(crate) enum AskError {
    #[error("no connection within {0:?}")]
    SlowConnect(Duration),
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    #[error("the connection broke before a response: {0}")]
    Broken(std::io::Error),
    #[error("the connection was closed before a response")]
    Closed,
    /// It said something that is no response.
    #[error("no HTTP response: {0}")]
    Malformed(&'static str),
}

impl Upstream {
    /// A client that waits so long for a connection.
    pub(crate) fn new(connect_timeout: Duration) -> Self {
        Self(Arc::new(Pool::new(connect_timeout)))
    }

    /// Sends `body` under a client's head and waits for the response head.
    ///
    /// An engine may close a connection that was kept in the same moment in which a request is written to it. Where one
    /// ends without a byte, the request is sent once more, on a connection of its own.
    pub(crate) async fn send(
        &self,
        address: SocketAddr,
        head: &Parts,
        body: Bytes,
    ) -> Result<Response<EngineBody>, AskError> {
        if let Some(mut link) = self.0.take(address) {
            match link.ask(head, &body).await {
                Err(AskError::Broken(_) | AskError::Closed) if !link.has_read() => {}
                asked => return asked.map(|answer| EngineBody::response(answer, link, self.0.clone())),
            }
        }
        let mut link = self.connect(address).await?;
        let answer = link.ask(head, &body).await?;
        Ok(EngineBody::response(answer, link, self.0.clone()))
    }

    /// Whether it has the same connections.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    async fn connect(&self, address: SocketAddr) -> Result<Link, AskError> {
        let limit = self.0.connect_timeout();
        let stream = timeout(limit, TcpStream::connect(address)).await.map_err(|_| AskError::SlowConnect(limit))?;
        Ok(Link::new(stream.map_err(AskError::Connect)?, address))
    }

    /// Closes connections that nobody used for long, or that engines have closed, until it is dropped.
    pub(crate) async fn sweep(self) {
        self.0.sweep().await;
    }
}

/// Reads a response that comes in pieces, as far as they go.
#[cfg(feature = "fuzz")]
pub(crate) fn response<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Result<(u16, Vec<u8>), &'static str>> {
    let (mut buffer, mut head, mut data) = (bytes::BytesMut::new(), None::<head::Head>, Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if head.is_none() {
            match head::take(&mut buffer, &http::Method::POST) {
                Ok(Some(taken)) => head = Some(taken),
                Ok(None) => continue,
                Err(why) => return Some(Err(why)),
            }
        }
        let Some(head) = &mut head else { continue };
        loop {
            match head.framing.take(&mut buffer) {
                Ok(framing::Taken::Data(bytes)) => data.extend_from_slice(&bytes),
                Ok(framing::Taken::End) => return Some(Ok((head.status.as_u16(), data))),
                Ok(framing::Taken::Nothing) => break,
                Err(why) => return Some(Err(why)),
            }
        }
    }
    let head = head?;
    (head.framing == framing::Framing::UntilClose).then(|| Ok((head.status.as_u16(), data)))
}

#[cfg(test)]
mod tests;
