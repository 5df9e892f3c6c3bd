//! One rank's stream of events, kept in order: gaps, duplicates, replays and restarts.
//!
//! A publisher numbers its batches, but what arrives may miss some, repeat some, or come from a new process that counts
//! from 0 again and does not say so. A [`Feed`] takes what arrives, and tells what to do with the rank's entries in the
//! index, so that a gap never leaves them trusted.
//!
//! It does no I/O and has no clock. Whoever owns the sockets hands in what came ([`on_live`](Feed::on_live),
//! [`on_replayed`](Feed::on_replayed), [`on_replay_end`](Feed::on_replay_end)) and the time
//! ([`on_timeout`](Feed::on_timeout) at [`next_timeout`](Feed::next_timeout)), and after each of these does what
//! [`poll`](Feed::poll) returns, until it returns nothing.
//!
//! # What may be believed
//!
//! [`standing`](Feed::standing) says how far the rank's entries can be trusted:
//!
//! - [`Standing::Whole`]: they are what the engine had when it published the newest batch that was applied.
//! - [`Standing::Partial`]: the engine has every one of them, and perhaps more.
//! - [`Standing::CatchingUp`]: a replay is on its way, and the entries are as old as the gap: some may be gone. This
//!   lasts for the [patience](Feed::patience) at most; then they are dropped. With no patience they are dropped at once.
//!
//! # How a restart is noticed
//!
//! Batches carry no mark of the process that published them, so a feed remembers fingerprints of the last 64 that it
//! applied. A number that goes back is a restart, unless the batch is one of those. Every replay is asked for from the
//! newest batch that was applied, not from the one after it: if the answer's first batch has another fingerprint, or is
//! not there, the engine began anew, even if its numbers are beyond ours. One case cannot be seen: the first batch that
//! arrives of a new process has exactly the number that was due. Whoever can tell that a connection was made anew says so
//! with [`check`](Feed::check).
//!
//! # Example
//!
//! ```
//! use core::time::Duration;
//! use phalanx_kvcache::feed::{Action, Feed, Standing};
//!
//! let now = Duration::from_secs(10);
//! let mut feed = Feed::new();
//! feed.on_live(0, "first", now);
//! assert_eq!(feed.poll(), Some(Action::Apply { seq: 0, payload: "first" }));
//! assert_eq!(feed.standing(), Standing::Whole);
//!
//! feed.on_live(2, "third", now); // the second is missing
//! assert_eq!(feed.poll(), Some(Action::Ask { from: 0, ticket: 1 }));
//! assert_eq!(feed.standing(), Standing::CatchingUp);
//! for (seq, payload) in (0..).zip(["first", "second", "third"]) {
//!     feed.on_replayed(1, seq, payload, now);
//! }
//! feed.on_replay_end(1, now);
//! assert_eq!(feed.poll(), Some(Action::Apply { seq: 1, payload: "second" }));
//! assert_eq!(feed.poll(), Some(Action::Apply { seq: 2, payload: "third" }));
//! assert_eq!((feed.poll(), feed.standing()), (None, Standing::Whole));
//! ```

mod action;
mod held;
mod prints;
mod recover;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::VecDeque;

use xxhash_rust::xxh3::xxh3_64;

pub use action::{Action, Cursor, Standing};
use held::Held;
use prints::Prints;

/// How long a gap may stay open where nothing else was said.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much is held back during a replay where nothing else was said, in bytes.
const ROOM: usize = 1 << 20;

/// One rank's stream of batches. Payloads are of any type that has bytes, and only compared.
#[derive(Clone, Debug)]
pub struct Feed<P> {
    patience: Duration,
    replays: bool,
    /// Number of the batch that is to be applied next; `None` if any will do.
    next: Option<u64>,
    /// One more than the highest number that came live from this process.
    live: u64,
    /// Whether nothing that the engine has is missing, as of `next`.
    whole: bool,
    applied: Prints,
    held: Held<P>,
    asked: Option<Asked>,
    tickets: u32,
    actions: VecDeque<Action<P>>,
}

/// A replay that was asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    ticket: u32,
    from: u64,
    /// What was due when it was asked for.
    due: u64,
    /// Whether the first answer has come and was what it should be.
    running: bool,
    deadline: Duration,
}

