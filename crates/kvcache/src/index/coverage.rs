//! Which ranks hold which blocks of one run.

use super::holders::Holders;
use super::room;

/// A rank that holds some of a run's blocks, not all: those at `from..to`, counted from the run's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) rank: u32,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// Parts behind one pointer: most runs have none.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "coverage lies in each run's one cache line")]
struct Parts(Option<Box<Vec<Part>>>);

impl Parts {
    fn list(&mut self) -> &mut Vec<Part> {
        self.0.get_or_insert_default()
    }

    fn heap(&self) -> usize {
        self.0.as_ref().map_or(0, |parts| size_of::<Vec<Part>>() + parts.capacity() * size_of::<Part>())
    }
}

impl core::ops::Deref for Parts {
    type Target = [Part];

    fn deref(&self) -> &[Part] {
        self.0.as_ref().map_or(&[], |parts| parts.as_slice())
    }
}

/// With the same room, since its bytes are counted.
impl Clone for Parts {
    fn clone(&self) -> Self {
        Self(self.0.as_ref().map(|parts| Box::new(room::copy(parts))))
    }
}

/// The holders of one run's blocks in one layer: ranks that hold all of them, and parts by (rank, place). A rank's
/// parts do not touch each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Coverage {
    pub(super) full: Holders,
    parts: Parts,
}

impl Coverage {
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(super) fn is_empty(&self) -> bool {
        self.full.is_empty() && self.parts.is_empty()
    }

    pub(super) fn heap(&self) -> usize {
        self.full.heap() + self.parts.heap()
    }

    /// Places of the rank's parts in the list.
    fn range_of(&self, rank: u32) -> core::ops::Range<usize> {
        let first = self.parts.partition_point(|part| part.rank < rank);
        let parts = self.parts[first..].iter().take_while(|part| part.rank == rank).count();
        first..first + parts
    }

    /// The rank's parts, in order; none if it holds all.
    pub(super) fn parts_of(&self, rank: u32) -> &[Part] {
        &self.parts[self.range_of(rank)]
    }

    /// How many of the blocks at `from..to` the rank holds.
    pub(super) fn held(&self, rank: u32, from: u32, to: u32) -> u32 {
        if self.full.contains(rank) {
            return to - from;
        }
        let parts = &self.parts[self.range_of(rank)];
        parts.iter().map(|part| part.to.min(to).saturating_sub(part.from.max(from))).sum()
    }

    /// The rank holds the blocks at `from..to` from now on, of a run of `len`.
    pub(super) fn cover(&mut self, rank: u32, from: u32, to: u32, len: u32) {
        if self.full.contains(rank) {
            return;
        }
        let (mut from, mut to) = (from, to);
        if !self.parts.is_empty() {
            let range = self.range_of(rank);
            let touching = |part: &Part| part.to >= from && part.from <= to;
            let first = range.start + self.parts[range.clone()].iter().take_while(|part| part.to < from).count();
            let merged = self.parts[first..range.end].iter().take_while(|part| touching(part)).count();
            if merged > 0 {
                let (head, tail) = (self.parts[first], self.parts[first + merged - 1]);
                (from, to) = (from.min(head.from), to.max(tail.to));
                self.parts.list().drain(first..first + merged);
            }
        }
        if from == 0 && to == len {
            self.full.insert(rank);
            self.release();
        } else {
            self.insert(Part { rank, from, to });
        }
    }

    /// The rank holds the blocks at `from..to` no longer.
    pub(super) fn uncover(&mut self, rank: u32, from: u32, to: u32, len: u32) {
        if self.full.remove(rank) {
            for (from, to) in [(0, from), (to, len)] {
                if from < to {
                    self.insert(Part { rank, from, to });
                }
            }
            return;
        }
        let range = self.range_of(rank);
        let cut = |part: &Part| part.to > from && part.from < to;
        let first = range.start + self.parts[range.clone()].iter().take_while(|part| part.to <= from).count();
        let count = self.parts[first..range.end].iter().take_while(|part| cut(part)).count();
        if count == 0 {
            return;
        }
        let (head, tail) = (self.parts[first], self.parts[first + count - 1]);
        let left = [Part { to: from.min(head.to), ..head }, Part { from: to.max(tail.from), ..tail }];
        let left = left.into_iter().filter(|part| part.from < part.to);
        self.parts.list().splice(first..first + count, left);
        self.release();
    }

    /// Forgets a rank; says whether it held anything.
    pub(super) fn forget(&mut self, rank: u32) -> bool {
        if self.full.remove(rank) {
            return true;
        }
        let range = self.range_of(rank);
        if range.is_empty() {
            return false;
        }
        self.parts.list().drain(range);
        self.release();
        true
    }

    /// End of the last block that somebody holds, of a run of `len`.
    pub(super) fn end(&self, len: u32) -> u32 {
        if !self.full.is_empty() {
            return len;
        }
        self.parts.iter().map(|part| part.to).max().unwrap_or(0)
    }

    /// The run ends at `len` from now on, and nobody holds anything behind.
    pub(super) fn shorten(&mut self, len: u32) {
        let whole = |part: &Part| part.from == 0 && part.to == len;
        for at in (0..self.parts.len()).rev() {
            if whole(&self.parts[at]) {
                self.full.insert(self.parts[at].rank);
                self.parts.list().remove(at);
            }
        }
        self.release();
    }

    /// Cuts at `at`: what is left are the holders of the blocks behind, of `len` in all; given back are those of the
    /// blocks before.
    pub(super) fn split(&mut self, at: u32, len: u32) -> Self {
        let mut head = Self { full: self.full.clone(), parts: Parts::default() };
        let parts = core::mem::take(&mut self.parts);
        for part in parts.iter() {
            if part.from < at {
                head.cover_new(Part { to: part.to.min(at), ..*part }, at);
            }
            if part.to > at {
                self.cover_new(Part { rank: part.rank, from: part.from.max(at) - at, to: part.to - at }, len - at);
            }
        }
        head
    }

    /// A boundary of parts in the middle of all of them, if any lies within the run.
    pub(super) fn middle(&self, len: u32) -> Option<u32> {
        let mut cuts: Vec<u32> = self.parts.iter().flat_map(|part| [part.from, part.to]).collect();
        cuts.retain(|&cut| cut > 0 && cut < len);
        cuts.sort_unstable();
        cuts.get(cuts.len() / 2).copied()
    }

    /// Adds a part that comes after all of its rank's others.
    fn cover_new(&mut self, part: Part, len: u32) {
        if part.from == 0 && part.to == len {
            self.full.insert(part.rank);
        } else {
            self.parts.list().push(part);
        }
    }

    /// Adds a part that comes after all of its rank's others, to be [settled](Self::settle) before anything is asked.
    pub(super) fn restore(&mut self, part: Part, len: u32) {
        self.cover_new(part, len);
    }

    /// Puts parts in order, and gives back room that they do not need.
    pub(super) fn settle(&mut self) {
        if let Some(parts) = &mut self.parts.0 {
            parts.sort_unstable_by_key(|part| (part.rank, part.from));
            parts.shrink_to_fit();
        }
    }

    fn insert(&mut self, part: Part) {
        let at = self.parts.partition_point(|of| (of.rank, of.from) < (part.rank, part.from));
        self.parts.list().insert(at, part);
    }

    /// Gives memory back where no part is left.
    fn release(&mut self) {
        if self.parts.is_empty() {
            self.parts.0 = None;
        }
    }
}

#[cfg(test)]
mod tests;
