//! Invariants 11 to 14, and the short way against the long one, after any sequence of steps.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::choose::Scratch;
use super::*;
use crate::health::{Breaker, Outlier};
use crate::policy::{Combination, FailMode, Measure, Picker, Scorer, Unknown};
use crate::request::Evidence;
use crate::{AdapterId, AdapterReading, Factor, Load, Omission, Slo};

mod hints;
mod policies;

pub(crate) use self::policies::policy;

/// What may happen to a balancer. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Join(Endpoint),
    Leave(usize),
    Exit(usize),
    Enter(usize),
    Signals(usize, Option<u32>, Option<u32>, Option<u32>),
    Adapters {
        which: usize,
        loaded: Vec<u32>,
        queued: Vec<u32>,
        slots: Option<u32>,
    },
    Decide {
        key: u64,
        prompt: u32,
        held: Vec<(usize, u32)>,
        excluded: Vec<usize>,
        subset: Option<Vec<usize>>,
        hints: Hints,
    },
    FirstToken(usize),
    Generated(usize, u32),
    Settle(usize, Outcome),
    Wait(u64),
}

/// What else a request may ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hints {
    adapter: Option<u32>,
    labels: u64,
    output: u32,
}

fn hints() -> impl Strategy<Value = Hints> {
    let labels = prop_oneof![6 => Just(0), 2 => 0..4_u64, 1 => Just(1 << 63)];
    let adapter = proptest::option::of(0..3_u32);
    (adapter, labels, tokens()).prop_map(|(adapter, labels, output)| Hints { adapter, labels, output })
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..4_u32, 2 => 0..400_u32, 1 => any::<u32>()]
}

fn tokens() -> impl Strategy<Value = u32> {
    prop_oneof![1 => 0..3_u32, 6 => 0..9000_u32, 2 => 0..90_000_u32, 1 => any::<u32>()]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let held = vec((0..40_usize, tokens()), 0..6);
    let outcome =
        prop_oneof![Just(Outcome::Success), Just(Outcome::Error), Just(Outcome::ClientGone), Just(Outcome::Cut)];
    let most = proptest::option::of(prop_oneof![Just(0_u32), Just(4000), Just(u32::MAX), 0..9000_u32]);
    let endpoint = (count(), tokens(), 0..200_u64, 0..4_u64, most).prop_map(|(seats, kv, pace, labels, most)| {
        let of = Endpoint::new().with_seats(seats).with_kv_tokens(kv).with_labels(labels.into());
        let of = of.with_prefill_token(Duration::from_micros(pace));
        most.map_or(of, |most| of.with_context_tokens(most))
    });
    let adapters = || vec(0..3_u32, 0..3);
    let optional = || proptest::option::of(count());
    let subset = proptest::option::weighted(0.2, vec(0..40_usize, 0..5));
    prop_oneof![
        3 => Just(Step::Join(Endpoint::new())),
        2 => endpoint.prop_map(Step::Join),
        1 => any::<usize>().prop_map(Step::Leave),
        1 => any::<usize>().prop_map(Step::Exit),
        1 => any::<usize>().prop_map(Step::Enter),
        2 => (any::<usize>(), optional(), optional(), proptest::option::of(0..1_100_000_u32))
            .prop_map(|(which, waiting, running, kv)| Step::Signals(which, waiting, running, kv)),
        2 => (any::<usize>(), adapters(), adapters(), proptest::option::of(0..4_u32))
            .prop_map(|(which, loaded, queued, slots)| Step::Adapters { which, loaded, queued, slots }),
        9 => (any::<u64>(), tokens(), held, vec(0..40_usize, 0..3), subset, hints()).prop_map(
            |(key, prompt, held, excluded, subset, hints)| Step::Decide { key, prompt, held, excluded, subset, hints }
        ),
        3 => any::<usize>().prop_map(Step::FirstToken),
        1 => (any::<usize>(), tokens()).prop_map(|(which, tokens)| Step::Generated(which, tokens)),
        3 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::Settle(which, outcome)),
        2 => (0..3_000_000_000_u64).prop_map(Step::Wait),
    ]
}

/// A balancer with one pool, every id that it ever gave, which are live and which are members, and what is outstanding.
pub(crate) struct World {
    balancer: Balancer,
    pool: PoolId,
    ids: Vec<EndpointId>,
    /// Whether it is in the pool, of those that have not left.
    live: BTreeMap<EndpointId, bool>,
    open: Vec<Reservation>,
    now: Duration,
}

/// One that is soon at work.
fn breaker() -> Breaker {
    let breaker = Breaker::new().with_failures(2).expect("in range").with_most_out(700_000).expect("in range");
    let outlier = Outlier { deviations_permille: 500, share_ppm: 0, outcomes: 2, endpoints: 2 };
    let breaker = breaker.with_outlier(Some(outlier)).expect("in range");
    breaker.with_pause(Duration::from_secs(1), Duration::from_secs(4)).expect("in range")
}

