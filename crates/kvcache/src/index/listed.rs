//! Which blocks stand in the table of names, and which do not.

use core::ops::Range;

use super::pages::{Pages, mask, number, places};
use super::table::{Mixer, Table};

/// The table of names. A block that is in use stands in it, or has its bit in [`Pages`]: then it is unlisted.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// Ranks whose engines hash unlike can give one name to several blocks.
    names: Table,
    /// Blocks in use that are not in it.
    unlisted: usize,
    /// Blocks that found no room in it among too many names that are alike. They are unlisted again.
    lost: Vec<u32>,
    mixer: Mixer,
}

impl Listed {
    pub(super) fn new(mixer: Mixer) -> Self {
        Self { names: Table::new(10), unlisted: 0, lost: Vec::new(), mixer }
    }

    /// Notes new blocks, whose bits are set.
    pub(super) fn note_new(&mut self, blocks: usize) {
        self.unlisted += blocks;
    }

    /// Lists a block by its name.
    #[inline]
    pub(super) fn list(&mut self, pages: &mut Pages, block: u32) {
        if pages.take_unlisted_one(block) {
            self.unlisted -= 1;
            self.names.insert(self.mixer.one(pages.name(block)), block);
            self.unlist_lost(pages);
        }
    }

    /// Forgets blocks of a page that are in use no longer.
    pub(super) fn forget(&mut self, pages: &mut Pages, page: u32, at: &Range<u32>) {
        let not_listed = pages.take_unlisted(page, at);
        self.unlisted -= not_listed.count_ones() as usize;
        for place in places(mask(at) & !not_listed) {
            let block = number(page, place);
            // One that the table has lost while those before it were taken out.
            if pages.take_unlisted_one(block) {
                self.unlisted -= 1;
                continue;
            }
            self.names.remove(self.mixer.one(pages.name(block)), block);
            self.unlist_lost(pages);
        }
    }

    #[inline]
    fn unlist_lost(&mut self, pages: &mut Pages) {
        while let Some(block) = self.names.take_lost() {
            pages.set_unlisted(block);
            self.unlisted += 1;
            self.lost.push(block);
        }
    }

    /// A block that the table has lost: those who hold it may not find it by its name any more.
    #[inline]
    pub(super) fn take_lost(&mut self) -> Option<u32> {
        self.lost.pop()
    }

    /// Forgets lost blocks that are in use no longer, before others get their numbers.
    #[inline]
    pub(super) fn keep_lost(&mut self, is_in_use: impl Fn(u32) -> bool) {
        if !self.lost.is_empty() {
            self.lost.retain(|&block| is_in_use(block));
        }
    }

    /// The listed block with this name that `is_it` accepts.
    pub(super) fn find(&self, pages: &Pages, name: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.names.find(self.mixer.one(name), |block| pages.name(block) == name && is_it(block))
    }

    /// A listed block that may have this name.
    pub(super) fn guess(&self, name: u64) -> Option<u32> {
        self.names.find(self.mixer.one(name), |_| true)
    }

    pub(super) fn bytes(&self) -> usize {
        self.names.bytes()
    }

    /// Blocks in use that are not in the table.
    #[cfg(test)]
    pub(super) fn unlisted(&self) -> usize {
        self.unlisted
    }

    /// Bytes by which the table would grow if all blocks stood in it, and `more` new ones.
    pub(super) fn reserve(&self, more: usize) -> usize {
        self.names.growth(self.unlisted + more)
    }
}
