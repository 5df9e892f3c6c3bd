//! The tree of all paths that somebody holds, as runs of blocks.

use super::coverage::Coverage;
use super::listed::Listed;
use super::pages::{Extent, NONE, PAGE, Pages, number};
use super::run::{Run, Spare};
use super::slab::Slab;
use super::table::{Mixer, Table};
use super::unlisted::Tagger;
use crate::BlockHash;

/// Runs, the pages of their blocks, and the two ways to find them: by name of a block, for those that are listed, and by
/// (run, content) of what follows. A block is kept as long as somebody holds it or one behind it.
#[derive(Clone, Debug)]
pub(super) struct Forest {
    runs: Slab<Run>,
    vacant: Vec<u32>,
    pub(super) pages: Pages,
    pub(super) listed: Listed,
    /// Runs by (run before, first content).
    branches: Table,
    mixer: Mixer,
    pub(super) tagger: Tagger,
    blocks: u64,
    spare: Spare,
    /// Memory of runs beside themselves, in bytes.
    heap: usize,
}

impl Forest {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            runs: Slab::new(),
            vacant: Vec::new(),
            pages: Pages::new(),
            listed: Listed::new(Mixer::new(seed)),
            branches: Table::new(6),
            mixer: Mixer::new(seed),
            tagger: Tagger::new(seed),
            blocks: 0,
            spare: Spare::new(),
            heap: 0,
        }
    }

    pub(super) fn blocks(&self) -> u64 {
        self.blocks
    }

    pub(super) fn bytes(&self) -> usize {
        let tables = self.listed.bytes() + self.branches.bytes();
        let runs = self.runs.bytes() + self.vacant.capacity() * size_of::<u32>() + self.spare.bytes() + self.heap;
        tables + runs + self.pages.bytes()
    }

    /// Memory of runs beside themselves, in bytes.
    #[cfg(test)]
    pub(super) fn heap(&self) -> usize {
        self.heap
    }

    /// Bytes by which it may grow for `blocks` blocks more in one path; `None` if it cannot.
    pub(super) fn growth(&self, blocks: usize) -> Option<usize> {
        let runs = if self.vacant.len() >= 2 { 0 } else { self.runs.growth(2) };
        let pages = self.pages.growth(blocks / PAGE as usize + 2)?;
        // And the heap of some coverage.
        Some(runs + pages + self.reserve(blocks) + 256)
    }

    /// Bytes by which it may grow without a block more, or with `more` of them: any search lists some blocks.
    pub(super) fn reserve(&self, more: usize) -> usize {
        self.listed.reserve(more)
    }

    /// Runs that were ever needed at a time: numbers below it may be vacant.
    pub(super) fn runs(&self) -> u32 {
        self.runs.len() as u32
    }

    #[inline]
    pub(super) fn run(&self, run: u32) -> &Run {
        &self.runs[run]
    }

    /// Changes a run, with an eye on its memory.
    pub(super) fn edit<R>(&mut self, run: u32, edit: impl FnOnce(&mut Run) -> R) -> R {
        let run = &mut self.runs[run];
        self.heap -= run.heap();
        let result = edit(run);
        self.spare.take_back(run);
        self.heap += run.heap();
        result
    }

    /// Changes a run's pages.
    fn edit_pages<R>(&mut self, run: u32, edit: impl FnOnce(&mut Run) -> R) -> R {
        let of = &mut self.runs[run];
        self.heap -= of.heap();
        self.spare.lend(of);
        self.heap += of.heap();
        self.edit(run, edit)
    }

    /// The run that follows `parent` and begins with `content`.
    pub(super) fn branch(&self, parent: u32, content: u64) -> Option<u32> {
        if parent != NONE {
            let run = &self.runs[parent];
            if run.children == 0 {
                return None;
            }
            if run.children == 1 && run.child != NONE {
                let child = &self.runs[run.child];
                if child.parent == parent && child.len > 0 {
                    return (self.first_content(run.child) == content).then_some(run.child);
                }
            }
        }
        let hash = self.mixer.two(parent, content);
        self.branches.find(hash, |run| {
            let of = &self.runs[run];
            of.parent == parent && of.len > 0 && self.first_content(run) == content
        })
    }

    pub(super) fn first_content(&self, run: u32) -> u64 {
        let run = &self.runs[run];
        self.pages.content(number(run.first.page, run.start % PAGE))
    }

    /// Number of the block at a depth of a run.
    pub(super) fn block(&self, run: u32, depth: u32) -> u32 {
        number(self.runs[run].page(depth), depth % PAGE)
    }

    /// Run and depth of a block; `None` for a number that stands for none now.
    pub(super) fn place(&self, block: u32) -> Option<(u32, u32)> {
        place(&self.runs, &self.pages, block)
    }

    /// How many blocks of a run from `depth` on have these contents.
    #[inline]
    pub(super) fn matching_contents(&self, run: u32, depth: u32, contents: &[BlockHash]) -> u32 {
        self.matching(run, depth, contents, Pages::matching_contents)
    }

    /// How many blocks of a run from `depth` on have these names.
    #[inline]
    pub(super) fn matching_names(&self, run: u32, depth: u32, names: &[BlockHash]) -> u32 {
        self.matching(run, depth, names, Pages::matching_names)
    }

    #[inline]
    fn matching(
        &self,
        run: u32,
        depth: u32,
        hashes: &[BlockHash],
        matching: impl Fn(&Pages, Extent, u32, &[BlockHash]) -> u32,
    ) -> u32 {
        let run = &self.runs[run];
        let most = (run.end() - depth).min(hashes.len() as u32);
        let hashes = &hashes[..most as usize];
        let mut skip = depth / PAGE - run.start / PAGE;
        let mut done = 0;
        for extent in core::iter::once(&run.first).chain(run.extents()) {
            if skip >= extent.pages {
                skip -= extent.pages;
                continue;
            }
            let rest = Extent { page: extent.page + skip, pages: extent.pages - skip };
            skip = 0;
            let at = depth + done;
            done += matching(&self.pages, rest, at % PAGE, &hashes[done as usize..]);
            // To the end of these pages, or not.
            if done == most || at / PAGE + rest.pages > (depth + done) / PAGE {
                break;
            }
        }
        done
    }

    /// How many blocks of a run from `depth` on, backwards, have these names.
    pub(super) fn matching_names_back(&self, run: u32, depth: u32, names: &[BlockHash]) -> u32 {
        let run = &self.runs[run];
        let most = (depth + 1 - run.start).min(names.len() as u32);
        let mut done = 0;
        while done < most {
            let last = (depth - done) % PAGE;
            let some = (last + 1).min(most - done);
            let known = self.pages.names(run.page(depth - done), last + 1 - some..last + 1);
            let pairs = || known.iter().rev().zip(&names[done as usize..]);
            // All of a page at once, without a branch for each.
            let alike = if some == PAGE && pairs().fold(0, |unlike, (known, name)| unlike | (known ^ name.0)) == 0 {
                some
            } else {
                pairs().take_while(|(known, name)| **known == name.0).count() as u32
            };
            done += alike;
            if alike < some {
                break;
            }
        }
        done
    }

    /// Appends the contents and the names of a run's blocks, as bytes.
    pub(super) fn copy_blocks(&self, run: u32, contents: &mut Vec<u8>, names: &mut Vec<u8>) {
        let run = &self.runs[run];
        let (mut from, mut left) = (run.start % PAGE, run.len);
        for extent in core::iter::once(&run.first).chain(run.extents()) {
            for page in extent.page..extent.page + extent.pages {
                let to = PAGE.min(from + left);
                self.pages.copy(page, from, to, contents, names);
                left -= to - from;
                from = 0;
            }
        }
    }

    /// The listed block with this name that `is_it` accepts.
    pub(super) fn named(&self, name: u64, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.listed.find(&self.pages, name, is_it)
    }

    /// A listed block that may have this name.
    pub(super) fn guess(&self, name: u64) -> Option<u32> {
        self.listed.guess(name)
    }

    /// Lists a block by its name.
    #[inline]
    pub(super) fn list(&mut self, block: u32) {
        self.listed.list(&mut self.pages, block);
    }

    /// Lists the blocks of a run from one depth to another.
    pub(super) fn list_some(&mut self, run: u32, from: u32, to: u32) {
        let Self { runs, pages, listed, .. } = self;
        for (first, count) in runs[run].stretches(from, to) {
            if pages.any_unlisted(first, count) {
                (first..first + count).for_each(|block| listed.list(pages, block));
            }
        }
    }

    /// Reads a block, its page's owner, and that one's run.
    pub(super) fn touch_block(&self, block: u32) -> u64 {
        let owner = self.pages.owner(block / PAGE);
        let len = if owner == NONE { 0 } else { self.runs[owner].len };
        self.pages.name(block) ^ u64::from(len)
    }

    /// A block whose name found no room among too many that are alike: it may be that nobody can find it any more.
    pub(super) fn take_lost(&mut self) -> Option<u32> {
        // A branch that is lost is not found by queries, and that is all.
        self.branches.ignore_lost();
        self.listed.take_lost()
    }

    /// Adds a run behind `parent`, of at least one block, that nobody holds yet.
    pub(super) fn add(&mut self, parent: u32, stamp: u32, names: &[BlockHash], contents: &[BlockHash]) -> u32 {
        let run = self.vacant.pop().unwrap_or_else(|| self.runs.grow(1) as u32);
        let start = if parent == NONE { 0 } else { self.runs[parent].end() };
        self.runs[run] = Run::begin(parent, start, stamp);
        self.append(run, names, contents);
        self.adopt(parent, run);
        run
    }

    /// Enters a run into its parent's branches.
    fn adopt(&mut self, parent: u32, run: u32) {
        if parent != NONE {
            self.runs[parent].children += 1;
            self.runs[parent].child = run;
        }
        let content = self.first_content(run);
        self.branches.insert(self.mixer.two(parent, content), run);
    }

    /// Adds blocks at the end of a run without children. They are not listed.
    pub(super) fn append(&mut self, run: u32, names: &[BlockHash], contents: &[BlockHash]) {
        let (start, end) = (self.runs[run].start, self.runs[run].end());
        let new_end = end + names.len() as u32;
        self.blocks += names.len() as u64;
        self.listed.note_new(names.len());
        let Self { runs, pages, listed, .. } = self;
        listed.keep_lost(|block| place(runs, pages, block).is_some());
        let have = self.runs[run].pages();
        let need = (new_end - 1) / PAGE - start / PAGE + 1;
        let mut pages = have;
        while pages < need {
            let extent = self.pages.take(need - pages, run, start / PAGE + pages);
            pages += extent.pages;
            self.edit_pages(run, |run| run.push_extent(extent));
        }
        self.runs[run].len += names.len() as u32;
        let mut done = 0;
        for (page, places) in self.runs[run].pieces(end, new_end) {
            let to = done + places.len();
            self.pages.write(page, places.start, &names[done..to], &contents[done..to]);
            done = to;
        }
    }

    /// Cuts a run at a depth within it. The part behind keeps the number, its children and its pages; the part before
    /// is a new run, whose number is given back.
    pub(super) fn split(&mut self, run: u32, depth: u32) -> u32 {
        let number = self.vacant.pop().unwrap_or_else(|| self.runs.grow(1) as u32);
        let Run { parent, start, stamp, .. } = self.runs[run];
        let content = self.first_content(run);
        let len = depth - start;
        self.remove_branch(run, content);

        let mut head = Run::begin(parent, start, stamp);
        head.len = len;
        self.spare.lend(&mut head);
        self.edit(run, |run| {
            run.move_pages(depth / PAGE - start / PAGE, &mut head);
            let (main, layers) = run.split_coverage(len);
            head.main = main;
            head.set_layers(layers);
            (run.parent, run.start) = (number, depth);
            run.len -= len;
        });
        for extent in core::iter::once(&head.first).chain(head.extents()) {
            self.pages.set_owner(*extent, number);
        }
        if !depth.is_multiple_of(PAGE) {
            head.push_extent(Extent { page: self.runs[run].first.page, pages: 1 });
        }
        self.edit(number, |of| *of = head);
        // The parent has one child as before: the new run in the old one's place.
        if parent != NONE {
            self.runs[parent].children -= 1;
        }
        self.adopt(parent, number);
        self.adopt(number, run);
        number
    }

    fn remove_branch(&mut self, run: u32, content: u64) {
        let parent = self.runs[run].parent;
        self.branches.remove(self.mixer.two(parent, content), run);
    }

    /// Makes one run of a run and its only child, if the same ranks hold all of both. Says whether it did: the child is
    /// left then, with the blocks of both.
    pub(super) fn merge(&mut self, run: u32) -> bool {
        let of = &self.runs[run];
        if of.len == 0 || of.children != 1 || of.child == NONE {
            return false;
        }
        let (child, parent, start, len) = (of.child, of.parent, of.start, of.len);
        let next = &self.runs[child];
        if next.parent != run || next.len == 0 || next.stamp != of.stamp || !of.is_held_alike(next) {
            return false;
        }
        // Where the cut is within a page, both must have their blocks in the same one.
        let shares = !next.start.is_multiple_of(PAGE);
        if shares && next.first.page != of.page(next.start - 1) {
            return false;
        }
        let (content, next_content) = (self.first_content(run), self.first_content(child));
        self.remove_branch(run, content);
        self.remove_branch(child, next_content);
        let mut before = self.edit(run, core::mem::take);
        for extent in core::iter::once(&before.first).chain(before.extents()) {
            for page in extent.page..extent.page + extent.pages {
                // The last page may belong to a run further behind.
                if self.pages.owner(page) == run {
                    self.pages.set_owner(Extent { page, pages: 1 }, child);
                }
            }
        }
        self.spare.lend(&mut before);
        let mut before = self.edit(child, |child| {
            (child.parent, child.start, child.len) = (parent, start, len + child.len);
            child.put_before(before, shares)
        });
        self.spare.take_back(&mut before);
        self.vacant.push(run);
        if parent != NONE {
            self.runs[parent].children -= 1;
        }
        self.adopt(parent, child);
        true
    }

    /// Frees what nobody holds at the end of a run, and of those before it that this leaves without a child.
    pub(super) fn trim(&mut self, run: u32) {
        let mut run = run;
        while run != NONE {
            let of = &self.runs[run];
            if of.len == 0 || of.children > 0 {
                return;
            }
            let keep = of.held_len();
            if keep == of.len {
                return;
            }
            run = if keep > 0 {
                self.cut(run, keep);
                NONE
            } else {
                self.free(run)
            };
        }
    }

    /// Shortens a run without children.
    pub(super) fn cut(&mut self, run: u32, keep: u32) {
        let Run { start, len, .. } = self.runs[run];
        self.forget_blocks(run, start + keep, start + len);
        self.give_pages(run, (start + keep - 1) / PAGE - start / PAGE + 1);
        self.edit(run, |run| {
            run.len = keep;
            for (_, coverage) in run.coverages_mut() {
                coverage.shorten(keep);
            }
            run.tidy();
        });
    }

    /// Frees a run without children, and says which one was before it.
    pub(super) fn free(&mut self, run: u32) -> u32 {
        let Run { parent, start, len, .. } = self.runs[run];
        let content = self.first_content(run);
        self.remove_branch(run, content);
        self.forget_blocks(run, start, start + len);
        self.give_pages(run, 0);
        self.edit(run, |run| *run = Run::default());
        self.vacant.push(run);
        if parent != NONE {
            self.runs[parent].children -= 1;
        }
        parent
    }

    fn forget_blocks(&mut self, run: u32, from: u32, to: u32) {
        self.blocks -= u64::from(to - from);
        let Self { runs, pages, listed, .. } = self;
        for (page, at) in runs[run].pieces(from, to) {
            listed.forget(pages, page, &at);
        }
    }

    /// Gives back all but the first `keep` pages of a run.
    fn give_pages(&mut self, run: u32, keep: u32) {
        let Run { parent, start, .. } = self.runs[run];
        let shared = (parent != NONE && !start.is_multiple_of(PAGE)).then(|| self.runs[parent].page(start - 1));
        let mut left = self.runs[run].pages() - keep;
        while left > 0 {
            let mut pages = self.edit(run, |run| run.pop_pages(left));
            left -= pages.pages;
            if shared == Some(pages.page) {
                self.pages.set_owner(Extent { pages: 1, ..pages }, parent);
                pages = Extent { page: pages.page + 1, pages: pages.pages - 1 };
            }
            self.pages.give(pages);
        }
    }

    /// Coverage of a run in a layer, to change it.
    pub(super) fn cover(&mut self, run: u32, layer: u16, cover: impl FnOnce(&mut Coverage)) {
        self.edit(run, |run| cover(run.coverage_mut(layer)));
    }
}

/// Run and depth of a block.
fn place(runs: &Slab<Run>, pages: &Pages, block: u32) -> Option<(u32, u32)> {
    let (mut run, depth) = pages.place(block);
    if run == NONE || depth >= runs[run].end() {
        return None;
    }
    // The page's owner was cut: an ancestor has the blocks before the cut.
    while depth < runs[run].start {
        run = runs[run].parent;
    }
    // A page that begins in the middle has vacant places before its first block.
    (runs[run].page(depth) == block / PAGE).then_some((run, depth))
}
