//! Bounds of lines that are the same at any time.

use super::Among;
use super::tree::{FAN, MARKS, Node, SPANS};
use crate::line::Line;

/// The least cost, and how many have it.
///
/// Where one line is the least at both ends of a span it is the least all the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steady {
    /// Twice the least cost at each mark.
    least: [i64; SPANS],
    /// The least slope.
    slope: i64,
    /// Of each span: how many endpoints share the one line that is the least all the way, and that is all of their
    /// cost. 0 if there is no such line.
    shared: [u32; SPANS],
    /// Of each span: whether what is cached costs none of them anything.
    is_free: [bool; SPANS],
}

impl Steady {
    #[inline]
    fn end(&self, span: usize) -> i64 {
        if span + 1 < SPANS { self.least[span + 1] } else { self.slope }
    }

    /// Puts another one beside these in one span, whose ends are known to be the least of both from now on.
    #[inline]
    fn join(&mut self, was: &Self, other: &Self, span: usize) -> bool {
        use core::cmp::Ordering::{Equal, Greater, Less};
        let ends = (other.least[span].cmp(&was.least[span]), other.end(span).cmp(&was.end(span)));
        match ends {
            (Equal, Equal) if was.shared[span] == 0 => return false,
            (Equal, Equal) => {
                let is_mixed = other.shared[span] == 0;
                self.shared[span] = if is_mixed { 0 } else { was.shared[span] + other.shared[span] };
                self.is_free[span] &= other.is_free[span];
            }
            (Less, Less | Equal) | (Equal, Less) => {
                self.shared[span] = other.shared[span];
                self.is_free[span] = other.is_free[span];
            }
            // Each has one end.
            (Less, Greater) | (Greater, Less) => {
                self.shared[span] = 0;
                self.is_free[span] = true;
            }
            (Greater, _) | (_, Greater) => {}
        }
        true
    }
}

impl Node for Steady {
    const EMPTY: Self = Self { least: [i64::MAX; SPANS], slope: i64::MAX, shared: [0; SPANS], is_free: [false; SPANS] };

    #[inline]
    fn has(line: &Line) -> bool {
        !line.falling && !line.is_never()
    }

    #[inline]
    fn of(line: &Line) -> Self {
        if !Self::has(line) {
            return Self::EMPTY;
        }
        Self {
            least: MARKS.map(|mark| 2 * line.base + mark * line.slope),
            slope: line.slope,
            shared: core::array::from_fn(|span| {
                let end = MARKS.get(span + 1).copied().unwrap_or(Line::ALWAYS);
                u32::from(end <= line.exact_to)
            }),
            is_free: [line.context == 0; SPANS],
        }
    }

    #[expect(clippy::needless_range_loop, reason = "several arrays at the same place")]
    fn over(nodes: &[Self; FAN]) -> Self {
        let mut all = Self::EMPTY;
        for node in nodes {
            for (least, of) in all.least.iter_mut().zip(node.least) {
                *least = (*least).min(of);
            }
            all.slope = all.slope.min(node.slope);
        }
        if all.slope == i64::MAX {
            return all;
        }
        // Without branches: which node has what is hard to foresee.
        let ends: [i64; SPANS] = core::array::from_fn(|span| all.end(span));
        let mut is_mixed = [false; SPANS];
        all.is_free = [true; SPANS];
        for node in nodes {
            for span in 0..SPANS {
                let is_least = (node.least[span] == all.least[span]) & (node.end(span) == ends[span]);
                is_mixed[span] |= is_least & (node.shared[span] == 0);
                all.is_free[span] &= !is_least | node.is_free[span];
                all.shared[span] += node.shared[span] * u32::from(is_least);
            }
        }
        for span in 0..SPANS {
            all.shared[span] *= u32::from(!is_mixed[span]);
        }
        all
    }

    #[inline]
    fn is_above(&self, over: &Self) -> bool {
        (0..SPANS).fold(self.slope > over.slope, |is_above, span| is_above & (self.least[span] > over.least[span]))
    }

    #[inline]
    fn with(&self, before: &Self, after: &Self) -> Option<Self> {
        // Where it had an end and has not now, or counted among those who share, the others have to be asked.
        let rises = |own: i64, before: i64, after: i64| (before == own) & (after > own);
        let mut is_lost = rises(self.slope, before.slope, after.slope);
        for span in 0..SPANS {
            is_lost |= rises(self.least[span], before.least[span], after.least[span]);
            is_lost |= before.is_like(self, span) & (before.slope < i64::MAX);
        }
        if is_lost {
            return None;
        }
        let mut all = *self;
        for span in 0..SPANS {
            all.least[span] = self.least[span].min(after.least[span]);
        }
        all.slope = self.slope.min(after.slope);
        if after.slope < i64::MAX {
            for span in 0..SPANS {
                if !all.join(self, after, span) {
                    return None;
                }
            }
        }
        Some(all)
    }

    #[inline]
    fn bound(&self, among: &Among<'_>, span: usize) -> i64 {
        among.chord(&self.least, self.slope, span)
    }

    #[inline]
    fn shared(&self, span: usize) -> (u32, bool) {
        (self.shared[span], self.is_free[span])
    }

    #[inline]
    fn is_like(&self, other: &Self, span: usize) -> bool {
        self.least[span] == other.least[span] && self.end(span) == other.end(span)
    }
}
