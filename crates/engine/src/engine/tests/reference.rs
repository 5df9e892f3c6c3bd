//! The literal engine: a list of requests, looked through anew in every step. Only the pool is shared with the real one.

use phalanx_kvcache::Sequence;

use super::*;

struct Job {
    request: Request,
    /// Tokens whose KV is there, while it runs.
    computed: u32,
    generated: u32,
    cached: u32,
    /// Its prompt, and what it had generated before a preemption, is computed.
    decodes: bool,
    blocks: Option<Sequence>,
}

impl Job {
    fn tokens(&self) -> u32 {
        self.request.prompt_tokens + self.generated
    }
}

/// Events of a script, each token among them, and how often a request was preempted.
pub(super) fn events(config: &EngineConfig, script: &[(u64, Op)]) -> (Vec<Event>, u64) {
    let mut ops = Vec::new();
    let mut at = Duration::ZERO;
    for (id, (gap, op)) in (0..).zip(script) {
        at += Duration::from_millis(*gap);
        ops.push((at, id, op));
    }
    let mut engine = Reference {
        config,
        pool: Pool::new(config.kv_blocks()),
        waiting: Vec::new(),
        running: Vec::new(),
        cache: Vec::new(),
        out: Vec::new(),
        preemptions: 0,
    };
    let (mut now, mut ops) = (Duration::ZERO, ops.into_iter().peekable());
    loop {
        if engine.waiting.is_empty() && engine.running.is_empty() {
            let Some(&(at, ..)) = ops.peek() else { return (engine.out, engine.preemptions) };
            now = now.max(at);
        }
        while let Some((_, id, op)) = ops.next_if(|&(at, ..)| at <= now) {
            engine.obey(id, op);
        }
        let Some((chunks, time)) = engine.begin(now) else { continue };
        let decoding: Vec<RequestId> =
            engine.running.iter().filter(|job| job.decodes).map(|job| job.request.id).collect();
        now += time;
        while let Some((_, id, op)) = ops.next_if(|&(at, ..)| at < now) {
            engine.obey(id, op);
        }
        engine.end(now, &decoding, &chunks);
    }
}

struct Reference<'a> {
    config: &'a EngineConfig,
    pool: Pool,
    waiting: Vec<Job>,
    /// By order of admission.
    running: Vec<Job>,
    cache: Vec<CacheEvent>,
    out: Vec<Event>,
    preemptions: u64,
}

