//! One run: neighbouring blocks of a path, without a branch between them.

mod extra;

use core::ops::Range;

use self::extra::Extra;
pub(super) use self::extra::Spare;
use super::coverage::Coverage;
use super::pages::{Extent, NONE, PAGE, number, pieces};
use super::room;

/// A node of the tree of paths. Branches leave a run only at its end; where one would leave it in the middle, the run
/// is cut in two.
///
/// One cache line, so that a step of a lookup is one miss.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Run {
    /// The run before; `NONE` where prompts begin.
    pub(super) parent: u32,
    /// Blocks before its first one.
    pub(super) start: u32,
    /// Blocks; 0 in a vacant run.
    pub(super) len: u32,
    /// Runs that continue it.
    pub(super) children: u32,
    /// One that was a child lately: a guess.
    pub(super) child: u32,
    /// Clears that this run knows of.
    pub(super) stamp: u32,
    /// Its first pages: all, unless `extra` has more.
    pub(super) first: Extent,
    /// Holders in the main layer.
    pub(super) main: Coverage,
    extra: Option<Box<Extra>>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            parent: NONE,
            start: 0,
            len: 0,
            children: 0,
            child: NONE,
            stamp: 0,
            first: Extent::default(),
            main: Coverage::default(),
            extra: None,
        }
    }
}

impl Run {
    /// A run without blocks yet.
    pub(super) fn begin(parent: u32, start: u32, stamp: u32) -> Self {
        Self { parent, start, stamp, ..Self::default() }
    }

    /// Depth at which it ends.
    #[inline]
    pub(super) fn end(&self) -> u32 {
        self.start + self.len
    }

    /// Memory beside the run itself, in bytes.
    pub(super) fn heap(&self) -> usize {
        let extra = self.extra.as_ref().map_or(0, |extra| extra.bytes());
        self.main.heap() + extra
    }

    /// Page of the block at a depth of this run.
    #[inline]
    pub(super) fn page(&self, depth: u32) -> u32 {
        let mut at = depth / PAGE - self.start / PAGE;
        if at < self.first.pages {
            return self.first.page + at;
        }
        at -= self.first.pages;
        for extent in self.extents() {
            if at < extent.pages {
                return extent.page + at;
            }
            at -= extent.pages;
        }
        unreachable!("a run has a page for each of its blocks")
    }

    /// Pages of the blocks at `from..to`, and their places in them.
    pub(super) fn pieces(&self, from: u32, to: u32) -> impl Iterator<Item = (u32, Range<u32>)> {
        self.stretches(from, to).flat_map(|(block, count)| pieces(block, count))
    }

    /// The blocks at `from..to`, as stretches of neighbours: the first one's number, and how many they are.
    pub(super) fn stretches(&self, from: u32, to: u32) -> impl Iterator<Item = (u32, u32)> {
        // Depth of the first place of an extent.
        let mut depth = self.start / PAGE * PAGE;
        core::iter::once(&self.first).chain(self.extents()).filter_map(move |extent| {
            let (first, end) = (depth, depth + extent.pages * PAGE);
            depth = end;
            let (from, to) = (from.max(first), to.min(end));
            (from < to).then(|| (number(extent.page, from - first), to - from))
        })
    }

    pub(super) fn extents(&self) -> &[Extent] {
        self.extra.as_ref().map_or(&[], |extra| extra.extents.as_slice())
    }

    /// Pages in all.
    pub(super) fn pages(&self) -> u32 {
        self.first.pages + self.extents().iter().map(|extent| extent.pages).sum::<u32>()
    }

    /// Adds pages behind its last one.
    pub(super) fn push_extent(&mut self, extent: Extent) {
        if self.first.pages == 0 {
            self.first = extent;
            return;
        }
        let joins = |last: &Extent| last.page + last.pages == extent.page;
        match self.extra.as_mut().and_then(|extra| extra.extents.last_mut()) {
            Some(last) if joins(last) => last.pages += extent.pages,
            None if joins(&self.first) => self.first.pages += extent.pages,
            _ => self.extra.get_or_insert_default().extents.push(extent),
        }
    }

    /// Moves its first pages to the end of a run, so many; others are left.
    pub(super) fn move_pages(&mut self, pages: u32, to: &mut Self) {
        let (mut left, mut gone) = (pages, 0);
        let mut at = self.first;
        while left >= at.pages {
            to.push_extent(at);
            left -= at.pages;
            at = self.extents()[gone];
            gone += 1;
        }
        if left > 0 {
            to.push_extent(Extent { page: at.page, pages: left });
        }
        self.first = Extent { page: at.page + left, pages: at.pages - left };
        if let Some(extra) = &mut self.extra {
            extra.extents.drain(..gone);
            room::release(&mut extra.extents);
        }
    }

