//! Blocks that a rank holds and that no table lists: they are found by a search through short tags.

use super::pages::{PAGE, Pages};
use super::room;
use super::table::Mixer;

/// Blocks of one rank, in the order in which they came. A block may have been listed, freed or given away since.
///
/// A block gets its tag, 16 bits of its name, when something is looked for.
#[derive(Debug, Default)]
pub(super) struct Unlisted {
    stretches: Vec<Stretch>,
    len: u32,
    /// Of the first blocks.
    tags: Vec<u16>,
    /// Blocks that came since it was made: they may be dead by now.
    fresh: u32,
}

/// Neighbouring blocks.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Place of its first block; it ends where the next one begins.
    at: u32,
    /// Number of its first block.
    block: u32,
}

/// Tags that are compared at once.
const SOME: usize = 32;

/// Makes 16 bits of a name, by a secret factor: names that are made to be alike are not alike in them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tagger(u64);

impl Tagger {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mixer::new(seed).one(0) | 1)
    }

    #[inline]
    fn tag(self, name: u64) -> u16 {
        (name.wrapping_mul(self.0) >> 48) as u16
    }
}

impl Unlisted {
    /// Bytes that one takes at the least, beside itself.
    pub(super) const LEAST: usize = (room::LEAST + 1) * size_of::<Stretch>();

    /// An empty one with the room that it keeps: most will need it, and then not in the middle of a change.
    pub(super) fn new() -> Self {
        let mut stretches = Vec::new();
        room::make(&mut stretches, 1);
        Self { stretches, ..Self::default() }
    }

    /// Blocks, also those that have been listed or freed since.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// Blocks that came since it was made.
    pub(super) fn fresh(&self) -> usize {
        self.fresh as usize
    }

    /// All that came is as good as what it was made of.
    pub(super) fn settle(&mut self) {
        self.fresh = 0;
        room::release(&mut self.stretches);
    }

    pub(super) fn bytes(&self) -> usize {
        self.stretches.capacity() * size_of::<Stretch>() + self.tags.capacity() * size_of::<u16>()
    }

    /// Bytes by which it may grow for `count` blocks more.
    pub(super) fn growth(&self, count: usize) -> usize {
        // At worst no two pages are neighbours.
        room::growth(&self.stretches, count / PAGE as usize + 2)
    }

    /// Adds `count` neighbouring blocks from number `block` on.
    pub(super) fn push(&mut self, block: u32, count: u32) {
        let at = self.len;
        let joins = self.stretches.last().is_some_and(|last| last.block + (at - last.at) == block);
        if !joins {
            room::make(&mut self.stretches, 1);
            self.stretches.push(Stretch { at, block });
        }
        self.len += count;
        self.fresh = self.fresh.saturating_add(count);
    }

    /// Bytes by which it may grow when all get their tags.
    pub(super) fn untagged(&self) -> usize {
        room::growth(&self.tags, self.len() - self.tags.len())
    }

    /// Gives their tags to those that have none yet.
    pub(super) fn tag(&mut self, pages: &Pages, tagger: Tagger) {
        let at = self.tags.len() as u32;
        if at == self.len {
            return;
        }
        room::make(&mut self.tags, (self.len - at) as usize);
        let mut tags = core::mem::take(&mut self.tags);
        for names in self.names_from(pages, at).map(|(_, names)| names) {
            tags.extend(names.iter().map(|&name| tagger.tag(name)));
        }
        self.tags = tags;
    }

    /// The first block that may have this name and that `is_it` accepts. Those that have no tag are found by their names.
    pub(super) fn find(
        &self,
        pages: &Pages,
        name: u64,
        tagger: Tagger,
        mut is_it: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let tag = tagger.tag(name);
        for (some, from) in self.tags.chunks(SOME).zip((0..).step_by(SOME)) {
            if some.iter().fold(false, |any, &of| any | (of == tag)) {
                let alike = some.iter().zip(from..).filter(|(of, _)| **of == tag);
                if let Some(block) = alike.map(|(_, at)| self.block(at)).find(|&block| is_it(block)) {
                    return Some(block);
                }
            }
        }
        let named = |(first, names): (u32, &[u64])| {
            names.iter().zip(first..).filter(|(of, _)| **of == name).map(|(_, block)| block).find(|&block| is_it(block))
        };
        self.names_from(pages, self.tags.len() as u32).find_map(named)
    }

    /// Names of the blocks from a place on, with the number of the first of each piece.
    fn names_from<'a>(&'a self, pages: &'a Pages, at: u32) -> impl Iterator<Item = (u32, &'a [u64])> {
        let first = if at < self.len { self.stretch(at) } else { self.stretches.len() };
        let ends = self.stretches.iter().skip(first + 1).map(|next| next.at).chain([self.len]);
        self.stretches[first..].iter().zip(ends).flat_map(move |(of, end)| {
            let skip = at.saturating_sub(of.at);
            pages.names_from(of.block + skip, end - of.at - skip)
        })
    }

    /// Takes the last stretch, or the last `most` of its blocks: the first one's number, and how many there are.
    pub(super) fn pop(&mut self, most: u32) -> Option<(u32, u32)> {
        let last = *self.stretches.last()?;
        let len = self.len - last.at;
        let taken = len.min(most);
        if taken == len {
            self.stretches.pop();
            room::release(&mut self.stretches);
        }
        self.len -= taken;
        self.tags.truncate(self.len());
        room::release(&mut self.tags);
        Some((last.block + len - taken, taken))
    }

    /// Lists nothing any more, and keeps some room.
    pub(super) fn clear(&mut self) {
        self.stretches.clear();
        self.tags.clear();
        (self.len, self.fresh) = (0, 0);
        room::release(&mut self.stretches);
        room::release(&mut self.tags);
    }

    /// Its stretches, as first block and number of blocks, by ascending block.
    pub(super) fn sort_into(&self, all: &mut Vec<(u32, u32)>) {
        let ends = self.stretches.iter().skip(1).map(|next| next.at).chain([self.len]);
        all.clear();
        all.extend(self.stretches.iter().zip(ends).map(|(of, end)| (of.block, end - of.at)));
        all.sort_unstable();
    }

    /// Which stretch has the block at a place.
    fn stretch(&self, at: u32) -> usize {
        self.stretches.partition_point(|stretch| stretch.at <= at) - 1
    }

    fn block(&self, at: u32) -> u32 {
        let stretch = self.stretches[self.stretch(at)];
        stretch.block + (at - stretch.at)
    }
}

/// With the same room, since its bytes are counted.
impl Clone for Unlisted {
    fn clone(&self) -> Self {
        Self { stretches: room::copy(&self.stretches), len: self.len, tags: room::copy(&self.tags), fresh: self.fresh }
    }
}

#[cfg(test)]
mod tests;
