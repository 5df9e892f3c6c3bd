//! Blocks that a rank stores.

use super::FleetIndex;
use super::names::Guess;
use super::pages::NONE;
use crate::{Applied, BlockHash, Change, Layer, RankId};

/// Runs that are swept where room is wanted.
const SWEPT_AT_BOUND: u64 = 4096;

/// A block is left out: a bound is reached.
struct AtBound;

impl FleetIndex {
    pub(super) fn store(
        &mut self,
        rank: RankId,
        layer: Layer,
        parent: Option<BlockHash>,
        names: &[BlockHash],
        contents: &[BlockHash],
    ) -> Applied {
        let mut applied = Applied::default();
        if names.is_empty() {
            return applied;
        }
        if contents.is_empty() {
            if !names.iter().any(|name| self.resolve(rank, name.0, NONE).is_some()) {
                applied.unplaced = count(names);
            } else if let Some(layer) = self.open_layer(layer) {
                self.store_by_name(rank, layer, names, &mut applied);
            } else {
                applied.left_out = count(names);
            }
            return applied;
        }
        // Most often it stores behind the block that it stored last.
        let tail = self.ranks[rank.index()].tail;
        let (run, depth) = match parent {
            None => {
                self.list_guess(tail);
                (NONE, 0)
            }
            Some(parent) => match self.find_block(rank, parent.0, tail) {
                Some((run, depth)) => (run, depth + 1),
                None => {
                    applied.unplaced = count(names);
                    return applied;
                }
            },
        };
        // Only one that has a block to put there opens a layer.
        let layer = self.open_layer(layer).filter(|_| names.len() as u64 + u64::from(depth) < u64::from(u32::MAX));
        let Some(layer) = layer else {
            applied.left_out = count(names);
            return applied;
        };
        let done = self.store_path(rank, layer, (run, depth), names, contents, &mut applied);
        applied.left_out = count(&names[done..]);
        applied
    }

    /// Stores blocks behind a place, and says how many were taken in.
    fn store_path(
        &mut self,
        rank: RankId,
        layer: u16,
        (mut run, mut depth): (u32, u32),
        names: &[BlockHash],
        contents: &[BlockHash],
        applied: &mut Applied,
    ) -> usize {
        let mut done = 0;
        if run != NONE {
            // The rank holds the block before, so the run stays.
            self.refresh(run);
        }
        while done < names.len() {
            if run != NONE && depth < self.forest.run(run).end() {
                let matched = self.forest.matching_contents(run, depth, &contents[done..]);
                if matched > 0 {
                    let parts = matched < self.forest.run(run).end() - depth && done + (matched as usize) < names.len();
                    if parts && !self.sweep.is_pending() && self.fits_blocks(rank, names.len() - done) {
                        // The paths part behind these: the run is cut first, so that no part of one is ever noted.
                        let tail = run;
                        run = self.forest.split(tail, depth + matched);
                        self.dirty.extend([run, tail]);
                    }
                    let some = &names[done..done + matched as usize];
                    let held = self.hold(rank, layer, run, depth, some, applied);
                    done += held as usize;
                    depth += held;
                    if held < matched {
                        return done;
                    }
                    continue;
                }
                if self.room_for(rank, names.len() - done) == 0 {
                    return done;
                }
                let tail = run;
                run = self.forest.split(tail, depth);
                self.dirty.extend([run, tail]);
            }
            match self.branch(run, contents[done].0) {
                Some(child) => run = child,
                None => {
                    let room = self.room_for(rank, names.len() - done);
                    let some = done..done + room;
                    if room > 0 {
                        self.grow(rank, layer, run, &names[some.clone()], &contents[some]);
                        applied.stored += room as u32;
                    }
                    return done + room;
                }
            }
        }
        let block = self.forest.block(run, depth - 1);
        self.ranks[rank.index()].tail = Guess { name: names[done - 1].0, block };
        done
    }

    /// The run that follows, without what is stale in it.
    fn branch(&mut self, run: u32, content: u64) -> Option<u32> {
        loop {
            let child = self.forest.branch(run, content)?;
            if self.refresh(child) {
                return Some(child);
            }
        }
    }

    /// How many of so many blocks can be added.
    fn room_for(&mut self, rank: RankId, blocks: usize) -> usize {
        let left = self.config.max_rank_blocks - self.ranks[rank.index()].held.min(self.config.max_rank_blocks);
        let blocks = blocks.min(left as usize);
        if !self.fits_blocks(rank, blocks) && self.sweep.is_pending() {
            self.sweep_runs(SWEPT_AT_BOUND);
        }
        if self.fits_blocks(rank, blocks) { blocks } else { 0 }
    }

