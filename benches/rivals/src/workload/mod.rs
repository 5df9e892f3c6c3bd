//! What is asked of every index: the conversation trace, and a deep prefix that all ranks share.

mod caches;
pub mod oracle;
pub mod stream;
pub mod trace;
mod tree;

use std::ops::Range;

use self::caches::Caches;
use self::stream::Stream;
use self::trace::Line;
use self::tree::Tree;
use crate::random::Random;

/// Blocks of the prefix that every rank holds in the deep workload.
pub const DEEP_SHARED: u32 = 1_024;

/// Which prompts a fleet is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Name {
    /// The conversation trace in blocks of 64 tokens.
    Conv64,
    /// The same in blocks of 16 tokens.
    Conv16,
    /// 1,024 blocks that every rank holds, and conversations of 64 behind them.
    Deep,
}

impl Name {
    /// The name on the command line.
    pub fn word(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self).expect("none is hidden");
        value.get_name().to_owned()
    }
}

/// One request: where it goes, and its blocks.
#[derive(Clone, Debug)]
struct Request {
    rank: u32,
    /// In `Workload::paths`.
    prompt: Range<u32>,
    /// Numbers of its private blocks.
    decoded: Range<u32>,
}

/// Streams and queries for one fleet.
#[derive(Debug)]
pub struct Workload {
    /// Ranks of the fleet.
    pub ranks: u32,
    /// Every request without an eviction.
    pub fill: Stream,
    /// All requests, with a cache of 35% of what the fill left in each rank.
    pub churn: Stream,
    /// Prompts to ask for after the churn.
    pub queries: Vec<Query>,
    /// A load a rank, in blocks, as a router keeps them; none is idle.
    pub loads: Vec<u32>,
}

/// A prompt in both vocabularies.
#[derive(Clone, Debug)]
pub struct Query {
    /// Chain hashes.
    pub names: Vec<u64>,
    /// Hashes of each block alone.
    pub contents: Vec<u64>,
}

impl Workload {
    /// Makes streams and queries. `lines` is the trace; the deep workload needs none.
    pub fn build(name: Name, ranks: u32, lines: &[Line], queries: usize) -> Self {
        let plan = match name {
            Name::Conv64 => Plan::conversation(lines, ranks, 64),
            Name::Conv16 => Plan::conversation(lines, ranks, 16),
            Name::Deep => Plan::deep(ranks),
        };
        let (fill, held) = plan.replay(&plan.once, |_| u32::MAX);
        let (churn, _) = plan.replay(&plan.again, |rank| (f64::from(held[rank as usize]) * 0.35) as u32);
        let mut random = Random::new(3);
        let loads = (0..ranks).map(|_| 64 + random.below(256)).collect();
        Self { ranks, fill, churn, queries: plan.queries(queries), loads }
    }

    /// Mean blocks of a query.
    pub fn depth(&self) -> f64 {
        self.queries.iter().map(|query| query.contents.len()).sum::<usize>() as f64 / self.queries.len().max(1) as f64
    }
}

/// Requests before they meet a cache.
struct Plan {
    ranks: u32,
    tree: Tree,
    paths: Vec<u32>,
    /// For the fill.
    once: Vec<Request>,
    /// For the churn.
    again: Vec<Request>,
}

impl Plan {
    /// Conversations stick to a rank; a quarter of the requests go anywhere. Decoded blocks are private.
    fn conversation(lines: &[Line], ranks: u32, block: u32) -> Self {
        let per_id = 512 / block;
        let ids = lines.iter().flat_map(|line| &line.hash_ids).max().map_or(0, |id| id + 1);
        let mut next_private = ids * per_id;
        let mut random = Random::new(u64::from(ranks));
        let mut homes: Vec<u32> = Vec::new();
        let mut plan = Self::empty(ranks);
        for (line, conversation) in lines.iter().zip(trace::conversations(lines)) {
            if homes.len() <= conversation as usize {
                homes.push(random.below(ranks));
            }
            let anywhere = random.below(4) == 0;
            let rank = if anywhere { random.below(ranks) } else { homes[conversation as usize] };
            let start = plan.paths.len() as u32;
            let blocks = line.hash_ids.iter().flat_map(|id| (0..per_id).map(move |at| id * per_id + at));
            plan.paths.extend(blocks.take(line.blocks(block) as usize));
            let decoded = next_private..next_private + line.decoded(block);
            next_private = decoded.end;
            plan.once.push(Request { rank, prompt: start..plan.paths.len() as u32, decoded });
        }
        plan.again = plan.once.clone();
        plan.name()
    }

    /// Each conversation is asked for once in the fill, twice in the churn.
    fn deep(ranks: u32) -> Self {
        let conversations = match ranks {
            0..=64 => 16,
            65..=512 => 8,
            _ => 2,
        };
        let mut random = Random::new(u64::from(ranks));
        let mut plan = Self::empty(ranks);
        let mut next = DEEP_SHARED;
        for rank in 0..ranks {
            for _ in 0..conversations {
                let start = plan.paths.len() as u32;
                plan.paths.extend((0..DEEP_SHARED).chain(next..next + 64));
                let prompt = start..plan.paths.len() as u32;
                plan.once.push(Request { rank, prompt, decoded: next + 64..next + 68 });
                next += 68;
            }
        }
        random.shuffle(&mut plan.once);
        plan.again = plan.once.clone();
        let mut second = plan.once.clone();
        random.shuffle(&mut second);
        for request in &mut second {
            if random.below(4) == 0 {
                request.rank = random.below(ranks);
            }
        }
        plan.again.extend(second);
        plan.name()
    }

    fn empty(ranks: u32) -> Self {
        Self { ranks, tree: Tree::default(), paths: Vec::new(), once: Vec::new(), again: Vec::new() }
    }

    fn name(mut self) -> Self {
        for request in &self.once {
            let prompt = &self.paths[request.prompt.start as usize..request.prompt.end as usize];
            self.tree.add_path(prompt.iter().copied().chain(request.decoded.clone()));
        }
        self
    }

    /// What the ranks tell while they serve the requests, and how much each holds in the end.
    fn replay(&self, requests: &[Request], capacity: impl Fn(u32) -> u32) -> (Stream, Vec<u32>) {
        let mut caches = Caches::new(self.ranks, &self.tree);
        let mut stream = Stream::default();
        let mut decoded = Vec::new();
        for request in requests {
            decoded.clear();
            decoded.extend(request.decoded.clone());
            let prompt = &self.paths[request.prompt.start as usize..request.prompt.end as usize];
            caches.serve(request.rank, prompt, &decoded, capacity(request.rank), &mut stream);
        }
        (stream, (0..self.ranks).map(|rank| caches.blocks_of(rank)).collect())
    }

    /// `count` prompts, evenly from the second half.
    fn queries(&self, count: usize) -> Vec<Query> {
        let half = &self.once[self.once.len() / 2..];
        let count = count.min(half.len());
        (0..count)
            .map(|at| {
                let prompt = &half[at * half.len() / count].prompt;
                let path = &self.paths[prompt.start as usize..prompt.end as usize];
                Query {
                    names: path.iter().map(|&block| self.tree.name(block)).collect(),
                    contents: path.iter().map(|&block| self.tree.content(block)).collect(),
                }
            })
            .filter(|query| !query.names.is_empty())
            .collect()
    }
}
