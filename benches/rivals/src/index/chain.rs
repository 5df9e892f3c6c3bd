//! `kv-index`: borrowed slices in, a callback or a map out. More than 1,024 ranks need several shards.

use std::ops::Range;
use std::time::Duration;

use kv_index::{ChainBlockMap, ContentHash, SHARD_SHIFT, SequenceHash, ShardedChainIndex, StoredBlock};

use super::{Best, Index};
use crate::clock::spent;
use crate::workload::Query;
use crate::workload::stream::{Kind, Stream};

/// Ranks that a shard has room for.
const SHARD: u32 = 1_024;

/// The index and the ranks' own maps, which its caller keeps.
pub struct Chain {
    index: ShardedChainIndex,
    workers: Vec<u32>,
    maps: Vec<ChainBlockMap>,
    /// Stores that it did not take.
    pub refused: u64,
}

/// Events for it.
pub struct Feed {
    events: Vec<(u32, Kind, Range<usize>)>,
    blocks: Vec<StoredBlock>,
    names: Vec<SequenceHash>,
}

impl Chain {
    /// Applies events from a thread of its own beside readers.
    pub fn split(&mut self) -> (&ShardedChainIndex, &[u32], &mut [ChainBlockMap]) {
        (&self.index, &self.workers, &mut self.maps)
    }

    /// Applies events to the parts of a [`Self::split`], and says how many were refused.
    pub fn replay(index: &ShardedChainIndex, workers: &[u32], maps: &mut [ChainBlockMap], feed: &Feed) -> u64 {
        let mut refused = 0;
        for (rank, kind, blocks) in &feed.events {
            let (worker, map) = (workers[*rank as usize], &mut maps[*rank as usize]);
            match kind {
                Kind::Stored { parent } => {
                    let blocks = &feed.blocks[blocks.clone()];
                    refused += u64::from(index.apply_stored(worker, blocks, parent.map(SequenceHash), map).is_err());
                }
                Kind::Removed => index.apply_removed(worker, &feed.names[blocks.clone()], map),
            }
        }
        refused
    }

    /// The best rank, chosen inside the callback.
    #[inline(always)]
    pub fn best_of(index: &ShardedChainIndex, prompt: &[ContentHash], loads: &[u32]) -> Option<(u32, u32)> {
        let mut best = Best::NONE;
        index.score_into(prompt, |hash| hash.0, false, |worker, depth| best.offer(rank(worker), depth, loads));
        best.found()
    }
}

#[inline(always)]
fn rank(worker: u32) -> u32 {
    (worker >> SHARD_SHIFT) * SHARD + (worker & ((1 << SHARD_SHIFT) - 1))
}

impl Index for Chain {
    const NAME: &'static str = "chain";
    const WAYS: &'static [&'static str] = &["callback", "map"];
    type Feed = Feed;
    type Prompt = Vec<ContentHash>;

    fn new(ranks: u32) -> Self {
        let index = ShardedChainIndex::new(ranks.div_ceil(SHARD) as usize, ranks.min(SHARD) as usize);
        let intern = |rank: u32| {
            let worker = index.intern_worker_in((rank / SHARD) as usize, &rank.to_string());
            let worker = worker.expect("there is room for every rank");
            assert_eq!(self::rank(worker), rank, "ids are given out in order");
            worker
        };
        let workers = (0..ranks).map(intern).collect();
        Self { workers, index, maps: (0..ranks).map(|_| ChainBlockMap::new()).collect(), refused: 0 }
    }

    fn feed(&self, stream: &Stream) -> Feed {
        let block =
            |(&name, &content)| StoredBlock { seq_hash: SequenceHash(name), content_hash: ContentHash(content) };
        Feed {
            events: stream.events.iter().map(|event| (event.rank, event.kind, event.blocks())).collect(),
            blocks: stream.names.iter().zip(&stream.contents).map(block).collect(),
            names: stream.names.iter().map(|&name| SequenceHash(name)).collect(),
        }
    }

    fn prompt(&self, query: &Query) -> Vec<ContentHash> {
        query.contents.iter().map(|&content| ContentHash(content)).collect()
    }

    fn apply(&mut self, feed: Feed) -> Duration {
        let (time, refused) = spent(|| Self::replay(&self.index, &self.workers, &mut self.maps, &feed));
        self.refused += refused;
        time
    }

    fn best(&mut self, way: usize, prompt: &Vec<ContentHash>, loads: &[u32]) -> Option<(u32, u32)> {
        if way == 0 {
            return Self::best_of(&self.index, prompt, loads);
        }
        let mut best = Best::NONE;
        for (worker, depth) in &self.index.find_matches(prompt, false).scores {
            best.offer(rank(*worker), *depth, loads);
        }
        best.found()
    }

    fn bare(&mut self, way: usize, prompt: &Vec<ContentHash>) -> usize {
        if way == 0 {
            let mut holders = 0;
            self.index.score_into(prompt, |hash| hash.0, false, |_, _| holders += 1);
            return holders;
        }
        self.index.find_matches(prompt, false).scores.len()
    }

    fn pairs(&mut self, prompt: &Vec<ContentHash>, out: &mut Vec<(u32, u32)>) {
        self.index.score_into(prompt, |hash| hash.0, false, |worker, depth| out.push((rank(worker), depth)));
    }
}
