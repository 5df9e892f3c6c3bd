//! `phalanx-kvcache`: borrowed slices in, one by one or many at once, levels out.

use std::hint::black_box;
use std::time::Duration;

use phalanx_kvcache::{BlockHash, Change, FleetIndex, IndexConfig, Layer, Loads, Overlap, RankId};

use super::Index;
use crate::clock::spent;
use crate::workload::Query;
use crate::workload::stream::{Event, Kind, Stream};

/// The index, and a warm answer. Events come by `apply_batch`, or one by one.
pub struct Ours<const BATCH: bool = true> {
    index: FleetIndex,
    ranks: Vec<RankId>,
    overlap: Overlap,
    loads: Loads,
}

/// Events for it.
pub struct Feed {
    events: Vec<Event>,
    names: Vec<BlockHash>,
    contents: Vec<BlockHash>,
}

impl Feed {
    /// A stream's events.
    pub fn new(stream: &Stream) -> Self {
        let hashes = |words: &[u64]| words.iter().map(|&word| BlockHash(word)).collect();
        Self { events: stream.events.clone(), names: hashes(&stream.names), contents: hashes(&stream.contents) }
    }

    /// The events as changes.
    pub fn changes(&self, ranks: &[RankId]) -> Vec<(RankId, Change<'_>)> {
        self.each().map(|(rank, change)| (ranks[rank as usize], change)).collect()
    }

    /// The events as changes, by the rank's number in the stream.
    pub fn each(&self) -> impl Iterator<Item = (u32, Change<'_>)> {
        let layer = Layer::MAIN;
        let change = move |event: &Event| {
            let names = &self.names[event.blocks()];
            let change = match event.kind {
                Kind::Stored { parent } => {
                    let contents = &self.contents[event.blocks()];
                    Change::Stored { layer, parent: parent.map(BlockHash), names, contents }
                }
                Kind::Removed => Change::Removed { layer, names },
            };
            (event.rank, change)
        };
        self.events.iter().map(change)
    }
}

impl<const BATCH: bool> Ours<BATCH> {
    /// The index itself.
    pub fn index(&self) -> &FleetIndex {
        &self.index
    }
}

impl<const BATCH: bool> Index for Ours<BATCH> {
    const NAME: &'static str = if BATCH { "ours" } else { "ours-single" };
    const WAYS: &'static [&'static str] = &["levels"];
    type Feed = Feed;
    type Prompt = Vec<BlockHash>;

    fn new(ranks: u32) -> Self {
        let mut index = FleetIndex::with_config(IndexConfig::new().max_bytes(usize::MAX));
        let ranks: Vec<_> = (0..ranks).map(|_| index.join()).collect();
        Self { index, ranks, overlap: Overlap::new(), loads: Loads::new() }
    }

    fn feed(&self, stream: &Stream) -> Feed {
        Feed::new(stream)
    }

    fn prompt(&self, query: &Query) -> Vec<BlockHash> {
        query.contents.iter().map(|&content| BlockHash(content)).collect()
    }

    fn apply(&mut self, feed: Feed) -> Duration {
        let changes = feed.changes(&self.ranks);
        let (time, ()) = spent(|| {
            if BATCH {
                let _ = black_box(self.index.apply_batch(&changes).expect("every rank has joined"));
            } else {
                for &(rank, change) in &changes {
                    let _ = black_box(self.index.apply(rank, change).expect("every rank has joined"));
                }
            }
        });
        time
    }

    fn best(&mut self, _: usize, prompt: &Vec<BlockHash>, loads: &[u32]) -> Option<(u32, u32)> {
        self.index.overlap(prompt, &mut self.overlap);
        if self.loads.get(self.ranks[0]).is_none() {
            self.loads = Loads::from(loads.to_vec());
        }
        let (rank, blocks) = self.overlap.best(&self.loads)?;
        // The rivals read a plain column; this one is kept in order when a load changes, so the change is paid for here:
        // up by one request and down again.
        let load = loads[rank.index()];
        self.loads.set(rank, load + 1);
        self.loads.set(rank, load);
        Some((rank.index() as u32, blocks))
    }

    fn bare(&mut self, _: usize, prompt: &Vec<BlockHash>) -> usize {
        self.index.overlap(prompt, &mut self.overlap);
        self.overlap.partial().len()
    }

    fn pairs(&mut self, prompt: &Vec<BlockHash>, out: &mut Vec<(u32, u32)>) {
        self.index.overlap(prompt, &mut self.overlap);
        let mut pairs = Vec::new();
        self.overlap.pairs_into(&mut pairs);
        out.extend(pairs.iter().map(|(rank, blocks)| (rank.index() as u32, *blocks)));
    }
}
