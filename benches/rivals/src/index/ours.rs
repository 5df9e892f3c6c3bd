//! `phalanx-kvcache`.

use std::time::Duration;

use phalanx_kvcache::{BlockHash, CacheEvent, FleetIndex, Overlap, RankId};

use super::{Best, Index};
use crate::clock::spent;
use crate::workload::Query;
use crate::workload::stream::{Kind, Stream};

/// The index, and a warm answer.
pub struct Ours {
    index: FleetIndex,
    ranks: Vec<RankId>,
    next: Vec<u64>,
    overlap: Overlap,
}

impl Index for Ours {
    const NAME: &'static str = "ours";
    const WAYS: &'static [&'static str] = &["levels"];
    type Feed = Vec<(u32, CacheEvent)>;
    type Prompt = Vec<BlockHash>;

    fn new(ranks: u32) -> Self {
        let mut index = FleetIndex::with_max_pairs(u32::MAX);
        let ranks: Vec<_> = (0..ranks).map(|_| index.join()).collect();
        Self { index, next: vec![0; ranks.len()], ranks, overlap: Overlap::new() }
    }

    fn feed(&self, stream: &Stream) -> Self::Feed {
        let event = |event: &crate::workload::stream::Event| {
            let blocks = stream.names[event.blocks()].iter().map(|&name| BlockHash(name)).collect();
            let told = match event.kind {
                Kind::Stored { parent } => CacheEvent::Stored { parent: parent.map(BlockHash), blocks },
                Kind::Removed => CacheEvent::Removed { blocks },
            };
            (event.rank, told)
        };
        stream.events.iter().map(event).collect()
    }

    fn prompt(&self, query: &Query) -> Vec<BlockHash> {
        query.names.iter().map(|&name| BlockHash(name)).collect()
    }

    fn apply(&mut self, feed: Self::Feed) -> Duration {
        let (time, ()) = spent(|| {
            for (rank, event) in &feed {
                let seq = &mut self.next[*rank as usize];
                let _ = self.index.apply(self.ranks[*rank as usize], *seq, event);
                *seq += 1;
            }
        });
        time
    }

    fn best(&mut self, _: usize, prompt: &Vec<BlockHash>, loads: &[u32]) -> Option<(u32, u32)> {
        self.index.overlap(prompt, &mut self.overlap);
        let mut best = Best::NONE;
        for (rank, depth) in self.overlap.as_slice() {
            best.offer(rank.index() as u32, *depth, loads);
        }
        best.found()
    }

    fn bare(&mut self, _: usize, prompt: &Vec<BlockHash>) -> usize {
        self.index.overlap(prompt, &mut self.overlap);
        self.overlap.as_slice().len()
    }

    fn pairs(&mut self, prompt: &Vec<BlockHash>, out: &mut Vec<(u32, u32)>) {
        self.index.overlap(prompt, &mut self.overlap);
        out.extend(self.overlap.as_slice().iter().map(|(rank, depth)| (rank.index() as u32, *depth)));
    }
}
