//! Invariants 11 to 14, against a model that recounts everything from the list of what happened.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::Contribution;
use crate::policy::PrefixAware;

const NOW: Duration = Duration::ZERO;

/// What may happen to a router. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    Join,
    Leave(usize),
    Decide { key: u64, prompt: u32, held: Vec<(usize, u32)>, candidates: Vec<usize>, excluded: Vec<usize> },
    FirstToken(usize),
    Settle(usize, Outcome),
}

fn step() -> impl Strategy<Value = Step> {
    let held = vec((0..12_usize, 0..3000_u32), 0..4);
    let outcome =
        prop_oneof![Just(Outcome::Success), Just(Outcome::Error), Just(Outcome::ClientGone), Just(Outcome::Cut)];
    prop_oneof![
        2 => Just(Step::Join),
        1 => any::<usize>().prop_map(Step::Leave),
        6 => (any::<u64>(), 0..3000_u32, held, vec(0..12_usize, 0..6), vec(0..12_usize, 0..3)).prop_map(
            |(key, prompt, held, candidates, excluded)| Step::Decide { key, prompt, held, candidates, excluded }
        ),
        2 => any::<usize>().prop_map(Step::FirstToken),
        3 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::Settle(which, outcome)),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let knobs = (any::<u16>(), any::<u16>(), any::<u16>(), any::<u16>()).prop_map(|(a, b, c, d)| {
        let knobs = PrefixAware::new().with_decoding_permille(a).with_prefilling_permille(b);
        Policy::PrefixAware(knobs.with_sequence_millitokens(c).with_context_millitokens(d))
    });
    prop_oneof![Just(Policy::RoundRobin), Just(Policy::LeastLoad), Just(Policy::PrefixAware(PrefixAware::new())), knobs]
}

/// A router, every id it ever gave, which of them are live, and what is outstanding.
struct World {
    router: Router,
    ids: Vec<EndpointId>,
    live: BTreeSet<EndpointId>,
    open: Vec<Reservation>,
}

impl World {
    fn new(policy: Policy, seed: u64) -> Self {
        let router = Router::new(policy, Seed::from(seed));
        Self { router, ids: Vec::new(), live: BTreeSet::new(), open: Vec::new() }
    }

    fn ids_of(&self, which: &[usize]) -> Vec<EndpointId> {
        let ids: BTreeSet<_> = which.iter().filter_map(|index| self.ids.get(*index).copied()).collect();
        ids.into_iter().collect()
    }

