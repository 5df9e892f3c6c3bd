//! What of the tree is written: runs that somebody holds, and those before them, in canonical order.

use crate::index::FleetIndex;
use crate::index::coverage::Coverage;
use crate::index::pages::NONE;
use crate::index::run::Run;
use crate::{Layer, RankId};

/// The runs that are written.
pub(super) struct Tree<'a> {
    index: &'a FleetIndex,
    /// (parent, first content, run), ascending: the children of each run, and last those where prompts begin.
    branches: Vec<(u32, u64, u32)>,
    /// By run, the place of its first child.
    first: Vec<u32>,
    /// Layers that are in use, ascending.
    pub(super) layers: Vec<Layer>,
    /// By the index's number of a layer, its place in the list above.
    codes: Vec<u32>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(index: &'a FleetIndex) -> Self {
        let count = index.forest.runs();
        let mut used = vec![false; index.layers.len()];
        let mut kept = vec![false; count as usize];
        for number in 0..count {
            let run = index.forest.run(number);
            if run.len == 0 {
                continue;
            }
            let mut held = false;
            for (layer, coverage) in run.coverages() {
                if is_held(index, run, coverage) {
                    used[usize::from(layer)] = true;
                    held = true;
                }
            }
            let mut up = number;
            while held && up != NONE && !kept[up as usize] {
                kept[up as usize] = true;
                up = index.forest.run(up).parent;
            }
        }
        let kept = (0..count).filter(|&run| kept[run as usize]);
        let mut branches: Vec<_> =
            kept.map(|run| (index.forest.run(run).parent, index.forest.first_content(run), run)).collect();
        branches.sort_unstable();
        let mut first = vec![0; count as usize + 1];
        for (at, &(parent, ..)) in branches.iter().enumerate().rev() {
            first[parent.min(count) as usize] = at as u32;
        }
        let mut layers: Vec<(Layer, usize)> =
            index.layers.iter().copied().zip(0..).filter(|&(_, at)| used[at]).collect();
        layers.sort_unstable();
        let mut codes = vec![0; index.layers.len()];
        for (code, &(_, at)) in layers.iter().enumerate() {
            codes[at] = code as u32;
        }
        Self { index, branches, first, layers: layers.into_iter().map(|(layer, _)| layer).collect(), codes }
    }

    /// Place of one of the index's layers in the list.
    pub(super) fn code(&self, layer: u16) -> u32 {
        self.codes[usize::from(layer)]
    }

    /// Runs that follow a run, or begin prompts, in order.
    pub(super) fn children(&self, run: u32) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator {
        let from = &self.branches[self.first[(run as usize).min(self.first.len() - 1)] as usize..];
        let count = from.iter().take_while(|&&(parent, ..)| parent == run).count();
        from[..count].iter().map(|&(.., run)| run)
    }

    /// Holders of a run in a layer who were not cleared since: those of all of it.
    pub(super) fn full(&self, run: &Run, coverage: &Coverage) -> impl Iterator<Item = u32> {
        coverage.full.iter().filter(|&rank| !self.index.is_stale(RankId(rank), run))
    }

    /// And those of parts, as (rank, from, to).
    pub(super) fn parts(&self, run: &Run, coverage: &Coverage) -> impl Iterator<Item = (u32, u32, u32)> {
        let fresh = coverage.parts().iter().filter(|part| !self.index.is_stale(RankId(part.rank), run));
        fresh.map(|part| (part.rank, part.from, part.to))
    }
}

fn is_held(index: &FleetIndex, run: &Run, coverage: &Coverage) -> bool {
    coverage.full.iter().any(|rank| !index.is_stale(RankId(rank), run))
        || coverage.parts().iter().any(|part| !index.is_stale(RankId(part.rank), run))
}
