//! The engine and its time line: steps that begin, end, and are cut short.

mod batch;
mod sequence;
#[cfg(test)]
mod tests;

use core::time::Duration;

use self::batch::Batch;
use crate::step::Run;
use crate::{Counters, EngineConfig, Event, Load, Rejection, Request, RequestId};

/// One engine: hand in requests, ask when something is due, advance to it.
///
/// The caller owns the clock. Times are since an epoch of the caller's, the same in every call; one that lies before an
/// earlier one counts as that one. However the caller advances, in one jump or at every [timeout](Self::next_timeout),
/// the events are the same.
///
/// A stretch of steps without anything to tell is one computation, so a quiet engine costs nothing: with tokens not
/// reported, a call costs about the logarithm of the running sequences for each of them that begins, grows by a block
/// or ends.
#[derive(Debug)]
pub struct Engine {
    phase: Phase,
    batch: Batch,
    /// The latest time of any call, in nanoseconds.
    clock: u64,
    /// The latest time that `advance` was called with: a step that begins then has begun.
    advanced: Option<u64>,
    /// Events that a submit or a cancel found to be due.
    events: Vec<Event>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing to do.
    Idle,
    /// There is work, and the next step begins then: at the next `advance`, so that all that arrives at that very
    /// moment is in it.
    Ready { at: u64 },
    /// Steps are in progress.
    Stepping(Run),
}

impl Engine {
    /// An idle engine with an empty cache.
    ///
    /// ```
    /// use phalanx_engine::{Engine, EngineConfig};
    ///
    /// let engine = Engine::new(EngineConfig::a100_8b());
    /// assert_eq!(engine.next_timeout(), None);
    /// ```
    pub fn new(config: EngineConfig) -> Self {
        Self { phase: Phase::Idle, batch: Batch::new(config), clock: 0, advanced: None, events: Vec::new() }
    }

    /// Takes a request that arrives at `now`. It may join the next step that begins; one that begins at `now` itself has
    /// not begun until [`advance`](Self::advance) is called with that time.
    ///
    /// # Errors
    /// A [`Rejection`] for a request that could never run, or one that is here already; nothing changes then.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_engine::{Engine, EngineConfig, Rejection, Request, RequestId};
    ///
    /// let mut engine = Engine::new(EngineConfig::a100_8b());
    /// let request = |prompt_tokens| {
    ///     Request { id: RequestId(7), blocks: vec![], prompt_tokens, output_tokens: 1, transferred: false }
    /// };
    /// let rejection = engine.submit(request(409_600), Duration::ZERO).unwrap_err();
    /// assert_eq!(rejection, Rejection::TooLarge { needed_tokens: 409_601, capacity_tokens: 409_600 });
    /// engine.submit(request(100), Duration::ZERO)?;
    /// assert_eq!(engine.submit(request(100), Duration::ZERO), Err(Rejection::Duplicate { id: RequestId(7) }));
    /// # Ok::<(), Rejection>(())
    /// ```
    pub fn submit(&mut self, request: Request, now: Duration) -> Result<(), Rejection> {
        self.interrupt(now);
        self.batch.enqueue(request)?;
        if matches!(self.phase, Phase::Idle) {
            self.phase = Phase::Ready { at: self.clock };
        }
        Ok(())
    }

    /// Forgets a request whose client is gone; `false` if it is not here (any more). Seat and blocks come free at once,
    /// a step in progress ends when it would have ended.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_engine::{Engine, EngineConfig, Request, RequestId};
    ///
    /// let mut engine = Engine::new(EngineConfig::a100_8b());
    /// let id = RequestId(7);
    /// let request = Request { id, blocks: vec![], prompt_tokens: 100, output_tokens: 10, transferred: false };
    /// engine.submit(request, Duration::ZERO)?;
    /// assert!(engine.cancel(id, Duration::from_millis(1)));
    /// assert!(!engine.cancel(id, Duration::from_millis(1)));
    /// # Ok::<(), phalanx_engine::Rejection>(())
    /// ```
    pub fn cancel(&mut self, id: RequestId, now: Duration) -> bool {
        self.interrupt(now);
        self.batch.cancel(id)
    }

