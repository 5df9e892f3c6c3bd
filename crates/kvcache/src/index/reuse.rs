//! Who could reuse how much of a prompt, by the rules of all groups.

use super::FleetIndex;
use super::holders::bits;
use super::pages::NONE;
use super::run::Run;
use crate::{BlockHash, CacheGroups, GroupRule, Overlap, RankId, Reusable, Reuse, Tier};

/// What a question needs in between.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    /// Layers of the groups that are asked for, by group and, in each, the fastest first.
    open: Vec<Open>,
    /// Where those of each group begin in it, and the end.
    begins: Vec<usize>,
    path: Vec<Step>,
    /// Ranks to look at one by one, as bits.
    ranks: Vec<u64>,
    overlap: Overlap,
    pairs: Vec<(RankId, u32)>,
    walk: Walk,
}

/// What looking at one rank needs.
#[derive(Clone, Debug, Default)]
struct Walk {
    /// For each group, where the blocks begin that the rank holds without a hole up to the place at hand.
    since: Vec<u32>,
    spans: Vec<Span>,
    /// Where a match may end by all groups until now, and with one more: ends from the first to the second, both
    /// included.
    ends: Vec<Span>,
    narrowed: Vec<Span>,
}

/// From, to.
type Span = (u32, u32);

/// A layer that is in use.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Place of its group.
    group: usize,
    tier: Tier,
    /// Its number in the index.
    layer: u16,
}

/// A run on the prompt's path, up to where the prompt parts from it.
#[derive(Clone, Copy, Debug)]
struct Step {
    run: u32,
    start: u32,
    end: u32,
}

/// One question.
#[derive(Clone, Copy)]
struct Asked<'a> {
    rules: &'a [(u16, GroupRule)],
    open: &'a [Open],
    begins: &'a [usize],
    path: &'a [Step],
}

impl Asked<'_> {
    /// Layers of a group, the fastest first.
    fn layers(&self, group: usize) -> &[Open] {
        &self.open[self.begins[group]..self.begins[group + 1]]
    }

    /// Whether a rank holds all of a run in each group, in some tier of it.
    fn is_whole(&self, run: &Run, rank: RankId) -> bool {
        let holds = |open: &Open| run.coverage(open.layer).is_some_and(|coverage| coverage.full.contains(rank.0));
        (0..self.rules.len()).all(|group| self.layers(group).iter().any(holds))
    }
}

