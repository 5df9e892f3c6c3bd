//! Dynamo's decision, of its own parts without its runtime: the load of all workers is projected, its selector chooses, and
//! its table of sequences books and frees.
//!
//! What can be made before the clock runs is: ids, maps of overlaps, sequences of blocks. Its map of loads is used again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hint::black_box;

use dynamo_kv_router::protocols::{PrefillLoadHint, RoutingConstraints, WorkerConfigLike, WorkerId, WorkerWithDpRank};
use dynamo_kv_router::scheduling::{OverlapSignals, ScheduleMode};
use dynamo_kv_router::{
    ActiveSequencesMultiWorker, DefaultWorkerSelector, KvRouterConfig, NoopSequencePublisher, SchedulingRequest,
    SequenceRequest, WorkerSelectionInput, WorkerSelector,
};
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::Task;
use super::fleet::{HOLDERS, PROMPT, PROMPTS, distinct};
use super::ours::{Among, SUBSET};
use crate::random::Random;

/// Tokens of a block.
pub const BLOCK: u32 = 64;

/// What it knows of a worker beside its load.
#[derive(Default)]
pub struct Worker {
    taints: HashSet<String>,
}

impl WorkerConfigLike for Worker {
    fn data_parallel_start_rank(&self) -> u32 {
        0
    }

    fn data_parallel_size(&self) -> u32 {
        1
    }

    fn max_num_batched_tokens(&self) -> Option<u64> {
        None
    }

    fn total_kv_blocks(&self) -> Option<u64> {
        Some(131_072)
    }

    fn taints(&self) -> &HashSet<String> {
        &self.taints
    }
}

/// Its workers, what they have in flight, and its selector.
pub struct Rival {
    workers: HashMap<WorkerId, Worker>,
    sequences: ActiveSequencesMultiWorker<NoopSequencePublisher>,
    selector: DefaultWorkerSelector,
    /// By worker, oldest first.
    held: Vec<VecDeque<String>>,
    next_id: u64,
}

impl Rival {
    /// Workers without load.
    pub fn new(workers: u32) -> Self {
        let ids = 0..u64::from(workers);
        let ranks = ids.clone().map(|id| (id, (0, 1))).collect();
        let config = KvRouterConfig { router_temperature: 0.0, ..Default::default() };
        Self {
            workers: ids.map(|id| (id, Worker::default())).collect(),
            sequences: ActiveSequencesMultiWorker::new_without_expiry(
                NoopSequencePublisher,
                BLOCK as usize,
                ranks,
                false,
                0,
                "rival",
            ),
            selector: DefaultWorkerSelector::new(Some(config), "rival"),
            held: (0..workers).map(|_| VecDeque::new()).collect(),
            next_id: 0,
        }
    }

    /// A name that no request had.
    pub fn fresh_id(&mut self) -> String {
        self.next_id += 1;
        format!("request-{}", self.next_id)
    }

    /// Sends a worker a request that stays.
    pub fn send(&mut self, worker: u32, blocks: Vec<u64>, tokens: u32) {
        let id = self.fresh_id();
        self.book(id.clone(), blocks, tokens as usize, WorkerWithDpRank::from_worker_id(worker.into()));
        self.held[worker as usize].push_back(id);
    }

    /// The oldest request of a worker ends.
    pub fn finish(&mut self, worker: u32) {
        if let Some(oldest) = self.held[worker as usize].pop_front() {
            self.free(&oldest);
        }
    }

    /// The latest request of a worker has its first token.
    pub fn first_token(&mut self, worker: u32) {
        if let Some(latest) = self.held[worker as usize].back() {
            self.sequences.mark_prefill_completed(latest, Instant::now()).expect("it was booked");
        }
    }

    /// Brings the loads of a request up to date.
    pub fn project(&self, request: &mut SchedulingRequest) {
        let SchedulingRequest { token_seq, worker_loads, .. } = request;
        self.sequences.bench_project_worker_loads_into(token_seq.as_deref(), Instant::now(), worker_loads);
    }

    /// The worker of its choice, and how many tokens of the prompt that one holds.
    pub fn select(&self, request: &SchedulingRequest) -> (WorkerWithDpRank, usize) {
        let input = WorkerSelectionInput::configured(&self.workers, request, request.eligibility(), BLOCK);
        let chosen = self.selector.select_worker(input).expect("there are workers");
        (chosen.worker, chosen.cached_tokens)
    }

    /// Counts a request's load.
    pub fn book(&self, request_id: String, blocks: Vec<u64>, uncached: usize, worker: WorkerWithDpRank) {
        let hint = PrefillLoadHint { initial_effective_prefill_tokens: uncached, expected_prefill_duration: None };
        let request = SequenceRequest {
            request_id,
            token_sequence: Some(blocks),
            track_prefill_tokens: true,
            expected_output_tokens: None,
            prefill_load_hint: Some(hint),
            worker,
            lora_name: None,
        };
        self.sequences.add_request(request, Instant::now()).expect("the id is new");
    }