    /// Ends every step that ends at or before `now`, begins the next ones, and appends what happened to `events`, in
    /// order of time; within one step decodes come before first tokens, each by order of admission.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_engine::{Engine, EngineConfig, Request, RequestId};
    ///
    /// let mut engine = Engine::new(EngineConfig::a100_8b());
    /// let id = RequestId(7);
    /// let request = Request { id, blocks: vec![], prompt_tokens: 100, output_tokens: 10, transferred: false };
    /// engine.submit(request, Duration::ZERO)?;
    /// let mut events = Vec::new();
    /// engine.advance(Duration::from_millis(14), &mut events);
    /// assert!(events.is_empty());
    /// engine.advance(Duration::from_secs(1), &mut events);
    /// assert_eq!(events.len(), 2); // the first token and the end
    /// # Ok::<(), phalanx_engine::Rejection>(())
    /// ```
    pub fn advance(&mut self, now: Duration, events: &mut Vec<Event>) {
        self.tick(now);
        self.advanced = Some(self.clock);
        self.run(true);
        events.append(&mut self.events);
    }

    /// When [`advance`](Self::advance) has something to do next, if nothing else arrives: the end of the step in
    /// progress, or of a stretch of steps without anything to tell. `None` while idle.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_engine::{Engine, EngineConfig, Request, RequestId};
    ///
    /// let mut engine = Engine::new(EngineConfig::a100_8b());
    /// let id = RequestId(7);
    /// let request = Request { id, blocks: vec![], prompt_tokens: 100, output_tokens: 10, transferred: false };
    /// engine.submit(request, Duration::from_secs(3))?;
    /// assert_eq!(engine.next_timeout(), Some(Duration::from_secs(3)), "the step begins once this moment is over");
    /// engine.advance(Duration::from_secs(3), &mut Vec::new());
    /// assert_eq!(engine.next_timeout(), Some(Duration::from_millis(3015)));
    /// # Ok::<(), phalanx_engine::Rejection>(())
    /// ```
    pub fn next_timeout(&self) -> Option<Duration> {
        match self.phase {
            // What submit or cancel found to be due is to be fetched.
            _ if !self.events.is_empty() => Some(Duration::from_nanos(self.clock)),
            Phase::Idle => None,
            Phase::Ready { at } => Some(Duration::from_nanos(at)),
            Phase::Stepping(run) => Some(Duration::from_nanos(run.end())),
        }
    }

    /// The load at the latest time of any call.
    pub fn load(&self) -> Load {
        self.batch.load()
    }

    /// The sums at the latest time of any call.
    pub fn stats(&self) -> Counters {
        self.batch.stats()
    }

    /// What kind of engine this is.
    pub fn config(&self) -> &EngineConfig {
        self.batch.config()
    }

    fn tick(&mut self, now: Duration) {
        self.clock = self.clock.max(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Ends what ended by `now`, and lets no more than the step in progress stand, so that the batch can change.
    fn interrupt(&mut self, now: Duration) {
        self.tick(now);
        self.run(false);
        if let Phase::Stepping(run) = &mut self.phase {
            if run.start == self.clock && self.advanced < Some(self.clock) {
                // Within a stretch, a step that begins at this very moment has not begun yet.
                self.phase = Phase::Ready { at: self.clock };
            } else {
                run.count = 1;
            }
        }
    }

    /// Follows the time line up to the clock; a step that would begin at the very moment begins if `begin` says so.
    fn run(&mut self, begin: bool) {
        loop {
            match self.phase {
                Phase::Idle => return,
                Phase::Ready { at } => {
                    if at > self.clock || at == self.clock && !begin {
                        return;
                    }
                    self.phase = match self.batch.begin(at, &mut self.events) {
                        Some(run) => Phase::Stepping(run),
                        None => Phase::Idle,
                    };
                }
                Phase::Stepping(run) => {
                    let ended = run.ended_by(self.clock);
                    if ended == 0 {
                        return;
                    }
                    let at = run.end_of(ended);
                    self.batch.tokens(ended, at, &mut self.events);
                    if ended < run.count {
                        self.phase = Phase::Stepping(run.after(ended));
                        return;
                    }
                    self.batch.end(at, &mut self.events);
                    self.phase = Phase::Ready { at };
                }
            }
        }
    }
}
