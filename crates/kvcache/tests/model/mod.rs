//! What the fleet index means, word by word, in ordered maps and with no thought for speed: every property compares with
//! this. A rank has names for paths, and holds paths in layers; a path is the contents of a prompt from block 0 on.

mod change;
mod check;
mod counts;
mod operation;
mod paths;
mod prompt;
mod rank;
mod reuse;
mod testimony;
mod world;

use std::collections::BTreeMap;

use phalanx_kvcache::{BlockHash, Change, Layer};

use check::check;
pub(crate) use check::fingerprint;
pub(crate) use counts::Counts;
pub(crate) use operation::{Manner, Operation};
use paths::{Path, Paths};
use prompt::Prompt;
pub(crate) use prompt::mix;
use rank::Rank;
use testimony::Testimony;
pub(crate) use world::{Fleet, World};

/// Why a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The rank is not there.
    Unknown,
    /// So many names for so many contents.
    Lengths(usize, usize),
}

/// What all ranks were told to hold. A rank is known by a number that is never given out again.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    paths: Paths,
    ranks: BTreeMap<usize, Rank>,
    joined: usize,
    max_rank_blocks: usize,
    counted_copies: bool,
}

impl Model {
    pub(crate) fn new(max_rank_blocks: Option<u32>, counted_copies: bool) -> Self {
        let max_rank_blocks = max_rank_blocks.map_or(usize::MAX, |blocks| blocks as usize);
        Self { paths: Paths::default(), ranks: BTreeMap::new(), joined: 0, max_rank_blocks, counted_copies }
    }

    pub(crate) fn join(&mut self) -> usize {
        let rank = self.joined;
        self.joined += 1;
        self.ranks.insert(rank, Rank::default());
        rank
    }

    /// Whether it was there.
    pub(crate) fn leave(&mut self, rank: usize) -> bool {
        self.ranks.remove(&rank).is_some()
    }

    pub(crate) fn rank(&self, rank: usize) -> Option<&Rank> {
        self.ranks.get(&rank)
    }

    /// Ranks that are there.
    pub(crate) fn ranks(&self) -> impl Iterator<Item = (usize, &Rank)> {
        self.ranks.iter().map(|(&number, rank)| (number, rank))
    }

    /// One change.
    pub(crate) fn apply(&mut self, rank: usize, change: Change<'_>) -> Result<Counts, Refusal> {
        let rank = self.ranks.get_mut(&rank).ok_or(Refusal::Unknown)?;
        let mut counts = Counts::default();
        match change {
            Change::Stored { layer, parent, names, contents } if names.len() == contents.len() => {
                let Some(mut path) = parent.map_or(Some(Paths::ROOT), |parent| rank.path(parent)) else {
                    counts.unplaced = names.len() as u32;
                    return Ok(counts);
                };
                for (at, (&name, &content)) in names.iter().zip(contents).enumerate() {
                    path = self.paths.child(path, content);
                    let new = !rank.holds(layer, path);
                    if new && rank.blocks() >= self.max_rank_blocks {
                        counts.left_out = (names.len() - at) as u32;
                        break;
                    }
                    rank.name(name, path);
                    rank.store(layer, path, self.counted_copies, &mut counts);
                }
            }
            Change::Stored { layer, names, contents: [], .. } => {
                for (at, &name) in names.iter().enumerate() {
                    let path = rank.path(name);
                    let new = path.is_some_and(|path| !rank.holds(layer, path));
                    if new && rank.blocks() >= self.max_rank_blocks {
                        counts.left_out = (names.len() - at) as u32;
                        break;
                    }
                    match path {
                        Some(path) => rank.store(layer, path, self.counted_copies, &mut counts),
                        None => counts.unplaced += 1,
                    }
                }
            }
            Change::Stored { names, contents, .. } => return Err(Refusal::Lengths(names.len(), contents.len())),
            Change::Removed { layer, names } => {
                for &name in names {
                    rank.remove(layer, name, &mut counts);
                }
            }
            Change::Cleared => *rank = Rank::default(),
        }
        Ok(counts)
    }

    /// The blocks of the prompt that each rank holds in the layer, from block 0 on and without a hole.
    pub(crate) fn overlap_in(&self, layer: Layer, contents: &[BlockHash]) -> Vec<(usize, u32)> {
        let prefixes = self.paths.prefixes(contents);
        let depth = |rank: &Rank| prefixes.iter().take_while(|&&path| rank.holds(layer, path)).count() as u32;
        self.ranks().map(|(number, rank)| (number, depth(rank))).filter(|&(_, depth)| depth > 0).collect()
    }

    /// The same of one rank; 0 if it holds none, or is not there.
    pub(crate) fn depth(&self, rank: usize, layer: Layer, contents: &[BlockHash]) -> u32 {
        let Some(rank) = self.ranks.get(&rank) else { return 0 };
        self.paths.prefixes(contents).into_iter().take_while(|&path| rank.holds(layer, path)).count() as u32
    }

    /// The rank holds nothing, whatever it told.
    pub(crate) fn forgive(&mut self, rank: usize) {
        self.ranks.insert(rank, Rank::default());
    }

    /// The path of a content behind the block with a name.
    pub(crate) fn child(&mut self, rank: usize, name: BlockHash, content: BlockHash) -> Option<Path> {
        let path = self.ranks[&rank].path(name)?;
        Some(self.paths.child(path, content))
    }

    /// Names for a prompt's blocks: those that they have, and numbers that no other block of the rank has.
    pub(crate) fn slots(&self, rank: usize, contents: &[BlockHash]) -> Vec<BlockHash> {
        let rank = &self.ranks[&rank];
        let paths = self.paths.prefixes(contents).into_iter().map(Some).chain(core::iter::repeat(None));
        let mut free = (0..).map(BlockHash).filter(|&name| rank.path(name).is_none());
        let name = |path: Option<Path>| path.and_then(|path| rank.name_of(path)).or_else(|| free.next());
        paths.take(contents.len()).map_while(name).collect()
    }

    /// All (layer, path) pairs of all ranks.
    pub(crate) fn pairs(&self) -> u64 {
        self.ranks.values().map(|rank| rank.blocks() as u64).sum()
    }

    /// Paths that some rank holds in some layer.
    pub(crate) fn distinct(&self) -> usize {
        let mut paths: Vec<Path> = self.ranks.values().flat_map(Rank::paths).collect();
        paths.sort_unstable();
        paths.dedup();
        paths.len()
    }
}
