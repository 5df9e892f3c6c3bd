//! How an endpoint has done.

use core::time::Duration;

use super::{Breaker, Outlier};

/// A whole, in parts of a million.
const WHOLE: u64 = 1_000_000;

/// The last outcomes of an endpoint, and what came of them. Times are since the balancer's first one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) state: State,
    /// Failures since the last success.
    in_a_row: u32,
    /// Pauses since it was well for long.
    pauses: u32,
    /// When it last came back or failed.
    since: Duration,
    /// The last outcomes, the latest in the lowest bit: 1 where it failed.
    outcomes: u64,
    count: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    In,
    Out {
        until: Duration,
    },
    OnTrial {
        since: Duration,
        in_flight: u32,
        successes: u32,
    },
}

/// Shares of failures of all endpoints that had enough outcomes: how many, their sum, and that of their squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shares {
    count: u64,
    sum: u64,
    squares: u128,
}

impl Shares {
    pub(crate) fn add(&mut self, share: Option<u64>) {
        if let Some(share) = share {
            self.count += 1;
            self.sum += share;
            self.squares += u128::from(share).pow(2);
        }
    }

    fn remove(&mut self, share: Option<u64>) {
        if let Some(share) = share {
            self.count -= 1;
            self.sum -= share;
            self.squares -= u128::from(share).pow(2);
        }
    }

    /// Whether a share is out of line.
    fn passed_by(&self, share: u64, outlier: &Outlier) -> bool {
        let beyond = (self.count * share).saturating_sub(self.sum);
        if self.count < u64::from(outlier.endpoints) || share <= u64::from(outlier.share_ppm) || beyond == 0 {
            return false;
        }
        // By the count times everything, squared: in whole numbers.
        let variance = u128::from(self.count) * self.squares - u128::from(self.sum).pow(2);
        let limit = variance.saturating_mul(u128::from(outlier.deviations_permille).pow(2));
        u128::from(beyond).saturating_mul(beyond.into()).saturating_mul(1_000_000) > limit
    }
}

impl Record {
    /// Whether it gets no more requests now.
    pub(crate) fn is_out(&self, breaker: &Breaker) -> bool {
        match self.state {
            State::In => false,
            State::Out { .. } => true,
            State::OnTrial { in_flight, .. } => in_flight >= breaker.trials,
        }
    }

    pub(crate) fn is_in(&self) -> bool {
        self.state == State::In
    }

    /// Notes that a request goes there.
    pub(crate) fn begin(&mut self) {
        if let State::OnTrial { in_flight, .. } = &mut self.state {
            *in_flight = in_flight.saturating_add(1);
        }
    }

    /// The share of failures, if there are enough outcomes.
    pub(crate) fn share(&self, outlier: Option<Outlier>) -> Option<u64> {
        let enough = self.count >= outlier?.outcomes;
        enough.then(|| u64::from(self.outcomes.count_ones()) * WHOLE / u64::from(self.count))
    }

    /// Notes how a request ended that was decided then: `None` if that says nothing. Says whether it should be out from now
    /// on.
    pub(crate) fn end(
        &mut self,
        breaker: &Breaker,
        shares: &mut Shares,
        decided: Duration,
        succeeded: Option<bool>,
        now: Duration,
    ) -> bool {
        match &mut self.state {
            State::Out { .. } => false,
            // What was sent before does not count.
            State::OnTrial { since, .. } if decided < *since => false,
            State::OnTrial { in_flight, successes, .. } => {
                *in_flight = in_flight.saturating_sub(1);
                match succeeded {
                    None => false,
                    Some(false) => true,
                    Some(true) => {
                        *successes += 1;
                        if *successes >= breaker.successes {
                            self.state = State::In;
                            self.since = now;
                        }
                        false
                    }
                }
            }
            State::In => match succeeded {
                None => false,
                Some(succeeded) => self.note(breaker, shares, succeeded, now),
            },
        }
    }

    fn note(&mut self, breaker: &Breaker, shares: &mut Shares, succeeded: bool, now: Duration) -> bool {
        shares.remove(self.share(breaker.outlier));
        self.outcomes = self.outcomes << 1 | u64::from(!succeeded);
        self.count = (self.count + 1).min(u64::BITS);
        let share = self.share(breaker.outlier);
        shares.add(share);
        if succeeded {
            self.in_a_row = 0;
            if now.saturating_sub(self.since) >= breaker.longest_pause {
                self.pauses = 0;
            }
            return false;
        }
        self.since = now;
        self.in_a_row = self.in_a_row.saturating_add(1);
        let is_outlier = breaker.outlier.zip(share).is_some_and(|(outlier, share)| shares.passed_by(share, &outlier));
        self.in_a_row >= breaker.failures || is_outlier
    }

    /// Puts it out; says until when.
    pub(crate) fn open(&mut self, breaker: &Breaker, shares: &mut Shares, now: Duration) -> Duration {
        let until = now.saturating_add(breaker.pause_after(self.pauses));
        self.forget(breaker, shares);
        self.pauses = self.pauses.saturating_add(1);
        self.state = State::Out { until };
        until
    }

    /// Begins the trial that is due.
    pub(crate) fn try_out(&mut self, due: Duration) -> bool {
        let is_due = self.state == State::Out { until: due };
        if is_due {
            self.state = State::OnTrial { since: due, in_flight: 0, successes: 0 };
        }
        is_due
    }

    /// Its outcomes count no more.
    pub(crate) fn forget(&mut self, breaker: &Breaker, shares: &mut Shares) {
        shares.remove(self.share(breaker.outlier));
        (self.outcomes, self.count, self.in_a_row) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests;
