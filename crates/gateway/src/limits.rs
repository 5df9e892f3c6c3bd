//! What a client may take up, and how a gateway ends.

use std::time::Duration;

/// What one client may take up: time and memory, before and while it is answered.
///
/// ```
/// use std::time::Duration;
/// use phalanx_gateway::Limits;
///
/// let strict = Limits { head_timeout: Duration::from_secs(5), max_connections: 1000, ..Limits::default() };
/// assert_eq!(strict.max_body, 64 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until a request's head has come, from the connection's start or the end of the answer before. One that has begun is
    /// answered 408; an idle connection is closed. 30 s.
    pub head_timeout: Duration,
    /// Until its body has come, from the head's end: 408. 60 s.
    pub body_timeout: Duration,
    /// How long a client may leave an answer unread: its connection is cut, so that it holds no engine. 60 s.
    pub stall_timeout: Duration,
    /// The largest body in bytes: 413. 64 MiB.
    pub max_body: usize,
    /// The largest head in bytes, of 8,192 or more: 431. 64 KiB. A head of more than 100 fields is refused too.
    pub max_head: usize,
    /// Connections at once: a further one is answered 503 and closed. 16,384.
    pub max_connections: usize,
}

/// How a gateway ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long `/readyz` answers 503 while requests are still taken, for those who look at it to send theirs elsewhere.
    /// Answers close their connections in that time. 0.
    pub delay: Duration,
    /// How long requests under way may take from then on; what is left is cut. 30 s.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
            max_body: 64 << 20,
            max_head: 64 << 10,
            max_connections: 16_384,
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Duration::ZERO, grace: Duration::from_secs(30) }
    }
}
