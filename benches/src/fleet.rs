//! A balancer with load on it, and requests to decide.

use core::time::Duration;

use phalanx_routing::{
    Balancer, Endpoint, EndpointId, Evidence, Explanation, Outcome, Policy, PoolId, Request, Reservation, Seed, Signals,
};

/// A balancer over a fleet where every endpoint is busy: half of its requests prefill, half decode.
#[derive(Debug)]
pub struct RoutedFleet {
    balancer: Balancer,
    pool: PoolId,
    evidence: Vec<(EndpointId, u32)>,
    decided: u64,
    /// What was taken from the log, kept for its memory.
    log: Vec<u8>,
}

/// Tokens in each prompt.
const PROMPT_TOKENS: u32 = 4_096;

/// Requests in flight at each endpoint before the first decision.
const IN_FLIGHT: u32 = 4;

impl RoutedFleet {
    /// A fleet of `endpoints` under `policy`, with four requests in flight at each; every eighth endpoint holds half of
    /// the prompt.
    ///
    /// # Panics
    /// When `endpoints` is 0, since nobody can be chosen then.
    #[must_use]
    pub fn new(endpoints: u32, policy: Policy) -> Self {
        Self::with(Balancer::new(Seed::from(7)), endpoints, policy)
    }

    /// The same, all of which is written into a log.
    ///
    /// # Panics
    /// As [`new`](Self::new) does.
    #[must_use]
    pub fn recording(endpoints: u32, policy: Policy) -> Self {
        let mut balancer = Balancer::new(Seed::from(7));
        assert!(balancer.record(usize::MAX), "it is new");
        Self::with(balancer, endpoints, policy)
    }

    fn with(mut balancer: Balancer, endpoints: u32, policy: Policy) -> Self {
        let pool = balancer.add_pool(policy);
        let endpoints: Vec<_> = (0..endpoints).map(|_| balancer.join(Endpoint::new())).collect();
        let evidence = endpoints.iter().step_by(8).map(|endpoint| (*endpoint, PROMPT_TOKENS / 2)).collect();
        let mut fleet = Self { balancer, pool, evidence, decided: 0, log: Vec::new() };
        for endpoint in endpoints {
            fleet.balancer.enter(pool, endpoint);
            for turn in 0..IN_FLIGHT {
                let mut held = fleet.decide_among(Some(&[endpoint]));
                if turn % 2 == 0 {
                    fleet.balancer.first_token(&mut held, Duration::ZERO);
                }
                // The load stays: it is what the decisions are measured against.
                drop(held);
            }
        }
        fleet
    }

    /// The same, with signals of every endpoint, as many kinds of them as there are.
    ///
    /// # Panics
    /// As [`new`](Self::new) does.
    #[must_use]
    pub fn with_signals(endpoints: u32, policy: Policy) -> Self {
        let mut fleet = Self::new(endpoints, policy);
        let ids: Vec<_> = fleet
            .balancer
            .explain(&Request::new(fleet.pool, 0, 1), Duration::ZERO)
            .expect("the pool is there")
            .candidates
            .iter()
            .map(|candidate| candidate.endpoint)
            .collect();
        for (id, at) in ids.into_iter().zip(0..) {
            let signals = Signals {
                waiting: Some(at % 5),
                running: Some(2 + at % 7),
                kv_used_ppm: Some(500_000 + at % 97 * 5000),
                ttft: Some(Duration::from_micros(40_000 + u64::from(at % 89) * 500)),
                tpot: Some(Duration::from_micros(10_000 + u64::from(at % 83) * 50)),
                ..Signals::unknown(Duration::ZERO)
            };
            fleet.balancer.signals(id, signals);
        }
        fleet
    }

    /// Decides one request among all endpoints and settles it, so that the next one meets the same load.
    pub fn decide(&mut self) -> EndpointId {
        let reservation = self.decide_among(None);
        let chosen = reservation.endpoint();
        let _ = self.balancer.settle(reservation, Outcome::Success, Duration::ZERO);
        if self.balancer.recorded().len() > 1 << 20 {
            self.log.clear();
            self.balancer.take_recorded(&mut self.log);
        }
        chosen
    }

    /// The same, with evidence of so many endpoints only.
    #[must_use]
    pub fn with_holders(mut self, holders: usize) -> Self {
        self.evidence.truncate(holders);
        self
    }

    /// Why the next request would go where it would go; of all candidates.
    ///
    /// # Panics
    /// Never: the pool is there.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let evidence = Evidence::Tokens(&self.evidence);
        let request = Request::new(self.pool, self.decided + 1, PROMPT_TOKENS).with_evidence(evidence);
        self.balancer.explain(&request, Duration::ZERO).expect("the pool is there")
    }

    fn decide_among(&mut self, subset: Option<&[EndpointId]>) -> Reservation {
        self.decided += 1;
        let evidence = Evidence::Tokens(&self.evidence);
        let mut request = Request::new(self.pool, self.decided, PROMPT_TOKENS).with_evidence(evidence);
        if let Some(subset) = subset {
            request = request.with_subset(subset);
        }
        self.balancer.decide(&request, Duration::ZERO).expect("a fleet has an endpoint").reservation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_aware_prefers_an_endpoint_that_holds_the_prompt() {
        let mut fleet = RoutedFleet::new(16, Policy::preset("phalanx").expect("a policy of that name"));
        for _ in 0..8 {
            assert_eq!(fleet.decide().index() % 8, 0);
        }
    }
}
