//! What a feed does about gaps and restarts.

use core::time::Duration;

use super::prints::Prints;
use super::{Action, Asked, Feed};

impl<P: AsRef<[u8]>> Feed<P> {
    pub(super) fn apply(&mut self, seq: u64, print: u64, payload: P) {
        // Who is there from the beginning knows all.
        self.whole |= seq == 0;
        self.applied.push(seq, print);
        self.next = Some(seq.saturating_add(1));
        self.actions.push_back(Action::Apply { seq, payload });
    }

    /// Drops the rank's entries.
    pub(super) fn clear(&mut self) {
        self.whole = false;
        if !matches!(self.actions.back(), Some(Action::Clear)) {
            self.actions.push_back(Action::Clear);
        }
    }

    /// Drops all that belongs to a process that is no more. What is held came after it.
    pub(super) fn forget(&mut self) {
        self.clear();
        self.applied = Prints::new();
        self.live = self.held.end();
        self.next = Some(0);
    }

    /// A live batch shows that the engine began anew.
    pub(super) fn begin_anew(&mut self, seq: u64, print: u64, payload: P, now: Duration) {
        self.held.clear();
        self.forget();
        self.asked = None;
        if seq == 0 {
            self.apply(seq, print, payload);
        } else {
            self.held.push(seq, print, payload);
            self.ask(now, None);
        }
    }

    /// Asks for everything from the newest batch that was applied.
    pub(super) fn ask(&mut self, now: Duration, deadline: Option<Duration>) {
        if !self.replays || self.patience.is_zero() {
            return self.give_up();
        }
        let due = self.next.unwrap_or(0);
        let from = due.checked_sub(1).filter(|last| self.applied.get(*last).is_some()).unwrap_or(due);
        self.tickets = self.tickets.wrapping_add(1);
        let (ticket, deadline) = (self.tickets, deadline.unwrap_or_else(|| now.saturating_add(self.patience)));
        self.asked = Some(Asked { ticket, from, due, running: false, deadline });
        self.actions.push_back(Action::Ask { from, ticket });
    }

    /// Asks for what a replay did not bring; but not for ever.
    pub(super) fn ask_again(&mut self, asked: Asked, now: Duration) {
        if self.next.is_some_and(|next| next > asked.due) {
            self.ask(now, Some(asked.deadline));
        } else {
            self.give_up();
        }
    }

    /// Goes on with what is held, behind a replay.
    pub(super) fn release(&mut self, asked: Asked, now: Duration) {
        self.asked = None;
        while let Some((seq, print, payload)) = self.held.pop() {
            let next = self.next.unwrap_or(0);
            if seq == next {
                self.apply(seq, print, payload);
            } else if seq > next {
                self.held.unpop(seq, print, payload);
                return self.ask_again(asked, now);
            } else if self.applied.get(seq).is_some_and(|known| known != print) {
                // The replay and what came live are of two processes. Which is the older one, only the engine knows.
                self.held.clear();
                self.forget();
                return self.ask(now, Some(asked.deadline));
            }
        }
    }

    /// Drops the rank's entries, and goes on with the newest batches that are held without a gap.
    pub(super) fn give_up(&mut self) {
        self.clear();
        self.asked = None;
        self.next = None;
        self.held.keep_last_run();
        while let Some((seq, print, payload)) = self.held.pop() {
            self.apply(seq, print, payload);
        }
    }
}
