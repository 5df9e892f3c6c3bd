//! The best pair by classes against all pairs, and what must hold of any pair.

mod world;

use proptest::prelude::*;

use self::world::{Step, World, case, tokens};
use super::*;
use crate::endpoint::Endpoint;
use crate::link::{Domain, Link, LinkCosts};
use crate::pair::Local;
use crate::policy::Policy;
use crate::reservation::Outcome;
use crate::seed::Stage;
use crate::{Load, Seed};

/// What is expected: slots, cost and ties.
type Expected = Option<(Option<u32>, u32, i64, u64)>;

fn expected(world: &mut World, request: &PairRequest<'_>) -> Expected {
    let local = world.balancer.pairs[0].local;
    let seed = world.balancer.seed;
    let (mut tied, cost) = world.locals(request);
    tied.sort_by_key(|at| world.local_order(request, *at));
    let stays = (!tied.is_empty()).then(|| {
        let at = |place: u32| Some(tied[place as usize] as usize);
        let at = tied[world.balancer.of_equals(request.key, tied.len() as u32, at) as usize];
        (None, at, cost, tied.len() as u64)
    });
    if let Some((_, at, ..)) = stays {
        let prompt = request.prompt_tokens;
        let uncached = prompt - world.held(request, at as usize).min(prompt.saturating_sub(1));
        if local.holds_within(uncached, prompt) {
            return stays;
        }
    }
    let pairs = world.all(request);
    let least = pairs.iter().map(|of| of.2.iter().sum::<i64>()).min();
    let Some(least) = least else { return if local.is_allowed { stays } else { None } };
    let mut tied: Vec<_> = pairs.iter().filter(|of| of.2.iter().sum::<i64>() == least).collect();
    tied.sort_by_cached_key(|of| world.order(request, of));
    if local.when_cheaper && cost <= least {
        return stays;
    }
    let (prefill, decode, _) = tied[seed.draw_wide(Stage::Tie, request.key, tied.len() as u64) as usize];
    Some((Some(*prefill), *decode, least, tied.len() as u64))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_best_pair_is_the_best_of_all_pairs(mut case in case()) {
        case.order = PairOrder::Joint;
        let mut world = World::new(&case);
        for step in &case.steps {
            world.apply(step, &mut |world, request, decision| {
                let found = decision.as_ref().ok().map(|of| {
                    let prefill = of.prefill.as_ref().map(|leg| leg.endpoint.index() as u32);
                    (prefill, of.decode.endpoint.index() as u32, of.cost, of.ties)
                });
                assert_eq!(found, expected(world, request));
            });
        }
    }

    #[test]
    fn the_short_way_is_the_long_way(case in case()) {
        let mut world = World::new(&case);
        for step in &case.steps {
            world.apply(step, &mut |world, request, _| {
                let now = world.balancer.advance(world.now);
                let (balancer, mut pairing) = (&world.balancer, Pairing::default());
                let ask = Ask { request, policy: &balancer.pairs[0], now };
                pairing.scratch.held.fill(request.evidence, &balancer.columns);
                pairing.order.follow(&balancer.classes);
                let is_walk = matches!(case.order, PairOrder::Walk { .. });
                if request.subset.is_some() || is_walk || !balancer.is_plain(&ask) {
                    return;
                }
                let long = balancer.pair_from_all(&ask, &mut pairing).ok();
                let short = balancer.pair_from_standings(&ask, &mut pairing);
                let stand = |role| {
                    let part = Part::new(balancer, &ask, role, &pairing.scratch.held);
                    world.candidates(request, role).iter().all(|at| part.stands(*at))
                };
                // Where nobody passes the filters there is no short way, and none to stay where no pair is.
                if short.is_some() || [Role::Prefill, Role::Decode].into_iter().all(stand) && !case.local.is_allowed {
                    assert_eq!(short, long);
                }
            });
        }
    }

    #[test]
    fn the_other_orders_do_what_they_say(case in case()) {
        let mut world = World::new(&case);
        for step in &case.steps {
            world.apply(step, &mut |world, request, decision| {
                let pairs = world.all(request);
                let Ok(decision) = decision else {
                    assert!(pairs.is_empty() || matches!(case.order, PairOrder::Walk { .. }));
                    return;
                };
                let Some(prefill) = &decision.prefill else { return };
                let decode = decision.decode.endpoint.index() as u32;
                let now = world.balancer.advance(world.now);
                let mut own: Vec<_> = world.candidates(request, Role::Decode).into_iter()
                    .map(|at| world.cost(request, Role::Decode, at, u32::MAX, now)).collect();
                own.sort_unstable();
                let rank = own.partition_point(|cost| *cost < decision.decode.cost);
                let for_it = pairs.iter().filter(|of| of.1 == decode);
                let time = decision.transfer.time.as_nanos() as i64;
                match case.order {
                    PairOrder::Joint => {}
                    PairOrder::DecodeFirst => {
                        assert_eq!(Some(decision.decode.cost), pairs.iter().map(|of| of.2[2]).min());
                        assert_eq!(Some(prefill.cost + time), for_it.map(|of| of.2[0] + of.2[1]).min());
                    }
                    PairOrder::Walk { decodes } => {
                        assert!(rank < decodes as usize);
                        assert_eq!(Some(prefill.cost), for_it.map(|of| of.2[0]).min());
                    }
                }
                let found = pairs.iter().find(|of| of.0 as usize == prefill.endpoint.index() && of.1 == decode);
                assert_eq!(found.map(|of| of.2), Some([prefill.cost, time, decision.decode.cost]));
            });
        }
    }

    /// Property 25: a pair is of its pools, and has the same group, connector and, where it is bound, rank, on every retry
    /// too, which keeps to what is excluded. Property 27: retries end.
    #[test]
    fn property_25_a_pair_goes_together_and_retries_exclude_both_parts(case in case(), key: u64, prompt in tokens(), blames_decode: bool) {
        let mut world = World::new(&case);
        let mut excluded = Vec::new();
        loop {
            let request = PairRequest::new(world.pair, key, prompt).with_excluded(&excluded);
            let may = [Role::Prefill, Role::Decode].map(|role| world.candidates(&request, role));
            let Ok(decision) = world.balancer.decide_pair(&request, world.now) else { break };
            let decode = decision.decode.endpoint;
            prop_assert!(may[1].contains(&(decode.index() as u32)));
            let prefill = decision.prefill.as_ref().map(|of| of.endpoint);
            for of in prefill.into_iter().chain([decode]) {
                prop_assert!(!excluded.contains(&of));
            }
            if let Some(prefill) = prefill {
                prop_assert!(may[0].contains(&(prefill.index() as u32)));
                prop_assert!(world.fit(prefill.index() as u32, decode.index() as u32));
            }
            let _ = world.balancer.settle(decision.decode.reservation, Outcome::Error, world.now);
            if let Some(of) = decision.prefill {
                let _ = world.balancer.settle(of.reservation, Outcome::Error, world.now);
            }
            excluded.push(prefill.filter(|_| !blames_decode).unwrap_or(decode));
            prop_assert!(excluded.len() <= world.ids.len());
        }
        prop_assert_eq!(world.balancer.outstanding(), 0);
    }

    #[test]
    fn invariant_12_both_loads_return_to_zero(case in case()) {
        let mut world = World::new(&case);
        for step in &case.steps {
            let before = world.balancer.outstanding();
            let mut booked = 0;
            world.apply(step, &mut |_, _, decision| {
                booked = decision.as_ref().map_or(0, |of| 1 + usize::from(of.prefill.is_some()));
            });
            if matches!(step, Step::Decide { .. }) {
                prop_assert_eq!(world.balancer.outstanding(), before + booked);
            }
            prop_assert_eq!(world.balancer.outstanding(), world.open.len());
        }
        for reservation in core::mem::take(&mut world.open) {
            let _ = world.balancer.settle(reservation, Outcome::Success, world.now);
        }
        prop_assert_eq!(world.balancer.outstanding(), 0);
        prop_assert!(world.ids.iter().all(|id| world.balancer.load(*id) == Load::default()));
    }

    #[test]
    fn invariant_13_an_explanation_adds_up(case in case()) {
        let mut world = World::new(&case);
        for step in &case.steps {
            world.apply(step, &mut |world, request, decision| {
                let why = world.balancer.explain_pair(request, world.now).expect("there is such a policy");
                let of = decision.as_ref().ok();
                assert_eq!(why.decode.chosen, of.map(|of| of.decode.endpoint));
                assert_eq!(why.prefill.chosen, of.and_then(|of| Some(of.prefill.as_ref()?.endpoint)));
                assert_eq!((why.total, why.ties), (of.map(|of| of.cost), of.map_or(0, |of| of.ties)));
                assert_eq!(Some(why.transfer), Some(of.map_or(Transfer::default(), |of| of.transfer)));
                for part in [&why.prefill, &why.decode] {
                    for candidate in &part.candidates {
                        let sum: i64 = part.contributions(candidate.endpoint).map(|part| part.amount).sum();
                        assert_eq!(sum, candidate.total);
                    }
                }
                for (role, explained) in [(Role::Prefill, &why.prefill), (Role::Decode, &why.decode)] {
                    let slots: Vec<_> = explained.candidates.iter().map(|of| of.endpoint.index() as u32).collect();
                    assert_eq!(slots, world.candidates(request, role));
                }
                let (Some(of), PairOrder::Joint) = (of, case.order) else { return };
                // The next total of any pair, or of anybody who stays local where that counts.
                let mut totals: Vec<_> = world.all(request).iter().map(|of| of.2.iter().sum::<i64>()).collect();
                if case.local.when_cheaper || of.prefill.is_none() {
                    let now = world.balancer.advance(world.now);
                    let local = |at: u32| {
                        world.cost(request, Role::Decode, at, world.held(request, at as usize), now)
                    };
                    totals.extend(world.alone(request).into_iter().map(local));
                }
                let least = totals.iter().all(|total| *total >= of.cost);
                let next = totals.into_iter().filter(|total| *total > of.cost).min();
                assert_eq!(why.margin, next.filter(|_| least).map(|next| next - of.cost));
            });
        }
    }
}

