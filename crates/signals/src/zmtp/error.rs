//! Why a connection to an engine's socket ended.

use std::io;

/// Why a connection to an engine's socket ended, or was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The connection failed or was closed.
    #[error("the connection failed: {0}")]
    Io(io::ErrorKind),
    /// It took too long to be made, or nothing came for too long.
    #[error("no answer in time")]
    Silent,
    /// What is there does not speak ZMTP 3.
    #[error("not a ZMTP 3 socket")]
    Greeting,
    /// It wants a security mechanism other than NULL.
    #[error("the socket wants the security mechanism {0}; only NULL is spoken here")]
    Mechanism(String),
    /// It is a socket of a kind that does not go with ours.
    #[error("the socket is a {found}; expected {expected}")]
    Kind {
        /// What it says it is.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// It refused the connection.
    #[error("the socket refused: {0}")]
    Refused(String),
    /// Bytes that are no frame or command.
    #[error("broken framing")]
    Framing,
    /// A message of more bytes or frames than allowed.
    #[error("a message of more than {limit} bytes or {frames} frames")]
    TooLarge {
        /// The most bytes.
        limit: usize,
        /// The most frames.
        frames: usize,
    },
    /// A message that is no batch of events and no answer to a replay.
    #[error("a message that is none of a publisher of KV events")]
    Message,
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}
