//! From batches as they come to changes in order.

use core::time::Duration;

use phalanx_kvcache::feed::{Action, Cursor, Feed, Standing};
use phalanx_kvcache::wire::{Event, EventBatch, Translator};
use phalanx_kvcache::{Applied, BlockSize, Change};

use super::{EventReport, EventSource};
use crate::zmtp::LinkError;

/// A replay that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) from: u64,
    pub(super) ticket: u32,
}

/// One engine's feed with what reads it and where it goes. No socket and no clock.
pub(super) struct Reader<F> {
    pub(super) feed: Feed<Vec<u8>>,
    translator: Translator,
    batch: EventBatch,
    sink: F,
    at: At,
    /// What it was told last.
    told: Option<Cursor>,
    report: EventReport,
}

/// Who is told where the entries stand.
pub(super) type At = Box<dyn FnMut(Option<Cursor>) + Send>;

impl<F: FnMut(Change<'_>) -> Applied> Reader<F> {
    pub(super) fn new(source: &EventSource, block_size: BlockSize, cursor: Option<Cursor>, sink: F, at: At) -> Self {
        // Times count from when the following begins.
        let feed = cursor.map_or_else(Feed::new, |cursor| Feed::resume(cursor, Duration::ZERO));
        let feed = feed.patience(source.patience).room(source.room);
        let feed = if source.replay.is_some() { feed } else { feed.without_replays() };
        let report = EventReport {
            standing: feed.standing(),
            connected: false,
            batches: 0,
            applied: Applied::default(),
            dropped: 0,
            replays: 0,
            unreadable: 0,
            failures: 0,
            failure: None,
        };
        let translator = Translator::new(block_size);
        Self { feed, translator, batch: EventBatch::new(), sink, at, told: cursor, report }
    }

    pub(super) fn report(&self) -> &EventReport {
        &self.report
    }

    /// The subscription stands anew: what was published before it did is not known.
    pub(super) fn on_connected(&mut self, now: Duration) {
        self.report.connected = true;
        self.feed.check(now);
    }

    /// The subscription is lost. Unless the engine says that all is as it was, it is not.
    pub(super) fn on_lost(&mut self, error: LinkError, now: Duration) {
        let was_connected = core::mem::replace(&mut self.report.connected, false);
        self.on_failure(error);
        if was_connected {
            self.feed.check(now);
        }
    }

    pub(super) fn on_failure(&mut self, error: LinkError) {
        self.report.failures += 1;
        self.report.failure = Some(error);
    }

    pub(super) fn on_unreadable(&mut self) {
        self.report.unreadable += 1;
    }

    /// Does all that the feed wants done; tells of the replay that it wants.
    pub(super) fn work(&mut self) -> Option<Wanted> {
        let mut wanted = None;
        while let Some(action) = self.feed.poll() {
            match action {
                Action::Apply { payload, .. } => {
                    self.tell(None);
                    self.apply(&payload);
                }
                Action::Clear => {
                    self.tell(None);
                    self.report.dropped += 1;
                    self.report.applied += (self.sink)(Change::Cleared);
                }
                Action::Ask { from, ticket } => {
                    self.report.replays += 1;
                    wanted = Some(Wanted { from, ticket });
                }
            }
        }
        self.report.standing = self.feed.standing();
        self.tell(self.feed.cursor());
        // One that was given up meanwhile is wanted no more.
        wanted.filter(|_| self.feed.standing() == Standing::CatchingUp)
    }

    fn tell(&mut self, cursor: Option<Cursor>) {
        if self.told != cursor {
            self.told = cursor;
            (self.at)(cursor);
        }
    }

    fn apply(&mut self, payload: &[u8]) {
        if self.batch.read(payload).is_err() {
            self.report.unreadable += 1;
            return self.feed.on_unreadable();
        }
        self.report.batches += 1;
        for event in self.batch.events() {
            match self.translator.change(&event) {
                Ok(change) => self.report.applied += (self.sink)(change),
                Err(_) => self.report.unreadable += 1,
            }
            if event == Event::Cleared {
                self.feed.on_emptied();
            }
        }
    }
}