    /// Applies `step`; shows `check` each request before it is decided, and the answer.
    fn apply(
        &mut self,
        step: &Step,
        mut check: impl FnMut(&Router, &BTreeSet<EndpointId>, &Request<'_>, &Result<Decision, Refusal>),
    ) {
        match step {
            Step::Join => {
                let id = self.router.join();
                assert!(!self.ids.contains(&id), "an id never comes back");
                self.ids.push(id);
                self.live.insert(id);
            }
            Step::Leave(which) if !self.ids.is_empty() => {
                let id = self.ids[which % self.ids.len()];
                assert_eq!(self.router.leave(id), self.live.remove(&id));
            }
            Step::Decide { key, prompt, held, candidates, excluded } => {
                let held: BTreeMap<_, _> =
                    held.iter().filter_map(|(index, tokens)| Some((*self.ids.get(*index)?, *tokens))).collect();
                let evidence: Vec<_> = held.into_iter().collect();
                let (candidates, excluded) = (self.ids_of(candidates), self.ids_of(excluded));
                let request = Request {
                    key: *key,
                    prompt_tokens: *prompt,
                    evidence: &evidence,
                    candidates: &candidates,
                    excluded: &excluded,
                };
                let before = self.router.clone();
                let decision = self.router.decide(&request, NOW);
                check(&before, &self.live, &request, &decision);
                if let Ok(decision) = decision {
                    self.open.push(decision.reservation);
                }
            }
            Step::FirstToken(which) if !self.open.is_empty() => {
                let index = which % self.open.len();
                self.router.first_token(&mut self.open[index], NOW);
            }
            Step::Settle(which, outcome) if !self.open.is_empty() => {
                let reservation = self.open.swap_remove(which % self.open.len());
                self.router.settle(reservation, *outcome, NOW);
            }
            Step::Leave(_) | Step::FirstToken(_) | Step::Settle(..) => {}
        }
    }
}

/// The cost from its definition, with wide arithmetic and a scan of the evidence.
fn naive_cost(router: &Router, request: &Request<'_>, id: EndpointId) -> u128 {
    let load = router.load(id);
    let held = request.evidence.iter().find(|(other, _)| *other == id).map_or(0, |(_, tokens)| *tokens);
    let own = u128::from(request.prompt_tokens - held.min(request.prompt_tokens.saturating_sub(1)));
    let (flight, prefilling) = (u128::from(load.in_flight), u128::from(load.prefilling));
    match router.policy() {
        Policy::RoundRobin => u128::from(router.columns.turn(id.index())),
        Policy::LeastLoad => flight * (1 << 40) + u128::from(load.pending_tokens),
        Policy::PrefixAware(knobs) => {
            u128::from(load.pending_tokens) * 1000
                + own * 1000
                + own * u128::from(knobs.decoding_permille) * (flight - prefilling)
                + own * u128::from(knobs.prefilling_permille) * prefilling
                + (u128::from(knobs.sequence_millitokens)
                    + u128::from(request.prompt_tokens) * u128::from(knobs.context_millitokens))
                    * flight
        }
    }
}

proptest! {
    #[test]
    fn invariant_11_a_choice_exists_is_not_excluded_and_replays(
        policy in policy(), seed in any::<u64>(), steps in vec(step(), 1..60)
    ) {
        let mut world = World::new(policy, seed);
        for step in &steps {
            world.apply(step, |before, live, request, answer| {
                assert_eq!(&before.clone().decide(request, NOW), answer);
                let eligible = |id: &&EndpointId| live.contains(id) && !request.excluded.contains(id);
                let left: Vec<_> = request.candidates.iter().filter(eligible).collect();
                match answer {
                    Ok(decision) => {
                        assert!(left.contains(&&decision.endpoint));
                        assert_eq!(decision.cached_tokens + decision.uncached_tokens, request.prompt_tokens);
                        assert_eq!(decision.reservation.endpoint(), decision.endpoint);
                    }
                    Err(_) => assert!(left.is_empty()),
                }
            });
        }
    }

    #[test]
    fn invariant_12_load_is_what_is_outstanding_and_ends_at_zero(
        policy in policy(), seed in any::<u64>(), steps in vec(step(), 1..60)
    ) {
        let mut world = World::new(policy, seed);
        let check = |world: &World| {
            assert_eq!(world.router.outstanding() as usize, world.open.len());
            for &id in &world.ids {
                let mut load = Load::default();
                for reservation in world.open.iter().filter(|r| r.endpoint == id && world.live.contains(&id)) {
                    load.in_flight += 1;
                    load.prefilling += u32::from(reservation.is_prefilling());
                    let waits = if reservation.is_prefilling() { reservation.uncached_tokens } else { 0 };
                    load.pending_tokens += u64::from(waits);
                }
                assert_eq!(world.router.load(id), load);
            }
        };
        for step in &steps {
            world.apply(step, |_, _, _, _| {});
            check(&world);
        }
        while !world.open.is_empty() {
            world.apply(&Step::Settle(seed as usize, Outcome::Cut), |_, _, _, _| {});
            check(&world);
        }
        prop_assert_eq!(world.router.outstanding(), 0);
    }

    #[test]
    fn invariant_13_contributions_add_up_and_the_choice_is_the_least(
        policy in policy(), seed in any::<u64>(), steps in vec(step(), 1..60)
    ) {
        let mut world = World::new(policy, seed);
        for step in &steps {
            world.apply(step, |before, _, request, answer| {
                let explanation = before.explain(request).expect("lists in order");
                let shown = explanation.candidates.len() + explanation.omitted.len();
                assert_eq!(shown, request.candidates.len());
                for candidate in &explanation.candidates {
                    let sum: u64 = candidate.contributions.iter().map(|Contribution { cost, .. }| cost).sum();
                    assert_eq!(sum, candidate.total);
                    // The sparse walk agrees with the definition.
                    assert_eq!(u128::from(sum), naive_cost(before, request, candidate.endpoint));
                }
                let Ok(decision) = answer else {
                    assert_eq!((explanation.chosen, explanation.ties), (None, 0));
                    return;
                };
                assert_eq!(explanation.chosen, Some(decision.endpoint));
                assert_eq!(explanation.ties, decision.ties);
                let least = explanation.candidates.iter().map(|candidate| candidate.total).min();
                assert_eq!(least, Some(decision.cost));
                let tied = explanation.candidates.iter().filter(|candidate| Some(candidate.total) == least);
                assert_eq!(tied.clone().count() as u32, decision.ties);
                assert!(tied.map(|candidate| candidate.endpoint).any(|id| id == decision.endpoint));
            });
        }
    }

    #[test]
    fn invariant_14_knowing_nothing_of_a_cache_never_lowers_a_cost(
        policy in policy(), seed in any::<u64>(), steps in vec(step(), 1..60), drop in any::<usize>()
    ) {
        let mut world = World::new(policy, seed);
        for step in &steps {
            world.apply(step, |before, _, request, _| {
                if request.evidence.is_empty() {
                    return;
                }
                let mut less = request.evidence.to_vec();
                less.remove(drop % less.len());
                let known = before.explain(request).expect("lists in order");
                let unknown = before.explain(&Request { evidence: &less, ..*request }).expect("lists in order");
                for (known, unknown) in known.candidates.iter().zip(&unknown.candidates) {
                    assert!(known.total <= unknown.total);
                }
            });
        }
    }

    #[test]
    fn round_robin_is_fair_over_every_window(count in 1..9_usize, keys in vec(any::<u64>(), 1..80)) {
        let mut router = Router::new(Policy::RoundRobin, Seed::from(1));
        let fleet: Vec<_> = (0..count).map(|_| router.join()).collect();
        let mut chosen = Vec::new();
        for key in keys {
            let request = Request { key, prompt_tokens: 9, evidence: &[], candidates: &fleet, excluded: &[] };
            chosen.push(router.decide(&request, NOW).expect("a candidate").endpoint);
        }
        for start in 0..chosen.len() {
            let mut counts = vec![0_u32; count];
            for id in &chosen[start..] {
                counts[id.index()] += 1;
                let (least, most) = (counts.iter().min(), counts.iter().max());
                prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1));
            }
        }
    }
}