impl<P: AsRef<[u8]>> Default for Feed<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: AsRef<[u8]>> Feed<P> {
    /// The feed of a rank of which nothing is known: patience of 5 seconds, room of 1 MiB, and replays.
    ///
    /// If the first batch that comes is not number 0, the ones before it are asked for.
    ///
    /// ```
    /// use phalanx_kvcache::feed::{Feed, Standing};
    ///
    /// let feed = Feed::<Vec<u8>>::new();
    /// assert_eq!(feed.standing(), Standing::Partial); // no entries: none is wrong
    /// ```
    pub fn new() -> Self {
        Self {
            patience: PATIENCE,
            replays: true,
            next: Some(0),
            live: 0,
            whole: false,
            applied: Prints::new(),
            held: Held::new(ROOM),
            asked: None,
            tickets: 0,
            actions: VecDeque::new(),
        }
    }

    /// A feed that goes on where another one stood, with the rank's entries as they were then. Whether the engine is
    /// still the same is not known, so the first thing is to ask it.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::feed::{Action, Feed};
    ///
    /// let mut before = Feed::new();
    /// before.on_live(0, b"first", Duration::ZERO);
    /// let cursor = before.cursor().expect("it is in step");
    ///
    /// let mut feed = Feed::<&[u8; 5]>::resume(cursor, Duration::ZERO);
    /// assert_eq!(feed.poll(), Some(Action::Ask { from: 0, ticket: 1 }));
    /// ```
    pub fn resume(cursor: Cursor, now: Duration) -> Self {
        let mut feed = Self { next: Some(cursor.next), live: cursor.next, whole: cursor.whole, ..Self::new() };
        if let Some(last) = cursor.next.checked_sub(1) {
            feed.applied.push(last, cursor.last);
        }
        feed.ask(now, None);
        feed
    }

    /// How long entries may stay as they are while a replay is on its way, counted from the gap; zero to drop them at
    /// once, without asking.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::feed::{Action, Feed};
    ///
    /// let mut feed = Feed::new().patience(Duration::ZERO);
    /// feed.on_live(7, b"first", Duration::ZERO);
    /// assert_eq!(feed.poll(), Some(Action::Clear));
    /// assert_eq!(feed.poll(), Some(Action::Apply { seq: 7, payload: b"first" }));
    /// ```
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// How many bytes of live batches are held back while a replay is on its way, 64 more for each batch counted. What
    /// does not fit is let go, and shows as a gap again.
    ///
    /// ```
    /// let feed = phalanx_kvcache::feed::Feed::<Vec<u8>>::new().room(16 << 20);
    /// assert_eq!(feed.held(), 0);
    /// ```
    #[must_use]
    pub fn room(self, bytes: usize) -> Self {
        Self { held: Held::new(bytes), ..self }
    }

    /// For an engine without a replay socket: what is missing stays missing.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::feed::{Action, Feed};
    ///
    /// let mut feed = Feed::new().without_replays();
    /// feed.on_live(7, b"first", Duration::ZERO);
    /// assert_eq!(feed.poll(), Some(Action::Clear));
    /// ```
    #[must_use]
    pub fn without_replays(self) -> Self {
        Self { replays: false, ..self }
    }

    /// Takes a batch that was published.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::feed::{Action, Feed};
    ///
    /// let mut feed = Feed::new();
    /// feed.on_live(0, b"first", Duration::ZERO);
    /// feed.on_live(0, b"first", Duration::ZERO); // once more: nothing happens
    /// feed.on_live(0, b"other", Duration::ZERO); // a new process
    /// assert!(matches!(feed.poll(), Some(Action::Apply { seq: 0, .. })));
    /// assert_eq!(feed.poll(), Some(Action::Clear));
    /// assert_eq!(feed.poll(), Some(Action::Apply { seq: 0, payload: b"other" }));
    /// ```
    pub fn on_live(&mut self, seq: u64, payload: P, now: Duration) {
        if seq == u64::MAX {
            return; // the mark of a replay's end: no batch has this number
        }
        let print = xxh3_64(payload.as_ref());
        let known = self.applied.get(seq).or_else(|| self.held.print(seq));
        match (known, self.next) {
            (Some(known), _) if known == print => {}
            (Some(_), _) => self.begin_anew(seq, print, payload, now),
            (None, Some(next)) if seq < next && seq >= self.live => {} // a replay brought it already
            (None, _) if seq < self.live => self.begin_anew(seq, print, payload, now),
            _ if self.asked.is_some() => self.held.push(seq, print, payload),
            (None, Some(next)) if seq > next => {
                self.held.push(seq, print, payload);
                self.ask(now, None);
            }
            _ => self.apply(seq, print, payload),
        }
        self.live = self.live.max(seq.saturating_add(1));
    }

