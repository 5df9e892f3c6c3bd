//! Pools whose policy becomes another one.

use super::Balancer;
use crate::policy::Policy;
use crate::pool::{Pool, PoolId};

impl Balancer {
    /// Gives a pool another policy; who is in it stays, and so does all that is known of them. What the old policy kept for
    /// itself, such as who answered a session, is forgotten. `false` for a pool that does not exist, and for one of a pair
    /// policy, which was checked against what it has. Linear in the pool.
    ///
    /// ```
    /// use phalanx_routing::{Balancer, Policy, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let pool = balancer.add_pool(Policy::phalanx());
    /// assert!(balancer.set_policy(pool, Policy::least_request()));
    /// assert_eq!(balancer.policy(pool).map(Policy::name), Some("least-request"));
    /// ```
    pub fn set_policy(&mut self, pool: PoolId, policy: Policy) -> bool {
        let is_paired = self.pairs.iter().any(|pair| pair.prefill == pool || pair.decode == pool);
        let place = pool.index();
        if is_paired || place >= self.pools.len() {
            return false;
        }
        if self.pools[place].policy == policy {
            return true;
        }
        self.recording.policy(pool, &policy);
        let before = core::mem::replace(&mut self.pools[place], Pool::new(policy));
        for at in before.slots() {
            let (id, name) = (self.columns.id(at), self.columns.endpoint[at].name_hash());
            self.pools[place].set(id, name, true);
            self.pools[place].out += u32::from(!self.columns.record[at].is_in());
            self.refresh_in(place, at);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use crate::{Balancer, Breaker, Endpoint, EndpointId, Health, Log, Outcome, Policy, PoolId, Request, Seed};

    fn second(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    /// Requests whose answers end at the same time, so that where they go tells of the policy.
    fn decide(balancer: &mut Balancer, pool: PoolId, keys: core::ops::Range<u64>) -> Vec<EndpointId> {
        let now = second(keys.start);
        let decided: Vec<_> = keys
            .map(|key| balancer.decide(&Request::new(pool, key, 1000 + key as u32 * 700), now).expect("somebody"))
            .collect();
        let ids = decided.iter().map(|decision| decision.endpoint).collect();
        for decision in decided {
            balancer.settle(decision.reservation, Outcome::Success, now + second(1));
        }
        ids
    }

    #[test]
    fn a_pool_decides_by_its_new_policy_as_if_it_had_always_had_it() {
        for (before, after) in [
            (Policy::least_request(), Policy::phalanx()),
            (Policy::phalanx(), Policy::least_request()),
            (Policy::phalanx(), Policy::kthena()),
        ] {
            let mut balancers = [before, after.clone()].map(|policy| {
                let mut balancer = Balancer::new(Seed::from(7));
                let pool = balancer.add_pool(policy);
                let fleet: Vec<_> = (0..5).map(|_| balancer.join(Endpoint::new())).collect();
                fleet.iter().for_each(|endpoint| _ = balancer.enter(pool, *endpoint));
                (balancer, pool)
            });
            let [(changed, pool), (always, _)] = &mut balancers;
            assert!(changed.set_policy(*pool, after));
            assert_eq!(decide(changed, *pool, 0..50), decide(always, *pool, 0..50));
        }
    }

    #[test]
    fn what_changed_is_in_the_log() {
        let breaker = |failures| Breaker::new().with_failures(failures).expect("valid");
        let mut balancer = Balancer::new(Seed::from(7)).with_breaker(breaker(1));
        balancer.record(1 << 20);
        let pool = balancer.add_pool(Policy::least_request());
        let fleet = [Endpoint::new(), Endpoint::new(), Endpoint::new()].map(|endpoint| balancer.join(endpoint));
        fleet.iter().for_each(|endpoint| _ = balancer.enter(pool, *endpoint));
        decide(&mut balancer, pool, 0..9);
        let failed = balancer.decide(&Request::new(pool, 1, 10), second(20)).expect("somebody");
        let out = failed.endpoint;
        balancer.settle(failed.reservation, Outcome::Error, second(21));
        assert_ne!(balancer.health(out), Health::In);
        balancer.set_policy(pool, Policy::phalanx());
        assert!(!decide(&mut balancer, pool, 22..31).contains(&out));
        balancer.set_breaker(None);
        assert!(decide(&mut balancer, pool, 32..41).contains(&out), "nobody is left alone");
        balancer.set_breaker(Some(breaker(3)));
        balancer.set_max_age(second(9));
        assert!(!decide(&mut balancer, pool, 42..45).contains(&out));
        let late = decide(&mut balancer, pool, 60..100);
        assert!(late.contains(&out), "after its pause");
        assert!(!balancer.set_policy(PoolId(1), Policy::phalanx()));
        let report = Log::read(balancer.recorded()).and_then(|log| log.replay()).expect("a whole log");
        assert_eq!((report.decisions, report.differences.len()), (71, 0));
    }
}
