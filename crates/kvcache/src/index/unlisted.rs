//! Blocks that a rank holds and that no table lists: they are found by a search through short tags.

use super::table::Mixer;

/// Blocks of one rank, in the order in which they came, each with 16 bits of its name. A block may have been listed,
/// freed or given away since.
#[derive(Clone, Debug)]
pub(super) struct Unlisted {
    stretches: Vec<Stretch>,
    tags: Vec<u16>,
    tagger: Tagger,
}

/// Neighbouring blocks.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Place of its first block's tag; it ends where the next one begins.
    at: u32,
    /// Number of its first block.
    block: u32,
}

/// Tags that are compared at once.
const SOME: usize = 32;

/// Makes 16 bits of a name, by a secret factor: names that are made to be alike are not alike in them.
#[derive(Clone, Copy, Debug)]
struct Tagger(u64);

impl Tagger {
    #[inline]
    fn tag(self, name: u64) -> u16 {
        (name.wrapping_mul(self.0) >> 48) as u16
    }
}

impl Unlisted {
    pub(super) fn new(seed: u64) -> Self {
        Self { stretches: Vec::new(), tags: Vec::new(), tagger: Tagger(Mixer::new(seed).one(0) | 1) }
    }

    /// Blocks, also those that have been listed or freed since.
    pub(super) fn len(&self) -> usize {
        self.tags.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.stretches.capacity() * size_of::<Stretch>() + self.tags.capacity() * size_of::<u16>()
    }

    /// Adds neighbouring blocks from number `block` on.
    pub(super) fn push(&mut self, block: u32, names: &[u64]) {
        let at = self.tags.len() as u32;
        let joins = self.stretches.last().is_some_and(|last| last.block + (at - last.at) == block);
        if !joins {
            self.stretches.push(Stretch { at, block });
        }
        let tagger = self.tagger;
        self.tags.extend(names.iter().map(|&name| tagger.tag(name)));
    }

    /// The first block that may have this name and that `is_it` accepts.
    pub(super) fn find(&self, name: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = self.tagger.tag(name);
        for (some, from) in self.tags.chunks(SOME).zip((0..).step_by(SOME)) {
            if some.iter().fold(false, |any, &of| any | (of == tag)) {
                let alike = some.iter().zip(from..).filter(|(of, _)| **of == tag);
                if let Some(block) = alike.map(|(_, at)| self.block(at)).find(|&block| is_it(block)) {
                    return Some(block);
                }
            }
        }
        None
    }

    /// Takes the last stretch, or the last `most` of its blocks: the first one's number, and how many there are.
    pub(super) fn pop(&mut self, most: u32) -> Option<(u32, u32)> {
        let last = *self.stretches.last()?;
        let len = self.tags.len() as u32 - last.at;
        let taken = len.min(most);
        if taken == len {
            self.stretches.pop();
        }
        self.tags.truncate(self.tags.len() - taken as usize);
        Some((last.block + len - taken, taken))
    }

    /// Its stretches, as first block and number of blocks, by ascending block.
    pub(super) fn sorted(&self) -> Vec<(u32, u32)> {
        let ends = self.stretches.iter().skip(1).map(|next| next.at).chain([self.tags.len() as u32]);
        let mut all: Vec<_> = self.stretches.iter().zip(ends).map(|(of, end)| (of.block, end - of.at)).collect();
        all.sort_unstable();
        all
    }

    fn block(&self, at: u32) -> u32 {
        let stretch = self.stretches.partition_point(|stretch| stretch.at <= at) - 1;
        let stretch = self.stretches[stretch];
        stretch.block + (at - stretch.at)
    }
}

#[cfg(test)]
mod tests;
