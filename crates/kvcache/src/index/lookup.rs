//! A rank's blocks by name.
//!
//! Most names are never asked for: what a rank stores next follows what it stored last, what it removes next lies before
//! what it removed last, and only the first block of such a stretch is looked up. So blocks are not listed by name as
//! they come. Those that are likely to be asked for are listed; the others are in a list of each rank that holds them,
//! which a lookup that finds nothing else searches, and shortens.

use super::FleetIndex;
use super::names::Guess;
use super::pages::{NONE, PAGE, bits, number};
use super::unlisted::Unlisted;
use crate::RankId;

/// Blocks that a rank holds and that are not listed, at the most: so long is the longest search.
const MOST: usize = 1 << 18;
/// Of so many unlisted blocks, a search lists one. Listing costs some hundred times as much as a look at a tag, so that
/// no sequence of lookups costs much more than if all were listed as they come.
const SHARE: usize = 512;
/// Blocks that a search lists at the least.
const LEAST: usize = 16;

impl FleetIndex {
    /// Whether a rank holds a block in any layer.
    pub(super) fn holds(&self, rank: RankId, run: u32, depth: u32) -> bool {
        let run = self.forest.run(run);
        !self.is_stale(rank, run) && run.held_somewhere(rank.0, depth)
    }

    fn holds_block(&self, rank: RankId, block: u32) -> bool {
        self.forest.place(block).is_some_and(|(run, depth)| self.holds(rank, run, depth))
    }

    /// Whether a rank holds a block, other than `except`, and calls it as all do.
    fn is_named(&self, rank: RankId, block: u32, except: u32) -> bool {
        block != except && self.ranks[rank.index()].name_of(block).is_none() && self.holds_block(rank, block)
    }

    fn tag_unlisted(&mut self, rank: RankId) {
        let Self { forest, ranks, odd, .. } = self;
        let state = &mut ranks[rank.index()];
        *odd -= state.bytes();
        state.unlisted.tag(&forest.pages);
        *odd += state.bytes();
    }

    /// The block, other than `except`, that the rank's engine calls by this name and that the rank holds.
    pub(super) fn resolve(&mut self, rank: RankId, name: u64, except: u32) -> Option<u32> {
        let state = &self.ranks[rank.index()];
        if let Some(block) = state.block_of(name) {
            return (block != except).then_some(block);
        }
        let listed = self.forest.named(name, |block| self.is_named(rank, block, except));
        if listed.is_some() || state.unlisted.len() == 0 {
            return listed;
        }
        self.tag_unlisted(rank);
        let pages = &self.forest.pages;
        let found = self.ranks[rank.index()].unlisted.find(name, |block| {
            pages.is_unlisted(block) && pages.name(block) == name && self.is_named(rank, block, except)
        });
        if let Some(block) = found {
            self.forest.list(block);
        }
        let share = self.ranks[rank.index()].unlisted.len() / SHARE;
        self.list_last(rank, share.max(LEAST));
        found
    }

    /// Place of a block that the rank holds, if the guess at it is right.
    pub(super) fn guessed(&self, rank: RankId, name: u64, guess: Guess) -> Option<(u32, u32)> {
        if guess.name != name || guess.block == NONE || !self.is_plain(rank) {
            return None;
        }
        let (run, depth) = self.forest.place(guess.block)?;
        (self.forest.pages.name(guess.block) == name && self.holds(rank, run, depth)).then_some((run, depth))
    }

    /// Lists the block of a guess that was wrong: it may be asked for later.
    pub(super) fn list_guess(&mut self, guess: Guess) {
        if guess.block != NONE && self.forest.pages.name(guess.block) == guess.name {
            self.forest.list(guess.block);
        }
    }

    /// Notes blocks of a run that the rank holds from now on, so that they can be found by name.
    pub(super) fn note_unlisted(&mut self, rank: RankId, run: u32, from: u32, to: u32) {
        let Self { forest, ranks, odd, .. } = self;
        let Some(state) = ranks.get_mut(rank.index()) else { return };
        let unlisted = |&(block, count): &(u32, u32)| forest.pages.any_unlisted(block, count);
        let mut stretches = forest.run(run).stretches(from, to).filter(unlisted).peekable();
        if stretches.peek().is_none() {
            return;
        }
        *odd -= state.bytes();
        stretches.for_each(|(block, count)| state.unlisted.push(block, count));
        *odd += state.bytes();
        let len = state.unlisted.len();
        if len > 2 * state.held as usize + 256 {
            self.tidy_unlisted(rank);
        } else if len > MOST {
            self.list_last(rank, len - MOST);
        }
    }

    /// Lists the last of a rank's unlisted blocks.
    fn list_last(&mut self, rank: RankId, most: usize) {
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
            let same = left & bits(&(first..PAGE.min(first + (of.end() - depth))));
            left &= !same;
            if self.is_stale(rank, of) {
                continue;
            }
            if of.main.full.contains(rank.0) {
                held |= same;
                continue;
            }
            for place in (0..PAGE).filter(|place| same >> place & 1 == 1) {
                held |= u8::from(of.held_somewhere(rank.0, depth + (place - first))) << place;
            }
        }
        held
    }

    /// Forgets what is listed by now, or held no longer.
    fn tidy_unlisted(&mut self, rank: RankId) {
        let old = self.edit_rank(rank, |rank, seed| core::mem::replace(&mut rank.unlisted, Unlisted::new(seed)));
        let mut new = Unlisted::new(self.config.seed);
        let mut next = 0;
        for (first, count) in old.sorted() {
            let end = first + count;
            next = next.max(first);
            while next < end {
                let (page, place) = (next / PAGE, next % PAGE);
                let places = place..PAGE.min(place + (end - next));
                next += places.end - place;
                let mut held = self.held_of(rank, page, self.forest.pages.unlisted(page, &places));
                while held != 0 {
                    // Neighbours together.
                    let first = held.trailing_zeros();
                    let last = first + (held >> first).trailing_ones();
                    new.push(number(page, first), last - first);
                    held &= !bits(&(first..last));
                }
            }
        }
        self.edit_rank(rank, |rank, _| rank.unlisted = new);
    }
}