impl FleetIndex {
    /// For each rank, the blocks of a prompt that its engine could reuse: the longest prefix for which every group has
    /// what its rule needs, in any tier. Exact with holes, like [`overlap`](Self::overlap).
    ///
    /// An engine may still reuse less: it computes at least one token itself, and may drop a block for its draft model.
    ///
    /// Time: where there is one group, of full attention, that of [`overlap`](Self::overlap) and its
    /// [pairs](Overlap::pairs_into), and some tens of nanoseconds for a rank that holds some of the prompt in a slower
    /// tier. With more groups, some tens of nanoseconds for each rank that holds the first block and each place where
    /// paths part. No allocation once `out` is warm.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, CacheGroups, Change, FleetIndex, GroupRule, Layer, Reuse, Tier};
    ///
    /// let mut index = FleetIndex::new();
    /// let rank = index.join();
    /// let blocks = [1, 2, 3, 4].map(BlockHash);
    /// let (gpu, cpu) = (Layer::MAIN, Layer::new(0, Tier::Cpu));
    /// let all = |layer| Change::Stored { layer, parent: None, names: &blocks, contents: &blocks };
    /// // All four on the accelerator, copied to the host; then the second leaves the accelerator.
    /// let _ = index.apply_batch(&[(rank, all(gpu)), (rank, all(cpu))])?;
    /// let _ = index.apply(rank, Change::Removed { layer: gpu, names: &blocks[1..2] })?;
    ///
    /// let mut reuse = Reuse::new();
    /// index.reuse(&blocks, &CacheGroups::new(), &mut reuse);
    /// let found = reuse.of(rank).expect("it holds them");
    /// assert_eq!((found.blocks, found.by_tier), (4, [3, 1, 0, 0]));
    ///
    /// // A model that has layers with a window of two blocks, too, whose older blocks are gone.
    /// let windows = Change::Stored { layer: Layer::new(1, Tier::Gpu), parent: None, names: &blocks[1..3], contents: &[] };
    /// let _ = index.apply(rank, windows)?;
    /// index.reuse(&blocks, &CacheGroups::new().with(1, GroupRule::Window { blocks: 2 }), &mut reuse);
    /// assert_eq!(reuse.of(rank).map(|found| found.blocks), Some(3));
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn reuse(&self, contents: &[BlockHash], groups: &CacheGroups, out: &mut Reuse) {
        let Reuse { ranks: found, survey } = out;
        found.clear();
        if !self.open_groups(groups, survey) {
            return;
        }
        let Survey { open, begins, path, ranks, overlap, pairs, walk } = survey;
        ranks.clear();
        path.clear();
        let only_full = matches!(groups.rules(), [(_, GroupRule::Full)]);
        if !only_full || open.len() > 1 {
            self.path_of(contents, path);
        }
        let asked = Asked { rules: groups.rules(), open, begins, path };
        let leading = groups.leading();
        if only_full {
            // What the fastest tier has is told at once for all ranks. A look by itself is for those of which a slower
            // one has some, from where the fastest one ends.
            let fastest = open[0];
            self.mark_holders(&open[1..], path, ranks);
            self.overlap_at(fastest.layer, contents, overlap);
            overlap.pairs_into(pairs);
            let most = path.last().map_or(0, |step| step.end);
            for &(rank, from) in &*pairs {
                let mut by_tier = [0; Tier::ALL.len()];
                let mut blocks = from;
                if take(ranks, rank) && from < most {
                    blocks = self.reach(rank, asked, from, walk);
                    self.tally(rank, asked, leading, (from, blocks), &mut walk.spans, &mut by_tier);
                }
                by_tier[fastest.tier as usize] += from;
                found.push(Reusable { rank, blocks, by_tier });
            }
        } else {
            // With full attention a match has the first block.
            let full = groups.rules()[leading].1 == GroupRule::Full;
            let runs = if full { path.len().min(1) } else { path.len() };
            self.mark_holders(asked.layers(leading), &path[..runs], ranks);
        }
        let at_once = found.len();
        for rank in bits(ranks).map(RankId) {
            let blocks = self.reach(rank, asked, 0, walk);
            if blocks > 0 {
                let mut by_tier = [0; Tier::ALL.len()];
                let needs = groups.rules()[leading].1.needs(blocks);
                self.tally(rank, asked, leading, (blocks - needs, blocks), &mut walk.spans, &mut by_tier);
                found.push(Reusable { rank, blocks, by_tier });
            }
        }
        if at_once > 0 && found.len() > at_once {
            found.sort_unstable_by_key(|reusable| reusable.rank);
        }
    }

    /// Finds the layers of the groups; says whether each has any.
    fn open_groups(&self, groups: &CacheGroups, survey: &mut Survey) -> bool {
        let Survey { open, begins, .. } = survey;
        open.clear();
        begins.clear();
        for (layer, number) in self.layers.iter().zip(0..) {
            if let Ok(group) = groups.place(layer.group) {
                open.push(Open { group, tier: layer.tier, layer: number });
            }
        }
        open.sort_unstable_by_key(|open| (open.group, open.tier));
        begins.extend((0..=groups.rules().len()).map(|group| open.partition_point(|open| open.group < group)));
        !open.is_empty() && begins.windows(2).all(|two| two[0] < two[1])
    }

    /// Follows a prompt for as long as anybody has it.
    fn path_of(&self, contents: &[BlockHash], path: &mut Vec<Step>) {
        let mut run = NONE;
        let mut rest = contents;
        while let [content, ..] = rest {
            let Some(next) = self.forest.branch(run, content.0) else { return };
            run = next;
            let of = self.forest.run(run);
            let matched = self.forest.matching_contents(run, of.start, rest);
            path.push(Step { run, start: of.start, end: of.start + matched });
            if matched < of.len {
                return;
            }
            rest = &rest[matched as usize..];
        }
    }

    /// Marks who holds anything of some runs in some layers.
    fn mark_holders(&self, layers: &[Open], path: &[Step], ranks: &mut Vec<u64>) {
        for step in path {
            let run = self.forest.run(step.run);
            for coverage in layers.iter().filter_map(|open| run.coverage(open.layer)) {
                coverage.full.mark(ranks);
                coverage.parts().iter().for_each(|part| super::holders::set(ranks, part.rank));
            }
        }
    }

