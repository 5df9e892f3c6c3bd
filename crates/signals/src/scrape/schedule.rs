//! When which engine is read. No clock and no socket.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use crate::backoff::{draw, share};

/// The longest pause of a source that fails: so many of its intervals.
const LONGEST: u32 = 8;

/// Due times of sources by their numbers, and how many are under way.
#[derive(Debug)]
pub(super) struct Schedule {
    due: BTreeSet<(Duration, usize)>,
    sources: BTreeMap<usize, Source>,
    running: usize,
    at_once: usize,
    /// What the first readings are spread by.
    draws: u64,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    interval: Duration,
    /// When the last reading was due.
    due: Duration,
    /// Intervals until the next one.
    pause: u32,
}

impl Schedule {
    pub(super) fn new(at_once: usize, seed: u64) -> Self {
        Self { due: BTreeSet::new(), sources: BTreeMap::new(), running: 0, at_once, draws: seed }
    }

    /// A source more, under a number that none has. Its first reading is due somewhere in its interval, so that sources
    /// stay apart.
    pub(super) fn add(&mut self, number: usize, interval: Duration, now: Duration) {
        let due = now + share(interval, draw(&mut self.draws));
        self.sources.insert(number, Source { interval, due, pause: 1 });
        self.due.insert((due, number));
    }

    /// A source less; one that is under way is to be finished all the same.
    pub(super) fn remove(&mut self, number: usize) {
        if let Some(source) = self.sources.remove(&number) {
            self.due.remove(&(source.due, number));
        }
    }

    /// When [`start`](Self::start) has something next; `None` if that depends on what is under way.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.first().filter(|_| self.running < self.at_once).map(|(due, _)| *due)
    }

    /// Takes a source that is due, the one that waits longest first.
    pub(super) fn start(&mut self, now: Duration) -> Option<usize> {
        self.next_due().filter(|due| *due <= now)?;
        let (_, source) = self.due.pop_first()?;
        self.running += 1;
        Some(source)
    }

    /// A source that was taken is done: it is due again an interval after it was, or at once if that is over.
    pub(super) fn finish(&mut self, source: usize, well: bool, now: Duration) {
        self.running -= 1;
        let Some(entry) = self.sources.get_mut(&source) else { return };
        entry.pause = if well { 1 } else { (entry.pause * 2).min(LONGEST) };
        entry.due = entry.due.saturating_add(entry.interval.saturating_mul(entry.pause)).max(now);
        self.due.insert((entry.due, source));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn schedule(sources: usize, at_once: usize, now: Duration) -> Schedule {
        let mut schedule = Schedule::new(at_once, 7);
        (0..sources).for_each(|number| schedule.add(number, SECOND, now));
        schedule
    }

    #[test]
    fn sources_come_and_go() {
        let mut schedule = schedule(3, 2, Duration::ZERO);
        let (first, second) = (schedule.start(SECOND).expect("due"), schedule.start(SECOND).expect("due"));
        schedule.remove(first);
        schedule.finish(first, true, SECOND);
        let third = schedule.start(SECOND).expect("it waited");
        schedule.remove(second);
        schedule.add(7, SECOND, SECOND);
        schedule.finish(second, false, SECOND);
        schedule.finish(third, true, SECOND);
        let left: Vec<_> = (0..2).filter_map(|_| schedule.start(10 * SECOND)).collect();
        assert!(left.contains(&7) && left.contains(&third), "{left:?}");
        left.into_iter().for_each(|source| schedule.finish(source, true, 10 * SECOND));
        [7, third].into_iter().for_each(|source| schedule.remove(source));
        assert_eq!(schedule.next_due(), None);
    }

    #[test]
    fn sources_stay_apart_and_keep_their_time() {
        let mut schedule = schedule(50, 64, SECOND);
        let first: Vec<_> = schedule.due.iter().map(|(due, _)| *due).collect();
        assert!(first.iter().all(|due| (SECOND..2 * SECOND).contains(due)));
        assert!(first.windows(2).all(|two| two[0] < two[1]));
        let due = schedule.next_due().expect("one");
        let source = schedule.start(due).expect("it is due");
        assert_eq!(schedule.start(due), None);
        schedule.finish(source, true, due + SECOND / 4);
        assert!(schedule.due.contains(&(due + SECOND, source)));
    }

    #[test]
    fn no_more_than_so_many_are_under_way() {
        let mut schedule = schedule(3, 2, Duration::ZERO);
        let now = 5 * SECOND;
        let first = schedule.start(now).expect("due");
        assert!(schedule.start(now).is_some());
        assert_eq!((schedule.start(now), schedule.next_due()), (None, None));
        schedule.finish(first, true, now);
        assert!(schedule.start(now).is_some_and(|source| source != first), "who waited is next");
    }

    #[test]
    fn what_fails_is_tried_less_often() {
        let mut schedule = schedule(1, 1, Duration::ZERO);
        let mut before = schedule.next_due().expect("one");
        let mut pauses = Vec::new();
        for well in [false, false, false, false, true] {
            schedule.start(before);
            schedule.finish(0, well, before);
            let due = schedule.next_due().expect("one");
            pauses.push((due - before).as_secs());
            before = due;
        }
        assert_eq!(pauses, [2, 4, 8, 8, 1]);
    }
}
