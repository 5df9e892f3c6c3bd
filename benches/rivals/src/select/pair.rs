//! Our choice of a prefill and a decode endpoint together.

use std::hint::black_box;
use std::time::Duration;

use phalanx_routing::{
    Balancer, Domain, Endpoint, EndpointId, Evidence, Link, LinkCosts, Local, Outcome, PairId, PairPolicy, PairRequest,
    Policy, Role, Seed,
};

use super::Task;
use super::fleet::{Fleet, HOLDERS, PROMPT, PROMPTS};

/// Domains that the endpoints are spread over.
const DOMAINS: u32 = 50;

/// Bytes of KV of a token.
const KV_BYTES: u32 = 128 << 10;

/// Choice, booking and settlement of both parts.
pub struct Pairs {
    fleet: Fleet,
    pair: PairId,
    evidence: Vec<Vec<(EndpointId, u32)>>,
    count: usize,
}

impl Pairs {
    /// With so many endpoints for each part, half of the prefix holders among either.
    pub fn new(endpoints: u32) -> Self {
        let mut balancer = Balancer::new(Seed::from(7));
        let pools = [(); 2].map(|()| balancer.add_pool(Policy::phalanx()));
        let near = Link::new(Duration::from_micros(5), 21_000);
        let far = Link::new(Duration::from_micros(40), 168_000);
        let links = LinkCosts::uniform(DOMAINS, near, far).expect("there are domains");
        let policy = PairPolicy::new(pools[0], pools[1], links, KV_BYTES).with_local(Local::NEVER);
        let pair = balancer.add_pair(policy).expect("the policies weigh in nanoseconds");
        let mut members = Vec::new();
        for (pool, role) in pools.into_iter().zip([Role::Prefill, Role::Decode]) {
            for at in 0..endpoints {
                let endpoint = Endpoint::new().with_role(role).with_domain(Domain::from(at % DOMAINS));
                let id = balancer.join(endpoint);
                balancer.enter(pool, id);
                members.push((pool, id));
            }
        }
        let fleet = Fleet::new(balancer, members, (0, 4));
        let half = endpoints as usize;
        let mut evidence = fleet.evidence(0..half, HOLDERS / 2);
        for (all, more) in evidence.iter_mut().zip(fleet.evidence(half..2 * half, HOLDERS / 2)) {
            all.extend(more);
        }
        Self { fleet, pair, evidence, count: 0 }
    }
}

impl Task for Pairs {
    fn change(&mut self) {
        self.count += 1;
        self.fleet.change();
    }

    fn step(&mut self) {
        let Self { fleet, pair, evidence, count } = self;
        let evidence = Evidence::Tokens(&evidence[*count % PROMPTS]);
        let request = PairRequest::new(*pair, *count as u64, PROMPT).with_evidence(evidence);
        let decision = fleet.balancer.decide_pair(black_box(&request), fleet.now).expect("there are pairs");
        for part in decision.prefill.into_iter().chain([decision.decode]) {
            let _ = black_box(fleet.balancer.settle(part.reservation, Outcome::Success, fleet.now));
        }
    }
}