    /// Takes the load back.
    pub fn free(&self, request_id: &String) {
        let _ = black_box(self.sequences.free(request_id, Instant::now()).expect("it was booked"));
    }
}

/// A request for a prompt, of which workers hold some blocks.
pub fn request(tokens: usize, blocks: Vec<u64>, overlap: OverlapSignals) -> SchedulingRequest {
    SchedulingRequest {
        mode: ScheduleMode::QueryOnly { request_id: None },
        token_seq: Some(blocks),
        isl_tokens: tokens,
        lora_name: None,
        expected_output_tokens: None,
        affinity_target: None,
        pinned_worker: None,
        allowed_worker_ids: None,
        routing_constraints: RoutingConstraints::default(),
        router_config_override: None,
        track_prefill_tokens: true,
        priority_jump: 0.0,
        strict_priority: 0,
        policy_class: None,
        session_context: None,
        overlap,
        kv_transfer_candidates: None,
        retain_kv_transfer_chain: false,
        shared_cache_hits: None,
        worker_loads: FxHashMap::default(),
        resp_tx: None,
    }
}

/// Overlaps as it wants them, of workers and the blocks that each holds.
pub fn overlaps(held: impl ExactSizeIterator<Item = (WorkerWithDpRank, u32)>) -> OverlapSignals {
    let mut overlap = OverlapSignals::default();
    overlap.effective_overlap_blocks.reserve(held.len());
    overlap.effective_cached_tokens.reserve(held.len());
    for (worker, blocks) in held {
        overlap.effective_overlap_blocks.insert(worker, f64::from(blocks));
        overlap.effective_cached_tokens.insert(worker, (blocks * BLOCK) as usize);
    }
    overlap
}

/// How much of a decision is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The selector alone.
    Selector,
}

/// Decisions with overlaps that are known.
pub struct Decisions {
    rival: Rival,
    requests: Vec<SchedulingRequest>,
    part: Part,
    random: Random,
    count: usize,
    /// The id of the next request and its blocks, to be booked and to be freed.
    next: Option<(String, String, Vec<u64>)>,
}

impl Decisions {
    /// With as much load as our fleet.
    pub fn new(workers: u32, among: Among, part: Part) -> Self {
        let mut rival = Rival::new(workers);
        let mut random = Random::new(5);
        for worker in 0..workers {
            for _ in 0..=random.below(5) {
                let (blocks, tokens) = prompt(&mut random);
                rival.send(worker, blocks, tokens);
            }
        }
        let mut draws = Random::new(11);
        let mut next = |_| {
            let holders = distinct(&mut draws, workers as usize, HOLDERS);
            let held = holders
                .into_iter()
                .map(|at| (WorkerWithDpRank::from_worker_id(at as u64), 1 + draws.below(PROMPT / BLOCK - 1)));
            let held: Vec<_> = held.collect();
            let blocks = (0..PROMPT / BLOCK).map(|_| draws.word()).collect();
            let mut request = request(PROMPT as usize, blocks, overlaps(held.into_iter()));
            if among == Among::Subset {
                let subset = distinct(&mut draws, workers as usize, SUBSET.min(workers));
                request.allowed_worker_ids = Some(subset[1..].iter().map(|&at| at as u64).collect());
            }
            request
        };
        let requests = (0..PROMPTS).map(&mut next).collect();
        Self { rival, requests, part, random, count: 0, next: None }
    }
}

/// The blocks of a prompt that nobody else has, and its tokens.
fn prompt(random: &mut Random) -> (Vec<u64>, u32) {
    let tokens = 100 + random.below(5_000);
    ((0..tokens / BLOCK).map(|_| random.word()).collect(), tokens)
}

impl Task for Decisions {
    fn change(&mut self) {
        self.count += 1;
        let worker = self.random.below(self.rival.held.len() as u32);
        self.rival.finish(worker);
        self.rival.first_token(worker);
        let (blocks, tokens) = prompt(&mut self.random);
        self.rival.send(worker, blocks, tokens);
        let request = &mut self.requests[self.count % PROMPTS];
        match self.part {
            Part::Selector => self.rival.project(request),
            Part::Whole => {
                let id = self.rival.fresh_id();
                self.next = Some((id.clone(), id, request.token_seq.clone().unwrap_or_default()));
            }
        }
    }

    fn step(&mut self) {
        let request = &mut self.requests[self.count % PROMPTS];
        if let Some((booked, freed, blocks)) = self.next.take() {
            self.rival.project(request);
            let (worker, cached) = self.rival.select(black_box(request));
            self.rival.book(booked, blocks, request.isl_tokens - cached, worker);
            self.rival.free(&freed);
        } else {
            black_box(self.rival.select(black_box(request)));
        }
    }
}
