//! Where one engine's events come from.

use core::time::Duration;

use crate::address::Address;

/// The sockets of one engine's KV events, and how patient to be with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSource {
    pub(super) events: Address,
    pub(super) replay: Option<Address>,
    pub(super) topic: Vec<u8>,
    pub(super) patience: Duration,
    pub(super) silence: Duration,
    pub(super) room: usize,
    pub(super) max_message: usize,
}

impl EventSource {
    /// The publisher at an address: every topic, without a replay socket. Defaults: after 5 seconds without an answer
    /// entries that may be wrong are dropped, after 30 seconds without an event the engine is asked whether one was
    /// missed, 1 MiB of batches may wait for a replay, and a message has at most 64 MiB.
    ///
    /// ```
    /// use phalanx_signals::EventSource;
    ///
    /// let source = EventSource::new("tcp://10.0.0.1:5557".parse()?);
    /// assert_eq!(source.events().port(), 5557);
    /// # Ok::<(), phalanx_signals::AddressError>(())
    /// ```
    #[must_use]
    pub fn new(events: Address) -> Self {
        Self {
            events,
            replay: None,
            topic: Vec::new(),
            patience: Duration::from_secs(5),
            silence: Duration::from_secs(30),
            room: 1 << 20,
            max_message: 64 << 20,
        }
    }

    /// Asks a replay socket for what is missing. Without one, a gap costs all entries.
    #[must_use]
    pub fn with_replay(mut self, replay: Address) -> Self {
        self.replay = Some(replay);
        self
    }

    /// Takes only what is published under topics that begin so; an engine that came to the address of another one, and
    /// says so by its topic, is not mistaken for it.
    #[must_use]
    pub fn with_topic(mut self, prefix: impl Into<String>) -> Self {
        self.topic = prefix.into().into_bytes();
        self
    }

    /// How long entries may stay as they are while the engine does not say whether they are true.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// After how long without an event the engine is asked whether one was missed, and the connection whether it lives;
    /// at least 10 milliseconds.
    #[must_use]
    pub fn with_silence(mut self, silence: Duration) -> Self {
        self.silence = silence.max(Duration::from_millis(10));
        self
    }

    /// The largest message in bytes; an engine that sends a larger one is cut off, and tried again.
    #[must_use]
    pub fn with_max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// Where events are published.
    #[must_use]
    pub fn events(&self) -> &Address {
        &self.events
    }

    /// Where they can be had again.
    #[must_use]
    pub fn replay(&self) -> Option<&Address> {
        self.replay.as_ref()
    }
}