    /// Whether there is room for so many blocks more of a rank.
    fn fits_blocks(&self, rank: RankId, blocks: usize) -> bool {
        let list = self.ranks[rank.index()].unlisted.growth(blocks);
        self.forest.growth(blocks).is_some_and(|growth| self.fits(growth + list))
    }

    /// Bytes that a further holder of a run may take, and what tables may grow by unevenly.
    pub(super) fn margin(&self) -> usize {
        self.ranks.len() / 8 + 1024 + self.config.max_bytes / 32
    }

    /// Whether there is room for so many bytes more.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        self.bytes() + bytes + self.margin() <= self.config.max_bytes
    }

    /// The rank holds the blocks of a run from `depth` on, whose contents it knows, under these names. Says how many
    /// were taken in.
    fn hold(
        &mut self,
        rank: RankId,
        layer: u16,
        run: u32,
        depth: u32,
        names: &[BlockHash],
        applied: &mut Applied,
    ) -> u32 {
        let len = count(names);
        let of = self.forest.run(run);
        let (from, to) = (depth - of.start, depth - of.start + len);
        let held = of.coverage(layer).map_or(0, |coverage| coverage.held(rank.0, from, to));
        let state = &self.ranks[rank.index()];
        if held == 0
            && self.is_plain(rank)
            && self.config.max_rank_blocks - state.held.min(self.config.max_rank_blocks) >= len
            && self.forest.matching_names(run, depth, names) == len
        {
            if self.is_full(rank, len) {
                return 0;
            }
            self.cover(rank, layer, run, from, to);
            applied.stored += len;
            return len;
        }
        for (name, at) in names.iter().zip(0..) {
            if self.hold_block(rank, layer, run, depth + at, name.0, applied).is_err() {
                return at;
            }
        }
        len
    }

    /// Whether the rank can hold no more blocks, so many that are there.
    fn is_full(&self, rank: RankId, blocks: u32) -> bool {
        !self.fits(self.forest.reserve(0) + self.ranks[rank.index()].unlisted.growth(blocks as usize))
    }

    fn cover(&mut self, rank: RankId, layer: u16, run: u32, from: u32, to: u32) {
        let len = self.forest.run(run).len;
        self.forest.cover(run, layer, |coverage| coverage.cover(rank.0, from, to, len));
        self.ranks[rank.index()].held += to - from;
        self.pairs += u64::from(to - from);
        let start = self.forest.run(run).start;
        self.note_unlisted(rank, run, start + from, start + to);
        let of = self.forest.run(run);
        if of.coverage(layer).is_some_and(|coverage| coverage.parts().len() > super::CROWD) || of.children == 1 {
            self.dirty.push(run);
        }
    }

    /// The rank holds one block under a name, and no other one under it.
    fn hold_block(
        &mut self,
        rank: RankId,
        layer: u16,
        run: u32,
        depth: u32,
        name: u64,
        applied: &mut Applied,
    ) -> Result<(), AtBound> {
        let of = self.forest.run(run);
        let at = depth - of.start;
        let repeated = of.coverage(layer).is_some_and(|coverage| coverage.held(rank.0, at, at + 1) == 1);
        let at_bound = self.ranks[rank.index()].held >= self.config.max_rank_blocks;
        let block = self.forest.block(run, depth);
        // What takes memory: a block more, a copy more, or a name of the rank's own.
        let own_name = self.forest.pages.name(block) != name;
        if !repeated && at_bound || (!repeated || self.config.counted_copies || own_name) && self.is_full(rank, 1) {
            return Err(AtBound);
        }
        let known = repeated && !own_name && self.ranks[rank.index()].name_of(block).is_none();
        if !known && let Some(other) = self.resolve(rank, name, block) {
            self.drop_block(rank, other);
        }
        if own_name {
            self.edit_rank(rank, |rank, seed| rank.rename(block, name, seed));
        } else {
            self.edit_rank(rank, |rank, _| rank.forget_name(block));
        }
        if repeated {
            applied.repeated += 1;
            if self.config.counted_copies {
                self.edit_rank(rank, |rank, seed| rank.add_copy(layer, block, seed));
            }
        } else {
            applied.stored += 1;
            self.cover(rank, layer, run, at, at + 1);
        }
        Ok(())
    }

    /// Adds blocks that nobody has had in this place, behind a run.
    fn grow(&mut self, rank: RankId, layer: u16, run: u32, names: &[BlockHash], contents: &[BlockHash]) {
        let appends = run != NONE && {
            let of = self.forest.run(run);
            let mut coverages = of.coverages();
            of.children == 0
                && coverages.all(|(at, coverage)| match at == layer {
                    true => coverage.full.is_only(rank.0),
                    false => coverage.full.is_empty(),
                })
                && of.coverage(layer).is_some()
        };
        let (run, first) = if appends {
            let end = self.forest.run(run).end();
            self.forest.append(run, names, contents);
            (run, end)
        } else {
            let new = self.forest.add(run, self.sweep.epoch(), names, contents);
            self.forest.cover(new, layer, |coverage| coverage.full.insert(rank.0));
            (new, self.forest.run(new).start)
        };
        self.ranks[rank.index()].held += count(names);
        self.pairs += u64::from(count(names));
        if !self.ranks[rank.index()].is_plain() {
            // A name of the rank's own that stood for another block stands for this one from now on.
            for name in names {
                if let Some(other) = self.ranks[rank.index()].block_of(name.0) {
                    self.drop_block(rank, other);
                }
            }
        }
        let last = first + count(names) - 1;
        let block = self.forest.block(run, last);
        self.ranks[rank.index()].tail = Guess { name: names[names.len() - 1].0, block };
        if names.len() > 1 {
            // The end of a prompt, where the next one of its conversation goes on.
            self.forest.list(block);
        }
        self.note_unlisted(rank, run, first, last + 1);
    }

    /// Blocks whose contents are known from another layer.
    fn store_by_name(&mut self, rank: RankId, layer: u16, names: &[BlockHash], applied: &mut Applied) {
        for (at, name) in names.iter().enumerate() {
            let Some((run, depth)) = self.resolve(rank, name.0, NONE).and_then(|block| self.forest.place(block)) else {
                applied.unplaced += 1;
                continue;
            };
            self.refresh(run);
            if self.hold_block(rank, layer, run, depth, name.0, applied).is_err() {
                applied.left_out = count(&names[at..]);
                return;
            }
        }
    }

    /// Nobody holds a block any more that cannot be found by its name: the answer is less than the truth, never more.
    pub(super) fn lose(&mut self, block: u32) {
        let Some((run, depth)) = self.forest.place(block) else { return };
        let at = depth - self.forest.run(run).start;
        let mut ranks = Vec::new();
        for (_, coverage) in self.forest.run(run).coverages() {
            ranks.extend(coverage.full.iter());
            ranks.extend(coverage.parts().iter().filter(|part| part.from <= at && at < part.to).map(|part| part.rank));
        }
        for rank in ranks.into_iter().map(RankId) {
            if self.holds(rank, run, depth) {
                self.drop_block(rank, block);
            }
        }
    }

    /// The rank holds a block no longer, in no layer.
    fn drop_block(&mut self, rank: RankId, block: u32) {
        let Some((run, depth)) = self.forest.place(block) else { return };
        self.refresh(run);
        let mut dropped = 0;
        let mut layers = Vec::new();
        self.forest.edit(run, |run| {
            let (at, len) = (depth - run.start, run.len);
            for (layer, coverage) in run.coverages_mut() {
                if coverage.held(rank.0, at, at + 1) == 1 {
                    coverage.uncover(rank.0, at, at + 1, len);
                    dropped += 1;
                    layers.push(layer);
                }
            }
            run.tidy();
        });
        self.edit_rank(rank, |rank, _| {
            layers.into_iter().for_each(|layer| rank.forget_copies(layer, block));
            rank.forget_name(block);
            rank.held -= dropped;
        });
        self.pairs -= u64::from(dropped);
        self.dirty.push(run);
    }

    /// Reads what the next changes will need, side by side, so that they do not wait for it one after the other.
    pub(super) fn fetch(&self, changes: &[(RankId, Change<'_>)]) {
        let mut blocks = [NONE; 8];
        for (block, (rank, change)) in blocks.iter_mut().zip(changes) {
            let Some(rank) = self.ranks.get(rank.index()) else { continue };
            let name = match change {
                Change::Stored { parent: Some(name), .. } => Some((name, rank.tail)),
                Change::Removed { names: [name, ..], .. } => Some((name, rank.next_out)),
                _ => None,
            };
            *block = match name {
                Some((name, guess)) if name.0 == guess.name => guess.block,
                Some((name, _)) => self.forest.guess(name.0).unwrap_or(NONE),
                None => NONE,
            };
        }
        let mut read = 0;
        for block in blocks.into_iter().filter(|&block| block != NONE) {
            read ^= self.forest.touch_block(block);
        }
        core::hint::black_box(read);
    }
}

/// As many as there are: fewer than `u32::MAX`, since depths are.
fn count(names: &[BlockHash]) -> u32 {
    u32::try_from(names.len()).unwrap_or(u32::MAX)
}
