//! Who waits, who runs, and what the next step does.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use phalanx_kvcache::{CacheEvent, Pool};

use super::sequence::{NOT_ADMITTED, Seq, Stage};
use crate::step::Run;
use crate::{Counters, EngineConfig, Event, EventKind, Load, Rejection, Request, RequestId};

/// All requests of an engine, and its pool. Sequences are named by their slot in a table.
///
/// Every step decodes all decoding sequences, so one counter of decodes stands for the progress of each, and a heap over
/// it tells when the next one ends or needs a block: a step costs nothing for a sequence that just goes on.
#[derive(Debug)]
pub(super) struct Batch {
    config: EngineConfig,
    seqs: Vec<Option<Seq>>,
    vacant: Vec<u32>,
    by_id: BTreeMap<RequestId, u32>,
    /// First come first served; preempted ones in front.
    waiting: VecDeque<u32>,
    /// By order of admission, as are those still in prefill.
    running: Vec<u32>,
    prefilling: Vec<u32>,
    /// Prompt tokens of the step in progress.
    chunks: Vec<(u32, u32)>,
    decoding: u32,
    /// Sum of the context of the decoding sequences in their next decode.
    context: u64,
    decodes: u64,
    admissions: u64,
    /// (decodes at which it ends or needs a block, order of admission, slot). Entries of sequences that are gone or
    /// were preempted stay until they come up: their order tells.
    due: BinaryHeap<Reverse<(u64, u64, u32)>>,
    /// (order of admission, slot) of sequences that need a block before the next decode.
    growing: Vec<(u64, u32)>,
    pool: Pool,
    /// Scratch: what the pool told.
    cache: Vec<CacheEvent>,
    counters: Counters,
}

impl Batch {
    pub(super) fn new(config: EngineConfig) -> Self {
        Self {
            seqs: Vec::new(),
            vacant: Vec::new(),
            by_id: BTreeMap::new(),
            waiting: VecDeque::new(),
            running: Vec::new(),
            prefilling: Vec::new(),
            chunks: Vec::new(),
            decoding: 0,
            context: 0,
            decodes: 0,
            admissions: 0,
            due: BinaryHeap::new(),
            growing: Vec::new(),
            pool: Pool::new(config.kv_blocks()),
            cache: Vec::new(),
            counters: Counters::default(),
            config,
        }
    }

