//! Whole decisions for prompts of some 12,000 tokens of the conversation trace: hashing, look-up, load, choice, booking.

use std::collections::VecDeque;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use dynamo_kv_router::protocols::{BlockHashOptions, compute_block_hash_for_seq, compute_seq_hash_for_block};
use phalanx_kvcache::{BlockHash, BlockSize, ChainHasher, IndexConfig};
use phalanx_routing::{Endpoint, EndpointId, Outcome, Policy, PoolId, Request, Reservation, Router, Seed};
use rustc_hash::FxHashMap;

use super::Task;
use super::dynamo::{BLOCK, Rival, overlaps, request};
use crate::index::{Crtc, Index, OursFeed};
use crate::random::Random;
use crate::workload::stream::{Kind, Stream};
use crate::workload::trace::Line;
use crate::workload::{Name, Workload};

/// Requests in flight on each rank.
const IN_FLIGHT: u32 = 2;

/// Lengths of prompts, in blocks.
const LENGTHS: std::ops::Range<usize> = 160..221;

/// Events of a fleet, and prompts in tokens, whose hashes the events tell.
pub struct Conversations {
    ranks: u32,
    churn: Stream,
    prompts: Vec<Vec<u32>>,
}

impl Conversations {
    /// Of a trace.
    pub fn new(ranks: u32, lines: &[Line]) -> Self {
        let work = Workload::build(Name::Conv64, ranks, lines, 4_000);
        let mut hashes = Hashes { hasher: hasher(), known: FxHashMap::default(), one: Vec::new() };
        let mut churn = work.churn;
        for event in &churn.events {
            if let Kind::Stored { .. } = event.kind {
                for content in &mut churn.contents[event.blocks()] {
                    *content = hashes.of(*content);
                }
            }
        }
        let fits = |blocks: &&[u64]| LENGTHS.contains(&blocks.len());
        let all = || work.queries.iter().map(|query| &query.contents[..]);
        let mut chosen: Vec<&[u64]> = all().filter(fits).collect();
        if chosen.is_empty() {
            chosen = all().collect();
        }
        let prompts = chosen.iter().map(|blocks| blocks.iter().flat_map(|&block| tokens(block)).collect()).collect();
        Self { ranks, churn, prompts }
    }

    /// Mean tokens of a prompt.
    pub fn mean_tokens(&self) -> f64 {
        self.prompts.iter().map(Vec::len).sum::<usize>() as f64 / self.prompts.len() as f64
    }
}

/// Hashes of blocks that the workload knows by number only.
struct Hashes {
    hasher: ChainHasher,
    known: FxHashMap<u64, u64>,
    one: Vec<BlockHash>,
}

impl Hashes {
    fn of(&mut self, block: u64) -> u64 {
        *self.known.entry(block).or_insert_with(|| {
            self.hasher.contents_into(&tokens(block).collect::<Vec<_>>(), &mut self.one);
            self.one[0].0
        })
    }
}

fn hasher() -> ChainHasher {
    ChainHasher::new(BlockSize::new(BLOCK).expect("a block size that is allowed"))
}

/// The tokens of a block.
fn tokens(block: u64) -> impl Iterator<Item = u32> {
    let mut random = Random::new(block);
    (0..BLOCK).map(move |_| random.below(128_000))
}

/// What both fleets meet between two decisions: a rank, and the prompt that it gets.
struct Arrivals {
    conversations: Rc<Conversations>,
    random: Random,
    count: usize,
    /// Tokens of all prompts that were decided, and those of them that the chosen held.
    asked: usize,
    cached: usize,
}

impl Arrivals {
    fn new(conversations: &Rc<Conversations>) -> Self {
        Self { conversations: Rc::clone(conversations), random: Random::new(19), count: 0, asked: 0, cached: 0 }
    }

    fn note(&mut self, tokens: usize, cached: usize) {
        self.asked += tokens;
        self.cached += cached;
    }

    fn cached_share(&self) -> Option<f64> {
        Some(self.cached as f64 / self.asked.max(1) as f64)
    }

    fn background(&mut self) -> (u32, usize) {
        (
            self.random.below(self.conversations.ranks),
            self.random.below(self.conversations.prompts.len() as u32) as usize,
        )
    }
}

/// Ours: a router, which has the index, the load and the policy.
pub struct Ours {
    router: Router,
    pool: PoolId,
    ids: Vec<EndpointId>,
    hasher: ChainHasher,
    blocks: Vec<BlockHash>,
    arrivals: Arrivals,
    held: VecDeque<Reservation>,
    now: Duration,
}

impl Ours {
    /// With as many requests in flight as the other.
    pub fn new(conversations: &Rc<Conversations>) -> Self {
        let index = IndexConfig::new().max_bytes(usize::MAX);
        let size = BlockSize::new(BLOCK).expect("a block size that is allowed");
        let mut router = Router::new(size, Seed::from(7)).with_index(index);
        let pool = router.balancer_mut().add_pool(Policy::phalanx());
        let join = |_| {
            let id = router.join(Endpoint::new());
            router.balancer_mut().enter(pool, id);
            id
        };
        let ids: Vec<_> = (0..conversations.ranks).map(join).collect();
        for (rank, change) in OursFeed::new(&conversations.churn).each() {
            let _ = router.apply(ids[rank as usize], change).expect("the rank has joined");
        }
        let (arrivals, held) = (Arrivals::new(conversations), VecDeque::new());
        let mut ours =
            Self { router, pool, ids, hasher: hasher(), blocks: Vec::new(), arrivals, held, now: Duration::ZERO };
        for _ in 0..IN_FLIGHT * conversations.ranks {
            ours.send();
        }
        ours
    }

