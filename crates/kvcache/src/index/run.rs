//! One run: neighbouring blocks of a path, without a branch between them.

use core::ops::Range;

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

/// What few runs have.
#[derive(Debug, Default)]
struct Extra {
    extents: Vec<Extent>,
    /// Holders in other layers, by number of the layer.
    layers: Vec<(u16, Coverage)>,
}

/// With the same room, since its bytes are counted.
impl Clone for Extra {
    fn clone(&self) -> Self {
        Self { extents: room::copy(&self.extents), layers: room::copy(&self.layers) }
    }
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
        let extra = self.extra.as_ref().map_or(0, |extra| {
            let layers = extra.layers.iter().map(|(_, coverage)| coverage.heap()).sum::<usize>();
            size_of::<Extra>()
                + extra.extents.capacity() * size_of::<Extent>()
                + extra.layers.capacity() * size_of::<(u16, Coverage)>()
                + layers
        });
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

    /// Keeps its first `pages` pages, and gives back the others, in order.
    pub(super) fn cut_pages(&mut self, pages: u32) -> Vec<Extent> {
        let mut cut = Vec::new();
        let mut left = pages;
        let mut keep = |extent: &mut Extent| {
            let kept = extent.pages.min(left);
            left -= kept;
            if kept < extent.pages {
                cut.push(Extent { page: extent.page + kept, pages: extent.pages - kept });
                extent.pages = kept;
            }
        };
        keep(&mut self.first);
        if let Some(extra) = &mut self.extra {
            extra.extents.iter_mut().for_each(&mut keep);
            extra.extents.retain(|extent| extent.pages > 0);
        }
        self.release();
        cut
    }

    /// Drops its last page, and says its number.
    pub(super) fn pop_page(&mut self) -> u32 {
        let popped = |last: &mut Extent| {
            last.pages -= 1;
            last.page + last.pages
        };
        let Some(extra) = self.extra.as_mut().filter(|extra| !extra.extents.is_empty()) else {
            return popped(&mut self.first);
        };
        let last = extra.extents.last_mut().expect("there is one");
        let page = popped(last);
        if last.pages == 0 {
            extra.extents.pop();
            self.release();
        }
        page
    }

    /// Replaces its pages.
    pub(super) fn set_extents(&mut self, extents: &[Extent]) {
        self.first = Extent::default();
        if let Some(extra) = &mut self.extra {
            extra.extents = Vec::new();
        }
        for &extent in extents {
            self.push_extent(extent);
        }
        self.release();
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
        self.release();
    }

    /// Forgets layers without holders.
    pub(super) fn tidy(&mut self) {
        if let Some(extra) = &mut self.extra {
            extra.layers.retain(|(_, coverage)| !coverage.is_empty());
        }
        self.release();
    }

    fn release(&mut self) {
        if self.extra.as_ref().is_some_and(|extra| extra.extents.is_empty() && extra.layers.is_empty()) {
            self.extra = None;
        }
    }
}

#[cfg(test)]
mod tests;
