//! A decision, for a pair and for one of a subset, allocates nothing once the buffers are warm. A program of its own, with one test: what is counted
//! is all that the process allocates.

use core::time::Duration;
use std::alloc::System;

use phalanx_routing::{
    AdapterReading, Balancer, Domain, Endpoint, EndpointId, Evidence, FailMode, Link, LinkCosts, Local, Outcome,
    PairOrder, PairPolicy, PairRequest, Policy, Request, Role, Seed, Signals, Slo, Targets,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Of each part.
const ENDPOINTS: u32 = 300;

#[test]
fn a_decision_allocates_nothing() {
    let mut balancer = Balancer::new(Seed::from(7));
    let targets = Targets { fail: FailMode::Open, ..Targets::default() };
    let policies = [Policy::phalanx().with_targets(targets), Policy::phalanx()];
    let pools = policies.map(|policy| balancer.add_pool(policy));
    let [near, far] = [(5, 21_000), (40, 168_000)].map(|(micros, per)| Link::new(Duration::from_micros(micros), per));
    let links = LinkCosts::uniform(10, near, far).expect("there are domains");
    let mut ids = Vec::new();
    for (pool, role) in pools.into_iter().zip([Role::Prefill, Role::Decode]) {
        for at in 0..ENDPOINTS {
            let endpoint = Endpoint::new().with_role(role).with_domain(Domain::from(at % 10));
            let id = balancer.join(endpoint.with_group(at % 4).with_connector(0));
            balancer.enter(pool, id);
            // What is promised to an endpoint has room once it has told of its adapters.
            let none = AdapterReading { loaded: &[], queued: &[], slots: None, read: Duration::ZERO };
            assert!(balancer.adapters(id, &none));
            ids.push(id);
        }
    }
    let cases = [
        (PairOrder::Joint, Local::NEVER),
        (PairOrder::Joint, Local::DYNAMO),
        (PairOrder::Joint, Local::WHEN_CHEAPER),
        (PairOrder::DecodeFirst, Local::AT_NEED),
        (PairOrder::Walk { decodes: 5 }, Local::NEVER),
    ];
    let pairs = cases.map(|(order, local)| {
        let policy = PairPolicy::new(pools[0], pools[1], links.clone(), 128 << 10).with_order(order).with_local(local);
        balancer.add_pair(policy).expect("both weigh in nanoseconds")
    });
    let evidence: Vec<_> = ids.iter().step_by(7).map(|id| (*id, 2000)).collect();
    let subset: Vec<_> = ids.iter().step_by(3).copied().collect();

    // Round after round the same, so that everything has grown as far as it will.
    let mut open = std::collections::VecDeque::with_capacity(1_000);
    let mut round = |balancer: &mut Balancer, number: u64| {
        for key in 0..500 {
            let now = Duration::from_millis(number * 5_000 + key * 10);
            let pair = pairs[key as usize % pairs.len()];
            let excluded: [EndpointId; 1] = [ids[key as usize * 31 % ids.len()]];
            let request = PairRequest::new(pair, key, 1 + (key as u32 * 977) % 9_000);
            let request = request.with_evidence(Evidence::Tokens(&evidence)).with_excluded(&excluded);
            let request = if key % 10 == 9 { request.with_subset(&subset) } else { request };
            let request = if key % 10 == 4 { request.with_adapter((key as u32 % 3).into()) } else { request };
            let slo = Slo { ttft: Some(Duration::from_millis(key)), tpot: None };
            let request = if key % 10 == 7 { request.with_slo(slo) } else { request };
            let decision = balancer.decide_pair(&request, now).expect("there are pairs");
            open.extend(decision.prefill.into_iter().chain([decision.decode]).map(|leg| leg.reservation));
            if key % 3 == 0
                && let Some(reservation) = open.back_mut()
            {
                balancer.first_token(reservation, now);
            }
            while open.len() > 200 {
                let reservation = open.pop_front().expect("there are some");
                balancer.settle(reservation, Outcome::Success, now);
            }
            let alone = Request::new(pools[0], key, 1 + (key as u32 * 977) % 9_000).with_subset(&subset);
            let alone = alone.with_evidence(Evidence::Tokens(&evidence)).with_adapter((key as u32 % 3).into());
            let decision = balancer.decide(&alone, now).expect("some of the subset are in the pool");
            balancer.settle(decision.reservation, Outcome::Success, now);
            let signals = Signals { waiting: Some(key as u32 % 5), running: Some(3), ..Signals::unknown(now) };
            balancer.signals(ids[key as usize % ids.len()], signals);
        }
    };
    let region = Region::new(ALLOCATOR);
    for number in 0..10 {
        round(&mut balancer, number);
    }
    assert!(region.change().allocations > 0, "allocations are counted");
    let region = Region::new(ALLOCATOR);
    for number in 10..20 {
        round(&mut balancer, number);
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{change:?}");
}
