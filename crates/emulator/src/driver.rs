//! The task that owns one engine and its clock: commands in, tokens out.

use std::collections::BTreeMap;
use std::time::Duration;

use phalanx_engine::{Counters, Engine, Event, EventKind, Load, Rejection, Request, RequestId};
use phalanx_kvcache::BlockHash;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::teller::Teller;

/// What the driver can be told.
#[derive(Debug)]
pub(crate) enum Command {
    Submit {
        request: Request,
        prompt: Vec<u32>,
        adapter: Option<String>,
        tokens: mpsc::UnboundedSender<Token>,
        accepted: oneshot::Sender<Result<(), Rejection>>,
    },
    Cancel(RequestId),
    Measure(oneshot::Sender<(Load, Counters)>),
}

/// One generated token of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    /// From 0.
    pub(crate) index: u32,
    /// Prompt tokens that were in the cache.
    pub(crate) cached_tokens: u32,
    /// No token follows.
    pub(crate) last: bool,
}

/// A request that runs: where its tokens go, and the times that its latency histograms need.
#[derive(Debug)]
struct Running {
    tokens: mpsc::UnboundedSender<Token>,
    submitted: Duration,
    previous: Duration,
    prompt_tokens: u32,
    output_tokens: u32,
    cached_tokens: u32,
    sent: u32,
    /// Of the prompt, where they are told of.
    blocks: Vec<BlockHash>,
}

/// Owns the engine. Everything happens in [`run`](Self::run), so there is no lock.
#[derive(Debug)]
pub(crate) struct Driver {
    engine: Engine,
    epoch: Instant,
    running: BTreeMap<u64, Running>,
    metrics: Metrics,
    teller: Option<Teller>,
    preemptions: u64,
}

impl Driver {
    pub(crate) fn new(engine: Engine, metrics: Metrics, teller: Option<Teller>) -> Self {
        Self { engine, epoch: Instant::now(), running: BTreeMap::new(), metrics, teller, preemptions: 0 }
    }

    /// Runs until every sender of commands is gone.
    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut events = Vec::new();
        loop {
            // An idle engine has no step to wait for: only a command can wake it.
            let command = match self.engine.next_timeout() {
                Some(at) => tokio::select! {
                    command = commands.recv() => Some(command),
                    () = tokio::time::sleep_until(self.epoch + at) => None,
                },
                None => Some(commands.recv().await),
            };
            // The engine's time is the same for the whole turn: steps that ended come before the command.
            let now = self.epoch.elapsed();
            self.engine.advance(now, &mut events);
            match command {
                Some(None) => return,
                Some(Some(command)) => self.obey(command, now),
                None => {}
            }
            self.engine.advance(now, &mut events);
            for event in events.drain(..) {
                self.deliver(event);
            }
            if let Some(teller) = &mut self.teller {
                teller.publish();
            }
            let preemptions = self.engine.stats().preemptions;
            self.metrics.preempted(preemptions - self.preemptions);
            self.preemptions = preemptions;
        }
    }

    fn obey(&mut self, command: Command, now: Duration) {
        match command {
            Command::Submit { request, prompt, adapter, tokens, accepted } => {
                let id = request.id;
                let mut blocks = Vec::new();
                if let Some(teller) = &mut self.teller {
                    teller.begin(&request.blocks, &prompt, adapter.as_deref());
                    blocks.clone_from(&request.blocks);
                }
                let running = Running {
                    tokens,
                    submitted: now,
                    previous: now,
                    prompt_tokens: request.prompt_tokens,
                    output_tokens: request.output_tokens,
                    cached_tokens: 0,
                    sent: 0,
                    blocks,
                };
                let answer = self.engine.submit(request, now);
                if answer.is_ok() {
                    self.running.insert(id.0, running);
                } else {
                    self.end(running);
                }
                // A client that left before the answer cancels through its guard.
                let _ = accepted.send(answer);
            }
            Command::Cancel(id) => {
                if self.engine.cancel(id, now) {
                    self.metrics.aborted();
                }
                if let Some(running) = self.running.remove(&id.0) {
                    self.end(running);
                }
            }
            Command::Measure(reply) => {
                let _ = reply.send((self.engine.load(), self.engine.stats()));
            }
        }
    }

    fn deliver(&mut self, event: Event) {
        match event.kind {
            EventKind::FirstToken { id, cached_tokens } => {
                let Some(running) = self.running.get_mut(&id.0) else { return };
                running.cached_tokens = cached_tokens;
                self.metrics.prefilled(running.prompt_tokens, cached_tokens, event.at - running.submitted);
            }
            EventKind::Token { id, index } => {
                let Some(running) = self.running.get_mut(&id.0) else { return };
                // A preempted sequence is computed again, but its client has those tokens already.
                if index < running.sent {
                    return;
                }
                self.metrics.generated((index > 0).then(|| event.at - running.previous));
                running.previous = event.at;
                running.sent = index + 1;
                let last = running.sent == running.output_tokens;
                // A receiver that is gone sends a Cancel of its own.
                let _ = running.tokens.send(Token { index, cached_tokens: running.cached_tokens, last });
            }
            EventKind::Finished { id, .. } => {
                if let Some(running) = self.running.remove(&id.0) {
                    self.metrics.finished(event.at - running.submitted);
                    self.end(running);
                }
            }
            EventKind::Cache(event) => {
                if let Some(teller) = &mut self.teller {
                    teller.note(event);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, running: Running) {
        if let Some(teller) = &mut self.teller {
            teller.end(running.blocks);
        }
    }
}
