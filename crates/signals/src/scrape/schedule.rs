//! When which engine is read. No clock and no socket.

use core::time::Duration;
use std::collections::BTreeSet;

use crate::backoff::{draw, share};

/// The longest pause of a source that fails: so many of its intervals.
const LONGEST: u32 = 8;

/// Due times of sources, and how many are under way.
#[derive(Debug)]
pub(super) struct Schedule {
    due: BTreeSet<(Duration, usize)>,
    sources: Vec<Source>,
    running: usize,
    at_once: usize,
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
    /// The first readings are spread over the interval of each source by a seed, so that they stay apart.
    pub(super) fn new(intervals: impl Iterator<Item = Duration>, at_once: usize, seed: u64, now: Duration) -> Self {
        let mut state = seed;
        let spread = |interval| Source { interval, due: now + share(interval, draw(&mut state)), pause: 1 };
        let sources: Vec<Source> = intervals.map(spread).collect();
        let due = sources.iter().enumerate().map(|(place, source)| (source.due, place)).collect();
        Self { due, sources, running: 0, at_once }
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
        let entry = &mut self.sources[source];
        entry.pause = if well { 1 } else { (entry.pause * 2).min(LONGEST) };
        entry.due = entry.due.saturating_add(entry.interval.saturating_mul(entry.pause)).max(now);
        self.due.insert((entry.due, source));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn sources_stay_apart_and_keep_their_time() {
        let mut schedule = Schedule::new([SECOND; 50].into_iter(), 64, 7, SECOND);
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
        let mut schedule = Schedule::new([SECOND; 3].into_iter(), 2, 7, Duration::ZERO);
        let now = 5 * SECOND;
        let first = schedule.start(now).expect("due");
        assert!(schedule.start(now).is_some());
        assert_eq!((schedule.start(now), schedule.next_due()), (None, None));
        schedule.finish(first, true, now);
        assert!(schedule.start(now).is_some_and(|source| source != first), "who waited is next");
    }

    #[test]
    fn what_fails_is_tried_less_often() {
        let mut schedule = Schedule::new([SECOND].into_iter(), 1, 7, Duration::ZERO);
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
