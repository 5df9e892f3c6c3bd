//! Which blocks are listed by name, and the lists of those that are not.

use super::FleetIndex;
use super::pages::{PAGE, mask, number, pieces, places};
use crate::RankId;

/// Blocks that a rank holds and that are not listed, at the most: so long is the longest search.
const MOST: usize = 1 << 18;

/// Stretches for which there is room when a list is gone through: a longer one pays for its own.
const SORTED: usize = 64;

impl FleetIndex {
    /// Notes blocks of a run that the rank holds from now on, so that they can be found by name.
    pub(super) fn note_unlisted(&mut self, rank: RankId, run: u32, from: u32, to: u32) {
        let Self { forest, ranks, odd, .. } = self;
        let Some(state) = ranks.get_mut(rank.index()) else { return };
        if forest.run(run).main.full.are_many() {
            // All who will hold them can do without a note.
            forest.list_some(run, from, to);
            return;
        }
        let unlisted = |&(block, count): &(u32, u32)| forest.pages.any_unlisted(block, count);
        let mut stretches = forest.run(run).stretches(from, to).filter(unlisted).peekable();
        if stretches.peek().is_none() {
            return;
        }
        *odd -= state.bytes();
        stretches.for_each(|(block, count)| state.unlisted.push(block, count));
        *odd += state.bytes();
    }

    /// Keeps a rank's list in proportion to what it holds, and no longer than a search may be.
    pub(super) fn tend_unlisted(&mut self, rank: RankId) {
        let state = &self.ranks[rank.index()];
        let (len, held) = (state.unlisted.len(), state.held as usize);
        if held == 0 {
            if len > 0 {
                self.edit_rank(rank, |rank, _| rank.unlisted.clear());
            }
            return;
        }
        // As many have come or gone since it was tidied last as are looked at.
        if len > 2 * held + 256 || len > MOST && state.unlisted.fresh() >= MOST / 2 {
            self.tidy_unlisted(rank);
        }
        let len = self.ranks[rank.index()].unlisted.len();
        if len > MOST {
            self.list_last(rank, len - MOST);
        }
    }

    /// Lists the last of a rank's unlisted blocks.
    pub(super) fn list_last(&mut self, rank: RankId, most: usize) {
        let mut left = most as u32;
        while left > 0
            && let Some((block, count)) = self.edit_rank(rank, |rank, _| rank.unlisted.pop(left))
        {
            (block..block + count).for_each(|block| self.forest.list(block));
            left -= count;
        }
    }

    /// Which ones of a page's blocks the rank holds, a bit for each.
    fn held_of(&self, rank: RankId, page: u32, blocks: u8) -> u8 {
        let (mut left, mut held) = (blocks, 0);
        while left != 0 {
            let first = left.trailing_zeros();
            let Some((run, depth)) = self.forest.place(number(page, first)) else {
                left &= left - 1;
                continue;
            };
            let of = self.forest.run(run);
            let same = left & mask(&(first..PAGE.min(first + (of.end() - depth))));
            left &= !same;
            if self.is_stale(rank, of) {
                continue;
            }
            if of.main.full.contains(rank.0) {
                held |= same;
                continue;
            }
            for place in places(same) {
                held |= u8::from(of.held_somewhere(rank.0, depth + (place - first))) << place;
            }
        }
        held
    }

    /// Forgets what is listed by now, or held no longer.
    fn tidy_unlisted(&mut self, rank: RankId) {
        let mut new = self.edit_rank(rank, |rank, _| core::mem::take(&mut rank.unlisted));
        let mut old = core::mem::take(&mut self.sorted);
        new.sort_into(&mut old);
        new.clear();
        let mut next = 0;
        for &(first, count) in &old {
            let end = first + count;
            next = next.max(first);
            for (page, places) in pieces(next, end.max(next) - next) {
                let mut held = self.held_of(rank, page, self.forest.pages.unlisted(page, &places));
                while held != 0 {
                    // Neighbours together.
                    let first = held.trailing_zeros();
                    let last = first + (held >> first).trailing_ones();
                    new.push(number(page, first), last - first);
                    held &= !mask(&(first..last));
                }
            }
            next = next.max(end);
        }
        new.settle();
        old.clear();
        old.shrink_to(SORTED);
        self.sorted = old;
        self.edit_rank(rank, |rank, _| rank.unlisted = new);
    }
}

#[cfg(test)]
mod tests;
