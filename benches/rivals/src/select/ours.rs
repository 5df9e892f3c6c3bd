//! Our decisions, readings and explanations.

use std::hint::black_box;

use phalanx_routing::{
    AdapterId, AdapterReading, Balancer, Combination, Endpoint, EndpointId, Evidence, Measure, Outcome, Policy, PoolId,
    Request, Scorer, Seed, Signals, Weighted,
};

use super::Task;
use super::fleet::{Fleet, HOLDERS, PROMPT, PROMPTS, distinct};
use crate::random::Random;

/// Endpoints that a request may go to, where they are named.
pub const SUBSET: u32 = 100;

/// Different adapters that those requests ask for, and how many of them each endpoint has.
const ADAPTERS: u32 = 50;
const LOADED: usize = 4;

/// What the candidates of a request are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// All of the pool.
    All,
    /// A random subset, less one that failed the request already; the request asks for one of many adapters.
    Subset,
}

/// What changes between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// The load of one endpoint.
    One,
    /// That, and the greatest and the least of the requests that wait.
    Ends,
}

/// Requests to one pool.
struct Requests {
    pool: PoolId,
    evidence: Vec<Vec<(EndpointId, u32)>>,
    subsets: Vec<Vec<EndpointId>>,
    among: Among,
    count: usize,
}

impl Requests {
    /// The request whose turn it is.
    fn request(&self) -> Request<'_> {
        let turn = self.count % PROMPTS;
        let request = Request::new(self.pool, self.count as u64, PROMPT);
        let request = request.with_evidence(Evidence::Tokens(&self.evidence[turn]));
        match self.among {
            Among::All => request,
            Among::Subset => request
                .with_subset(&self.subsets[turn])
                .with_excluded(&self.subsets[turn][..1])
                .with_adapter(AdapterId::from(self.count as u32 % ADAPTERS)),
        }
    }
}

/// A fleet in one pool, and requests to it.
fn fleet(endpoints: u32, policy: Policy, waiting: (u32, u32), among: Among) -> (Fleet, Requests) {
    let mut balancer = Balancer::new(Seed::from(7));
    let pool = balancer.add_pool(policy);
    let join = |_| {
        let id = balancer.join(Endpoint::new());
        balancer.enter(pool, id);
        (pool, id)
    };
    let members = (0..endpoints).map(join).collect();
    let mut fleet = Fleet::new(balancer, members, waiting);
    if among == Among::Subset {
        load_adapters(&mut fleet);
    }
    let evidence = fleet.evidence(0..endpoints as usize, HOLDERS);
    let mut random = Random::new(13);
    let subset = |_| {
        let places = distinct(&mut random, endpoints as usize, SUBSET);
        places.into_iter().map(|at| fleet.members[at].1).collect()
    };
    let subsets = (0..PROMPTS).map(subset).collect();
    (fleet, Requests { pool, evidence, subsets, among, count: 0 })
}

/// Puts adapters on each endpoint: on every other one as many as it has room for, and half as many on the rest.
fn load_adapters(fleet: &mut Fleet) {
    for at in 0..fleet.members.len() {
        let count = LOADED / (1 + at % 2);
        let loaded: Vec<_> = (0..count).map(|_| AdapterId::from(fleet.random.below(ADAPTERS))).collect();
        let reading = AdapterReading { loaded: &loaded, queued: &[], slots: Some(LOADED as u32), read: fleet.now };
        fleet.balancer.adapters(fleet.members[at].1, &reading);
    }
}

/// Choice, booking and settlement.
pub struct Decisions {
    fleet: Fleet,
    requests: Requests,
    changes: Changes,
}

impl Decisions {
    /// Under our default policy.
    pub fn sparse(endpoints: u32, among: Among) -> Self {
        let (fleet, requests) = fleet(endpoints, Policy::phalanx(), (0, 4), among);
        Self { fleet, requests, changes: Changes::One }
    }

    /// Under a sum of three scores, one of them relative to all candidates.
    pub fn dense(endpoints: u32, changes: Changes) -> Self {
        let sum = Combination::Sum(vec![
            Weighted::new(Scorer::Prefix, 3),
            Weighted::new(Scorer::Spread(Measure::Waiting), 2),
            Weighted::new(Scorer::Room { measure: Measure::KvUsed, limit: 1_000_000 }, 2),
        ]);
        let policy = Policy::new("three scores", sum).expect("the sum is sound");
        let (fleet, requests) = fleet(endpoints, policy, (100, 1_000), Among::All);
        Self { fleet, requests, changes }
    }

    /// Two endpoints take turns in having the most requests that wait, two in having the fewest, and it is another number
    /// each time.
    fn move_ends(&mut self) {
        let turn = self.requests.count;
        let step = turn as u32 * 37;
        for (place, waiting) in [(0, 1_000 + step % 997), (1, 500), (2, step % 97), (3, 500)] {
            let Some(&(_, id)) = self.fleet.members.get(place ^ (turn % 2)) else { return };
            let signals =
                Signals { waiting: Some(waiting), kv_used_ppm: Some(500_000), ..Signals::unknown(self.fleet.now) };
            self.fleet.balancer.signals(id, signals);
        }
    }
}

impl Task for Decisions {
    fn change(&mut self) {
        self.requests.count += 1;
        self.fleet.change();
        if self.changes == Changes::Ends {
            self.move_ends();
        }
    }

    fn step(&mut self) {
        let Self { fleet, requests, .. } = self;
        let request = black_box(requests.request());
        let decision = fleet.balancer.decide(&request, fleet.now).expect("there are candidates");
        let _ = black_box(fleet.balancer.settle(decision.reservation, Outcome::Success, fleet.now));
    }
}

/// What it takes to note what one engine says, with all that follows from it.
pub struct Readings {
    fleet: Fleet,
    next: (EndpointId, Signals),
}

impl Readings {
    /// Under our default policy.
    pub fn new(endpoints: u32) -> Self {
        let (mut fleet, _) = fleet(endpoints, Policy::phalanx(), (0, 4), Among::All);
        let next = (fleet.members[0].1, fleet.reading());
        Self { fleet, next }
    }
}

impl Task for Readings {
    fn change(&mut self) {
        self.fleet.change();
        let at = self.fleet.pick();
        self.next = (self.fleet.members[at].1, self.fleet.reading());
    }

    fn step(&mut self) {
        let (id, signals) = black_box(self.next);
        black_box(self.fleet.balancer.signals(id, signals));
    }
}

/// Full explanations, made and thrown away.
pub struct Explanations {
    fleet: Fleet,
    requests: Requests,
}

impl Explanations {
    /// Of our default policy.
    pub fn new(endpoints: u32) -> Self {
        let (fleet, requests) = fleet(endpoints, Policy::phalanx(), (0, 4), Among::All);
        Self { fleet, requests }
    }
}

impl Task for Explanations {
    fn change(&mut self) {
        self.requests.count += 1;
        self.fleet.change();
    }

    fn step(&mut self) {
        let request = black_box(self.requests.request());
        black_box(self.fleet.balancer.explain(&request, self.fleet.now).expect("there are candidates"));
    }
}
