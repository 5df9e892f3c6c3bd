//! Signals that are missing, old or at their ends.

use super::*;
use phalanx_routing::Unknown;

/// A report, of numbers up to their ends.
fn report() -> impl Strategy<Value = Signals> {
    let number = || prop_oneof![4 => 0..40_u32, 1 => any::<u32>(), 1 => Just(u32::MAX)];
    let time = || {
        prop_oneof![
            4 => (0..2000_u64).prop_map(Duration::from_millis),
            1 => Just(Duration::MAX),
            1 => Just(Duration::ZERO)
        ]
    };
    (number(), number(), prop_oneof![0..1_000_000_u32, any::<u32>()], time(), time()).prop_map(
        |(waiting, running, kv, ttft, tpot)| Signals {
            waiting: Some(waiting),
            running: Some(running),
            kv_used_ppm: Some(kv),
            ttft: Some(ttft),
            tpot: Some(tpot),
            ..Signals::unknown(Duration::ZERO)
        },
    )
}

/// Presets, with what is not known taken for the worst.
fn cautious() -> impl Strategy<Value = Policy> {
    let weighs_chance = |policy: &Policy| match policy.combination() {
        Combination::Sum(parts) => parts.iter().any(|part| part.scorer == Scorer::Draw),
        _ => false,
    };
    any_preset()
        .prop_map(|preset| preset.with_filters(vec![]).expect("none").with_unknown(Unknown::Worst))
        .prop_filter("no draws", move |policy| !weighs_chance(policy))
}

proptest! {
    /// Property 19: one of whom nothing is known, or whose report is too old, never costs less than the best of those who
    /// reported. What others do at an endpoint is only known from its report, so nobody waits at it here.
    #[test]
    fn property_19_the_unknown_is_never_the_best(policy in cautious(), reports in vec(report(), 1..6), stale: Option<bool>) {
        let priced = matches!(policy.combination(), Combination::Cost(_));
        let mut balancer = Balancer::new(Seed::from(1)).with_max_age(Duration::from_secs(5));
        let pool = balancer.add_pool(policy);
        let ids: Vec<_> = (0..=reports.len()).map(|_| balancer.join(Endpoint::new())).collect();
        ids.iter().for_each(|id| assert!(balancer.enter(pool, *id)));
        if stale == Some(true) {
            let idle = Signals {
                waiting: Some(0), running: Some(0), kv_used_ppm: Some(0),
                ttft: Some(Duration::from_micros(1)), tpot: Some(Duration::from_micros(1)),
                ..Signals::unknown(Duration::from_secs(5))
            };
            assert!(balancer.signals(ids[0], idle));
        }
        let now = Duration::from_secs(10);
        for (id, report) in ids[1..].iter().zip(reports) {
            let others = if priced { Some(0) } else { report.waiting };
            let running = if priced { Some(0) } else { report.running };
            assert!(balancer.signals(*id, Signals { read: now, waiting: others, running, ..report }));
        }
        let explanation = balancer.explain(&Request::new(pool, 1, 100), now).expect("there is such a pool");
        let total = |id: &EndpointId| explanation.candidate(*id).map(|candidate| candidate.total);
        let best = ids[1..].iter().filter_map(total).min();
        if let Some(unknown) = total(&ids[0]) {
            prop_assert!(best.is_some_and(|best| best <= unknown), "{unknown} before {best:?}");
            prop_assert_eq!(explanation.candidate(ids[0]).and_then(|candidate| candidate.signal_age), None);
        }
    }

    /// Property 24: no number at its end overflows anywhere: of signals, of endpoints, of prompts, of what is held.
    #[test]
    fn property_24_the_greatest_numbers_are_borne(
        preset in any_preset(),
        reports in vec(report(), 1..5),
        prompts in vec((prop_oneof![any::<u32>(), Just(u32::MAX), Just(0)], any::<bool>()), 0..12),
        held in prop_oneof![any::<u32>(), Just(u32::MAX)],
    ) {
        let mut fleet = Fleet::empty(preset, 0);
        for report in reports {
            let most = Endpoint::new().with_seats(u32::MAX).with_kv_tokens(u32::MAX).with_prefill_token(Duration::MAX);
            let least = Endpoint::new().with_seats(0).with_kv_tokens(0).with_prefill_token(Duration::ZERO);
            for endpoint in [most, least] {
                let id = fleet.balancer.join(endpoint);
                assert!(fleet.balancer.enter(fleet.pool, id) && fleet.balancer.enter(fleet.free, id));
                fleet.ids.push(id);
                fleet.held.push((id, held));
                assert!(fleet.balancer.signals(id, report));
            }
        }
        let evidence = fleet.held.clone();
        for ((prompt, came), key) in prompts.into_iter().zip(0..) {
            let request = Request::new(fleet.pool, key, prompt).with_evidence(Evidence::Tokens(&evidence));
            let explanation = fleet.balancer.explain(&request, Duration::from_secs(key)).expect("there is such a pool");
            let mut others = Vec::new();
            let answer = fleet.balancer.decide_list(&request, Duration::from_secs(key), 3, &mut others);
            prop_assert_eq!(answer.as_ref().ok().map(|decision| decision.endpoint), explanation.chosen);
            let Ok(mut decision) = answer else { continue };
            prop_assert_eq!(decision.cached_tokens.checked_add(decision.uncached_tokens), Some(prompt));
            prop_assert!(prompt == 0 || decision.uncached_tokens > 0);
            if came {
                fleet.balancer.first_token(&mut decision.reservation, Duration::MAX);
            }
            fleet.balancer.generated(&decision.reservation, u32::MAX);
            fleet.open.push(decision.reservation);
        }
        for open in core::mem::take(&mut fleet.open) {
            let _ = fleet.balancer.settle(open, Outcome::Success, Duration::MAX);
        }
        let idle = fleet.ids.iter().all(|id| fleet.balancer.load(*id) == phalanx_routing::Load::default());
        prop_assert!(idle);
    }
}
