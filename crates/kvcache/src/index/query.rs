//! Who holds how much of a prompt.

use super::FleetIndex;
use super::coverage::Coverage;
use super::pages::NONE;
use super::run::Run;
use crate::{BlockHash, Layer, Overlap, RankId};

impl FleetIndex {
    /// For each rank, the blocks of a prompt that it holds in the main layer without a hole, counted from the start.
    ///
    /// `contents` are the contents of the prompt's full blocks, by the same scheme as those of the stored ones. Time: a
    /// fraction of a nanosecond a block, some memory accesses for each place where paths part, and a word for each 64
    /// ranks where many ranks hold the same. No allocation once `out` is warm.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, CacheEvent, Change, FleetIndex, Overlap};
    ///
    /// let mut index = FleetIndex::new();
    /// let rank = index.join();
    /// let stored = CacheEvent::Stored { parent: None, blocks: vec![BlockHash(1), BlockHash(2), BlockHash(3)] };
    /// let _ = index.apply(rank, Change::from(&stored))?;
    /// let _ = index.apply(rank, Change::from(&CacheEvent::Removed { blocks: vec![BlockHash(2)] }))?;
    ///
    /// let mut overlap = Overlap::new();
    /// index.overlap(&[BlockHash(1), BlockHash(2), BlockHash(3)], &mut overlap);
    /// assert_eq!(overlap.blocks_of(rank), 1, "what lies behind a hole cannot be reused");
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn overlap(&self, contents: &[BlockHash], out: &mut Overlap) {
        self.overlap_at(0, contents, out);
    }

    /// Like [`overlap`](Self::overlap), in one layer.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, Change, FleetIndex, Layer, Overlap, Tier};
    ///
    /// let mut index = FleetIndex::new();
    /// let rank = index.join();
    /// let (layer, blocks) = (Layer::new(0, Tier::Cpu), [BlockHash(1)]);
    /// let _ = index.apply(rank, Change::Stored { layer, parent: None, names: &blocks, contents: &blocks })?;
    ///
    /// let mut overlap = Overlap::new();
    /// index.overlap_in(layer, &blocks, &mut overlap);
    /// assert_eq!(overlap.blocks_of(rank), 1);
    /// index.overlap(&blocks, &mut overlap);
    /// assert_eq!(overlap.blocks_of(rank), 0, "not on the accelerator");
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn overlap_in(&self, layer: Layer, contents: &[BlockHash], out: &mut Overlap) {
        match self.layer(layer) {
            Some(layer) => self.overlap_at(layer, contents, out),
            None => out.clear(),
        }
    }

    pub(super) fn overlap_at(&self, layer: u16, contents: &[BlockHash], out: &mut Overlap) {
        out.clear();
        let mut run = NONE;
        let mut rest = contents;
        while let [content, ..] = rest {
            let Some(next) = self.forest.branch(run, content.0) else { return };
            run = next;
            let of = self.forest.run(run);
            let Some(coverage) = of.coverage(layer) else { return };
            let matched = self.forest.matching_contents(run, of.start, rest);
            if !self.descend(of, coverage, matched, out) || matched < of.len {
                return;
            }
            rest = &rest[matched as usize..];
        }
    }

    /// Goes on with those who hold the first `matched` blocks of a run; says whether there are any.
    fn descend(&self, run: &Run, coverage: &Coverage, matched: u32, out: &mut Overlap) -> bool {
        out.narrow(&coverage.full);
        for part in coverage.parts().iter().filter(|part| part.from == 0) {
            out.admit(part.rank, run.start, part.to, matched);
        }
        if self.sweep.is_pending() && run.stamp != self.sweep.epoch() {
            out.expel(|rank| self.is_stale(RankId(rank), run));
        }
        out.close(run.start + matched)
    }
}
