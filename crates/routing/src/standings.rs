//! Who is cheapest, without a look at everyone: trees over the lines of all endpoints.

mod falling;
mod search;
mod steady;
mod tree;

use self::falling::Falling;
pub(crate) use self::search::{Among, Ties};
use self::steady::Steady;
use self::tree::{FAN, Tree};
use crate::line::{Line, Tokens};

/// Lines by slot, and a tree over each of the two kinds of them: those that are the same at any time, and those that
/// [fall](Line::falling). A change costs a node of each level at the most; a question usually looks at a few nodes of each
/// level, however many endpoints there are, and at all of them at the worst.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standings {
    lines: Vec<Kept>,
    steady: Tree<Steady>,
    falling: Tree<Falling>,
}

/// A line in a cache line of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
struct Kept(Line);

impl Standings {
    /// Makes room for slots up to a number of them.
    pub(crate) fn grow(&mut self, slots: usize) {
        if slots > self.lines.len() {
            self.lines.resize(slots.next_multiple_of(FAN), Kept(Line::NEVER));
            self.steady.grow(self.lines.len());
            self.falling.grow(self.lines.len());
        }
    }

    /// The line of a slot is `line` from now on. The slot must have room.
    pub(crate) fn set(&mut self, slot: usize, line: &Line) {
        let before = core::mem::replace(&mut self.lines[slot].0, *line);
        if before == *line {
            return;
        }
        if !before.falling || !line.falling {
            self.steady.set(slot, &before, line, &self.lines);
        }
        if before.falling || line.falling {
            self.falling.set(slot, &before, line, &self.lines);
        }
    }

    /// The line of a slot; [`Line::NEVER`] of one without room.
    #[inline]
    pub(crate) fn line(&self, slot: usize) -> &Line {
        self.lines.get(slot).map_or(&Line::NEVER, |kept| &kept.0)
    }

    /// A bound of all costs for so many tokens at a time; none if nobody stands.
    pub(crate) fn bound(&self, tokens: Tokens, now: i64) -> Option<i64> {
        let among = Among { mask: None, tokens, offset: 0, now };
        let low = self.steady.bound(&among).min(self.falling.bound(&among));
        // Twice the cost.
        (low < i64::MAX).then_some(low >> 1)
    }

    /// The least cost below `best`, where `cost` tells a slot's own.
    pub(crate) fn least(&self, among: &Among<'_>, best: i64, mut cost: impl FnMut(usize) -> i64) -> i64 {
        let best = self.steady.least(&self.lines, among, best, &mut cost);
        self.falling.least(&self.lines, among, best, &mut cost)
    }

    /// Puts into `ties` all that cost exactly `least`: in the order of their slots, and those whose cost does not fall
    /// first.
    pub(crate) fn tied(&self, among: &Among<'_>, least: i64, mut cost: impl FnMut(usize) -> i64, ties: &mut Ties) {
        ties.clear();
        self.steady.tied(&self.lines, among, least, &mut cost, ties);
        self.falling.tied(&self.lines, among, least, &mut cost, ties);
    }

    /// The slot at a place among those that are tied.
    pub(crate) fn slot(&self, among: &Among<'_>, ties: &Ties, place: u32) -> Option<usize> {
        // Of lines that fall there are only single slots.
        self.steady.slot(&self.lines, among, ties, place)
    }
}

#[cfg(test)]
mod tests;