/// Sends `count` requests of 100 tokens; the indices chosen.
fn send(router: &mut Router, fleet: &[EndpointId], count: u64) -> Vec<usize> {
    let decide = |key| {
        let request = Request { key, prompt_tokens: 100, evidence: &[], candidates: fleet, excluded: &[] };
        router.decide(&request, NOW).expect("a candidate").endpoint.index()
    };
    (0..count).map(decide).collect()
}

#[test]
fn pools_that_share_a_router_each_have_their_own_round() {
    let mut router = Router::new(Policy::RoundRobin, Seed::from(0));
    let all: Vec<_> = (0..4).map(|_| router.join()).collect();
    let (outer, inner) = ([all[0], all[3]], [all[1], all[2]]);
    let turns: Vec<_> =
        (0..4).flat_map(|_| [send(&mut router, &outer, 1), send(&mut router, &inner, 1)].concat()).collect();
    assert_eq!(turns, [0, 1, 3, 2, 0, 1, 3, 2]);
}

#[test]
fn least_load_counts_requests_before_tokens() {
    let mut router = Router::new(Policy::LeastLoad, Seed::from(0));
    let fleet = [router.join(), router.join()];
    let long = Request { key: 0, prompt_tokens: 1_000_000, evidence: &[], candidates: &fleet[..1], excluded: &[] };
    let short = Request { key: 0, prompt_tokens: 1, candidates: &fleet[1..], ..long };
    let decisions = [router.decide(&long, NOW), router.decide(&short, NOW), router.decide(&short, NOW)];
    assert!(decisions.iter().all(Result::is_ok));
    assert_eq!(send(&mut router, &fleet, 1), [0], "one long request is fewer than two short ones");
    assert_eq!(send(&mut router, &fleet, 1), [1], "then the fewer tokens");
}

