//! Where block hashes lie: pages of eight blocks, whose blocks never move.

use core::ops::Range;

use super::slab::Slab;
use crate::BlockHash;

/// Blocks of a page. A block at depth `d` of its path lies at place `d % 8` of its page.
pub(super) const PAGE: u32 = 8;
/// No page, run or block.
pub(super) const NONE: u32 = u32::MAX;

/// One cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Page([u64; PAGE as usize]);

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

/// Number of a block.
pub(super) fn number(page: u32, place: u32) -> u32 {
    page * PAGE + place
}

/// Pages of `count` neighbouring blocks, and their places in them.
pub(super) fn pieces(block: u32, count: u32) -> impl Iterator<Item = (u32, Range<u32>)> {
    let (mut next, end) = (block, block + count);
    core::iter::from_fn(move || {
        (next < end).then(|| {
            let (page, from) = (next / PAGE, next % PAGE);
            let to = PAGE.min(from + (end - next));
            next += to - from;
            (page, from..to)
        })
    })
}

/// A bit for each place.
pub(super) fn mask(places: &Range<u32>) -> u8 {
    debug_assert!(places.start < places.end && places.end <= PAGE, "within a page");
    (0xff << places.start) & (0xff >> (PAGE - places.end))
}

/// Places of the set bits, ascending.
pub(super) fn places(mask: u8) -> impl Iterator<Item = u32> {
    let mut left = mask;
    core::iter::from_fn(move || {
        let place = (left != 0).then(|| left.trailing_zeros())?;
        left &= left - 1;
        Some(place)
    })
}

/// All pages. A block's number is its page's number and its place in it.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    /// What queries read, and what events read.
    contents: Slab<Page>,
    names: Slab<Page>,
    meta: Slab<Meta>,
    /// A bit for each block that is in use and that no table lists.
    unlisted: Slab<u8>,
    vacant: Vec<Extent>,
    vacant_pages: usize,
}

impl Pages {
    pub(super) fn new() -> Self {
        Self {
            contents: Slab::new(),
            names: Slab::new(),
            meta: Slab::new(),
            unlisted: Slab::new(),
            vacant: Vec::new(),
            vacant_pages: 0,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.contents.bytes()
            + self.names.bytes()
            + self.meta.bytes()
            + self.unlisted.bytes()
            + self.vacant.capacity() * size_of::<Extent>()
    }

    /// Bytes by which it would grow for `pages` pages more; `None` if there are no numbers left for them.
    pub(super) fn growth(&self, pages: usize) -> Option<usize> {
        let new = pages.saturating_sub(self.vacant_pages);
        if self.contents.len() + new >= (NONE / PAGE) as usize {
            return None;
        }
        Some(if new == 0 {
            0
        } else {
            2 * self.contents.growth(new) + self.meta.growth(new) + self.unlisted.growth(new)
        })
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
                let page = self.contents.grow(pages as usize) as u32;
                self.names.grow(pages as usize);
                self.meta.grow(pages as usize);
                self.unlisted.grow(pages as usize);
                Extent { page, pages }
            }
        };
        for at in 0..extent.pages {
            self.meta[extent.page + at] = Meta { owner, depth: depth + at };
        }
        extent
    }

    /// Gives neighbouring pages back.
    pub(super) fn give(&mut self, extent: Extent) {
        if extent.pages == 0 {
            return;
        }
        self.set_owner(extent, NONE);
        self.vacant_pages += extent.pages as usize;
        if let Some(top) = self.vacant.last_mut() {
            if top.page == extent.page + extent.pages {
                top.page = extent.page;
                top.pages += extent.pages;
                return;
            }
            if top.page + top.pages == extent.page {
                top.pages += extent.pages;
                return;
            }
        }
        self.vacant.push(extent);
    }

    pub(super) fn owner(&self, page: u32) -> u32 {
        self.meta[page].owner
    }

    pub(super) fn set_owner(&mut self, extent: Extent, owner: u32) {
        for page in extent.page..extent.page + extent.pages {
            self.meta[page].owner = owner;
        }
    }

    /// Owner and depth of a block.
    pub(super) fn place(&self, block: u32) -> (u32, u32) {
        let meta = self.meta[block / PAGE];
        (meta.owner, meta.depth * PAGE + block % PAGE)
    }

    pub(super) fn name(&self, block: u32) -> u64 {
        self.names[block / PAGE].0[(block % PAGE) as usize]
    }

    pub(super) fn content(&self, block: u32) -> u64 {
        self.contents[block / PAGE].0[(block % PAGE) as usize]
    }

    /// Notes the blocks of a page from place `from` on, as unlisted.
    pub(super) fn write(&mut self, page: u32, from: u32, names: &[BlockHash], contents: &[BlockHash]) {
        for (column, hashes) in [(&mut self.names, names), (&mut self.contents, contents)] {
            for (to, hash) in column[page].0[from as usize..].iter_mut().zip(hashes) {
                *to = hash.0;
            }
        }
        self.unlisted[page] |= mask(&(from..from + names.len() as u32));
    }

    /// Names of neighbouring blocks of a page.
    pub(super) fn names(&self, page: u32, places: Range<u32>) -> &[u64] {
        &self.names[page].0[places.start as usize..places.end as usize]
    }

    /// Names of `count` neighbouring blocks, page by page, with the number of each page's first one.
    pub(super) fn names_from(&self, block: u32, count: u32) -> impl Iterator<Item = (u32, &[u64])> {
        pieces(block, count).map(|(page, places)| (number(page, places.start), self.names(page, places)))
    }

    /// Whether there is an unlisted block in any page of some neighbouring blocks.
    pub(super) fn any_unlisted(&self, block: u32, count: u32) -> bool {
        let (mut page, end) = (block / PAGE, (block + count).div_ceil(PAGE));
        while page < end {
            let piece = self.unlisted.piece(page, end - page);
            // All of a piece at once, without a branch for each.
            if piece.iter().fold(0, |any, bits| any | bits) != 0 {
                return true;
            }
            page += piece.len() as u32;
        }
        false
    }

    /// The unlisted ones among a page's blocks, a bit for each.
    pub(super) fn unlisted(&self, page: u32, places: &Range<u32>) -> u8 {
        self.unlisted[page] & mask(places)
    }

    pub(super) fn is_unlisted(&self, block: u32) -> bool {
        self.unlisted[block / PAGE] >> (block % PAGE) & 1 == 1
    }

    /// The unlisted ones among a page's blocks, which are no longer.
    pub(super) fn take_unlisted(&mut self, page: u32, places: &Range<u32>) -> u8 {
        let taken = self.unlisted(page, places);
        self.unlisted[page] &= !taken;
        taken
    }

    /// Takes one block's bit; says whether it was set.
    pub(super) fn take_unlisted_one(&mut self, block: u32) -> bool {
        let (bits, bit) = (&mut self.unlisted[block / PAGE], 1 << (block % PAGE));
        let was = *bits & bit != 0;
        *bits &= !bit;
        was
    }

    /// The block is unlisted again.
    pub(super) fn set_unlisted(&mut self, block: u32) {
        self.unlisted[block / PAGE] |= 1 << (block % PAGE);
    }

    /// Appends contents and names of a page's places, as bytes.
    pub(super) fn copy(&self, page: u32, from: u32, to: u32, contents: &mut Vec<u8>, names: &mut Vec<u8>) {
        for (column, out) in [(&self.contents, contents), (&self.names, names)] {
            let page = column[page].0.map(u64::to_le_bytes);
            out.extend_from_slice(page[from as usize..to as usize].as_flattened());
        }
    }

    /// How many of the blocks from a place on, in neighbouring pages, have these contents: at most as many as are in
    /// `pages` pages.
    #[inline]
    pub(super) fn matching_contents(&self, extent: Extent, from: u32, contents: &[BlockHash]) -> u32 {
        matching(&self.contents, extent, from, contents)
    }

    /// The same for names.
    #[inline]
    pub(super) fn matching_names(&self, extent: Extent, from: u32, names: &[BlockHash]) -> u32 {
        matching(&self.names, extent, from, names)
    }
}

