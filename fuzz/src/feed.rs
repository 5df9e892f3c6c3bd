//! Bytes as what comes to the feed of one rank: from an engine behind a bad channel, or from anybody.

use core::time::Duration;
use std::collections::VecDeque;

use phalanx_kvcache::feed::{Action, Cursor, Feed, Standing};

use crate::bytes::Bytes;

/// How many batches the engine keeps for replays.
const KEPT: usize = 12;

/// Bytes that a feed may hold back, and what each batch counts for beside its own.
const ROOM: usize = 600;
const EACH: usize = 64;

const PATIENCE: Duration = Duration::from_millis(1000);

/// Hands a feed what the bytes say. Batches are applied in a row, or the entries are dropped between them; what waits stays
/// within its room and its time; a cursor goes on where the feed stood. Of an engine that counts from 0 and whose
/// restarts are noticed, no two processes are mixed, and a feed that says so has all that was published.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    if bytes.flag() {
        from_an_engine(bytes);
    } else {
        from_anybody(bytes);
    }
}

/// A batch of a process.
type Batch = (u8, u64);

fn payload((process, seq): Batch) -> Vec<u8> {
    [&[process][..], &seq.to_le_bytes()].concat()
}

/// A feed, and what its owner did.
struct Owner {
    feed: Feed<Vec<u8>>,
    now: Duration,
    /// Batches that were applied since the entries were dropped.
    applied: Vec<(u64, Vec<u8>)>,
    /// Replays to be answered: the ticket and the first number.
    asked: Vec<(u32, u64)>,
}

impl Owner {
    fn new(bytes: &mut Bytes<'_>) -> Self {
        let feed = Feed::new().patience(PATIENCE).room(ROOM);
        let feed = if bytes.below(4) == 0 { feed.without_replays() } else { feed };
        Self { feed, now: Duration::ZERO, applied: Vec::new(), asked: Vec::new() }
    }

    /// Does what the feed says.
    fn act(&mut self) {
        while let Some(action) = self.feed.poll() {
            match action {
                Action::Apply { seq, payload } => {
                    assert!(self.applied.last().is_none_or(|(last, _)| last + 1 == seq), "{seq} is applied in a row");
                    self.applied.push((seq, payload));
                }
                Action::Clear => self.applied.clear(),
                Action::Ask { from, ticket } => self.asked.push((ticket, from)),
            }
        }
        let waits = self.feed.standing() == Standing::CatchingUp;
        assert_eq!(waits, self.feed.next_timeout().is_some(), "it waits as long as is said");
        assert!(self.feed.next_timeout().is_none_or(|at| at <= self.now + PATIENCE));
        assert!(self.feed.held() * EACH <= ROOM && (waits || self.feed.held() == 0), "what is held waits for a replay");
        if let Some(cursor) = self.feed.cursor() {
            assert!(!waits, "it stands nowhere yet");
            assert_eq!(Cursor::from_bytes(cursor.to_bytes()), cursor);
            assert_eq!(cursor.whole, self.feed.standing() == Standing::Whole);
            let mut next = Feed::<Vec<u8>>::resume(cursor, self.now);
            let asks = matches!(next.poll(), Some(Action::Ask { from, .. }) if from + 1 == cursor.next);
            assert!(
                asks && next.standing() == Standing::CatchingUp,
                "it asks for the batch before the one that is due"
            );
        }
    }

    fn wait(&mut self, millis: u8) {
        self.now += Duration::from_millis(u64::from(millis) * 8);
        if self.feed.next_timeout().is_some_and(|at| at <= self.now) {
            self.feed.on_timeout(self.now);
            assert_ne!(self.feed.standing(), Standing::CatchingUp, "patience has an end");
        }
    }

    fn ticket(&self, bytes: &mut Bytes<'_>) -> u32 {
        let back = bytes.below(3);
        self.asked.iter().rev().nth(back).map_or(u32::from(bytes.byte()), |(ticket, _)| *ticket)
    }
}

/// Numbers and payloads that need not make sense.
fn from_anybody(mut bytes: Bytes<'_>) {
    let mut owner = Owner::new(&mut bytes);
    while !bytes.is_empty() {
        let step = bytes.below(9);
        let (seq, what) = (bytes.amount(), vec![bytes.byte() % 4; bytes.below(3)]);
        let (ticket, now) = (owner.ticket(&mut bytes), owner.now);
        match step {
            0..=2 => owner.feed.on_live(seq, what, now),
            // The mark of the end is no number of a batch.
            3 | 4 => owner.feed.on_replayed(ticket, seq.min(u64::MAX - 1), what, now),
            5 => owner.feed.on_replay_end(ticket, now),
            6 => owner.feed.on_replay_failed(ticket),
            7 => match bytes.below(3) {
                0 => owner.feed.check(now),
                1 => owner.feed.start_over(now),
                _ => owner.feed.on_unreadable(),
            },
            _ => owner.wait(bytes.byte()),
        }
        owner.act();
    }
}

/// An engine that publishes, restarts and answers; batches and answers get lost, and batches come twice.
fn from_an_engine(mut bytes: Bytes<'_>) {
    let mut owner = Owner::new(&mut bytes);
    let (mut process, mut count) = (0_u8, 0_u64);
    let mut live: VecDeque<Batch> = VecDeque::new();
    let mut answers: Vec<(u32, VecDeque<Option<Batch>>)> = Vec::new();
    while !bytes.is_empty() {
        match bytes.below(12) {
            0..=2 => {
                live.push_back((process, count));
                count += 1;
            }
            3 | 4 => {
                if let Some(batch) = live.pop_front() {
                    let times = 1 + usize::from(bytes.below(8) == 0);
                    (0..times).for_each(|_| owner.feed.on_live(batch.1, payload(batch), owner.now));
                }
            }
            5 => drop(live.pop_front()),
            6..=8 => {
                let arrives = bytes.below(16) > 0;
                let at = answers.len().wrapping_sub(1 + usize::from(bytes.below(8) == 0));
                if let Some((ticket, replay)) = answers.get_mut(at) {
                    match replay.pop_front().filter(|_| arrives) {
                        Some(Some(batch)) => owner.feed.on_replayed(*ticket, batch.1, payload(batch), owner.now),
                        Some(None) => owner.feed.on_replay_end(*ticket, owner.now),
                        None => {}
                    }
                }
            }
            9 => owner.wait(bytes.byte()),
            10 => match bytes.below(4) {
                0 => owner.feed.check(owner.now),
                1 => owner.feed.start_over(owner.now),
                _ => {
                    if let Some((ticket, _)) = answers.pop() {
                        owner.feed.on_replay_failed(ticket);
                    }
                }
            },
            _ if process < u8::MAX => {
                (process, count) = (process + 1, 0);
                live.clear();
                owner.feed.check(owner.now);
            }
            _ => {}
        }
        owner.act();
        for (ticket, from) in owner.asked.drain(..) {
            let kept = count.saturating_sub(KEPT as u64);
            let replay = (from.max(kept)..count).map(|seq| Some((process, seq))).chain([None]);
            answers.push((ticket, replay.collect()));
        }
        let of = owner.applied.first().map(|(_, payload)| payload[0]);
        for (seq, what) in &owner.applied {
            assert_eq!(*what, payload((of.unwrap_or(0), *seq)), "all are of one process");
        }
        if owner.feed.standing() == Standing::Whole {
            assert!(owner.applied.first().is_none_or(|(seq, _)| *seq == 0), "nothing before is missing");
        }
    }
}
