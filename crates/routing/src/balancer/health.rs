//! Who is left alone, and for how long.

use core::time::Duration;

use super::Balancer;
use crate::endpoint::EndpointId;
use crate::health::{Breaker, Health, Shares, State};
use crate::reservation::Outcome;
use std::collections::VecDeque;

/// A breaker and what it waits for.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    pub(super) breaker: Option<Breaker>,
    shares: Shares,
    /// Ends of pauses by time, since the balancer's first one.
    pauses: VecDeque<(Duration, EndpointId)>,
}

impl Balancer {
    /// Leaves endpoints alone for a while where requests fail: see [`Breaker`]. Without one nobody is.
    #[must_use]
    pub fn with_breaker(mut self, breaker: Breaker) -> Self {
        self.set_breaker(Some(breaker));
        self
    }

    /// With another breaker from now on, or none: then nobody is left alone. What is known of outcomes and pauses stays.
    /// Linear in the endpoints and their pools.
    ///
    /// ```
    /// use phalanx_routing::{Balancer, Breaker, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0)).with_breaker(Breaker::new());
    /// balancer.set_breaker(Some(Breaker::new().with_failures(2)?));
    /// balancer.set_breaker(None);
    /// # Ok::<(), phalanx_routing::BreakerError>(())
    /// ```
    pub fn set_breaker(&mut self, breaker: Option<Breaker>) {
        if self.watch.breaker == breaker {
            return;
        }
        self.recording.breaker(breaker.as_ref());
        self.watch.breaker = breaker;
        self.watch.shares = Shares::default();
        let outlier = breaker.and_then(|breaker| breaker.outlier);
        for at in 0..self.columns.len() {
            if self.columns.is_live(at) {
                self.watch.shares.add(self.columns.record[at].share(outlier));
                self.refresh(at);
            }
        }
    }

    /// How an endpoint stands with the breaker; one that left is [in](Health::In), and so is everyone where there is no
    /// breaker.
    #[must_use]
    pub fn health(&self, endpoint: EndpointId) -> Health {
        match self.columns.at(endpoint).map(|at| self.columns.record[at].state) {
            None | Some(State::In) => Health::In,
            Some(State::Out { until }) => Health::Out { until: self.given(until) },
            Some(State::OnTrial { .. }) => Health::OnTrial,
        }
    }

    /// A time of the caller's.
    pub(super) fn given(&self, elapsed: Duration) -> Duration {
        self.origin.unwrap_or_default().saturating_add(elapsed)
    }

    /// When the next pause ends.
    pub(super) fn next_trial(&self) -> Option<Duration> {
        self.watch.pauses.front().map(|(until, _)| self.given(*until))
    }

    /// Puts those on trial whose pause has ended.
    pub(super) fn try_out(&mut self, now: Duration) {
        while let Some(due) = self.next_trial()
            && due <= now
        {
            let Some((until, endpoint)) = self.watch.pauses.pop_front() else { return };
            if let Some(at) = self.columns.at(endpoint)
                && self.columns.record[at].try_out(until)
            {
                self.refresh(at);
            }
        }
    }

    /// Whether a slot's endpoint is to be left alone.
    pub(super) fn is_out(&self, at: usize) -> bool {
        self.watch.breaker.is_some_and(|breaker| self.columns.record[at].is_out(&breaker))
    }

    /// Notes how a request ended there that was decided then. The standings are not up to date after that.
    pub(super) fn note_outcome(&mut self, at: usize, decided: Duration, outcome: Outcome) {
        let Some(breaker) = self.watch.breaker else { return };
        let succeeded = match outcome {
            Outcome::Success => Some(true),
            Outcome::Error | Outcome::Cut => Some(false),
            Outcome::ClientGone | Outcome::Unused => None,
        };
        let was_in = self.columns.record[at].is_in();
        let record = &mut self.columns.record[at];
        let fails = record.end(&breaker, &mut self.watch.shares, decided, succeeded, self.elapsed);
        if !was_in && self.columns.record[at].is_in() {
            self.count_out(at, false);
        }
        let pools = &self.pools_of[at];
        let allows = |pool: &u32| {
            let pool = &self.pools[*pool as usize];
            breaker.allows(pool.out, pool.count)
        };
        if !fails || (was_in && !pools.iter().all(allows)) {
            return;
        }
        let until = self.columns.record[at].open(&breaker, &mut self.watch.shares, self.elapsed);
        if was_in {
            self.count_out(at, true);
        }
        // Mostly near the end; the queue stays in order.
        let place = self.watch.pauses.partition_point(|(other, _)| *other <= until);
        self.watch.pauses.insert(place, (until, self.columns.id(at)));
    }

    /// Takes up in its pools that an endpoint went out or came in.
    fn count_out(&mut self, at: usize, out: bool) {
        for pool in &self.pools_of[at] {
            let pool = &mut self.pools[*pool as usize];
            pool.out = if out { pool.out + 1 } else { pool.out - 1 };
        }
    }

    /// Forgets the outcomes of an endpoint that leaves.
    pub(super) fn forget_outcomes(&mut self, at: usize) {
        if let Some(breaker) = self.watch.breaker {
            self.columns.record[at].forget(&breaker, &mut self.watch.shares);
        }
    }
}