#[test]
fn ties_are_drawn_evenly_from_the_seed() {
    let mut counts = [0_u32; 4];
    for key in 0..4000 {
        let mut router = Router::new(Policy::LeastLoad, Seed::from(5));
        let fleet: Vec<_> = (0..4).map(|_| router.join()).collect();
        let request = Request { key, prompt_tokens: 9, evidence: &[], candidates: &fleet, excluded: &[] };
        let decision = router.decide(&request, NOW).expect("a candidate");
        assert_eq!(decision.ties, 4);
        counts[decision.endpoint.index()] += 1;
    }
    assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
}

#[test]
fn a_holder_keeps_its_requests_until_it_is_busy() {
    let mut router = Router::new(Policy::parse("prefix-aware").expect("a policy"), Seed::from(0));
    let fleet = [router.join(), router.join()];
    let evidence = [(fleet[0], 9000)];
    let request = Request { key: 0, prompt_tokens: 10_000, evidence: &evidence, candidates: &fleet, excluded: &[] };
    let chosen: Vec<_> = (0..20).map(|_| router.decide(&request, NOW).expect("a candidate").endpoint.index()).collect();
    assert_eq!(chosen[..3], [0, 0, 0]);
    assert!(chosen.contains(&1), "a backlog outweighs the cache at last: {chosen:?}");
}

#[test]
fn lists_out_of_order_are_refused() {
    let mut router = Router::new(Policy::LeastLoad, Seed::from(0));
    let (a, b) = (router.join(), router.join());
    let request = Request { key: 0, prompt_tokens: 9, evidence: &[], candidates: &[b, a], excluded: &[] };
    assert_eq!(router.decide(&request, NOW), Err(Refusal::Unsorted { list: "candidates" }));
    let request = Request { candidates: &[a, b], excluded: &[b, b], ..request };
    assert_eq!(router.decide(&request, NOW), Err(Refusal::Unsorted { list: "excluded" }));
    let request = Request { excluded: &[], evidence: &[(b, 1), (a, 1)], ..request };
    assert_eq!(router.explain(&request), Err(Refusal::Unsorted { list: "evidence" }));
    assert_eq!(router.outstanding(), 0);
}

#[test]
fn endpoints_that_left_are_passed_over() {
    let mut router = Router::new(Policy::LeastLoad, Seed::from(0));
    let fleet = [router.join(), router.join()];
    router.leave(fleet[0]);
    let request = Request { key: 0, prompt_tokens: 9, evidence: &[], candidates: &fleet, excluded: &fleet[1..] };
    assert_eq!(router.decide(&request, NOW), Err(Refusal::AllGone { candidates: 2, excluded: 1 }));
    assert_eq!(send(&mut router, &fleet, 2), [1, 1]);
    assert_eq!(router.decide(&Request { candidates: &[], ..request }, NOW), Err(Refusal::NoCandidates));
}

#[test]
fn a_settled_reservation_tells_its_times() {
    let mut router = Router::new(Policy::LeastLoad, Seed::from(0));
    let fleet = [router.join()];
    let request = Request { key: 0, prompt_tokens: 9, evidence: &[], candidates: &fleet, excluded: &[] };
    let at = Duration::from_millis;
    let mut reservation = router.decide(&request, at(100)).expect("a candidate").reservation;
    router.first_token(&mut reservation, at(130));
    router.first_token(&mut reservation, at(140));
    let settled = router.settle(reservation, Outcome::Success, at(200));
    assert_eq!(settled, Settled { first_token: Some(at(30)), total: at(100) });
    assert_eq!(router.totals(fleet[0]), Totals { success: 1, ..Totals::default() });
}
