//! Where block hashes lie: pages of eight blocks, whose blocks never move.

use super::slab::Slab;
use crate::BlockHash;

/// Blocks of a page. A block at depth `d` of its path lies at place `d % 8` of its page.
pub(super) const PAGE: u32 = 8;
/// No page, run or block.
pub(super) const NONE: u32 = u32::MAX;

/// Two cache lines: what queries read, and what events read.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(128))]
struct Page {
    contents: [u64; PAGE as usize],
    names: [u64; PAGE as usize],
}

#[derive(Clone, Copy, Debug)]
struct Meta {
    /// The run with the deepest blocks in the page; where it was cut out of another one, its ancestors have the blocks
    /// before. `NONE` for a vacant page.
    owner: u32,
    /// Depth of the page's first place, in pages.
    depth: u32,
}

impl Default for Meta {
    fn default() -> Self {
        Self { owner: NONE, depth: 0 }
    }
}

/// Neighbouring pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) page: u32,
    pub(super) pages: u32,
}

/// All pages. A block's number is its page's number and its place in it.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    pages: Slab<Page>,
    meta: Slab<Meta>,
    vacant: Vec<Extent>,
    vacant_pages: usize,
}

impl Pages {
    pub(super) fn new() -> Self {
        Self { pages: Slab::new(), meta: Slab::new(), vacant: Vec::new(), vacant_pages: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.pages.bytes() + self.meta.bytes() + self.vacant.capacity() * size_of::<Extent>()
    }

    /// Bytes by which it would grow for `pages` pages more.
    pub(super) fn growth(&self, pages: usize) -> usize {
        let new = pages.saturating_sub(self.vacant_pages);
        if new == 0 { 0 } else { self.pages.growth(new) + self.meta.growth(new) }
    }

    /// Takes up to `pages` neighbouring pages for a run, for blocks from `depth` (in pages) on.
    pub(super) fn take(&mut self, pages: u32, owner: u32, depth: u32) -> Extent {
        let extent = match self.vacant.last_mut() {
            Some(vacant) => {
                let taken = Extent { page: vacant.page, pages: vacant.pages.min(pages) };
                vacant.page += taken.pages;
                vacant.pages -= taken.pages;
                if vacant.pages == 0 {
                    self.vacant.pop();
                }
                self.vacant_pages -= taken.pages as usize;
                taken
            }
            None => {
                let page = self.pages.grow(pages as usize) as u32;
                self.meta.grow(pages as usize);
                Extent { page, pages }
            }
        };
        for at in 0..extent.pages {
            self.meta[extent.page + at] = Meta { owner, depth: depth + at };
        }
        extent
    }

    /// Gives a page back.
    pub(super) fn give(&mut self, page: u32) {
        self.meta[page].owner = NONE;
        self.vacant_pages += 1;
        if let Some(top) = self.vacant.last_mut() {
            if top.page == page + 1 {
                top.page = page;
                top.pages += 1;
                return;
            }
            if top.page + top.pages == page {
                top.pages += 1;
                return;
            }
        }
        self.vacant.push(Extent { page, pages: 1 });
    }

    pub(super) fn owner(&self, page: u32) -> u32 {
        self.meta[page].owner
    }

    pub(super) fn set_owner(&mut self, page: u32, owner: u32) {
        self.meta[page].owner = owner;
    }

    /// Owner and depth of a block.
    pub(super) fn place(&self, block: u32) -> (u32, u32) {
        let meta = self.meta[block / PAGE];
        (meta.owner, meta.depth * PAGE + block % PAGE)
    }

    pub(super) fn name(&self, block: u32) -> u64 {
        self.pages[block / PAGE].names[(block % PAGE) as usize]
    }

    pub(super) fn content(&self, block: u32) -> u64 {
        self.pages[block / PAGE].contents[(block % PAGE) as usize]
    }

    /// Notes the blocks of a page from place `from` on.
    pub(super) fn write(&mut self, page: u32, from: u32, names: &[BlockHash], contents: &[BlockHash]) {
        let page = &mut self.pages[page];
        let from = from as usize;
        for (to, hash) in page.names[from..].iter_mut().zip(names) {
            *to = hash.0;
        }
        for (to, hash) in page.contents[from..].iter_mut().zip(contents) {
            *to = hash.0;
        }
    }

    /// How many contents from place `from` of a page on are `contents`.
    #[inline]
    pub(super) fn matching_contents(&self, page: u32, from: u32, contents: &[BlockHash]) -> u32 {
        matching(&self.pages[page].contents, from, contents)
    }

    /// How many names from place `from` of a page on are `names`.
    #[inline]
    pub(super) fn matching_names(&self, page: u32, from: u32, names: &[BlockHash]) -> u32 {
        matching(&self.pages[page].names, from, names)
    }
}

#[inline]
fn matching(page: &[u64; PAGE as usize], from: u32, hashes: &[BlockHash]) -> u32 {
    if from == 0
        && let Some(hashes) = hashes.first_chunk::<{ PAGE as usize }>()
    {
        // All at once, without a branch for each: this is where lookups spend their time.
        let mut unlike = 0;
        for (a, b) in page.iter().zip(hashes) {
            unlike |= a ^ b.0;
        }
        if unlike == 0 {
            return PAGE;
        }
    }
    page[from as usize..].iter().zip(hashes).take_while(|(a, b)| **a == b.0).count() as u32
}
