//! Bounds of lines that fall with time.

use super::Among;
use super::tree::{FAN, MARKS, Node, SPANS};
use crate::line::Line;

/// The least cost at time 0, and that of lines that have fallen as far as they can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Falling {
    /// Twice the cost at each mark.
    least: [i64; SPANS],
    floor: [i64; SPANS],
    /// The least slope.
    slope: i64,
}

impl Falling {
    /// The least of both, part by part.
    #[inline]
    fn least(mut self, other: &Self) -> Self {
        for span in 0..SPANS {
            self.least[span] = self.least[span].min(other.least[span]);
            self.floor[span] = self.floor[span].min(other.floor[span]);
        }
        self.slope = self.slope.min(other.slope);
        self
    }
}

impl Node for Falling {
    const EMPTY: Self = Self { least: [i64::MAX; SPANS], floor: [i64::MAX; SPANS], slope: i64::MAX };

    #[inline]
    fn has(line: &Line) -> bool {
        line.falling
    }

    #[inline]
    fn of(line: &Line) -> Self {
        if !Self::has(line) {
            return Self::EMPTY;
        }
        Self {
            least: MARKS.map(|mark| 2 * line.base + mark * line.slope),
            floor: MARKS.map(|mark| 2 * line.floor + mark * line.slope),
            slope: line.slope,
        }
    }

    #[inline]
    fn over(nodes: &[Self; FAN]) -> Self {
        nodes.iter().fold(Self::EMPTY, Self::least)
    }

    #[inline]
    fn is_above(&self, over: &Self) -> bool {
        let mut is_above = self.slope > over.slope;
        for span in 0..SPANS {
            is_above &= (self.least[span] > over.least[span]) & (self.floor[span] > over.floor[span]);
        }
        is_above
    }

    #[inline]
    fn with(&self, before: &Self, after: &Self) -> Option<Self> {
        // Where it was the least and is no longer, another one is, and who that is is not known here.
        let rises = |own: i64, before: i64, after: i64| (before == own) & (after > own);
        let mut is_lost = rises(self.slope, before.slope, after.slope);
        for span in 0..SPANS {
            is_lost |= rises(self.least[span], before.least[span], after.least[span]);
            is_lost |= rises(self.floor[span], before.floor[span], after.floor[span]);
        }
        (!is_lost).then(|| self.least(after))
    }

    #[inline]
    fn bound(&self, among: &Among<'_>, span: usize) -> i64 {
        if self.slope == i64::MAX {
            return i64::MAX;
        }
        let fallen = among.chord(&self.least, self.slope, span) - 2 * among.now;
        fallen.max(among.chord(&self.floor, self.slope, span))
    }
}
