//! What is true, found out in the plainest way.

use rustc_hash::FxHashMap;

use super::Query;
use super::stream::{Kind, Stream};

/// Which ranks hold each block of the queries: a set of ranks a block, nothing cleverer.
///
/// It goes by names, which tell a block and all before it, and believes that a rank stores nothing after a block that it
/// does not hold, as the streams here do.
#[derive(Clone, Debug)]
pub struct Oracle {
    words: usize,
    places: FxHashMap<u64, u32>,
    sets: Vec<u64>,
}

impl Oracle {
    /// Knows the blocks of `queries`, nobody holds them.
    pub fn new<'a>(ranks: u32, queries: impl IntoIterator<Item = &'a Query>) -> Self {
        let words = ranks.div_ceil(64) as usize;
        let mut places = FxHashMap::default();
        for name in queries.into_iter().flat_map(|query| &query.names) {
            let next = places.len() as u32;
            places.entry(*name).or_insert(next);
        }
        let sets = vec![0; places.len() * words];
        Self { words, places, sets }
    }

    /// Takes note of all events.
    pub fn play(&mut self, stream: &Stream) {
        for event in &stream.events {
            for name in &stream.names[event.blocks()] {
                let Some(&place) = self.places.get(name) else { continue };
                let word = &mut self.sets[place as usize * self.words + event.rank as usize / 64];
                let bit = 1 << (event.rank % 64);
                match event.kind {
                    Kind::Stored { .. } => *word |= bit,
                    Kind::Removed => *word &= !bit,
                }
            }
        }
    }

    /// Each rank that holds the first block, with its blocks up to the first one that it lacks; by rank.
    pub fn answer(&self, query: &Query, out: &mut Vec<(u32, u32)>) {
        out.clear();
        let mut alive: Vec<u64> = Vec::new();
        for (depth, name) in query.names.iter().enumerate() {
            let place = self.places[name] as usize * self.words;
            let set = &self.sets[place..place + self.words];
            if depth == 0 {
                alive.extend_from_slice(set);
                continue;
            }
            for (at, (alive, holding)) in alive.iter_mut().zip(set).enumerate() {
                report(at, *alive & !holding, depth as u32, out);
                *alive &= holding;
            }
            if alive.iter().all(|word| *word == 0) {
                break;
            }
        }
        for (at, word) in alive.iter().enumerate() {
            report(at, *word, query.names.len() as u32, out);
        }
        out.sort_unstable();
    }

    /// The rank with the most overlap less load; of equals the one with the least load, then the lowest.
    pub fn best(pairs: &[(u32, u32)], loads: &[u32]) -> Option<(u32, u32)> {
        let worth = |&&(rank, depth): &&(u32, u32)| {
            let load = loads[rank as usize];
            (i64::from(depth) - i64::from(load), std::cmp::Reverse(load), std::cmp::Reverse(rank))
        };
        pairs.iter().max_by_key(worth).copied()
    }
}

fn report(word: usize, mut bits: u64, depth: u32, out: &mut Vec<(u32, u32)>) {
    while bits != 0 {
        out.push((word as u32 * 64 + bits.trailing_zeros(), depth));
        bits &= bits - 1;
    }
}
