//! Blocks that a rank removes.

use core::ops::Range;

use super::FleetIndex;
use super::names::Guess;
use super::pages::NONE;
use crate::{Applied, BlockHash, Layer, RankId};

impl FleetIndex {
    pub(super) fn remove(&mut self, rank: RankId, layer: Layer, names: &[BlockHash]) -> Applied {
        let mut applied = Applied::default();
        let Some(layer) = self.layer(layer) else {
            applied.unplaced = u32::try_from(names.len()).unwrap_or(u32::MAX);
            return applied;
        };
        let mut rest = names;
        while let [name, ..] = rest {
            let state = &self.ranks[rank.index()];
            let (mut guess, tail) = (state.next_out, state.tail);
            if guess.name != name.0 && tail.name == name.0 {
                // What was stored last goes at once.
                self.list_guess(guess);
                guess = tail;
            }
            let done = match self.find_block(rank, name.0, guess) {
                Some((run, depth)) => {
                    self.refresh(run);
                    self.remove_from(rank, layer, run, depth, rest, &mut applied)
                }
                None => {
                    applied.unplaced += 1;
                    1
                }
            };
            rest = &rest[done..];
        }
        applied
    }

    /// Removes the block at `depth` of a run, and those of the next names that lie beside it. Says how many names that
    /// were.
    fn remove_from(
        &mut self,
        rank: RankId,
        layer: u16,
        run: u32,
        depth: u32,
        names: &[BlockHash],
        applied: &mut Applied,
    ) -> usize {
        let (start, end) = (self.forest.run(run).start, self.forest.run(run).end());
        if !self.is_plain(rank) {
            self.remove_block(rank, layer, run, depth, applied);
            return 1;
        }
        let mut count = self.forest.matching_names_back(run, depth, names).max(1);
        let mut range = depth + 1 - count..depth + 1;
        if count == 1 && names.len() > 1 {
            count = self.forest.matching_names(run, depth, names);
            range = depth..depth + count;
        }
        let (from, to) = (range.start - start, range.end - start);
        let held = self.forest.run(run).coverage(layer).map_or(0, |coverage| coverage.held(rank.0, from, to));
        if held != to - from {
            self.remove_block(rank, layer, run, depth, applied);
            return 1;
        }
        self.ranks[rank.index()].next_out = self.next_out(rank, layer, run, &range);
        applied.removed += held;
        self.ranks[rank.index()].held -= held;
        self.pairs -= u64::from(held);
        let of = self.forest.run(run);
        let sole = of.children == 0 && layer == 0 && of.main.full.is_only(rank.0) && of.main.parts().is_empty();
        if sole && !of.has_layers() && range.end == end {
            // The end of a run that nobody else holds: nothing is left to be told of it.
            if from > 0 {
                self.forest.cut(run, from);
            } else {
                let parent = self.forest.free(run);
                self.forest.trim(parent);
            }
        } else {
            let len = of.len;
            self.forest.edit(run, |run| {
                run.coverage_mut(layer).uncover(rank.0, from, to, len);
                run.tidy();
            });
            self.dirty.push(run);
            self.clean_up();
            self.shed_over_bound(run);
        }
        count as usize
    }

    /// The block that will go next, if the rank goes on as it did: the one behind, where it still holds that, and
    /// otherwise the one before.
    fn next_out(&self, rank: RankId, layer: u16, run: u32, gone: &Range<u32>) -> Guess {
        let of = self.forest.run(run);
        let block = if gone.end < of.end() && self.holds_in(rank, layer, run, gone.end) {
            self.forest.block(run, gone.end)
        } else if gone.start > of.start {
            self.forest.block(run, gone.start - 1)
        } else if of.parent != NONE {
            self.forest.block(of.parent, of.start - 1)
        } else {
            return Guess::NONE;
        };
        Guess { name: self.forest.pages.name(block), block }
    }

    fn remove_block(&mut self, rank: RankId, layer: u16, run: u32, depth: u32, applied: &mut Applied) {
        let block = self.forest.block(run, depth);
        let of = self.forest.run(run);
        let (at, len) = (depth - of.start, of.len);
        if of.coverage(layer).is_none_or(|coverage| coverage.held(rank.0, at, at + 1) == 0) {
            applied.unplaced += 1;
            return;
        }
        if self.edit_rank(rank, |rank, _| rank.take_copy(layer, block)) {
            applied.repeated += 1;
            return;
        }
        applied.removed += 1;
        self.forest.edit(run, |run| {
            run.coverage_mut(layer).uncover(rank.0, at, at + 1, len);
            run.tidy();
        });
        if !self.forest.run(run).held_somewhere(rank.0, depth) {
            self.edit_rank(rank, |rank, _| rank.forget_name(block));
        }
        self.ranks[rank.index()].held -= 1;
        self.pairs -= 1;
        self.dirty.push(run);
        self.clean_up();
        self.shed_over_bound(run);
    }

    /// Holes take memory, and at the bound there is none: who holds a run in parts does not hold it at all then. The
    /// answer is less than the truth, never more.
    fn shed_over_bound(&mut self, run: u32) {
        if self.bytes() + self.margin() / 2 <= self.config.max_bytes {
            return;
        }
        let of = self.forest.run(run);
        let (start, len) = (of.start, of.len);
        let parts: Vec<_> = of
            .coverages()
            .flat_map(|(layer, coverage)| coverage.parts().iter().map(move |&part| (layer, part)))
            .collect();
        for (layer, part) in parts {
            let rank = RankId(part.rank);
            self.forest.edit(run, |run| run.coverage_mut(layer).uncover(part.rank, part.from, part.to, len));
            if self.is_stale(rank, self.forest.run(run)) {
                continue;
            }
            if !self.is_plain(rank) {
                for depth in start + part.from..start + part.to {
                    let block = self.forest.block(run, depth);
                    let held = self.forest.run(run).held_somewhere(part.rank, depth);
                    self.edit_rank(rank, |rank, _| {
                        rank.forget_copies(layer, block);
                        if !held {
                            rank.forget_name(block);
                        }
                    });
                }
            }
            self.ranks[rank.index()].held -= part.to - part.from;
            self.pairs -= u64::from(part.to - part.from);
        }
        self.forest.edit(run, super::run::Run::tidy);
        self.forest.trim(run);
    }
}