impl Reference<'_> {
    fn obey(&mut self, id: u64, op: &Op) {
        match *op {
            Op::Submit { prompt, tokens, output, transferred } => {
                if tokens + output > self.config.kv_blocks() * 4 {
                    return;
                }
                let request = Request { transferred, ..request(id, prompt, tokens, output) };
                self.waiting.push(Job { request, computed: 0, generated: 0, cached: 0, decodes: false, blocks: None });
            }
            Op::Cancel { id } => {
                self.waiting.retain(|job| job.request.id != RequestId(id));
                if let Some(place) = self.running.iter().position(|job| job.request.id == RequestId(id)) {
                    let job = self.running.remove(place);
                    self.pool.free(job.blocks.expect("it runs"));
                }
            }
        }
    }

    /// Chunks of prompt of the next step and its time.
    fn begin(&mut self, now: Duration) -> Option<(Vec<(RequestId, u32)>, Duration)> {
        let mut preempted = false;
        let mut place = 0;
        while place < self.running.len() {
            let job = &mut self.running[place];
            let blocks = job.blocks.as_mut().expect("it runs");
            if !job.decodes || blocks.blocks() * 4 > job.computed || self.pool.grow(blocks, &mut self.cache).is_ok() {
                place += 1;
                continue;
            }
            let mut last = self.running.pop().expect("the growing one runs");
            self.pool.free(last.blocks.take().expect("it runs"));
            last.request.transferred = false;
            last.computed = 0;
            last.decodes = false;
            self.waiting.insert(0, last);
            self.preemptions += 1;
            preempted = true;
        }
        let decoding = self.running.iter().filter(|job| job.decodes).count() as u32;
        let context = self.running.iter().filter(|job| job.decodes).map(|job| u64::from(job.tokens())).sum();
        let mut budget = self.config.max_batched_tokens() - decoding;
        let mut chunks = Vec::new();
        for job in self.running.iter().filter(|job| !job.decodes) {
            let chunk = budget.min(job.tokens() - job.computed);
            budget -= chunk;
            chunks.push((job.request.id, chunk));
        }
        while !preempted
            && budget > 0
            && self.running.len() < self.config.max_sequences() as usize
            && let Some(job) = self.waiting.first_mut()
        {
            let tokens = job.tokens();
            let prefix = &job.request.blocks[..job.request.blocks.len().min((tokens as usize - 1) / 4)];
            let Ok(blocks) = self.pool.allocate(prefix, tokens.div_ceil(4), &mut self.cache) else { break };
            job.computed = blocks.reused_blocks() * 4;
            if job.generated == 0 {
                job.cached = if job.request.transferred { 0 } else { job.computed };
            }
            if job.request.transferred {
                job.computed = tokens - 1;
            }
            job.blocks = Some(blocks);
            let chunk = budget.min(tokens - job.computed);
            budget -= chunk;
            chunks.push((job.request.id, chunk));
            self.running.push(self.waiting.remove(0));
        }
        self.tell(now);
        let prompt_tokens = chunks.iter().map(|(_, chunk)| chunk).sum();
        let time = self.config.step_time().step(prompt_tokens, decoding, context);
        (!self.running.is_empty()).then_some((chunks, time))
    }

    fn end(&mut self, now: Duration, decoding: &[RequestId], chunks: &[(RequestId, u32)]) {
        let say = |out: &mut Vec<Event>, kind| out.push(Event { at: now, kind });
        for job in self.running.iter_mut().filter(|job| decoding.contains(&job.request.id)) {
            job.computed += 1;
            job.generated += 1;
            say(&mut self.out, EventKind::Token { id: job.request.id, index: job.generated - 1 });
        }
        self.leave(now, |job| decoding.contains(&job.request.id));
        for &(id, chunk) in chunks {
            let Some(job) = self.running.iter_mut().find(|job| job.request.id == id) else { continue };
            job.computed += chunk;
            let complete = job.computed == job.tokens();
            let blocks = job.blocks.as_mut().expect("it runs");
            let full = job.request.blocks.len().min(job.computed as usize / 4);
            let sealed = blocks.sealed_blocks() as usize;
            if sealed < full {
                let hashes = &job.request.blocks[sealed..full];
                self.pool.seal(blocks, hashes, &mut self.cache).expect("there are as many blocks");
            }
            if complete {
                job.generated += 1;
                job.decodes = true;
                if job.generated == 1 {
                    say(&mut self.out, EventKind::FirstToken { id, cached_tokens: job.cached });
                }
                say(&mut self.out, EventKind::Token { id, index: job.generated - 1 });
                self.leave(now, |job| job.request.id == id);
            }
            self.tell(now);
        }
    }

    /// Ends those of the given ones that have all their tokens.
    fn leave(&mut self, now: Duration, given: impl Fn(&Job) -> bool) {
        let ends = |job: &mut Job| given(job) && job.generated == job.request.output_tokens;
        for job in self.running.extract_if(.., ends) {
            let (id, output_tokens) = (job.request.id, job.generated);
            let kind = EventKind::Finished { id, cached_tokens: job.cached, output_tokens };
            self.out.push(Event { at: now, kind });
            self.pool.free(job.blocks.expect("it ran"));
        }
    }

    fn tell(&mut self, now: Duration) {
        self.out.extend(self.cache.drain(..).map(|event| Event { at: now, kind: EventKind::Cache(event) }));
    }
}
