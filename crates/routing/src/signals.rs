//! What an engine says of itself.

use core::time::Duration;

/// The latest reading of an engine's metrics. What is not known is `None`, never 0.
///
/// ```
/// use core::time::Duration;
/// use phalanx_routing::Signals;
///
/// let signals = Signals { waiting: Some(3), kv_used_ppm: Some(250_000), ..Signals::unknown(Duration::from_secs(1)) };
/// assert_eq!(signals.running, None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signals {
    /// When they were read, since the caller's epoch.
    pub read: Duration,
    /// Requests that wait for a seat.
    pub waiting: Option<u32>,
    /// Requests with a seat.
    pub running: Option<u32>,
    /// Share of the KV memory in use, in parts of a million.
    pub kv_used_ppm: Option<u32>,
    /// Recent time to first token.
    pub ttft: Option<Duration>,
    /// Recent time for each further token.
    pub tpot: Option<Duration>,
}

impl Signals {
    /// Nothing is known, as of a time.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::Signals;
    ///
    /// assert_eq!(Signals::unknown(Duration::ZERO).waiting, None);
    /// ```
    #[must_use]
    pub const fn unknown(read: Duration) -> Self {
        Self { read, waiting: None, running: None, kv_used_ppm: None, ttft: None, tpot: None }
    }
}