#[inline]
fn matching(column: &Slab<Page>, mut extent: Extent, from: u32, hashes: &[BlockHash]) -> u32 {
    let one_by_one = |page: &Page, from: u32, hashes: &[BlockHash]| {
        let known = &page.0[from as usize..];
        known.iter().zip(hashes).take_while(|(a, b)| **a == b.0).count() as u32
    };
    let mut done = 0;
    if from > 0 {
        let some = (PAGE - from).min(hashes.len() as u32);
        done = one_by_one(&column[extent.page], from, &hashes[..some as usize]);
        if done < some {
            return done;
        }
        extent = Extent { page: extent.page + 1, pages: extent.pages - 1 };
    }
    while extent.pages > 0 && done < hashes.len() as u32 {
        let piece = column.piece(extent.page, extent.pages);
        let (whole, rest) = hashes[done as usize..].as_chunks::<{ PAGE as usize }>();
        let pages = alike(piece, whole);
        done += pages as u32 * PAGE;
        if pages < piece.len() {
            let hashes = whole.get(pages).map_or(rest, |hashes| hashes.as_slice());
            return done + one_by_one(&piece[pages], 0, hashes);
        }
        extent = Extent { page: extent.page + pages as u32, pages: extent.pages - pages as u32 };
    }
    done
}

/// Hashes of a page's blocks.
type Hashes = [BlockHash; PAGE as usize];

/// Pages that are compared at once.
const SOME: usize = 8;

/// How many pages from the first on are alike in all their blocks: this is where changes and queries spend their time.
#[inline]
fn alike(pages: &[Page], hashes: &[Hashes]) -> usize {
    let mut done = 0;
    for (pages, hashes) in pages.chunks(SOME).zip(hashes.chunks(SOME)) {
        let pairs = || pages.iter().zip(hashes);
        // What is unlike in any of them, by place: without a branch for each block, the compiler compares several of them
        // with one instruction.
        let mut unlike = [0; PAGE as usize];
        for (page, hashes) in pairs() {
            for (unlike, (known, hash)) in unlike.iter_mut().zip(page.0.iter().zip(hashes)) {
                *unlike |= known ^ hash.0;
            }
        }
        if unlike.iter().fold(0, |any, one| any | one) != 0 {
            let is_unlike = |(page, hashes): (&Page, &Hashes)| page.0.iter().zip(hashes).any(|(a, b)| *a != b.0);
            return done + pairs().take_while(|&pair| !is_unlike(pair)).count();
        }
        done += pages.len().min(hashes.len());
    }
    done
}
