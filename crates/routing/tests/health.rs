//! Endpoints that fail are left alone, and come back.

use core::time::Duration;

use phalanx_routing::{
    Balancer, Breaker, Endpoint, EndpointId, Health, Omission, Outcome, Policy, PoolId, Request, Seed,
};

const SECOND: Duration = Duration::from_secs(1);

struct Fleet {
    balancer: Balancer,
    pool: PoolId,
    ids: Vec<EndpointId>,
    now: Duration,
    key: u64,
}

impl Fleet {
    fn new(policy: &str, endpoints: usize, breaker: Breaker) -> Self {
        let mut balancer = Balancer::new(Seed::from(3)).with_breaker(breaker);
        let pool = balancer.add_pool(Policy::preset(policy).expect("a preset"));
        let ids: Vec<_> = (0..endpoints).map(|_| balancer.join(Endpoint::new())).collect();
        assert!(ids.iter().all(|id| balancer.enter(pool, *id)));
        Self { balancer, pool, ids, now: SECOND, key: 0 }
    }

    /// Sends a request; ends it with a failure where `bad` says so.
    fn send(&mut self, bad: impl Fn(usize) -> bool) -> usize {
        self.key += 1;
        let request = Request::new(self.pool, self.key, 1000);
        let decision = self.balancer.decide(&request, self.now).expect("there are endpoints");
        self.now += SECOND / 100;
        let at = decision.endpoint.index();
        let outcome = if bad(at) { Outcome::Error } else { Outcome::Success };
        self.balancer.settle(decision.reservation, outcome, self.now);
        at
    }

    fn is_out(&self, at: usize) -> bool {
        matches!(self.balancer.health(self.ids[at]), Health::Out { .. })
    }
}

#[test]
fn whatever_the_policy_who_fails_gets_no_more_until_his_trial() {
    for policy in Policy::NAMES {
        let mut fleet = Fleet::new(policy, 8, Breaker::new());
        let mut sent = 0;
        while !fleet.is_out(5) && sent < 10_000 {
            fleet.send(|at| at == 5);
            sent += 1;
        }
        if !fleet.is_out(5) {
            continue;
        }
        for _ in 0..200 {
            assert_ne!(fleet.send(|at| at == 5), 5, "{policy}");
        }
        let request = Request::new(fleet.pool, 0, 1000);
        let explanation = fleet.balancer.explain(&request, fleet.now).expect("there is such a pool");
        assert!(explanation.omitted.contains(&(fleet.ids[5], Omission::Out)), "{policy}");
        let Health::Out { until } = fleet.balancer.health(fleet.ids[5]) else { panic!("{policy}: it is out") };
        assert_eq!(fleet.balancer.next_timeout(), Some(until));
        fleet.now = until;
        for _ in 0..10_000 {
            fleet.send(|_| false);
        }
        assert_eq!(fleet.balancer.health(fleet.ids[5]), Health::In, "{policy}");
    }
}

#[test]
fn when_all_fail_requests_go_on_and_no_more_than_half_are_out() {
    let mut fleet = Fleet::new("round-robin", 8, Breaker::new());
    for _ in 0..400 {
        fleet.send(|_| true);
    }
    assert_eq!((0..8).filter(|at| fleet.is_out(*at)).count(), 4);
    let all = Breaker::new().with_most_out(1_000_000).expect("in range");
    let mut fleet = Fleet::new("phalanx", 8, all);
    for _ in 0..400 {
        fleet.send(|_| true);
    }
    assert_eq!((0..8).filter(|at| fleet.is_out(*at)).count(), 8);
    fleet.send(|_| false);
}

#[test]
fn who_leaves_takes_his_record_along() {
    let mut fleet = Fleet::new("round-robin", 3, Breaker::new());
    while !fleet.is_out(1) {
        fleet.send(|at| at == 1);
    }
    let gone = fleet.ids[1];
    assert!(fleet.balancer.leave(gone));
    fleet.ids[1] = fleet.balancer.join(Endpoint::new());
    assert_eq!(fleet.ids[1].index(), 1);
    assert_eq!([gone, fleet.ids[1]].map(|id| fleet.balancer.health(id)), [Health::In; 2]);
    assert!(fleet.balancer.enter(fleet.pool, fleet.ids[1]));
    let sent: Vec<_> = (0..30).map(|_| fleet.send(|_| false)).collect();
    assert_eq!(sent.iter().filter(|at| **at == 1).count(), 10);
}