    /// Puts the pages of a run without layers before its own, of which it has the first one already if it `shares` that.
    /// What is left of that run has no pages to call its own.
    pub(super) fn put_before(&mut self, mut before: Self, shares: bool) -> Self {
        let mut skip = u32::from(shares);
        for of in core::iter::once(&self.first).chain(self.extents()) {
            if of.pages > skip {
                before.push_extent(Extent { page: of.page + skip, pages: of.pages - skip });
            }
            skip = 0;
        }
        core::mem::swap(&mut self.first, &mut before.first);
        match (&mut self.extra, &mut before.extra) {
            (Some(extra), Some(other)) => {
                core::mem::swap(&mut extra.extents, &mut other.extents);
                other.extents.clear();
            }
            (Some(extra), None) => extra.extents.clear(),
            (None, other) => self.extra = other.take(),
        }
        before
    }

    /// Drops its last pages, at most so many of them, and says which: all are neighbours.
    pub(super) fn pop_pages(&mut self, most: u32) -> Extent {
        let popped = |last: &mut Extent| {
            let pages = last.pages.min(most);
            last.pages -= pages;
            Extent { page: last.page + last.pages, pages }
        };
        let extents = self.extra.as_mut().map(|extra| &mut extra.extents);
        let Some((extents, at)) = extents.and_then(|extents| extents.len().checked_sub(1).map(|at| (extents, at)))
        else {
            return popped(&mut self.first);
        };
        let pages = popped(&mut extents[at]);
        if extents[at].pages == 0 {
            extents.pop();
        }
        pages
    }

    /// Holders in a layer, if there are any.
    #[inline]
    pub(super) fn coverage(&self, layer: u16) -> Option<&Coverage> {
        if layer == 0 {
            return Some(&self.main);
        }
        let layers = &self.extra.as_ref()?.layers;
        layers.iter().find(|(of, _)| *of == layer).map(|(_, coverage)| coverage)
    }

    /// Holders in a layer, to change them.
    pub(super) fn coverage_mut(&mut self, layer: u16) -> &mut Coverage {
        if layer == 0 {
            return &mut self.main;
        }
        let layers = &mut self.extra.get_or_insert_default().layers;
        let at = layers.iter().position(|(of, _)| *of == layer).unwrap_or_else(|| {
            layers.push((layer, Coverage::default()));
            layers.len() - 1
        });
        &mut layers[at].1
    }

    /// Holders in all layers that have any.
    pub(super) fn coverages(&self) -> impl Iterator<Item = (u16, &Coverage)> {
        let others = self.extra.as_ref().map_or(&[][..], |extra| &extra.layers);
        core::iter::once((0, &self.main)).chain(others.iter().map(|(layer, coverage)| (*layer, coverage)))
    }

    pub(super) fn coverages_mut(&mut self) -> impl Iterator<Item = (u16, &mut Coverage)> {
        let others = self.extra.as_mut().map_or(&mut [][..], |extra| &mut extra.layers);
        core::iter::once((0, &mut self.main)).chain(others.iter_mut().map(|(layer, coverage)| (*layer, coverage)))
    }

    /// Whether the same ranks hold all of both runs, and no rank a part of one.
    pub(super) fn is_held_alike(&self, other: &Self) -> bool {
        let whole = |run: &Self| !run.has_layers() && run.main.parts().is_empty();
        whole(self) && whole(other) && self.main.full == other.main.full
    }

    pub(super) fn has_layers(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| !extra.layers.is_empty())
    }

    /// Whether the rank holds the block at a depth, in any layer.
    pub(super) fn held_somewhere(&self, rank: u32, depth: u32) -> bool {
        let at = depth - self.start;
        self.coverages().any(|(_, coverage)| coverage.held(rank, at, at + 1) == 1)
    }

    /// Blocks up to the last one that somebody holds.
    pub(super) fn held_len(&self) -> u32 {
        self.coverages().map(|(_, coverage)| coverage.end(self.len)).max().unwrap_or(0)
    }

    /// Cuts the coverage at a place; given back is that of the blocks before.
    pub(super) fn split_coverage(&mut self, at: u32) -> (Coverage, Vec<(u16, Coverage)>) {
        let len = self.len;
        let main = self.main.split(at, len);
        let mut layers = Vec::new();
        for (layer, coverage) in self.extra.iter_mut().flat_map(|extra| &mut extra.layers) {
            let head = coverage.split(at, len);
            if !head.is_empty() {
                layers.push((*layer, head));
            }
        }
        self.tidy();
        (main, layers)
    }

    pub(super) fn set_layers(&mut self, layers: Vec<(u16, Coverage)>) {
        if !layers.is_empty() || self.has_layers() {
            self.extra.get_or_insert_default().layers = layers;
        }
    }

    /// Forgets layers without holders.
    pub(super) fn tidy(&mut self) {
        if let Some(extra) = &mut self.extra {
            extra.layers.retain(|(_, coverage)| !coverage.is_empty());
        }
    }
}

#[cfg(test)]
mod tests;
