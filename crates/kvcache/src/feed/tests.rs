//! A publisher that restarts, behind a channel that loses, repeats and swaps: what the feed says is held against what the
//! publisher had.

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;

const PATIENCE: Duration = Duration::from_millis(1000);

/// How many batches the publisher keeps for replays.
const KEPT: usize = 12;

/// A batch: which process published it, its number, and what it did. Its bytes are what a fingerprint is taken of.
#[derive(Clone, Debug)]
struct Batch {
    process: usize,
    seq: u64,
    change: Change,
    bytes: Vec<u8>,
}

impl AsRef<[u8]> for Batch {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Store(u8),
    Remove(u8),
    Empty,
}

fn apply(to: &mut BTreeSet<u8>, change: Change) {
    match change {
        Change::Store(block) => drop(to.insert(block)),
        Change::Remove(block) => drop(to.remove(&block)),
        Change::Empty => to.clear(),
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Publish(Change),
    /// Hands the oldest live batch to the feed.
    Deliver,
    Lose,
    /// Hands a batch once more that was delivered so many batches ago.
    Repeat(usize),
    Swap,
    /// Hands over the next answer of the newest replay, or of the one before it.
    Answer {
        older: bool,
    },
    LoseAnswer {
        older: bool,
    },
    /// The replay breaks off: without a word, or so that it is noticed.
    BreakOff {
        noticed: bool,
    },
    Wait(u16),
    /// A new process. Either the new connection is noticed, or it is not.
    Restart {
        noticed: bool,
    },
    Check,
    StartOver,
}

struct Replay {
    ticket: u32,
    answers: VecDeque<Option<Batch>>,
}

struct World {
    feed: Feed<Batch>,
    now: Duration,
    /// What each process had after each of its batches.
    history: Vec<Vec<BTreeSet<u8>>>,
    kept: VecDeque<Batch>,
    live: VecDeque<Batch>,
    delivered: Vec<Batch>,
    replays: Vec<Replay>,
    /// What the feed's owner has, and the batch that it applied last since the entries were dropped.
    entries: BTreeSet<u8>,
    newest: Option<(usize, u64)>,
}

impl World {
    fn new(feed: Feed<Batch>) -> Self {
        Self {
            feed: feed.patience(PATIENCE),
            now: Duration::ZERO,
            history: vec![Vec::new()],
            kept: VecDeque::new(),
            live: VecDeque::new(),
            delivered: Vec::new(),
            replays: Vec::new(),
            entries: BTreeSet::new(),
            newest: None,
        }
    }

    fn process(&self) -> usize {
        self.history.len() - 1
    }

    fn publish(&mut self, change: Change) {
        let process = self.process();
        let mut state = self.history[process].last().cloned().unwrap_or_default();
        apply(&mut state, change);
        let seq = self.history[process].len() as u64;
        self.history[process].push(state);
        let bytes = format!("{process} {seq}").into_bytes();
        let batch = Batch { process, seq, change, bytes };
        self.kept.push_back(batch.clone());
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
        self.live.push_back(batch);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(change) => self.publish(change),
            Step::Deliver => {
                if let Some(batch) = self.live.pop_front() {
                    self.deliver(batch);
                }
            }
            Step::Lose => drop(self.live.pop_front()),
            Step::Repeat(ago) => {
                let again = self.delivered.iter().rev().nth(ago).cloned();
                // What an old connection brought is not brought again by a new one.
                if let Some(batch) = again.filter(|batch| batch.process == self.process()) {
                    self.feed.on_live(batch.seq, batch, self.now);
                }
            }
            Step::Swap => {
                if self.live.len() > 1 {
                    self.live.swap(0, 1);
                }
            }
            Step::Answer { older } => self.answer(older, true),
            Step::LoseAnswer { older } => self.answer(older, false),
            Step::BreakOff { noticed } => {
                if let Some(replay) = self.replays.pop()
                    && noticed
                {
                    self.feed.on_replay_failed(replay.ticket);
                }
            }
            Step::Wait(millis) => {
                self.now += Duration::from_millis(millis.into());
                if self.feed.next_timeout().is_some_and(|at| at <= self.now) {
                    self.feed.on_timeout(self.now);
                    assert_ne!(self.feed.standing(), Standing::CatchingUp, "patience has an end");
                }
            }
            Step::Restart { noticed } => self.restart(noticed),
            Step::Check => self.feed.check(self.now),
            Step::StartOver => self.feed.start_over(self.now),
        }
        self.act();
    }

    fn deliver(&mut self, batch: Batch) {
        self.delivered.push(batch.clone());
        self.feed.on_live(batch.seq, batch, self.now);
    }

    fn answer(&mut self, older: bool, arrives: bool) {
        let at = self.replays.len().wrapping_sub(1 + usize::from(older));
        let Some(replay) = self.replays.get_mut(at) else { return };
        let ticket = replay.ticket;
        match replay.answers.pop_front().filter(|_| arrives) {
            Some(Some(batch)) => self.feed.on_replayed(ticket, batch.seq, batch, self.now),
            Some(None) => self.feed.on_replay_end(ticket, self.now),
            None => {}
        }
    }

    fn restart(&mut self, noticed: bool) {
        let waiting = self.feed.asked.is_some();
        self.history.push(Vec::new());
        self.kept.clear();
        self.live.clear();
        if noticed || waiting {
            self.feed.check(self.now);
        } else {
            // The one case that nobody can see: the number that is due is the first that comes.
            let due = self.feed.next.unwrap_or(0);
            while self.history[self.process()].len() as u64 <= due {
                self.publish(Change::Store(200));
            }
            let first = self.live.iter().rposition(|batch| batch.seq == due).unwrap_or(0);
            self.live.drain(..=first);
            self.publish(Change::Store(201));
            let batch = self.live.pop_front().expect("it was published just now");
            self.deliver(batch);
        }
    }

    /// Does what the feed says, and holds the entries against the publisher's own.
    fn act(&mut self) {
        while let Some(action) = self.feed.poll() {
            match action {
                Action::Apply { seq, payload } => {
                    assert_eq!(seq, payload.seq);
                    if let Some((process, before)) = self.newest {
                        assert_eq!((payload.process, seq), (process, before + 1), "applied in a row");
                    }
                    self.newest = Some((payload.process, seq));
                    apply(&mut self.entries, payload.change);
                    if matches!(payload.change, Change::Empty) {
                        self.feed.on_emptied();
                    }
                }
                Action::Clear => {
                    self.entries.clear();
                    self.newest = None;
                }
                Action::Ask { from, ticket } => {
                    let answers = self.kept.iter().filter(|batch| batch.seq >= from).cloned().map(Some);
                    self.replays.push(Replay { ticket, answers: answers.chain([None]).collect() });
                }
            }
        }
        let nothing = BTreeSet::new();
        let had = self.newest.map_or(&nothing, |(process, seq)| &self.history[process][seq as usize]);
        match self.feed.standing() {
            Standing::Whole => assert_eq!(&self.entries, had),
            Standing::Partial => assert!(self.entries.is_subset(had), "{:?} of {had:?}", self.entries),
            Standing::CatchingUp => {
                let timeout = self.feed.next_timeout().expect("it does not wait for ever");
                assert!(timeout <= self.now + PATIENCE);
            }
        }
        assert!(self.feed.actions.is_empty());
    }

    /// Everything arrives from here on.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let before = self.replays.len();
            if let Some(replay) = self.replays.last()
                && !replay.answers.is_empty()
            {
                self.step(Step::Answer { older: false });
            } else if !self.live.is_empty() {
                self.step(Step::Deliver);
            } else if self.feed.standing() == Standing::CatchingUp {
                self.step(Step::Wait(500));
            } else if self.replays.len() == before {
                return;
            }
        }
        panic!("it never comes to rest");
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        12 => (0..24_u8).prop_map(Change::Store),
        8 => (0..24_u8).prop_map(Change::Remove),
        1 => Just(Change::Empty),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => any_change().prop_map(Step::Publish),
        30 => Just(Step::Deliver),
        4 => Just(Step::Lose),
        3 => (0..30_usize).prop_map(Step::Repeat),
        2 => Just(Step::Swap),
        30 => Just(Step::Answer { older: false }),
        3 => Just(Step::Answer { older: true }),
        2 => any::<bool>().prop_map(|older| Step::LoseAnswer { older }),
        2 => any::<bool>().prop_map(|noticed| Step::BreakOff { noticed }),
        4 => (0..800_u16).prop_map(Step::Wait),
        2 => any::<bool>().prop_map(|noticed| Step::Restart { noticed }),
        2 => Just(Step::Check),
        1 => Just(Step::StartOver),
    ]
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    /// Invariant 9 of the design: a gap in a rank's sequence is noticed, and its entries are resynchronised or dropped.
    #[test]
    fn invariant_9_entries_are_never_trusted_behind_a_gap(
        steps in prop::collection::vec(any_step(), 0..300),
        room in prop_oneof![Just(ROOM), 0..1000_usize],
    ) {
        let mut world = World::new(Feed::new().room(room));
        for step in steps {
            world.step(step);
        }
        world.settle();
        world.step(Step::Check);
        world.settle();
        let process = world.process();
        let now = world.history[process].last().cloned().unwrap_or_default();
        prop_assert!(world.entries.is_subset(&now), "nothing untrue at the end");
        prop_assert_ne!(world.feed.standing(), Standing::CatchingUp);
        if world.feed.standing() == Standing::Whole {
            prop_assert_eq!(&world.entries, &now);
        }
        // As long as the publisher still has everything, so has who starts over.
        world.step(Step::StartOver);
        world.settle();
        prop_assert!(world.entries.is_subset(&now));
        if world.history[process].len() <= KEPT {
            prop_assert_eq!((world.feed.standing(), &world.entries), (Standing::Whole, &now));
        }
    }

    /// Without replays, nothing untrue is ever there.
    #[test]
    fn invariant_9_without_replays_entries_are_dropped_at_once(steps in prop::collection::vec(any_step(), 0..300)) {
        let mut world = World::new(Feed::new().without_replays());
        for step in steps {
            world.step(step);
            prop_assert_ne!(world.feed.standing(), Standing::CatchingUp);
            prop_assert!(world.replays.is_empty());
        }
        world.settle();
    }

    /// Where nothing goes wrong, everything is applied as it comes.
    #[test]
    fn a_sound_stream_passes_through(changes in prop::collection::vec(any_change(), 0..100)) {
        let mut world = World::new(Feed::new());
        for (at, change) in changes.iter().enumerate() {
            world.step(Step::Publish(*change));
            world.step(Step::Deliver);
            prop_assert_eq!(world.newest, Some((0, at as u64)));
            prop_assert_eq!(world.feed.standing(), Standing::Whole);
        }
        prop_assert!(world.replays.is_empty());
    }
}