impl World {
    fn new(policy: Policy, seed: u64) -> Self {
        Self::of(Balancer::new(Seed::from(seed)).with_max_age(Duration::from_secs(4)).with_breaker(breaker()), policy)
    }

    pub(crate) fn recording(policy: Policy, seed: u64) -> Self {
        Self::limited(policy, seed, usize::MAX)
    }

    pub(crate) fn limited(policy: Policy, seed: u64, limit: usize) -> Self {
        let balancer = Balancer::new(Seed::from(seed)).with_max_age(Duration::from_secs(4));
        let mut balancer = balancer.with_breaker(breaker());
        assert!(balancer.record(limit));
        Self::of(balancer, policy)
    }

    pub(crate) fn recorded(&self) -> &[u8] {
        self.balancer.recorded()
    }

    fn of(mut balancer: Balancer, policy: Policy) -> Self {
        let pool = balancer.add_pool(policy);
        let now = Duration::from_secs(1_000_000);
        Self { balancer, pool, ids: Vec::new(), live: BTreeMap::new(), open: Vec::new(), now }
    }

    fn ids_of(&self, which: &[usize]) -> Vec<EndpointId> {
        which.iter().filter_map(|at| self.ids.get(*at).copied()).collect()
    }

    /// Applies a step; shows `check` each request before it is decided, and the answer.
    pub(crate) fn apply(
        &mut self,
        step: &Step,
        mut check: impl FnMut(&mut Self, &Request<'_>, &Result<Decision, Refusal>),
    ) {
        let some = |which: usize, ids: &[EndpointId]| (!ids.is_empty()).then(|| ids[which % ids.len()]);
        match step {
            Step::Join(endpoint) => {
                let id = self.balancer.join(*endpoint);
                assert!(!self.ids.contains(&id), "an id never comes back");
                assert!(self.balancer.enter(self.pool, id));
                self.ids.push(id);
                self.live.insert(id, true);
            }
            Step::Leave(which) => {
                if let Some(id) = some(*which, &self.ids) {
                    assert_eq!(self.balancer.leave(id), self.live.remove(&id).is_some());
                }
            }
            Step::Exit(which) | Step::Enter(which) => {
                let enters = matches!(step, Step::Enter(_));
                if let Some(id) = some(*which, &self.ids) {
                    let change = self.live.get(&id).is_some_and(|member| *member != enters);
                    let changed = match enters {
                        true => self.balancer.enter(self.pool, id),
                        false => self.balancer.exit(self.pool, id),
                    };
                    assert_eq!(changed, change);
                    if change {
                        self.live.insert(id, enters);
                    }
                }
            }
            Step::Signals(which, waiting, running, kv_used_ppm) => {
                if let Some(id) = some(*which, &self.ids) {
                    let ttft = waiting.map(|waiting| Duration::from_millis(waiting.into()));
                    let signals = Signals {
                        read: self.now,
                        waiting: *waiting,
                        running: *running,
                        kv_used_ppm: *kv_used_ppm,
                        ttft,
                        tpot: ttft.map(|time| time / 20),
                    };
                    assert_eq!(self.balancer.signals(id, signals), self.live.contains_key(&id));
                }
            }
            Step::Adapters { which, loaded, queued, slots } => {
                if let Some(id) = some(*which, &self.ids) {
                    let ids = |numbers: &[u32]| numbers.iter().copied().map(AdapterId::from).collect::<Vec<_>>();
                    let (loaded, queued) = (ids(loaded), ids(queued));
                    let reading = AdapterReading { loaded: &loaded, queued: &queued, slots: *slots, read: self.now };
                    assert_eq!(self.balancer.adapters(id, &reading), self.live.contains_key(&id));
                }
            }
            Step::Decide { key, prompt, held, excluded, subset, hints } => {
                let held: BTreeMap<_, _> =
                    held.iter().filter_map(|(at, tokens)| Some((*self.ids.get(*at)?, *tokens))).collect();
                let evidence: Vec<_> = held.into_iter().collect();
                let (excluded, subset) = (self.ids_of(excluded), subset.as_ref().map(|subset| self.ids_of(subset)));
                let ttft = (key % 3 == 0).then(|| Duration::from_millis(key % 4000));
                let slo = Slo { ttft, tpot: (key % 7 == 0).then(|| Duration::from_millis(key % 30)) };
                let mut request = Request::new(self.pool, *key, *prompt)
                    .with_affinity(key % 5)
                    .with_slo(slo)
                    .with_evidence(Evidence::Tokens(&evidence))
                    .with_excluded(&excluded)
                    .with_labels(hints.labels.into())
                    .with_output_tokens(hints.output);
                if let Some(adapter) = hints.adapter {
                    request = request.with_adapter(adapter.into());
                }
                if let Some(subset) = &subset {
                    request = request.with_subset(subset);
                }
                let before = self.balancer.clone();
                let decision = self.balancer.decide(&request, self.now);
                let after = core::mem::replace(&mut self.balancer, before);
                check(self, &request, &decision);
                self.balancer = after;
                self.open.extend(decision.map(|decision| decision.reservation));
            }
            Step::FirstToken(which) if !self.open.is_empty() => {
                let at = which % self.open.len();
                self.balancer.first_token(&mut self.open[at], self.now);
            }
            Step::Generated(which, tokens) if !self.open.is_empty() => {
                self.balancer.generated(&self.open[which % self.open.len()], *tokens);
            }
            Step::Settle(which, outcome) if !self.open.is_empty() => {
                let reservation = self.open.swap_remove(which % self.open.len());
                let _ = self.balancer.settle(reservation, *outcome, self.now);
            }
            Step::Wait(nanos) => self.now += Duration::from_nanos(*nanos),
            Step::FirstToken(_) | Step::Generated(..) | Step::Settle(..) => {}
        }
    }

    /// The choice by a look at everyone, at the time of the world.
    fn long_way(&mut self, request: &Request<'_>) -> Result<(usize, u32, i64, u32), Refusal> {
        let now = self.balancer.advance(self.now);
        let pool = self.balancer.pools[request.pool.index()].clone();
        let mut scratch = Scratch::default();
        scratch.held.fill(request.evidence, &self.balancer.columns);
        let choice = self.balancer.choose_from_all(&pool, request, now, &mut scratch)?;
        Ok((choice.at, choice.held, choice.cost, choice.ties))
    }
}

proptest! {
    /// Property 4.
    #[test]
    fn the_short_way_is_the_long_way(policy in policy(), seed: u64, steps in vec(step(), 1..80)) {
        let best = policy.picker() == Picker::Best;
        let mut world = World::new(policy, seed);
        for step in &steps {
            world.apply(step, |world, request, decision| {
                if best {
                    let long = world.long_way(request);
                    let short = decision.as_ref().map_err(Clone::clone).map(|of| {
                        (of.endpoint.index(), of.cached_tokens, of.cost, of.ties)
                    });
                    let prompt = request.prompt_tokens;
                    let long = long.map(|(at, held, cost, ties)| (at, held.min(prompt.saturating_sub(1)), cost, ties));
                    assert_eq!(short, long);
                }
            });
        }
    }

    #[test]
    fn invariant_11_the_chosen_endpoint_is_a_candidate(policy in policy(), seed: u64, steps in vec(step(), 1..80)) {
        let filters = policy.filters().to_vec();
        let mut world = World::new(policy, seed);
        for step in &steps {
            world.apply(step, |world, request, decision| {
                let Ok(decision) = decision else { return };
                let id = decision.endpoint;
                assert_eq!(world.live.get(&id), Some(&true));
                assert!(!request.excluded.contains(&id));
                assert!(request.subset.is_none_or(|subset| subset.contains(&id)));
                assert_eq!(world.balancer.misfit(request, id.index()), None);
                assert_eq!(decision.cached_tokens + decision.uncached_tokens, request.prompt_tokens);
                // The same again from the same state.
                let again = world.balancer.clone().decide(request, world.now).expect("it was possible before");
                assert_eq!(&again, decision);
                let explanation = world.balancer.explain(request, world.now).expect("there is such a pool");
                assert_eq!(explanation.chosen, Some(id));
                assert!(!explanation.omitted.contains(&(id, Omission::Out)));
                let closed = filters.iter().all(|filter| filter.fail == FailMode::Closed);
                if closed {
                    let filtered = |(of, why): &(EndpointId, Omission)| *of == id && matches!(why, Omission::Filtered(_));
                    assert!(!explanation.omitted.iter().any(filtered));
                }
            });
        }
    }

    #[test]
    fn invariant_12_load_returns_to_zero(policy in policy(), seed: u64, steps in vec(step(), 1..120)) {
        let mut world = World::new(policy, seed);
        for step in &steps {
            world.apply(step, |_, _, _| {});
            assert_eq!(world.balancer.outstanding(), world.open.len());
            for id in world.live.keys() {
                let own = world.open.iter().filter(|open| open.endpoint() == *id);
                let waiting = own.clone().filter(|open| open.is_prefilling()).count();
                let load = world.balancer.load(*id);
                assert_eq!((load.in_flight as usize, load.prefilling as usize), (own.count(), waiting));
            }
        }
        for reservation in core::mem::take(&mut world.open) {
            let _ = world.balancer.settle(reservation, Outcome::Success, world.now);
        }
        assert_eq!(world.balancer.outstanding(), 0);
        for id in world.live.keys() {
            assert_eq!(world.balancer.load(*id), Load::default());
        }
    }

    #[test]
    fn invariant_13_contributions_recombine(policy in policy(), seed: u64, steps in vec(step(), 1..60)) {
        let behind = policy.clone();
        let mut world = World::new(policy, seed);
        for step in &steps {
            world.apply(step, |world, request, decision| {
                let explanation = world.balancer.explain(request, world.now).expect("there is such a pool");
                let counted = explanation.candidates.len() + explanation.omitted.len();
                if request.subset.is_none() {
                    assert_eq!(counted, world.live.values().filter(|member| **member).count());
                }
                for candidate in &explanation.candidates {
                    let amounts = explanation.contributions(candidate.endpoint).map(|part| part.amount);
                    match behind.behind(explanation.gate) {
                        Combination::Sum(_) | Combination::Cost(_) | Combination::Total(_) => assert_eq!(amounts.sum::<i64>(), candidate.total),
                        Combination::Product(_) => {
                            let product = amounts.map(i128::from).product::<i128>();
                            let total = i128::from(candidate.total);
                            assert!(product == total || total >= 1 << 36, "{product} is not {total}");
                        }
                        Combination::Lexicographic(_) => {}
                    }
                    if let (Ok(decision), Picker::Best) = (decision, world.balancer.pools[0].policy.picker()) {
                        assert!(decision.cost <= candidate.total);
                    }
                    assert!(explanation.contributions(candidate.endpoint).all(|part| match part.factor {
                        Factor::Scorer(_) => (0..=1_000_000).contains(&part.value),
                        _ => part.value >= 0,
                    }));
                }
            });
        }
    }

    #[test]
    fn invariant_14_the_unknown_is_never_better(policy in policy(), waiting in 0..100_u32, kv in 0..1_000_000_u32) {
        let policy = policy.with_picker(Picker::Best).expect("in range").with_filters(vec![]).expect("none");
        let weighs_only_reports = match policy.combination() {
            Combination::Sum(parts) => !parts.iter().any(|part| matches!(part.scorer, Scorer::Draw | Scorer::Latency { .. })),
            Combination::Lexicographic(measures) | Combination::Product(measures) => !measures.contains(&Measure::Unstarted),
            Combination::Total(parts) => !parts.iter().any(|part| part.measure == Measure::Unstarted),
            Combination::Cost(_) => true,
        };
        if !weighs_only_reports || !policy.asks_one() {
            return Ok(());
        }
        let policy = policy.with_unknown(Unknown::Worst);
        // What others do at an endpoint is only known from its reports.
        let waiting = if matches!(policy.combination(), Combination::Cost(_)) { 0 } else { waiting };
        let mut balancer = Balancer::new(Seed::from(1));
        let pool = balancer.add_pool(policy);
        let ids = [Endpoint::new(), Endpoint::new()].map(|endpoint| balancer.join(endpoint));
        assert!(ids.iter().all(|id| balancer.enter(pool, *id)));
        let known = Signals {
            waiting: Some(waiting), running: Some(waiting), kv_used_ppm: Some(kv),
            ttft: Some(Duration::from_millis(5)), tpot: Some(Duration::from_millis(1)),
            ..Signals::unknown(Duration::ZERO)
        };
        balancer.signals(ids[1], known);
        let explanation = balancer.explain(&Request::new(pool, 1, 100), Duration::ZERO).expect("there is such a pool");
        let totals: Vec<_> = explanation.candidates.iter().map(|candidate| candidate.total).collect();
        prop_assert!(totals[0] >= totals[1], "unknown {} before known {}", totals[0], totals[1]);
    }
}

/// Property 12 of the list in `tests/properties.rs`, for those who share the least cost.
#[test]
fn ties_are_drawn_evenly() {
    for policy in [Policy::least_request(), Policy::phalanx(), Policy::llm_d()] {
        let mut balancer = Balancer::new(Seed::from(3));
        let pool = balancer.add_pool(policy);
        let ids: Vec<_> = (0..100).map(|_| balancer.join(Endpoint::new())).collect();
        ids.iter().for_each(|id| {
            balancer.enter(pool, *id);
        });
        let mut seen = [0_u32; 100];
        for key in 0..10_000 {
            let request = Request::new(pool, key, 1000).with_excluded(&ids[..1]);
            let decision = balancer.decide(&request, Duration::ZERO).expect("there are others");
            assert_eq!(decision.ties, 99);
            seen[decision.endpoint.index()] += 1;
            let _ = balancer.settle(decision.reservation, Outcome::Unused, Duration::ZERO);
        }
        let expected = 10_000.0 / 99.0;
        let chi: f64 = seen[1..].iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
        assert!(seen[0] == 0 && chi < 150.0, "chi square {chi} with 98 degrees of freedom");
    }
}