#[test]
fn ties_of_pairs_are_drawn_evenly() {
    let mut balancer = Balancer::new(Seed::from(3));
    let [prefill, decode] = [0, 1].map(|_| balancer.add_pool(Policy::phalanx()));
    let link = Link::new(Duration::from_micros(5), 21_000);
    let links = LinkCosts::uniform(4, link, link).expect("four domains");
    let policy = PairPolicy::new(prefill, decode, links, 131_072).with_local(Local::NEVER);
    let pair = balancer.add_pair(policy).expect("in nanoseconds");
    for at in 0..20 {
        let id = balancer.join(Endpoint::new().with_domain(Domain::from(at % 3)));
        balancer.enter(if at < 10 { prefill } else { decode }, id);
    }
    let mut seen = [0_u32; 100];
    for key in 0..10_000 {
        let decision = balancer.decide_pair(&PairRequest::new(pair, key, 1000), Duration::ZERO).expect("all fit");
        let computes = decision.prefill.expect("never local");
        assert_eq!(decision.ties, 100);
        seen[computes.endpoint.index() * 10 + decision.decode.endpoint.index() - 10] += 1;
        for reservation in [computes.reservation, decision.decode.reservation] {
            let _ = balancer.settle(reservation, Outcome::Unused, Duration::ZERO);
        }
    }
    let chi: f64 = seen.iter().map(|&count| (f64::from(count) - 100.0).powi(2) / 100.0).sum();
    assert!(chi < 150.0, "chi square {chi} with 99 degrees of freedom");
}

#[test]
fn some_cases_have_many_wide_levels() {
    let depths: Vec<_> = (0..100).map(|at| 1 + at / 5).collect();
    let overlap = world::of_depths(&depths);
    let wide = overlap.levels().filter(|level| level.ranks.words().is_some()).count();
    assert!(wide > 5, "{wide} wide levels");
}