/// The actions that wait, in a few words.
fn drain(feed: &mut Feed<&'static [u8]>) -> String {
    let words = core::iter::from_fn(|| feed.poll()).map(|action| match action {
        Action::Apply { seq, .. } => format!("apply {seq}"),
        Action::Clear => "clear".to_owned(),
        Action::Ask { from, ticket } => format!("ask {ticket} from {from}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn in_step(count: u64) -> Feed<&'static [u8]> {
    let mut feed = Feed::<&[u8]>::new();
    (0..count).for_each(|seq| feed.on_live(seq, b"a", Duration::ZERO));
    drain(&mut feed);
    feed
}

#[test]
fn a_restart_beyond_our_number_is_noticed_by_the_replay() {
    let mut feed = in_step(5);
    feed.on_live(9, b"b", Duration::ZERO);
    assert_eq!(drain(&mut feed), "ask 1 from 4");
    feed.on_replayed(1, 4, b"b", Duration::ZERO);
    assert_eq!(drain(&mut feed), "clear, ask 2 from 0");
    feed.on_replayed(1, 5, b"b", Duration::ZERO); // of the old request
    (0..10).for_each(|seq| feed.on_replayed(2, seq, b"b", Duration::ZERO));
    feed.on_replay_end(2, Duration::ZERO);
    assert_eq!(drain(&mut feed), (0..10).map(|seq| format!("apply {seq}")).collect::<Vec<_>>().join(", "));
    assert_eq!((feed.standing(), feed.held()), (Standing::Whole, 0));
}

#[test]
fn a_restart_behind_our_number_is_noticed_by_the_batch() {
    let mut feed = in_step(5);
    feed.on_live(3, b"b", Duration::ZERO);
    assert_eq!(drain(&mut feed), "clear, ask 1 from 0");
    let mut feed = in_step(5);
    feed.on_live(0, b"b", Duration::ZERO);
    assert_eq!((drain(&mut feed).as_str(), feed.standing()), ("clear, apply 0", Standing::Whole));
}

#[test]
fn after_a_restart_that_a_check_has_found_live_batches_go_on() {
    let mut feed = in_step(5);
    feed.check(Duration::ZERO);
    feed.on_replay_end(1, Duration::ZERO); // the new process has not got as far
    feed.on_replayed(2, 0, b"b", Duration::ZERO);
    feed.on_replay_end(2, Duration::ZERO);
    assert_eq!(drain(&mut feed), "ask 1 from 4, clear, ask 2 from 0, apply 0");
    feed.on_live(1, b"b", Duration::ZERO);
    assert_eq!((drain(&mut feed).as_str(), feed.standing()), ("apply 1", Standing::Whole));
}

#[test]
fn a_silent_truncation_drops_what_is_known() {
    let mut feed = in_step(5);
    feed.on_live(9, b"a", Duration::ZERO);
    drain(&mut feed);
    feed.on_replayed(1, 8, b"a", Duration::ZERO);
    assert_eq!((drain(&mut feed).as_str(), feed.standing()), ("clear, apply 8", Standing::CatchingUp));
    feed.on_replay_end(1, Duration::ZERO);
    assert_eq!((drain(&mut feed).as_str(), feed.standing()), ("apply 9", Standing::Partial));
}

#[test]
fn a_replay_with_a_hole_is_asked_for_again_while_it_gets_on() {
    let mut feed = in_step(5);
    feed.on_live(9, b"a", Duration::ZERO);
    drain(&mut feed);
    for seq in [4, 5, 7] {
        feed.on_replayed(1, seq, b"a", Duration::ZERO);
    }
    assert_eq!(drain(&mut feed), "apply 5, ask 2 from 5");
    for seq in [5, 7] {
        feed.on_replayed(2, seq, b"a", Duration::ZERO);
    }
    assert_eq!((drain(&mut feed).as_str(), feed.standing()), ("clear, apply 9", Standing::Partial));
}

#[test]
fn batches_of_a_replay_that_come_live_as_well_are_applied_once() {
    let mut feed = in_step(5);
    feed.on_live(6, b"a", Duration::ZERO);
    drain(&mut feed);
    (4..100).for_each(|seq| feed.on_replayed(1, seq, b"a", Duration::ZERO));
    feed.on_live(7, b"a", Duration::ZERO);
    feed.on_replay_end(1, Duration::ZERO);
    drain(&mut feed);
    (8..100).for_each(|seq| feed.on_live(seq, b"a", Duration::ZERO));
    assert_eq!((drain(&mut feed).as_str(), feed.standing()), ("", Standing::Whole));
    feed.on_live(100, b"a", Duration::ZERO);
    assert_eq!(drain(&mut feed), "apply 100");
}

#[test]
fn invariant_10_what_is_held_back_has_room() {
    let mut feed = Feed::<&[u8]>::new().room(3 * (64 + 1));
    (1..1000).for_each(|seq| feed.on_live(seq, b"a", Duration::ZERO));
    assert_eq!((drain(&mut feed).as_str(), feed.held()), ("ask 1 from 0", 3));
    (0..5).for_each(|seq| feed.on_replayed(1, seq, b"a", Duration::ZERO));
    feed.on_replay_end(1, Duration::ZERO);
    assert_eq!(drain(&mut feed), "apply 0, apply 1, apply 2, apply 3, apply 4");
    feed.on_live(1000, b"a", Duration::ZERO); // what was let go shows as a gap
    assert_eq!(drain(&mut feed), "ask 2 from 4");
}

#[test]
fn the_ends_of_the_numbers() {
    let mut feed = Feed::<&[u8]>::new().without_replays();
    feed.on_live(u64::MAX, b"end", Duration::ZERO);
    assert_eq!(drain(&mut feed), "");
    feed.on_live(u64::MAX - 1, b"last", Duration::MAX);
    assert_eq!(drain(&mut feed), format!("clear, apply {}", u64::MAX - 1));
    feed.on_live(i64::MAX as u64, b"back", Duration::MAX);
    assert_eq!(drain(&mut feed), format!("clear, apply {}", i64::MAX));
    let mut feed = in_step(1).patience(Duration::MAX);
    feed.check(Duration::MAX);
    assert_eq!(feed.next_timeout(), Some(Duration::MAX));
}

#[test]
fn a_cursor_goes_on_where_it_was_taken() {
    let cursor = in_step(70).cursor().expect("in step");
    assert_eq!((cursor.next, cursor.whole), (70, true));
    let mut feed = Feed::<&[u8]>::resume(cursor, Duration::ZERO);
    assert_eq!((drain(&mut feed).as_str(), feed.standing()), ("ask 1 from 69", Standing::CatchingUp));
    (69..72).for_each(|seq| feed.on_replayed(1, seq, b"a", Duration::ZERO));
    feed.on_replay_end(1, Duration::ZERO);
    assert_eq!((drain(&mut feed).as_str(), feed.standing()), ("apply 70, apply 71", Standing::Whole));

    let mut feed = Feed::<&[u8]>::resume(cursor, Duration::ZERO);
    feed.on_replay_end(1, Duration::ZERO); // it has published less
    assert_eq!(drain(&mut feed), "ask 1 from 69, clear, ask 2 from 0");
}