    /// The longest match of one rank. The first `known` blocks are held in all groups, and are one.
    fn reach(&self, rank: RankId, asked: Asked<'_>, known: u32, walk: &mut Walk) -> u32 {
        let Walk { since, spans, ends, narrowed } = walk;
        since.clear();
        since.resize(asked.rules.len(), 0);
        let mut longest = known;
        let first = asked.path.partition_point(|step| step.end <= known);
        for &Step { run, start, end } in &asked.path[first..] {
            let run = self.forest.run(run);
            if self.is_stale(rank, run) {
                since.fill(NONE);
            } else if asked.is_whole(run, rank) {
                let mut fits = true;
                for (since, &(_, rule)) in since.iter_mut().zip(asked.rules) {
                    *since = (*since).min(start);
                    fits &= rule.first_end(*since, end - 1).is_some_and(|first| first <= end);
                }
                if fits {
                    longest = end;
                }
            } else {
                ends.clear();
                ends.push((start + 1, end));
                for (group, &(_, rule)) in asked.rules.iter().enumerate() {
                    run_spans(run, end, rank, asked.layers(group), spans);
                    let before = core::mem::replace(&mut since[group], NONE);
                    narrowed.clear();
                    let mut ends_left = &ends[..];
                    for &(from, to) in &*spans {
                        let begin = if from == start { before.min(from) } else { from };
                        if to == end {
                            since[group] = begin;
                        }
                        let Some(first) = rule.first_end(begin, from).filter(|first| *first <= to) else { continue };
                        narrow(&mut ends_left, (first, to), narrowed);
                    }
                    core::mem::swap(ends, narrowed);
                }
                longest = ends.last().map_or(longest, |&(_, last)| last);
            }
            let is_over = |(&since, &(_, rule)): (&u32, &(u16, GroupRule))| rule == GroupRule::Full && since != 0;
            if since.iter().zip(asked.rules).any(is_over) {
                break;
            }
        }
        longest
    }

    /// Counts the blocks of a group at `of`, which a rank holds, each in its fastest tier.
    fn tally(
        &self,
        rank: RankId,
        asked: Asked<'_>,
        group: usize,
        of: Span,
        spans: &mut Vec<Span>,
        by_tier: &mut [u32; Tier::ALL.len()],
    ) {
        let layers = asked.layers(group);
        if let [only] = layers {
            by_tier[only.tier as usize] += of.1 - of.0;
            return;
        }
        let first = asked.path.partition_point(|step| step.end <= of.0);
        for step in asked.path[first..].iter().take_while(|step| step.start < of.1) {
            let run = self.forest.run(step.run);
            let (from, to) = (step.start.max(of.0), step.end.min(of.1));
            // What a tier adds to the faster ones.
            let mut held = 0;
            for (at, open) in layers.iter().enumerate() {
                run_spans(run, to, rank, &layers[..=at], spans);
                let all = spans.iter().map(|span| span.1.saturating_sub(span.0.max(from))).sum();
                by_tier[open.tier as usize] += all - held;
                held = all;
                if held == to - from {
                    break;
                }
            }
        }
    }
}

/// The blocks of a run before `end` that a rank holds in any of the layers, in order and without two that touch.
fn run_spans(run: &Run, end: u32, rank: RankId, layers: &[Open], spans: &mut Vec<Span>) {
    spans.clear();
    for coverage in layers.iter().filter_map(|open| run.coverage(open.layer)) {
        if coverage.full.contains(rank.0) {
            spans.clear();
            spans.push((run.start, end));
            return;
        }
        let parts = coverage.parts_of(rank.0).iter();
        let parts = parts.map(|part| (run.start + part.from, (run.start + part.to).min(end)));
        spans.extend(parts.filter(|(from, to)| from < to));
    }
    if layers.len() > 1 && spans.len() > 1 {
        spans.sort_unstable();
        spans.dedup_by(|next, span| {
            let touches = next.0 <= span.1;
            if touches {
                span.1 = span.1.max(next.1);
            }
            touches
        });
    }
}

/// Takes a rank out of bits; says whether it was there.
fn take(ranks: &mut [u64], rank: RankId) -> bool {
    let bit = 1 << (rank.index() % 64);
    let Some(word) = ranks.get_mut(rank.index() / 64).filter(|word| **word & bit != 0) else { return false };
    *word &= !bit;
    true
}

/// Adds what `ends` have in common with `with`, and passes over those that cannot meet what comes behind it.
fn narrow(ends: &mut &[Span], with: Span, out: &mut Vec<Span>) {
    while let [(first, last), rest @ ..] = *ends {
        let common = (with.0.max(*first), with.1.min(*last));
        if common.0 <= common.1 {
            out.push(common);
        }
        if *last > with.1 {
            return;
        }
        *ends = rest;
    }
}