    fn send(&mut self) {
        let (rank, prompt) = self.arrivals.background();
        let tokens = &self.arrivals.conversations.prompts[prompt];
        self.now += Duration::from_micros(100);
        if let Some(latest) = self.held.back_mut() {
            self.router.first_token(latest, self.now);
        }
        self.hasher.contents_into(tokens, &mut self.blocks);
        let only = [self.ids[rank as usize]];
        let request = Request::new(self.pool, self.arrivals.random.word(), tokens.len() as u32).with_subset(&only);
        let decision = self.router.decide(&request, &self.blocks, self.now).expect("it is in the pool");
        self.held.push_back(decision.reservation);
    }
}

impl Task for Ours {
    fn change(&mut self) {
        self.arrivals.count += 1;
        if let Some(oldest) = self.held.pop_front() {
            let _ = self.router.settle(oldest, Outcome::Success, self.now);
        }
        self.send();
    }

    fn step(&mut self) {
        let Arrivals { conversations, count, .. } = &self.arrivals;
        let tokens = black_box(&conversations.prompts[*count % conversations.prompts.len()]);
        self.hasher.contents_into(tokens, &mut self.blocks);
        let request = Request::new(self.pool, *count as u64, tokens.len() as u32);
        let decision = self.router.decide(&request, &self.blocks, self.now).expect("there are candidates");
        let (asked, cached) = (tokens.len(), decision.cached_tokens as usize);
        let _ = black_box(self.router.settle(decision.reservation, Outcome::Success, self.now));
        self.arrivals.note(asked, cached);
    }

    fn cached_share(&self) -> Option<f64> {
        self.arrivals.cached_share()
    }
}

/// Dynamo's parts: its hashes, its tree, its table of sequences and its selector.
pub struct Theirs {
    tree: Crtc,
    rival: Rival,
    arrivals: Arrivals,
    /// Who got what, oldest first.
    held: VecDeque<u32>,
    loads: Loads,
    id: (String, String),
}

type Loads = FxHashMap<dynamo_kv_router::protocols::WorkerWithDpRank, dynamo_kv_router::WorkerLoadProjection>;

impl Theirs {
    /// With as many requests in flight as the other.
    pub fn new(conversations: &Rc<Conversations>) -> Self {
        let mut tree = Crtc::new(conversations.ranks);
        tree.apply(tree.feed(&conversations.churn));
        let (rival, arrivals) = (Rival::new(conversations.ranks), Arrivals::new(conversations));
        let (held, loads) = (VecDeque::new(), Loads::default());
        let mut theirs = Self { tree, rival, arrivals, held, loads, id: Default::default() };
        for _ in 0..IN_FLIGHT * conversations.ranks {
            theirs.send();
        }
        theirs
    }

    fn send(&mut self) {
        let (rank, prompt) = self.arrivals.background();
        // Ours draws the request's key there.
        self.arrivals.random.word();
        let tokens = &self.arrivals.conversations.prompts[prompt];
        let contents = compute_block_hash_for_seq(tokens, BLOCK, BlockHashOptions::default());
        let chain = compute_seq_hash_for_block(&contents);
        if let Some(&latest) = self.held.back() {
            self.rival.first_token(latest);
        }
        self.rival.send(rank, chain, tokens.len() as u32);
        self.held.push_back(rank);
    }
}

impl Task for Theirs {
    fn change(&mut self) {
        self.arrivals.count += 1;
        if let Some(oldest) = self.held.pop_front() {
            self.rival.finish(oldest);
        }
        self.send();
        let id = self.rival.fresh_id();
        self.id = (id.clone(), id);
    }

    fn step(&mut self) {
        let Arrivals { conversations, count, .. } = &self.arrivals;
        let tokens = black_box(&conversations.prompts[*count % conversations.prompts.len()]);
        let contents = compute_block_hash_for_seq(tokens, BLOCK, BlockHashOptions::default());
        let chain = compute_seq_hash_for_block(&contents);
        let scores = self.tree.tree().find_matches_impl(&contents, false).scores;
        let held = scores.iter().map(|(&worker, &blocks)| (worker, blocks));
        let mut request = request(tokens.len(), chain, overlaps(held));
        request.worker_loads = std::mem::take(&mut self.loads);
        self.rival.project(&mut request);
        let (worker, cached) = self.rival.select(&request);
        let (booked, freed) = std::mem::take(&mut self.id);
        let chain = request.token_seq.take().unwrap_or_default();
        let asked = tokens.len();
        self.rival.book(booked, chain, asked - cached, worker);
        self.rival.free(&freed);
        self.loads = request.worker_loads;
        self.arrivals.note(asked, cached);
    }

    fn cached_share(&self) -> Option<f64> {
        self.arrivals.cached_share()
    }
}