    /// Takes a batch that a replay brought.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::feed::{Action, Feed};
    ///
    /// let mut feed = Feed::new();
    /// feed.check(Duration::ZERO);
    /// assert_eq!(feed.poll(), Some(Action::Ask { from: 0, ticket: 1 }));
    /// feed.on_replayed(1, 3, b"fourth", Duration::ZERO); // older ones are no longer kept
    /// assert_eq!(feed.poll(), Some(Action::Clear));
    /// assert_eq!(feed.poll(), Some(Action::Apply { seq: 3, payload: b"fourth" }));
    /// ```
    pub fn on_replayed(&mut self, ticket: u32, seq: u64, payload: P, now: Duration) {
        let Some(asked) = self.asked.filter(|asked| asked.ticket == ticket) else { return };
        let next = self.next.unwrap_or(0);
        let print = xxh3_64(payload.as_ref());
        if asked.running {
            if seq == next {
                self.apply(seq, print, payload);
            } else if seq > next {
                self.ask_again(asked, now); // something is missing within the replay
            }
        } else if seq >= asked.from {
            self.asked = Some(Asked { running: true, ..asked });
            if seq > asked.from {
                // What was asked for is no longer kept, and with it the proof that this is the same process.
                self.clear();
                self.apply(seq, print, payload);
            } else if asked.from == asked.due {
                self.apply(seq, print, payload);
            } else if self.applied.get(seq) != Some(print) {
                self.forget();
                if seq == 0 {
                    self.apply(seq, print, payload);
                } else {
                    self.ask(now, Some(asked.deadline));
                }
            }
        }
    }

    /// Takes the end of a replay.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::feed::{Feed, Standing};
    ///
    /// let mut feed = Feed::<Vec<u8>>::new();
    /// feed.check(Duration::ZERO);
    /// feed.on_replay_end(1, Duration::ZERO); // it has published nothing yet
    /// assert_eq!(feed.standing(), Standing::Whole);
    /// ```
    pub fn on_replay_end(&mut self, ticket: u32, now: Duration) {
        let Some(asked) = self.asked.filter(|asked| asked.ticket == ticket) else { return };
        if asked.running {
            self.release(asked, now);
        } else if asked.due > 0 {
            // It has not got as far as we had: it began anew.
            self.forget();
            self.ask(now, Some(asked.deadline));
        } else if self.held.is_empty() {
            self.asked = None;
            self.whole = true;
        } else {
            self.give_up();
        }
    }

    /// Takes the news that a replay failed: nobody answers, or what came is no answer.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::feed::{Action, Feed, Standing};
    ///
    /// let mut feed = Feed::<Vec<u8>>::new();
    /// feed.check(Duration::ZERO);
    /// assert!(matches!(feed.poll(), Some(Action::Ask { ticket: 1, .. })));
    /// feed.on_replay_failed(1);
    /// assert_eq!((feed.poll(), feed.standing()), (Some(Action::Clear), Standing::Partial));
    /// ```
    pub fn on_replay_failed(&mut self, ticket: u32) {
        if self.asked.is_some_and(|asked| asked.ticket == ticket) {
            self.give_up();
        }
    }

    /// When [`on_timeout`](Self::on_timeout) is to be called.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use phalanx_kvcache::feed::Feed;
    /// let mut feed = Feed::<Vec<u8>>::new().patience(Duration::from_secs(2));
    /// assert_eq!(feed.next_timeout(), None);
    /// feed.check(Duration::from_secs(7));
    /// assert_eq!(feed.next_timeout(), Some(Duration::from_secs(9)));
    /// ```
    pub fn next_timeout(&self) -> Option<Duration> {
        self.asked.map(|asked| asked.deadline)
    }

    /// Takes the time. Once patience is at its end, the entries are dropped, and the feed goes on with what is held.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use phalanx_kvcache::feed::{Action, Feed, Standing};
    /// let mut feed = Feed::new().patience(Duration::from_secs(2));
    /// feed.on_live(7, b"first", Duration::ZERO);
    /// assert_eq!(feed.poll(), Some(Action::Ask { from: 0, ticket: 1 }));
    /// feed.on_timeout(Duration::from_secs(2));
    /// assert_eq!(feed.poll(), Some(Action::Clear));
    /// assert_eq!(feed.poll(), Some(Action::Apply { seq: 7, payload: b"first" }));
    /// assert_eq!(feed.standing(), Standing::Partial);
    /// ```
    pub fn on_timeout(&mut self, now: Duration) {
        if self.asked.is_some_and(|asked| asked.deadline <= now) {
            self.give_up();
        }
    }

