//! The index as bytes.

use xxhash_rust::xxh3::xxh3_64;

use super::tree::Tree;
use super::{Copies, OwnName, Stretch};
use crate::index::FleetIndex;
use crate::index::pages::NONE;
use crate::snapshot::{MAGIC, VERSION};
use crate::{RankId, Tier};

impl FleetIndex {
    /// Appends to `out` all that the index holds, in [a form that stays](crate::snapshot), for
    /// [`restore`](Self::restore). `tag` gives bytes to go with each rank: what it is called, and how far its stream
    /// was read. The same index gives the same bytes, and so does any other one that holds the same.
    ///
    /// The configuration is not part of it. Some 20 ns and 8 to 16 bytes a block, and little more for its holders.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, Change, FleetIndex, IndexConfig, Layer};
    ///
    /// let mut index = FleetIndex::new();
    /// let rank = index.join();
    /// let blocks = [BlockHash(1), BlockHash(2)];
    /// let _ = index.apply(rank, Change::Stored { layer: Layer::MAIN, parent: None, names: &blocks, contents: &blocks })?;
    ///
    /// let mut bytes = Vec::new();
    /// index.snapshot(|_| "pod-1", &mut bytes);
    /// let restored = FleetIndex::restore(&bytes, IndexConfig::new())?;
    /// assert_eq!(restored.ranks, [(rank, b"pod-1".to_vec())]);
    /// assert_eq!(restored.index.blocks_of(rank), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn snapshot<T: AsRef<[u8]>>(&self, mut tag: impl FnMut(RankId) -> T, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        let ranks = self.ranks.iter().rposition(|rank| rank.joined).map_or(0, |last| last + 1);
        number(out, ranks as u64);
        for (rank, id) in self.ranks[..ranks].iter().zip(0..) {
            if rank.joined {
                let tag = tag(RankId(id));
                number(out, tag.as_ref().len() as u64 + 1);
                out.extend_from_slice(tag.as_ref());
            } else {
                number(out, 0);
            }
        }
        let tree = Tree::new(self);
        number(out, tree.layers.len() as u64);
        for layer in &tree.layers {
            number(out, layer.group.into());
            out.push(match layer.tier {
                Tier::Gpu => 0,
                Tier::Cpu => 1,
                Tier::Disk => 2,
                Tier::Remote => 3,
            });
        }
        let beginnings = tree.children(NONE);
        number(out, beginnings.len() as u64);
        let mut stack: Vec<u32> = beginnings.rev().collect();
        let mut writer = Writer::new(self, tree);
        while let Some(run) = stack.pop() {
            let last = writer.node(run, out);
            stack.extend(writer.tree.children(last).rev());
        }
        let checksum = xxh3_64(&out[begin..]);
        out.extend_from_slice(&checksum.to_le_bytes());
    }
}

/// Writes nodes, and keeps its buffers.
struct Writer<'a> {
    index: &'a FleetIndex,
    tree: Tree<'a>,
    /// Ranks' own names and copies, by run; places are depths.
    own_names: Vec<(u32, OwnName)>,
    copies: Vec<(u32, Copies)>,
    contents: Vec<u8>,
    names: Vec<u8>,
    stretches: Vec<Stretch>,
}

impl<'a> Writer<'a> {
    fn new(index: &'a FleetIndex, tree: Tree<'a>) -> Self {
        let (mut own_names, mut copies) = (Vec::new(), Vec::new());
        for (state, rank) in index.ranks.iter().zip(0..) {
            for (block, name) in state.own_names() {
                if let Some((run, depth)) = index.forest.place(block)
                    && index.holds(RankId(rank), run, depth)
                {
                    own_names.push((run, OwnName { at: depth, rank, name }));
                }
            }
            for ((layer, block), more) in state.copies() {
                if let Some((run, depth)) = index.forest.place(block)
                    && index.holds_in(RankId(rank), layer, run, depth)
                {
                    copies.push((run, Copies { layer: tree.code(layer), at: depth, rank, more }));
                }
            }
        }
        own_names.sort_unstable();
        copies.sort_unstable();
        let (contents, names, stretches) = (Vec::new(), Vec::new(), Vec::new());
        Self { index, tree, own_names, copies, contents, names, stretches }
    }

