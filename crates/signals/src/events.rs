//! One engine's KV-cache events, followed over ZMQ.
//!
//! A [`Follower`] subscribes to an engine's publisher, and hands on what its cache stores and removes as [`Change`]s, in
//! order. What is missing it asks the engine's replay socket for: at the start, at a gap in the numbers, when the
//! connection was made anew, and from time to time when nothing comes. What cannot be had is not papered over: the
//! rank's entries are dropped by a [`Change::Cleared`]. The rules are those of [`phalanx_kvcache::feed`].

mod live;
mod reader;
mod replay;
mod run;
mod source;

use phalanx_kvcache::feed::{Cursor, Standing};
use phalanx_kvcache::{Applied, BlockSize, Change};

use self::reader::Reader;
pub use self::source::EventSource;
use crate::child::Child;
use crate::watch::{Watch, report};
use crate::zmtp::LinkError;

/// What following has come to so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventReport {
    /// How far the entries can be trusted.
    pub standing: Standing,
    /// Whether the subscription stands.
    pub connected: bool,
    /// Batches that were applied.
    pub batches: u64,
    /// What they did.
    pub applied: Applied,
    /// How often the entries were dropped, because what the engine holds was no longer known.
    pub dropped: u64,
    /// Replays that were asked for.
    pub replays: u64,
    /// Messages and batches that could not be read, and events of blocks of another size: they are not applied.
    pub unreadable: u64,
    /// Connections that ended, and tries that failed.
    pub failures: u64,
    /// Why the last one did.
    pub failure: Option<LinkError>,
}

/// Follows one engine's events until it is dropped.
#[derive(Debug)]
pub struct Follower {
    watch: Watch<EventReport>,
    _task: Child,
}

impl Follower {
    /// Follows `source`, an engine with blocks of this size, from now on; must be called within a tokio runtime. The seed
    /// spreads the reconnections of many. Each change goes to `sink`, which says what it did; the entries of the engine
    /// must be empty at first.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::mpsc;
    ///
    /// use phalanx_kvcache::{Applied, BlockSize};
    /// use phalanx_signals::{EventSource, Follower};
    ///
    /// let source = EventSource::new("tcp://127.0.0.1:5557".parse()?).with_replay("tcp://127.0.0.1:5558".parse()?);
    /// let (sender, changes) = mpsc::channel();
    /// let follower = Follower::start(source, BlockSize::new(16)?, 7, move |change| {
    ///     let _ = sender.send(format!("{change:?}"));
    ///     Applied::default() // an index would say
    /// });
    /// assert_eq!(follower.watch().report().batches, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn start<F>(source: EventSource, block_size: BlockSize, seed: u64, sink: F) -> Self
    where
        F: FnMut(Change<'_>) -> Applied + Send + 'static,
    {
        Self::resume(source, block_size, seed, None, sink, |_| {})
    }

    /// Follows `source` from where somebody else had come with it, whose entries of the engine there are; from the start
    /// without a cursor. `at` is told where the entries stand after each batch, and `None` before they change, until they
    /// are of one place again: whoever keeps both under one lock can hand them on together, to be resumed elsewhere. The
    /// engine is asked first whether it is still the same, and if it is not, the entries are dropped.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use phalanx_kvcache::feed::Cursor;
    /// use phalanx_kvcache::{Applied, BlockSize};
    /// use phalanx_signals::{EventSource, Follower};
    ///
    /// let source = EventSource::new("tcp://127.0.0.1:5557".parse()?).with_replay("tcp://127.0.0.1:5558".parse()?);
    /// let cursor = Cursor { next: 7, last: 0x5eed, whole: true }; // as a peer told it
    /// let at = |cursor| println!("{cursor:?}");
    /// let follower = Follower::resume(source, BlockSize::new(16)?, 7, Some(cursor), |_| Applied::default(), at);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn resume<F, A>(
        source: EventSource,
        block_size: BlockSize,
        seed: u64,
        cursor: Option<Cursor>,
        sink: F,
        at: A,
    ) -> Self
    where
        F: FnMut(Change<'_>) -> Applied + Send + 'static,
        A: FnMut(Option<Cursor>) + Send + 'static,
    {
        let reader = Reader::new(&source, block_size, cursor, sink, Box::new(at));
        let (reporter, watch) = report(reader.report().clone());
        Self { watch, _task: Child::start(run::follow(source, seed, reader, reporter)) }
    }

    /// How it goes.
    #[must_use]
    pub fn watch(&self) -> &Watch<EventReport> {
        &self.watch
    }
}
