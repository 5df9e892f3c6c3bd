//! Threads that turn prompts into tokens, and the queue before them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use phalanx_kvcache::{BlockObjects, ChainHasher};
use tokio::sync::oneshot;

use super::Tokens;
use super::counts::Counts;
use super::error::Fallback;
use super::pieces::{Came, Pieces};
use super::prompt::{Prompt, Prompts};
use super::template::ChatTemplate;
use crate::ask::Api;

/// A prompt that waits.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) body: Bytes,
    pub(super) api: Api,
    /// The adapter's name, or nothing.
    pub(super) lora: String,
    pub(super) hasher: ChainHasher,
    pub(super) answer: oneshot::Sender<Result<Tokens, Fallback>>,
}

/// Prompts in the order that they came, so many at the most.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    most: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

/// What a thread works with.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) queue: Arc<Queue>,
    pub(super) pieces: Arc<Pieces>,
    pub(super) template: Arc<Option<ChatTemplate>>,
    pub(super) counts: Arc<Counts>,
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: Mutex::default(), changed: Condvar::new(), most }
    }

    pub(super) fn push(&self, job: Job) -> Result<(), Fallback> {
        let mut waiting = self.lock();
        if waiting.jobs.len() >= self.most {
            // Those whose clients left, or that are late, need no place.
            waiting.jobs.retain(|job| !job.answer.is_closed());
        }
        if waiting.jobs.len() >= self.most {
            return Err(Fallback::Full);
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for the next prompt that somebody still waits for; `None` when there will be none.
    fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            match waiting.jobs.pop_front() {
                Some(job) if job.answer.is_closed() => {}
                Some(job) => return Some(job),
                None if waiting.is_closed => return None,
                None => waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // It is whole between any two steps.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    /// Starts a thread, which is called by its place and ends when the queue closes.
    pub(super) fn start(self, place: usize) -> std::io::Result<()> {
        thread::Builder::new().name(format!("tokenize-{place}")).spawn(move || self.run()).map(drop)
    }

    fn run(self) {
        while let Some(job) = self.queue.next() {
            let start = Instant::now();
            // A tokenizer's own mistake is no reason to have one thread less.
            let done = catch_unwind(AssertUnwindSafe(|| self.tokens(&job))).unwrap_or(Err(Fallback::Failed));
            self.counts.took(start.elapsed());
            // A client that left waits for nothing.
            let _ = job.answer.send(done);
        }
    }

    fn tokens(&self, job: &Job) -> Result<Tokens, Fallback> {
        let Prompts { prompts, salt } = Prompts::read(&job.body, job.api, self.template.as_ref().as_ref())?;
        let (mut blocks, mut count) = (Vec::new(), 0_u32);
        for (place, prompt) in prompts.into_iter().enumerate() {
            let tokens = match prompt {
                Prompt::Tokens(tokens) => tokens,
                Prompt::Text(text, is_special) => {
                    let (tokens, Came { cached, fresh }) =
                        self.pieces.encode(&text, is_special).map_err(|_| Fallback::Failed)?;
                    self.counts.came(cached, fresh);
                    tokens
                }
            };
            count = count.saturating_add(u32::try_from(tokens.len()).unwrap_or(u32::MAX));
            if place == 0 {
                job.hasher.prompt_contents_into(&tokens, &job.lora, &salt, &BlockObjects::new(), &mut blocks);
            }
        }
        Ok(Tokens { blocks, count })
    }
}