    /// Puts a request at the end of the queue.
    pub(super) fn enqueue(&mut self, request: Request) -> Result<(), Rejection> {
        let Request { id, prompt_tokens, output_tokens, .. } = request;
        if prompt_tokens == 0 || output_tokens == 0 {
            return Err(Rejection::Empty { id, prompt_tokens, output_tokens });
        }
        let full = self.config.block_size().blocks_full(prompt_tokens);
        if request.blocks.len() > full as usize {
            return Err(Rejection::TooManyBlocks { id, blocks: request.blocks.len(), full });
        }
        let needed_tokens = u64::from(prompt_tokens) + u64::from(output_tokens);
        let capacity_tokens = u64::from(self.config.kv_blocks()) * u64::from(self.config.block_size().tokens());
        if needed_tokens > capacity_tokens {
            return Err(Rejection::TooLarge { needed_tokens, capacity_tokens });
        }
        if self.by_id.contains_key(&id) {
            return Err(Rejection::Duplicate { id });
        }
        let seq = Some(Seq::new(request));
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.seqs[slot as usize] = seq;
                slot
            }
            None => {
                self.seqs.push(seq);
                self.seqs.len() as u32 - 1
            }
        };
        self.by_id.insert(id, slot);
        self.waiting.push_back(slot);
        Ok(())
    }

    /// Takes a request out, wherever it is.
    pub(super) fn cancel(&mut self, id: RequestId) -> bool {
        let Some(&slot) = self.by_id.get(&id) else { return false };
        match self.seq(slot).stage {
            Stage::Waiting => self.waiting.retain(|&other| other != slot),
            _ => self.leave_batch(slot),
        }
        self.forget(slot);
        self.counters.cancelled += 1;
        true
    }

    /// Plans the step, or the stretch of steps, that begins at `at`; `None` if there is nothing to do.
    pub(super) fn begin(&mut self, at: u64, events: &mut Vec<Event>) -> Option<Run> {
        let preempted = self.grow();
        let mut budget = self.config.max_batched_tokens() - self.decoding;
        let decodes = self.decodes;
        for &slot in &self.prefilling {
            let seq = self.seqs[slot as usize].as_ref().expect("a running slot is taken");
            budget -= push_chunk(slot, seq, decodes, budget, &mut self.chunks);
        }
        while !preempted && budget > 0 && (self.running.len() as u32) < self.config.max_sequences() {
            let Some(&slot) = self.waiting.front() else { break };
            if !self.admit(slot) {
                break;
            }
            self.waiting.pop_front();
            let seq = self.seqs[slot as usize].as_ref().expect("an admitted slot is taken");
            budget -= push_chunk(slot, seq, decodes, budget, &mut self.chunks);
        }
        self.report_cache(at, events);

        let prompt_tokens = self.chunks.iter().map(|&(_, tokens)| tokens).sum();
        let steps = if !self.chunks.is_empty() {
            1
        } else if self.decoding == 0 {
            assert!(self.waiting.is_empty(), "a request that fits the pool is admitted to an empty engine");
            return None;
        } else if self.config.reports_tokens() || preempted {
            1
        } else {
            self.next_due() - self.decodes
        };
        Some(self.config.step_time().run(at, steps, prompt_tokens, self.decoding, self.context))
    }

    /// `steps` steps of the plan have ended, the last one at `at`: each decoding sequence has as many tokens more.
    pub(super) fn tokens(&mut self, steps: u64, at: u64, events: &mut Vec<Event>) {
        self.decodes += steps;
        self.context += u64::from(self.decoding) * steps;
        self.counters.steps += steps;
        self.counters.generated_tokens += u64::from(self.decoding) * steps;
        if self.config.reports_tokens() {
            for &slot in &self.running {
                let seq = self.seqs[slot as usize].as_ref().expect("a running slot is taken");
                if matches!(seq.stage, Stage::Decode { .. }) {
                    let index = seq.generated_by(self.decodes) - 1;
                    events.push(event(at, EventKind::Token { id: seq.request.id, index }));
                }
            }
        }
    }

    /// The plan's last step has ended, at `at`, and its tokens are counted: some sequences end, some begin to decode.
    pub(super) fn end(&mut self, at: u64, events: &mut Vec<Event>) {
        while let Some(&Reverse((due, order, slot))) = self.due.peek()
            && due <= self.decodes
        {
            self.due.pop();
            let Some(seq) = self.admitted(slot, order) else { continue };
            if seq.generated_by(self.decodes) == seq.request.output_tokens {
                self.finish(slot, at, events);
            } else {
                self.growing.push((order, slot));
            }
        }
        let mut chunks = core::mem::take(&mut self.chunks);
        for (slot, tokens) in chunks.drain(..) {
            self.computed(slot, tokens, at, events);
        }
        self.chunks = chunks;
    }

    pub(super) fn load(&self) -> Load {
        Load {
            waiting: self.waiting.len() as u32,
            running: self.running.len() as u32,
            kv_used_blocks: self.pool.held_blocks(),
            kv_blocks: self.pool.capacity_blocks(),
        }
    }

    pub(super) fn stats(&self) -> Counters {
        self.counters
    }

    pub(super) fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Gives a block to each sequence that needs one, at the cost of those admitted last; whether it came to that.
    fn grow(&mut self) -> bool {
        let mut preempted = false;
        let mut growing = core::mem::take(&mut self.growing);
        growing.sort_unstable();
        for (order, slot) in growing.drain(..) {
            while self.admitted(slot, order).is_some() {
                let held = self.seqs[slot as usize].as_mut().expect("an admitted slot is taken").held();
                if self.pool.grow(held, &mut self.cache).is_ok() {
                    self.schedule(slot);
                    break;
                }
                let last = *self.running.last().expect("the growing sequence runs");
                self.preempt(last);
                preempted = true;
            }
        }
        self.growing = growing;
        preempted
    }

    /// Gives the first in the queue a seat and its blocks, if they can be had.
    fn admit(&mut self, slot: u32) -> bool {
        let seq = self.seqs[slot as usize].as_mut().expect("a waiting slot is taken");
        let (size, tokens) = (self.config.block_size(), seq.tokens(self.decodes));
        let matchable = seq.request.blocks.len().min(size.blocks_full(tokens - 1) as usize);
        let prefix = &seq.request.blocks[..matchable];
        let Ok(blocks) = self.pool.allocate(prefix, size.blocks_ceil(tokens), &mut self.cache) else { return false };
        let cached = blocks.reused_blocks() * size.tokens();
        let computed = if seq.request.transferred { tokens - 1 } else { cached };
        if seq.generated == 0 {
            // What arrived whole spared nothing to what the cache held of it.
            seq.cached_tokens = if seq.request.transferred { 0 } else { cached };
            seq.transferred_tokens = computed - seq.cached_tokens;
        }
        seq.blocks = Some(blocks);
        seq.stage = Stage::Prefill { computed };
        seq.order = self.admissions;
        self.admissions += 1;
        self.running.push(slot);
        self.prefilling.push(slot);
        true
    }

    /// A step has computed `tokens` more of a prompt.
    fn computed(&mut self, slot: u32, tokens: u32, at: u64, events: &mut Vec<Event>) {
        let (decodes, size) = (self.decodes, self.config.block_size());
        let seq = self.seqs[slot as usize].as_mut().expect("a slot with a chunk is taken");
        let Stage::Prefill { computed } = &mut seq.stage else { unreachable!("only prompts have chunks") };
        *computed += tokens;
        let computed = *computed;
        let blocks = seq.blocks.as_mut().expect("a running sequence has blocks");
        let full = seq.request.blocks.len().min(size.blocks_full(computed) as usize);
        if let Some(hashes) = seq.request.blocks.get(blocks.sealed_blocks() as usize..full) {
            self.pool.seal(blocks, hashes, &mut self.cache).expect("the sequence has a block for each of its tokens");
        }
        let complete = computed == seq.tokens(decodes);
        let id = seq.request.id;
        if complete {
            seq.generated += 1;
            seq.stage = Stage::Decode { since: decodes };
            self.counters.generated_tokens += 1;
            if seq.generated == 1 {
                self.counters.prompt_tokens += u64::from(seq.request.prompt_tokens);
                self.counters.cached_tokens += u64::from(seq.cached_tokens);
                self.counters.transferred_tokens += u64::from(seq.transferred_tokens);
                events.push(event(at, EventKind::FirstToken { id, cached_tokens: seq.cached_tokens }));
            }
            if self.config.reports_tokens() {
                events.push(event(at, EventKind::Token { id, index: seq.generated - 1 }));
            }
            let ended = seq.generated == seq.request.output_tokens;
            self.decoding += 1;
            self.context += u64::from(seq.tokens(decodes));
            self.prefilling.retain(|&other| other != slot);
            if ended {
                self.finish(slot, at, events);
            } else {
                self.schedule(slot);
            }
        }
        self.report_cache(at, events);
    }

    /// Notes when a decoding sequence ends or needs a block, whichever comes first.
    fn schedule(&mut self, slot: u32) {
        let (decodes, size) = (self.decodes, self.config.block_size());
        let seq = self.seqs[slot as usize].as_mut().expect("a decoding slot is taken");
        let (tokens, order) = (seq.tokens(decodes), seq.order);
        let left = seq.request.output_tokens - seq.generated_by(decodes);
        // The next decode has a context of `tokens`, the one after it of one more.
        let room = (seq.held().blocks() * size.tokens()).saturating_sub(tokens - 1);
        match room {
            0 => self.growing.push((order, slot)),
            _ => self.due.push(Reverse((decodes + u64::from(left.min(room)), order, slot))),
        }
    }

    fn finish(&mut self, slot: u32, at: u64, events: &mut Vec<Event>) {
        let Seq { ref request, cached_tokens, .. } = *self.seq(slot);
        let (id, output_tokens) = (request.id, request.output_tokens);
        events.push(event(at, EventKind::Finished { id, cached_tokens, output_tokens }));
        self.counters.finished += 1;
        self.leave_batch(slot);
        self.forget(slot);
    }

    /// Sends a running sequence back to the head of the queue, to be computed anew.
    fn preempt(&mut self, slot: u32) {
        self.leave_batch(slot);
        self.waiting.push_front(slot);
        self.counters.preemptions += 1;
    }

    /// Takes seat and blocks from a running sequence.
    fn leave_batch(&mut self, slot: u32) {
        let decodes = self.decodes;
        let seq = self.seqs[slot as usize].as_mut().expect("a running slot is taken");
        if matches!(seq.stage, Stage::Decode { .. }) {
            self.decoding -= 1;
            self.context -= u64::from(seq.tokens(decodes));
        } else {
            self.prefilling.retain(|&other| other != slot);
            self.chunks.retain(|&(other, _)| other != slot);
        }
        seq.generated = seq.generated_by(decodes);
        seq.stage = Stage::Waiting;
        seq.order = NOT_ADMITTED;
        // What had arrived is lost with the blocks.
        seq.request.transferred = false;
        self.pool.free(seq.blocks.take().expect("a running sequence has blocks"));
        self.running.retain(|&other| other != slot);
    }

    fn forget(&mut self, slot: u32) {
        let seq = self.seqs[slot as usize].take().expect("a slot is forgotten once");
        self.by_id.remove(&seq.request.id);
        self.vacant.push(slot);
    }

    /// The decodes at which the next sequence ends or grows.
    fn next_due(&mut self) -> u64 {
        loop {
            let &Reverse((due, order, slot)) = self.due.peek().expect("each decoding sequence is due some time");
            if self.admitted(slot, order).is_some() {
                return due;
            }
            self.due.pop();
        }
    }

    fn seq(&self, slot: u32) -> &Seq {
        self.seqs[slot as usize].as_ref().expect("a slot in use is taken")
    }

    /// The sequence of that admission, if it still runs.
    fn admitted(&self, slot: u32, order: u64) -> Option<&Seq> {
        self.seqs[slot as usize].as_ref().filter(|seq| seq.order == order)
    }

    /// Passes on what the pool told.
    fn report_cache(&mut self, at: u64, events: &mut Vec<Event>) {
        if self.config.reports_cache() {
            events.extend(self.cache.drain(..).map(|told| event(at, EventKind::Cache(told))));
        } else {
            self.cache.clear();
        }
    }
}

/// Plans as much of a prompt as the budget allows; how much that is.
fn push_chunk(slot: u32, seq: &Seq, decodes: u64, budget: u32, chunks: &mut Vec<(u32, u32)>) -> u32 {
    let Stage::Prefill { computed } = seq.stage else { unreachable!("only prompts have chunks") };
    let tokens = (seq.tokens(decodes) - computed).min(budget);
    if tokens > 0 {
        chunks.push((slot, tokens));
    }
    tokens
}

fn event(at: u64, kind: EventKind) -> Event {
    Event { at: Duration::from_nanos(at), kind }
}