    /// Asks the engine whether anything was missed: at the start, after a connection was made anew, or when it has been
    /// silent for long, since the last batches before a silence can be lost without a gap. A replay that is on its way is
    /// asked for anew, as it may be the old process's. Without replays the entries are dropped instead.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use phalanx_kvcache::feed::{Action, Feed};
    /// let mut feed = Feed::new();
    /// (0..3).for_each(|seq| feed.on_live(seq, seq.to_be_bytes(), Duration::ZERO));
    /// while feed.poll().is_some() {}
    /// feed.check(Duration::ZERO);
    /// assert_eq!(feed.poll(), Some(Action::Ask { from: 2, ticket: 1 }));
    /// ```
    pub fn check(&mut self, now: Duration) {
        self.next.get_or_insert(0);
        // The answer brings it again if it is of the same process.
        self.held.clear();
        let deadline = self.asked.map(|asked| asked.deadline);
        self.ask(now, deadline);
    }

    /// Drops the rank's entries and asks for all batches that the engine still has: worth a try when entries are missing,
    /// since what is asked for once and not answered is not asked for again.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use phalanx_kvcache::feed::{Action, Feed, Standing};
    /// let mut feed = Feed::new();
    /// feed.on_live(1, b"second", Duration::ZERO);
    /// feed.on_replay_failed(1);
    /// while feed.poll().is_some() {}
    /// assert_eq!(feed.standing(), Standing::Partial);
    /// feed.start_over(Duration::ZERO);
    /// assert_eq!(feed.poll(), Some(Action::Clear));
    /// assert_eq!(feed.poll(), Some(Action::Ask { from: 0, ticket: 2 }));
    /// ```
    pub fn start_over(&mut self, now: Duration) {
        self.held.clear();
        self.clear();
        self.applied = Prints::new();
        self.next = Some(0);
        self.ask(now, None);
    }

    /// Takes the news that a batch which was to be applied could not be read. A replay would bring the same bytes, so the
    /// entries are dropped.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use phalanx_kvcache::feed::{Action, Feed, Standing};
    /// let mut feed = Feed::new();
    /// feed.on_live(0, b"broken", Duration::ZERO);
    /// let Some(Action::Apply { payload: b"broken", .. }) = feed.poll() else { panic!("a batch") };
    /// feed.on_unreadable();
    /// assert_eq!((feed.poll(), feed.standing()), (Some(Action::Clear), Standing::Partial));
    /// ```
    pub fn on_unreadable(&mut self) {
        self.whole = false;
        self.actions.push_front(Action::Clear);
    }

    /// Takes the news that a batch which was just applied says that the engine's cache was emptied: whatever was not
    /// known before is gone as well.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use phalanx_kvcache::feed::{Action, Feed, Standing};
    /// let mut feed = Feed::new().without_replays();
    /// feed.on_live(7, b"all cleared", Duration::ZERO);
    /// while feed.poll().is_some() {}
    /// assert_eq!(feed.standing(), Standing::Partial);
    /// feed.on_emptied();
    /// assert_eq!(feed.standing(), Standing::Whole);
    /// ```
    pub fn on_emptied(&mut self) {
        self.whole |= !self.actions.iter().any(|action| matches!(action, Action::Clear));
    }

    /// The next thing to do.
    ///
    /// ```
    /// assert_eq!(phalanx_kvcache::feed::Feed::<Vec<u8>>::new().poll(), None);
    /// ```
    pub fn poll(&mut self) -> Option<Action<P>> {
        self.actions.pop_front()
    }

    /// How far the rank's entries can be trusted, once every [`Action`] is done.
    pub fn standing(&self) -> Standing {
        match self.asked {
            Some(_) => Standing::CatchingUp,
            None if self.whole => Standing::Whole,
            None => Standing::Partial,
        }
    }

    /// How many live batches are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Where the feed stands, once every [`Action`] is done; `None` while there is nothing to go on from.
    ///
    /// ```
    /// # use phalanx_kvcache::feed::Feed;
    /// assert_eq!(Feed::<Vec<u8>>::new().cursor(), None);
    /// ```
    pub fn cursor(&self) -> Option<Cursor> {
        let next = self.next.filter(|_| self.asked.is_none())?;
        let last = self.applied.get(next.checked_sub(1)?)?;
        Some(Cursor { next, last, whole: self.whole })
    }
}
