//! A rank's blocks by name.
//!
//! Most names are never asked for: what a rank stores next follows what it stored last, what it removes next lies before
//! what it removed last, and only the first block of such a stretch is looked up. So blocks are not listed by name as
//! they come. Those that are likely to be asked for are listed; the others are in a list of each rank that holds them,
//! which a lookup that finds nothing else searches, and shortens.

use super::FleetIndex;
use super::names::Guess;
use super::pages::NONE;
use crate::RankId;

/// Of so many unlisted blocks, a search lists one. Listing costs some hundred times as much as a look at a tag, so that
/// no sequence of lookups costs much more than if all were listed as they come.
const SHARE: usize = 512;
/// Blocks that a search lists at the least.
const LEAST: usize = 16;

impl FleetIndex {
    /// Place of the block that the rank's engine calls by this name: most often the guess is right.
    pub(super) fn find_block(&mut self, rank: RankId, name: u64, guess: Guess) -> Option<(u32, u32)> {
        self.guessed(rank, name, guess).or_else(|| {
            self.list_guess(guess);
            let block = self.resolve(rank, name, NONE)?;
            self.forest.place(block)
        })
    }

    fn holds_block(&self, rank: RankId, block: u32) -> bool {
        self.forest.place(block).is_some_and(|(run, depth)| self.holds(rank, run, depth))
    }

    /// Whether a rank holds a block, other than `except`, and calls it as all do.
    fn is_named(&self, rank: RankId, block: u32, except: u32) -> bool {
        block != except && self.ranks[rank.index()].name_of(block).is_none() && self.holds_block(rank, block)
    }

    /// Gives a rank's unlisted blocks their tags, if there is room for them.
    fn tag_unlisted(&mut self, rank: RankId) {
        if !self.fits(self.forest.reserve(0) + self.ranks[rank.index()].unlisted.untagged()) {
            return;
        }
        let Self { forest, ranks, odd, .. } = self;
        let state = &mut ranks[rank.index()];
        *odd -= state.bytes();
        state.unlisted.tag(&forest.pages, forest.tagger);
        *odd += state.bytes();
    }

    /// The block, other than `except`, that the rank's engine calls by this name and that the rank holds.
    ///
    /// One that is not listed is searched for, and then some of the rank's blocks are listed, whether it was found or not.
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
        let mut rejected = 0;
        let found = self.ranks[rank.index()].unlisted.find(pages, name, self.forest.tagger, |block| {
            let is_it = pages.is_unlisted(block) && pages.name(block) == name && self.is_named(rank, block, except);
            rejected += usize::from(!is_it);
            is_it
        });
        if let Some(block) = found {
            self.forest.list(block);
        }
        // What was looked at in vain is paid for, too: where many names are alike, there are soon none left to look at.
        let share = self.ranks[rank.index()].unlisted.len() / SHARE;
        self.list_last(rank, share.max(LEAST).max(rejected));
        found
    }

    /// Place of a block that the rank holds, if the guess at it is right.
    fn guessed(&self, rank: RankId, name: u64, guess: Guess) -> Option<(u32, u32)> {
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
}
