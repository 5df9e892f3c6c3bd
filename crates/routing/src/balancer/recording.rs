//! Writing down what is told and answered.

use core::time::Duration;

use super::Balancer;
use super::choose::Choice;
use crate::endpoint::EndpointId;
use crate::evidence::Held;
use crate::log::Recording;
use crate::reservation::Reservation;
use crate::{Refusal, Request};

impl Balancer {
    /// Writes down from now on all that it is told and all that it answers, as a [`Log`](crate::Log) that can be read and
    /// replayed. `false`, and nothing is written, once a pool was added, an endpoint joined or a time was given: a log
    /// tells all from the start. A clone writes nothing.
    ///
    /// At most `limit` bytes wait to be [taken](Self::take_recorded): the log ends with a line that says so instead of
    /// passing them. The line of a decision is written into buffers that are kept; wide levels of an
    /// [overlap](crate::Evidence::Overlap) and subsets may allocate.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Log, Policy, Request, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(7));
    /// assert!(balancer.record(1 << 20));
    /// let (pool, endpoint) = (balancer.add_pool(Policy::phalanx()), balancer.join(Endpoint::new()));
    /// balancer.enter(pool, endpoint);
    /// let decision = balancer.decide(&Request::new(pool, 1, 100), Duration::ZERO)?;
    /// # let _ = decision;
    /// let report = Log::read(balancer.recorded())?.replay()?;
    /// assert_eq!((report.decisions, report.differences.len()), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record(&mut self, limit: usize) -> bool {
        let is_new = self.columns.len() == 0 && self.pools.is_empty() && self.origin.is_none();
        if is_new {
            self.recording.begin(self.seed, self.max_age, self.watch.breaker, limit);
        }
        is_new
    }

    /// What was written and not taken yet: nothing when it does not record.
    #[must_use]
    pub fn recorded(&self) -> &[u8] {
        self.recording.bytes()
    }

    /// Writes nothing any more; what was not [taken](Self::take_recorded) is gone.
    ///
    /// ```
    /// use phalanx_routing::{Balancer, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(7));
    /// balancer.record(1 << 20);
    /// balancer.stop_recording();
    /// assert!(balancer.recorded().is_empty());
    /// ```
    pub fn stop_recording(&mut self) {
        self.recording = Recording::default();
    }

    /// Whether what was written came to its limit before it was [taken](Self::take_recorded): nothing is written any more.
    #[must_use]
    pub fn has_left_out(&self) -> bool {
        self.recording.has_left_out()
    }

    /// Moves what was written to the end of `out`, such as to append it to a file.
    ///
    /// ```
    /// use phalanx_routing::{Balancer, Log, Policy, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(7));
    /// balancer.record(1 << 20);
    /// let mut file = Vec::new();
    /// balancer.take_recorded(&mut file);
    /// balancer.add_pool(Policy::phalanx());
    /// balancer.take_recorded(&mut file);
    /// assert_eq!(balancer.recorded(), b"");
    /// assert_eq!(Log::read(&file)?.decisions(), 0);
    /// # Ok::<(), phalanx_routing::LogError>(())
    /// ```
    pub fn take_recorded(&mut self, out: &mut Vec<u8>) {
        self.recording.take(out);
    }

    /// Counts the load of a request that somebody else decided, before a restart or at another router: with prompt tokens
    /// that it has to compute there, unless its first token `came`. Teaches nothing. `None` for an endpoint that left.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Outcome, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(7));
    /// let endpoint = balancer.join(Endpoint::new());
    /// let reservation = balancer.adopt(endpoint, 1000, 200, false, Duration::ZERO).expect("it is there");
    /// assert_eq!(balancer.load(endpoint).pending_tokens, 200);
    /// balancer.settle(reservation, Outcome::Success, Duration::from_secs(1));
    /// assert_eq!(balancer.outstanding(), 0);
    /// ```
    pub fn adopt(
        &mut self,
        endpoint: EndpointId,
        prompt_tokens: u32,
        uncached_tokens: u32,
        came: bool,
        now: Duration,
    ) -> Option<Reservation> {
        let at = self.columns.at(endpoint)?;
        self.advance(now);
        let uncached_tokens = uncached_tokens.min(prompt_tokens);
        self.recording.adopt(endpoint, (prompt_tokens, uncached_tokens), came, now);
        let mut reservation = self.put(at, (prompt_tokens, uncached_tokens));
        if came {
            reservation.prefilling = false;
            self.end_prefill(reservation.flight, reservation.serial, false);
            self.flights.set_first_token(reservation.flight, self.elapsed);
        }
        self.refresh(at);
        Some(reservation)
    }

    pub(super) fn record_choice(
        &mut self,
        request: &Request<'_>,
        now: Duration,
        choice: &Result<Choice, Refusal>,
        held: &Held,
        others: Option<(usize, &[EndpointId])>,
    ) {
        let answer = choice.as_ref().map_err(Clone::clone).map(|choice| {
            let cached = choice.held.min(request.prompt_tokens.saturating_sub(1));
            (self.columns.id(choice.at), cached, choice.cost, choice.ties)
        });
        self.recording.decide(request, now, held, answer, others);
    }

    /// What would be chosen at `now`, which counts as given: endpoint, cached tokens, cost and ties.
    pub(crate) fn redecide(
        &mut self,
        request: &Request<'_>,
        now: Duration,
    ) -> Result<(EndpointId, u32, i64, u32), Refusal> {
        let elapsed = self.advance(now);
        self.settle_scores(request.pool);
        let mut scratch = core::mem::take(&mut self.scratch);
        let choice = self.choose(request, elapsed, &mut scratch);
        self.scratch = scratch;
        let choice = choice?;
        let cached = choice.held.min(request.prompt_tokens.saturating_sub(1));
        Ok((self.columns.id(choice.at), cached, choice.cost, choice.ties))
    }

    /// Sends a request to an endpoint whoever would be chosen; none for one that left.
    pub(crate) fn follow(&mut self, request: &Request<'_>, endpoint: EndpointId, cached: u32) -> Option<Reservation> {
        let at = self.columns.at(endpoint)?;
        let choice = Choice { at, held: cached, cost: 0, ties: 1 };
        Some(self.book_choice(request, choice).reservation)
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, now: Duration) {
        self.advance(now);
    }
}
