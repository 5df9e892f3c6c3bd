//! A router with load on it, and requests to decide.

use core::time::Duration;

use phalanx_routing::{EndpointId, Outcome, Policy, Request, Reservation, Router, Seed};

/// A router over a fleet where every endpoint is busy: half of its requests prefill, half decode.
#[derive(Debug)]
pub struct RoutedFleet {
    router: Router,
    endpoints: Vec<EndpointId>,
    evidence: Vec<(EndpointId, u32)>,
    decided: u64,
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
        let mut router = Router::new(policy, Seed::from(7));
        let endpoints: Vec<_> = (0..endpoints).map(|_| router.join()).collect();
        let evidence = endpoints.iter().step_by(8).map(|endpoint| (*endpoint, PROMPT_TOKENS / 2)).collect();
        let mut fleet = Self { router, endpoints, evidence, decided: 0 };
        for endpoint in fleet.endpoints.clone() {
            for turn in 0..IN_FLIGHT {
                let mut held = fleet.decide_among(&[endpoint]);
                if turn % 2 == 0 {
                    fleet.router.first_token(&mut held, Duration::ZERO);
                }
                // The load stays: it is what the decisions are measured against.
                drop(held);
            }
        }
        fleet
    }

    /// Decides one request among all endpoints and settles it, so that the next one meets the same load.
    pub fn decide(&mut self) -> EndpointId {
        let endpoints = core::mem::take(&mut self.endpoints);
        let reservation = self.decide_among(&endpoints);
        self.endpoints = endpoints;
        let chosen = reservation.endpoint();
        self.router.settle(reservation, Outcome::Success, Duration::ZERO);
        chosen
    }

    fn decide_among(&mut self, candidates: &[EndpointId]) -> Reservation {
        self.decided += 1;
        let evidence = &self.evidence;
        let request = Request { key: self.decided, prompt_tokens: PROMPT_TOKENS, evidence, candidates, excluded: &[] };
        self.router.decide(&request, Duration::ZERO).expect("a fleet has an endpoint").reservation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_aware_prefers_an_endpoint_that_holds_the_prompt() {
        let mut fleet = RoutedFleet::new(16, Policy::parse("prefix-aware").expect("a policy of that name"));
        for _ in 0..8 {
            assert_eq!(fleet.decide().index() % 8, 0);
        }
    }
}
