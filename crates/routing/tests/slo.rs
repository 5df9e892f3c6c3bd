//! Who is expected to keep a promise.

use core::time::Duration;

use phalanx_routing::{
    Balancer, Endpoint, EndpointId, Evidence, FailMode, Omission, Outcome, Policy, PoolId, Refusal, Request, Seed, Slo,
    Targets,
};
use proptest::prelude::*;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Three idle endpoints under a policy that takes whoever holds the most of the prompt.
fn fleet(targets: Targets) -> (Balancer, PoolId, [EndpointId; 3]) {
    let mut balancer = Balancer::new(Seed::from(1));
    let pool = balancer.add_pool(Policy::smg_cache_aware().with_targets(targets));
    let ids = [(); 3].map(|()| balancer.join(Endpoint::new()));
    assert!(ids.iter().all(|id| balancer.enter(pool, *id)));
    (balancer, pool, ids)
}

#[test]
fn the_holder_of_the_prompt_is_passed_over_while_it_would_be_late() {
    let targets = Targets { ttft_millis: Some(1000), ..Targets::default() };
    let (mut balancer, pool, ids) = fleet(targets);
    let held = [(ids[1], 9000)];
    let request = |key| Request::new(pool, key, 10_000).with_evidence(Evidence::Tokens(&held));
    // 1,000 tokens at 80.5 µs.
    let forecast = balancer.forecast(ids[1], &request(0), Duration::ZERO).expect("it is there");
    assert_eq!((forecast.ttft, forecast.tpot), (Duration::from_micros(80_500), Duration::from_micros(8_830)));
    let mut open = Vec::new();
    for key in 0..12 {
        let decision = balancer.decide(&request(key), Duration::ZERO).expect("somebody is in time");
        assert_eq!(decision.endpoint, ids[1], "{key}");
        open.push(decision.reservation);
    }
    // 12 × 80.5 ms before it, and its own: 1,046.5 ms.
    let explanation = balancer.explain(&request(12), Duration::ZERO).expect("there is such a pool");
    assert_eq!(explanation.omitted, [(ids[1], Omission::Late)]);
    let patient = Slo { ttft: Some(millis(1047)), tpot: None };
    let explanation = balancer.explain(&request(12).with_slo(patient), Duration::ZERO).expect("there is such a pool");
    assert_eq!((explanation.chosen, explanation.omitted), (Some(ids[1]), vec![]));
    for reservation in open {
        balancer.settle(reservation, Outcome::Unused, Duration::ZERO);
    }
}

#[test]
fn when_all_are_late_the_fail_mode_decides() {
    for (fail, expected) in [(FailMode::Open, Ok(())), (FailMode::Closed, Err(Refusal::AllLate { candidates: 3 }))] {
        let (mut balancer, pool, _) = fleet(Targets { tpot_millis: Some(5), fail, ..Targets::default() });
        let decided = balancer.decide(&Request::new(pool, 1, 100), Duration::ZERO);
        assert_eq!(decided.map(|decision| drop(decision.reservation)), expected);
    }
}

#[test]
fn steps_are_learned_from_answers() {
    let (mut balancer, pool, ids) = fleet(Targets::default());
    let request = Request::new(pool, 1, 1000).with_subset(&ids[..1]);
    let mut now = Duration::ZERO;
    for _ in 0..400 {
        let mut reservation = balancer.decide(&request, now).expect("it is there").reservation;
        balancer.first_token(&mut reservation, now + millis(80));
        balancer.generated(&reservation, 101);
        now += millis(80 + 100 * 25);
        balancer.settle(reservation, Outcome::Success, now);
    }
    let tpot = |id| balancer.forecast(id, &request, now).expect("it is there").tpot;
    assert!((millis(24)..=millis(25)).contains(&tpot(ids[0])), "{:?}", tpot(ids[0]));
    assert!(tpot(ids[1]) < millis(9));
}

proptest! {
    /// Property 20: a promise that is easier to keep refuses nobody who was not refused before.
    #[test]
    fn property_20_a_looser_promise_admits_as_many(
        loads in proptest::collection::vec((1..60_000_u32, 0..9_usize), 3),
        ttft in 0..5000_u64, tpot in 0..30_u64, looser in 0..5000_u64, prompt in 1..40_000_u32,
    ) {
        let (mut balancer, pool, ids) = fleet(Targets { fail: FailMode::Closed, ..Targets::default() });
        let mut open = Vec::new();
        for (id, (tokens, requests)) in ids.iter().zip(loads) {
            for key in 0..requests as u64 {
                let alone = [*id];
                let request = Request::new(pool, key, tokens).with_subset(&alone);
                open.push(balancer.decide(&request, Duration::ZERO).expect("nothing is promised").reservation);
            }
        }
        let request = Request::new(pool, 99, prompt);
        let asked = |ttft, tpot| {
            let slo = Slo { ttft: Some(millis(ttft)), tpot: Some(millis(tpot)) };
            balancer.clone().decide(&request.with_slo(slo), Duration::ZERO).is_ok()
        };
        if asked(ttft, tpot) {
            prop_assert!(asked(ttft + looser, tpot));
            prop_assert!(asked(ttft, tpot + looser));
        }
    }
}
