//! Two pools with load on them, and requests that need an endpoint of each.

use core::time::Duration;

use phalanx_routing::{
    Balancer, Domain, Endpoint, EndpointId, Evidence, Link, LinkCosts, Local, Outcome, PairId, PairOrder, PairPolicy,
    PairRequest, Policy, Request, Role, Seed,
};

/// A balancer over as many prefill endpoints as decode endpoints, each with a few requests in flight.
#[derive(Debug)]
pub struct PairedFleet {
    balancer: Balancer,
    pair: PairId,
    evidence: Vec<(EndpointId, u32)>,
    decided: u64,
    now: Duration,
}

/// Tokens in each prompt.
const PROMPT_TOKENS: u32 = 4_096;

/// How busy a fleet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Business {
    /// Nothing is in flight.
    Idle,
    /// One to five requests are in flight at each endpoint, some of them with a prompt that waits.
    Busy,
}

impl PairedFleet {
    /// A fleet with so many endpoints in each pool and so many domains, of which every 32nd holds half of the prompt, but
    /// no more than 64 of each pool.
    ///
    /// # Panics
    /// When there are no endpoints, or no domains, or more than 2,048.
    #[must_use]
    pub fn new(endpoints: u32, domains: u32, order: PairOrder, local: Local, business: Business) -> Self {
        Self::made(endpoints, domains, |endpoint, _| endpoint, (order, local), business)
    }

    /// The same with a group for each endpoint of a pool, which it shares with one of the other pool, in 50 domains.
    ///
    /// # Panics
    /// When there are no groups.
    #[must_use]
    pub fn in_groups(groups: u32, order: PairOrder, local: Local, business: Business) -> Self {
        Self::made(groups, 50, Endpoint::with_group, (order, local), business)
    }

    fn made(
        endpoints: u32,
        domains: u32,
        with: fn(Endpoint, u32) -> Endpoint,
        (order, local): (PairOrder, Local),
        business: Business,
    ) -> Self {
        let mut balancer = Balancer::new(Seed::from(7));
        let pools = [Policy::phalanx(), Policy::phalanx()].map(|policy| balancer.add_pool(policy));
        let near = Link::new(Duration::from_micros(5), 21_000);
        let far = Link::new(Duration::from_micros(40), 168_000);
        let links = LinkCosts::uniform(domains, near, far).expect("there are domains");
        let policy = PairPolicy::new(pools[0], pools[1], links, 128 << 10).with_order(order).with_local(local);
        let pair = balancer.add_pair(policy).expect("the policies weigh in nanoseconds");
        let mut ids = Vec::new();
        for (pool, role) in pools.into_iter().zip([Role::Prefill, Role::Decode]) {
            for at in 0..endpoints {
                let endpoint = Endpoint::new().with_role(role).with_domain(Domain::from(at % domains));
                let id = balancer.join(with(endpoint, at));
                balancer.enter(pool, id);
                ids.push((pool, id));
            }
        }
        if business == Business::Busy {
            for (at, (pool, id)) in (0..).zip(&ids) {
                for turn in 0..=at * 7 % 5 {
                    let subset = [*id];
                    let prompt = 100 + (at * 2654 + turn * 977) % 5_000;
                    let request = Request::new(*pool, at.into(), prompt).with_subset(&subset);
                    let decision = balancer.decide(&request, Duration::ZERO).expect("it is in the pool");
                    let mut held = decision.reservation;
                    if (at + turn) % 3 > 0 {
                        balancer.first_token(&mut held, Duration::ZERO);
                    }
                    // The load stays: it is what the decisions are measured against.
                    drop(held);
                }
            }
        }
        let evidence =
            ids.iter().step_by(32.max(endpoints as usize / 64)).map(|(_, id)| (*id, PROMPT_TOKENS / 2)).collect();
        Self { balancer, pair, evidence, decided: 0, now: Duration::from_millis(10) }
    }

    /// Decides one request and settles it, so that the next one meets the same load.
    ///
    /// # Panics
    /// Never: both pools have endpoints that go together.
    pub fn decide(&mut self) -> EndpointId {
        self.decided += 1;
        let request =
            PairRequest::new(self.pair, self.decided, PROMPT_TOKENS).with_evidence(Evidence::Tokens(&self.evidence));
        let decision = self.balancer.decide_pair(&request, self.now).expect("both pools have endpoints");
        let chosen = decision.decode.endpoint;
        let parts = decision.prefill.into_iter().chain([decision.decode]);
        for part in parts {
            let _ = self.balancer.settle(part.reservation, Outcome::Success, self.now);
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_decides() {
        for business in [Business::Idle, Business::Busy] {
            let mut fleet = PairedFleet::new(8, 2, PairOrder::Joint, Local::WHEN_CHEAPER, business);
            assert!(fleet.decide().index() >= 8, "it answers");
            let mut fleet = PairedFleet::in_groups(8, PairOrder::Joint, Local::WHEN_CHEAPER, business);
            assert!(fleet.decide().index() >= 8, "it answers");
        }
    }
}
