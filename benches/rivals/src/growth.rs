//! How our index's costs grow with what it holds.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Instant;

use crate::clock::quantile;
use crate::index::{Index, Ours};
use crate::random::{Random, mix};
use crate::table::Table;
use crate::workload::Query;
use crate::workload::stream::{Kind, Stream};

const RANKS: u32 = 512;

/// Blocks that every prompt begins with.
const SYSTEM: u32 = 8;

/// Blocks of a turn.
const TURN: u32 = 80;

/// Fills one index with conversations of two turns up to the largest of `sizes` in pairs, and at each size measures
/// what the last tenth of it cost, what it costs to have conversations come and go, and what a question costs.
pub fn run(sizes: &[u64], table: &mut Table) {
    let mut fleet = Fleet {
        random: Random::new(9),
        next: u64::from(SYSTEM),
        alive: VecDeque::new(),
        met: vec![false; RANKS as usize],
    };
    let mut index = <Ours>::new(RANKS);
    for &size in sizes {
        let workload = format!("{:.0}M", size as f64 / 1e6);
        let mut saw = |figure, value| table.saw(&workload, RANKS, figure, "ours", value);
        let mut cost = f64::NAN;
        while index.index().pairs() < size {
            let missing = size - index.index().pairs();
            // The part that is measured comes last.
            let blocks = if missing > size / 10 { missing - size / 10 } else { missing };
            let mut stream = Stream::default();
            while (stream.ops() as u64) < blocks.min(2_000_000) {
                fleet.conversation(&mut stream);
            }
            cost = index.apply(index.feed(&stream)).as_nanos() as f64 / stream.ops() as f64;
        }
        saw("grow ns/block", cost);
        let mut stream = Stream::default();
        while stream.ops() < 400_000 {
            fleet.retire(&mut stream);
            fleet.conversation(&mut stream);
        }
        saw("come and go ns/block", index.apply(index.feed(&stream)).as_nanos() as f64 / stream.ops() as f64);
        let prompts: Vec<_> = (0..4_000).map(|_| index.prompt(&fleet.query())).collect();
        let loads: Vec<u32> = (0..RANKS).map(|_| fleet.random.below(256)).collect();
        let mut each: Vec<u32> = Vec::new();
        for prompt in &prompts {
            let prompt = prompt.clone();
            let start = Instant::now();
            black_box(index.best(0, black_box(&prompt), &loads));
            each.push(start.elapsed().as_nanos() as u32);
        }
        each.sort_unstable();
        saw("best ns p50", quantile(&each, 0.5));
        saw("best ns p99", quantile(&each, 0.99));
        saw("bytes/pair", index.index().bytes() as f64 / index.index().pairs() as f64);
    }
}

/// Conversations that are alive, oldest first: where, and the number of the first private block.
struct Fleet {
    random: Random,
    next: u64,
    alive: VecDeque<(u32, u64)>,
    /// Whether a rank holds the system prompt.
    met: Vec<bool>,
}

fn block(number: u64) -> (u64, u64) {
    (mix(number + 1), mix(!number))
}

impl Fleet {
    /// Two turns in two events, or three where the system prompt is new.
    fn conversation(&mut self, out: &mut Stream) {
        let rank = self.random.below(RANKS);
        if !std::mem::replace(&mut self.met[rank as usize], true) {
            out.push(rank, Kind::Stored { parent: None }, (0..u64::from(SYSTEM)).map(block));
        }
        let first = self.next;
        self.next += u64::from(2 * TURN);
        let half = first + u64::from(TURN);
        let parent = Some(block(u64::from(SYSTEM) - 1).0);
        out.push(rank, Kind::Stored { parent }, (first..half).map(block));
        out.push(rank, Kind::Stored { parent: Some(block(half - 1).0) }, (half..self.next).map(block));
        self.alive.push_back((rank, first));
    }

    /// The oldest conversation goes, tail first.
    fn retire(&mut self, out: &mut Stream) {
        let Some((rank, first)) = self.alive.pop_front() else { return };
        out.push(rank, Kind::Removed, (first..first + u64::from(2 * TURN)).rev().map(block));
    }

    /// Asks for any conversation.
    fn query(&mut self) -> Query {
        let (_, first) = self.alive[self.random.below(self.alive.len() as u32) as usize];
        let numbers = || (0..u64::from(SYSTEM)).chain(first..first + u64::from(2 * TURN)).map(block);
        Query { names: numbers().map(|block| block.0).collect(), contents: numbers().map(|block| block.1).collect() }
    }
}