    /// Writes the node that begins with a run, and says with which run it ends.
    fn node(&mut self, run: u32, out: &mut Vec<u8>) -> u32 {
        self.contents.clear();
        self.names.clear();
        self.stretches.clear();
        let (mut own_names, mut copies) = (Vec::new(), Vec::new());
        let start = self.index.forest.run(run).start;
        let mut last = run;
        let children = loop {
            self.add_run(last, start);
            of_run(&self.own_names, last, |own: &OwnName| own_names.push(OwnName { at: own.at - start, ..*own }));
            of_run(&self.copies, last, |of: &Copies| copies.push(Copies { at: of.at - start, ..*of }));
            let mut children = self.tree.children(last);
            match (children.len(), children.next()) {
                (1, Some(child)) => last = child,
                (children, _) => break children,
            }
        };
        self.join_stretches();
        if children == 0 {
            let end = self.stretches.iter().map(|stretch| stretch.to).max().unwrap_or(0);
            self.contents.truncate(end as usize * 8);
            self.names.truncate(end as usize * 8);
        }
        if !own_names.is_empty() {
            own_names = self.settle_names(&own_names);
        }
        copies.sort_unstable();

        let blocks = (self.contents.len() / 8) as u32;
        let same = self.contents == self.names;
        number(out, blocks.into());
        number(out, children as u64 * 2 + u64::from(same));
        out.extend_from_slice(&self.contents);
        if !same {
            out.extend_from_slice(&self.names);
        }
        self.write_stretches(blocks, out);
        number(out, own_names.len() as u64);
        for own in own_names {
            number(out, own.at.into());
            number(out, own.rank.into());
            out.extend_from_slice(&own.name.to_le_bytes());
        }
        number(out, copies.len() as u64);
        for of in copies {
            for word in [of.layer, of.at, of.rank, of.more] {
                number(out, word.into());
            }
        }
        last
    }

    fn add_run(&mut self, run: u32, start: u32) {
        self.index.forest.copy_blocks(run, &mut self.contents, &mut self.names);
        let of = self.index.forest.run(run);
        let before = of.start - start;
        for (layer, coverage) in of.coverages() {
            let layer = self.tree.code(layer);
            let full = self.tree.full(of, coverage).map(|rank| (rank, 0, of.len));
            let stretches = full.chain(self.tree.parts(of, coverage));
            self.stretches.extend(stretches.map(|(rank, from, to)| Stretch {
                layer,
                rank,
                from: before + from,
                to: before + to,
            }));
        }
    }

    /// Sorts the stretches, and makes one of those that touch.
    fn join_stretches(&mut self) {
        self.stretches.sort_unstable();
        self.stretches.dedup_by(|next, last| {
            let touches = (next.layer, next.rank, next.from) == (last.layer, last.rank, last.to);
            if touches {
                last.to = next.to;
            }
            touches
        });
    }

    /// Gives each block of a node the name that most of its holders give it, and says who gives it another one.
    fn settle_names(&mut self, own_names: &[OwnName]) -> Vec<OwnName> {
        let mut settled = Vec::new();
        let mut given: Vec<(u64, u32)> = Vec::new();
        for own_names in own_names.chunk_by(|a, b| a.at == b.at) {
            let at = own_names[0].at;
            let to = &mut self.names.as_chunks_mut().0[at as usize];
            let common = u64::from_le_bytes(*to);
            given.clear();
            given.extend(self.stretches.iter().filter(|of| (of.from..of.to).contains(&at)).map(|of| {
                let own = own_names.binary_search_by_key(&of.rank, |own| own.rank);
                (own.map_or(common, |own| own_names[own].name), of.rank)
            }));
            given.sort_unstable();
            given.dedup();
            // The most frequent one; of several, the first.
            let most = given.chunk_by(|a, b| a.0 == b.0).rev().max_by_key(|same| same.len());
            let name = most.map_or(common, |same| same[0].0);
            *to = name.to_le_bytes();
            let from = settled.len();
            let others = given.iter().filter(|&&(own, _)| own != name);
            settled.extend(others.map(|&(name, rank)| OwnName { at, rank, name }));
            settled[from..].sort_unstable();
        }
        settled
    }

    fn write_stretches(&self, blocks: u32, out: &mut Vec<u8>) {
        let layers = self.stretches.chunk_by(|a, b| a.layer == b.layer);
        number(out, layers.clone().count() as u64);
        for stretches in layers {
            number(out, stretches[0].layer.into());
            let is_full = |of: &&Stretch| of.to - of.from == blocks;
            let full = stretches.iter().filter(is_full);
            number(out, full.clone().count() as u64);
            let mut next = 0;
            for of in full {
                number(out, (of.rank - next).into());
                next = of.rank + 1;
            }
            let parts = stretches.iter().filter(|of| !is_full(of));
            number(out, parts.clone().count() as u64);
            let (mut rank, mut end) = (0, None);
            for of in parts {
                number(out, (of.rank - rank).into());
                let before = end.filter(|_| of.rank == rank).map_or(0, |end: u32| end + 1);
                number(out, (of.from - before).into());
                number(out, (of.to - of.from - 1).into());
                (rank, end) = (of.rank, Some(of.to));
            }
        }
    }
}

/// Those that belong to a run, of a list in the order of runs.
fn of_run<T>(list: &[(u32, T)], run: u32, each: impl FnMut(&T)) {
    if !list.is_empty() {
        let first = list.partition_point(|&(of, _)| of < run);
        list[first..].iter().take_while(|&&(of, _)| of == run).map(|(_, of)| of).for_each(each);
    }
}

/// A number in LEB128.
fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
