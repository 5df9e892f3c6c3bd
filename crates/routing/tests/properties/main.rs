//! What holds of every policy, or of those of a kind. The numbers are those of the list of properties that the crate is
//! built by.

mod candidates;
mod extremes;
mod replay;
mod reservations;
mod shares;
mod unknown;

use core::time::Duration;
use std::collections::BTreeMap;

use phalanx_routing::{
    Balancer, Bound, Combination, Endpoint, EndpointId, Evidence, Explanation, FailMode, Filter, Measure, Measured,
    Omission, Outcome, Overflow, Picker, Policy, PoolId, Request, Reservation, Scorer, Seed, Signals, Weighted,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// What is known of one endpoint. Worse in no number is better.
#[derive(Clone, Debug)]
struct State {
    prompts: Vec<(u32, bool)>,
    waiting: u32,
    kv_used_ppm: u32,
    held: u32,
}

fn state() -> impl Strategy<Value = State> {
    (vec((1..3000_u32, any::<bool>()), 0..5), 0..40_u32, 0..1_000_000_u32, prop_oneof![Just(0), 0..2000_u32])
        .prop_map(|(prompts, waiting, kv_used_ppm, held)| State { prompts, waiting, kv_used_ppm, held })
}

fn states() -> impl Strategy<Value = Vec<State>> {
    vec(state(), 1..8)
}

const PROMPT: u32 = 2000;

struct Fleet {
    balancer: Balancer,
    pool: PoolId,
    free: PoolId,
    ids: Vec<EndpointId>,
    held: Vec<(EndpointId, u32)>,
    open: Vec<Reservation>,
}

impl Fleet {
    fn empty(policy: Policy, endpoints: usize) -> Self {
        let mut balancer = Balancer::new(Seed::from(5));
        let (pool, free) = (balancer.add_pool(policy), balancer.add_pool(Policy::random()));
        let mut fleet = Self { balancer, pool, free, ids: Vec::new(), held: Vec::new(), open: Vec::new() };
        (0..endpoints).for_each(|_| fleet.join());
        fleet
    }

    fn new(policy: Policy, states: &[State]) -> Self {
        Self::in_order(policy, states, &(0..states.len()).collect::<Vec<_>>())
    }

    /// The same endpoints in other slots: `order` tells the slot of each.
    fn in_order(policy: Policy, states: &[State], order: &[usize]) -> Self {
        let mut fleet = Self::empty(policy, states.len());
        fleet.ids = order.iter().map(|slot| fleet.ids[*slot]).collect();
        for (at, state) in states.iter().enumerate() {
            state.prompts.iter().for_each(|(prompt, came)| fleet.load(at, *prompt, *came));
            fleet.signal(at, state.waiting, state.kv_used_ppm);
            fleet.held.push((fleet.ids[at], state.held));
        }
        fleet
    }

    fn join(&mut self) {
        let id = self.balancer.join(Endpoint::new());
        assert!(self.balancer.enter(self.pool, id) && self.balancer.enter(self.free, id));
        self.ids.push(id);
    }

    fn load(&mut self, at: usize, prompt: u32, came: bool) {
        let request = Request::new(self.free, 0, prompt).with_subset(&self.ids[at..=at]);
        let mut reservation = self.balancer.decide(&request, Duration::ZERO).expect("it is in the pool").reservation;
        if came {
            self.balancer.first_token(&mut reservation, Duration::ZERO);
        }
        self.open.push(reservation);
    }

    fn signal(&mut self, at: usize, waiting: u32, kv_used_ppm: u32) {
        let signals = Signals {
            waiting: Some(waiting),
            kv_used_ppm: Some(kv_used_ppm),
            ttft: Some(Duration::from_millis(u64::from(waiting) + 1)),
            tpot: Some(Duration::from_millis(u64::from(waiting) + 1)),
            ..Signals::unknown(Duration::ZERO)
        };
        assert!(self.balancer.signals(self.ids[at], signals));
    }

    fn request(&self, key: u64) -> Request<'_> {
        Request::new(self.pool, key, PROMPT).with_evidence(Evidence::Tokens(&self.held))
    }

    fn explain(&self) -> Explanation {
        self.balancer.explain(&self.request(3), Duration::ZERO).expect("there is such a pool")
    }

    /// The total of each endpoint, by its place.
    fn totals(&self) -> BTreeMap<usize, i64> {
        let place = |id| self.ids.iter().position(|of| *of == id).expect("it joined");
        self.explain().candidates.iter().map(|candidate| (place(candidate.endpoint), candidate.total)).collect()
    }

    /// Those with the least total.
    fn best(&self) -> Vec<usize> {
        let totals = self.totals();
        let least = totals.values().min().copied();
        totals.into_iter().filter(|(_, total)| Some(*total) == least).map(|(at, _)| at).collect()
    }

    fn decide(&mut self, key: u64, affinity: u64) -> EndpointId {
        let request = Request::new(self.pool, key, PROMPT).with_affinity(affinity);
        let request = request.with_evidence(Evidence::Tokens(&self.held));
        let decision = self.balancer.decide(&request, Duration::ZERO).expect("somebody is there");
        self.open.push(decision.reservation);
        decision.endpoint
    }

    /// Decides without a trace on the load.
    fn ask(&mut self, key: u64, affinity: u64) -> EndpointId {
        let endpoint = self.decide(key, affinity);
        let reservation = self.open.pop().expect("it was just decided");
        let _ = self.balancer.settle(reservation, Outcome::Unused, Duration::ZERO);
        endpoint
    }
}

/// Presets in which an endpoint's cost depends on nothing but its own numbers, the less the better.
fn own_cost() -> impl Strategy<Value = Policy> {
    prop::sample::select(vec![
        Policy::least_request(),
        Policy::least_kv(),
        Policy::least_latency(),
        Policy::lmetric(),
        Policy::dynamo(),
        Policy::llm_d_load_aware(),
        Policy::llm_d_token_load(),
    ])
}

fn any_preset() -> impl Strategy<Value = Policy> {
    prop::sample::select(Policy::NAMES.to_vec()).prop_map(|name| Policy::preset(name).expect("a preset"))
}

fn sum() -> impl Strategy<Value = Vec<Weighted>> {
    let scorer = prop::sample::select(vec![
        Scorer::Prefix,
        Scorer::Spread(Measure::Waiting),
        Scorer::BelowMost(Measure::InFlight),
        Scorer::Room { measure: Measure::KvUsed, limit: 1_000_000 },
        Scorer::Latency { ttft_ppm: 300_000 },
        Scorer::Draw,
    ]);
    vec((scorer, 1..50_u32).prop_map(|(scorer, weight)| Weighted::new(scorer, weight)), 1..6)
}

fn policy(combination: Combination) -> Policy {
    Policy::new("made", combination).expect("its parts are in range")
}

proptest! {
    /// Property 2: other slots, the same totals, so the same distribution.
    #[test]
    fn property_02_slots_have_no_say(policy in any_preset(), states in states(), turn in 0..8_usize, back: bool) {
        let mut order: Vec<_> = (0..states.len()).collect();
        order.rotate_left(turn % states.len());
        if back {
            order.reverse();
        }
        let (one, other) = (Fleet::new(policy.clone(), &states), Fleet::in_order(policy, &states, &order));
        prop_assert_eq!(one.totals(), other.totals());
        if one.balancer.policy(one.pool).map(Policy::picker) == Some(Picker::Best) {
            prop_assert_eq!(one.explain().ties, other.explain().ties);
        }
    }

    /// Property 3: the same inputs and seed, the same bytes.
    #[test]
    fn property_03_the_same_again(policy in any_preset(), states in states(), keys in vec(any::<u64>(), 1..20)) {
        let run = || {
            let mut fleet = Fleet::new(policy.clone(), &states);
            let decide = |key: &u64| {
                let request = Request::new(fleet.pool, *key, PROMPT).with_affinity(key % 3);
                let request = request.with_evidence(Evidence::Tokens(&fleet.held));
                let explanation = fleet.balancer.explain(&request, Duration::ZERO);
                format!("{explanation:?} {:?}", fleet.balancer.decide(&request, Duration::ZERO))
            };
            keys.iter().map(decide).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }

    /// Property 6: an endpoint that is worse in everything changes nothing.
    #[test]
    fn property_06_the_dominated_change_nothing(policy in own_cost(), states in states(), like in 0..8_usize) {
        let before = Fleet::new(policy.clone(), &states).best();
        let mut worse = states[like % states.len()].clone();
        worse.prompts.extend([(100, true), (100, false)]);
        worse.waiting += 1;
        worse.kv_used_ppm += 1;
        worse.held = 0;
        let mut more = states.clone();
        more.push(worse);
        let mut after = Fleet::new(policy, &more).best();
        // A score that is at its end already may tie.
        after.retain(|at| *at < states.len());
        prop_assert_eq!(before, after);
    }

    /// Property 7: more load never makes a loser win, and less load keeps the winner.
    #[test]
    fn property_07_load_never_helps(policy in own_cost(), states in states(), which in 0..8_usize, prompt in 1..5000_u32, came: bool) {
        let which = which % states.len();
        let mut more = states.clone();
        more[which].prompts.push((prompt, came));
        more[which].waiting += 1;
        more[which].kv_used_ppm += 1;
        let (less, more) = (Fleet::new(policy.clone(), &states).best(), Fleet::new(policy, &more).best());
        prop_assert!(less.contains(&which) || !more.contains(&which), "it won with more load");
    }

    /// Property 8: weights matter by their ratios only, and a weight of 0 is none.
    #[test]
    fn property_08_weights_scale(parts in sum(), by in 1..1000_u32, states in states()) {
        let scaled = parts.iter().map(|part| Weighted { weight: part.weight * by, ..*part }).collect();
        let mut and_none = parts.clone();
        and_none.push(Weighted::new(Scorer::BelowMost(Measure::PendingTokens), 0));
        let [one, scaled, and_none] =
            [parts, scaled, and_none].map(|parts| Fleet::new(policy(Combination::Sum(parts)), &states));
        prop_assert_eq!(one.best(), scaled.best());
        prop_assert_eq!(one.explain().chosen, scaled.explain().chosen);
        prop_assert_eq!(one.totals(), and_none.totals());
    }

    /// Property 8, for priced measures.
    #[test]
    fn property_08_prices_scale(prices in vec(0..900_u32, 3), by in 1..1000_u32, states in states()) {
        let total = |by: u32| {
            let measures = [Measure::PrefillTokens, Measure::InFlight, Measure::Waiting];
            let parts = measures.iter().zip(&prices).map(|(measure, price)| Measured::new(*measure, price * by));
            Fleet::new(policy(Combination::Total(parts.collect())), &states)
        };
        prop_assert_eq!(total(1).explain().chosen, total(by).explain().chosen);
    }

    /// Property 9: contributions add up to the total.
    #[test]
    fn property_09_contributions_add_up(preset in any_preset(), states in states()) {
        if matches!(preset.combination(), Combination::Sum(_) | Combination::Total(_) | Combination::Cost(_)) {
            let explanation = Fleet::new(preset, &states).explain();
            for candidate in explanation.candidates.iter().filter(|_| explanation.gate.is_none()) {
                let sum: i64 = explanation.contributions(candidate.endpoint).map(|part| part.amount).sum();
                prop_assert_eq!(sum, candidate.total);
            }
        }
    }

    /// Property 13: on a ring only the keys of the one that leaves move, and each has about its share.
    #[test]
    fn property_13_a_ring_moves_little(endpoints in 2..20_usize, leaves in 0..20_usize) {
        let mut fleet = Fleet::empty(Policy::ring(), endpoints);
        let leaves = fleet.ids[leaves % endpoints];
        let owners = |fleet: &mut Fleet| (0..400).map(|affinity| fleet.ask(affinity, affinity)).collect::<Vec<_>>();
        let before = owners(&mut fleet);
        assert!(fleet.balancer.leave(leaves));
        let after = owners(&mut fleet);
        for (before, after) in before.iter().zip(&after) {
            prop_assert!(before == after || *before == leaves);
        }
        // One that joins takes some over, about its share of them, and no others move.
        fleet.join();
        let joined = *fleet.ids.last().expect("it joined");
        let moved = after.iter().zip(owners(&mut fleet)).filter(|(before, after)| *before != after);
        let moved: Vec<_> = moved.map(|(_, after)| after).collect();
        prop_assert!(moved.iter().all(|to| *to == joined));
        prop_assert!(moved.len() * endpoints <= 400 * 2, "{} of 400 moved with {endpoints}", moved.len());
    }

    /// Property 14: with a bound on the ring no endpoint ever has more than the bound, rounded up, of what came so far.
    #[test]
    fn property_14_a_bounded_ring_holds_its_bound(
        endpoints in 1..12_usize,
        permille in 1000..2500_u32,
        affinities in vec(0..3_u64, 1..150),
    ) {
        let bound = Some(Bound { permille, then: Overflow::Next });
        let ring = Policy::ring().with_picker(Picker::Ring { points: 16, bound }).expect("in range");
        let mut fleet = Fleet::empty(ring, endpoints);
        for (affinity, so_far) in affinities.into_iter().zip(1_u64..) {
            fleet.decide(so_far, affinity);
            let most = fleet.ids.iter().map(|id| fleet.balancer.load(*id).in_flight).max().unwrap_or(0);
            let limit = (so_far * u64::from(permille)).div_ceil(endpoints as u64 * 1000);
            prop_assert!(u64::from(most) <= limit, "{most} of {so_far} with {endpoints}");
        }
    }

    /// Property 16: in any window of decisions each endpoint has its turn as often as any other, give or take one.
    #[test]
    fn property_16_round_robin_is_even(endpoints in 1..9_usize, from in 0..30_usize, length in 1..30_usize) {
        let mut fleet = Fleet::empty(Policy::round_robin(), endpoints);
        let turns: Vec<_> = (0..60).map(|key| fleet.decide(key, 0)).collect();
        let count = |id: &EndpointId| turns[from..from + length].iter().filter(|of| *of == id).count();
        let counts: Vec<_> = fleet.ids.iter().map(count).collect();
        let (least, most) = (counts.iter().min(), counts.iter().max());
        prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{counts:?}");
    }

    /// Property 18: an affinity stays where it is as long as that may be chosen, and moves once when it may not.
    #[test]
    fn property_18_sessions_stay(steps in vec((0..4_u64, 0..12_usize), 1..60)) {
        let mut fleet = Fleet::empty(Policy::sticky(), 6);
        let mut bound: BTreeMap<u64, EndpointId> = BTreeMap::new();
        for (key, (affinity, lost)) in (0..).zip(steps) {
            if lost < 6 && fleet.balancer.leave(fleet.ids[lost]) {
                let new = fleet.balancer.join(Endpoint::new());
                assert!(fleet.balancer.enter(fleet.pool, new));
                fleet.ids[lost] = new;
            }
            let chosen = fleet.decide(key, affinity);
            if let Some(had) = bound.insert(affinity, chosen) && fleet.balancer.has(had) {
                prop_assert_eq!(chosen, had);
            }
        }
    }

    /// Property 21: a filter that fails open leaves all when it would leave nobody.
    #[test]
    fn property_21_open_filters_leave_somebody(states in states(), below in 0..40_u32) {
        let filtered = |fail| {
            let filter = Filter { measure: Measure::Waiting, below, fail };
            Fleet::new(Policy::least_request().with_filters(vec![filter]).expect("of the endpoint"), &states).explain()
        };
        let (open, closed) = (filtered(FailMode::Open), filtered(FailMode::Closed));
        let kept = states.iter().filter(|state| state.waiting < below).count();
        prop_assert_eq!(closed.candidates.len(), kept);
        prop_assert_eq!(open.candidates.len(), if kept == 0 { states.len() } else { kept });
        prop_assert!(kept > 0 || open.omitted.is_empty());
        prop_assert!(closed.omitted.iter().all(|(_, why)| *why == Omission::Filtered(0)));
    }

    /// Property 22: more endpoints on the list begin with the same ones; the first is the one that is decided alone, and
    /// none comes twice.
    #[test]
    fn property_22_a_list_is_the_start_of_a_longer_one(preset in any_preset(), states in states(), key: u64) {
        let fleet = Fleet::new(preset, &states);
        let list = |most: usize| {
            let mut others = Vec::new();
            let request = fleet.request(key).with_affinity(key % 7);
            let decision = fleet.balancer.clone().decide_list(&request, Duration::ZERO, most, &mut others);
            decision.map(|decision| (decision.endpoint, others))
        };
        let Ok((first, all)) = list(100) else { return Ok(()) };
        let alone = fleet.balancer.clone().decide(&fleet.request(key).with_affinity(key % 7), Duration::ZERO);
        prop_assert_eq!(alone.map(|decision| decision.endpoint), Ok(first));
        for most in 0..=all.len() {
            prop_assert_eq!(list(most), Ok((first, all[..most].to_vec())));
        }
        let mut once = all.clone();
        once.push(first);
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), all.len() + 1);
    }
}

/// Scores that are spread over the candidates do not have property 6: one that nobody would choose decides between two
/// others.
#[test]
fn property_06_fails_where_scores_are_spread() {
    let state = |waiting, kv_used_ppm| State { prompts: Vec::new(), waiting, kv_used_ppm, held: 0 };
    let mut states = vec![state(0, 600_000), state(1, 0)];
    assert_eq!(Fleet::new(Policy::llm_d(), &states).best(), [0]);
    states.push(state(100, 1_000_000));
    assert_eq!(Fleet::new(Policy::llm_d(), &states).best(), [1]);
}

/// Chi square of how often each endpoint is chosen, when each has a weight.
fn chi_square(fleet: &mut Fleet, weights: &[f64]) -> f64 {
    let draws = 20_000;
    let mut seen = vec![0_u32; weights.len()];
    for key in 0..draws {
        seen[fleet.ask(key, key).index()] += 1;
    }
    let sum: f64 = weights.iter().sum();
    let expected = weights.iter().map(|weight| f64::from(draws as u32) * weight / sum);
    let parts = seen.iter().zip(expected).map(|(seen, expected)| {
        assert!(expected > 0.0 || *seen == 0);
        if expected > 0.0 { (f64::from(*seen) - expected).powi(2) / expected } else { 0.0 }
    });
    parts.sum()
}

/// Endpoints with 0, 1, 2, … requests.
fn stairs(policy: Policy, endpoints: usize) -> Fleet {
    let mut fleet = Fleet::empty(policy, endpoints);
    (0..endpoints).for_each(|at| (0..at).for_each(|_| fleet.load(at, 1, true)));
    fleet
}

/// Property 12: of two that are drawn among ten the one at place r from the best wins with (9 - r) in 45.
#[test]
fn property_12_the_better_of_two_is_as_frequent_as_computed() {
    let weights: Vec<_> = (0..10_u32).map(|place| f64::from(9 - place)).collect();
    let chi = chi_square(&mut stairs(Policy::power_of_two(), 10), &weights);
    assert!(chi < 26.1, "chi square {chi} with 8 degrees of freedom");
}

/// Property 12: draws under a temperature, and by score.
#[test]
fn property_12_odds_are_as_computed() {
    let softmax = |permille| {
        Policy::new("soft", Combination::Lexicographic(vec![Measure::InFlight]))
            .and_then(|policy| policy.with_picker(Picker::Softmax(permille)))
            .expect("in range")
    };
    for permille in [50, 500, 5000] {
        let weight = |cost: u32| (-f64::from(cost) / 5.0 * 1000.0 / f64::from(permille)).exp();
        let weights: Vec<_> = (0..6).map(weight).collect();
        let chi = chi_square(&mut stairs(softmax(permille), 6), &weights);
        // Cells that are hardly ever reached make it uneven at the lowest temperature.
        assert!(chi < 25.0, "{permille}: chi square {chi} with 5 degrees of freedom");
    }
    let by_score = Policy::llm_d_active_request().with_picker(Picker::ByScore).expect("a sum");
    let chi = chi_square(&mut stairs(by_score, 5), &[4.0, 3.0, 2.0, 1.0, 0.0]);
    assert!(chi < 16.3, "chi square {chi} with 3 degrees of freedom");
}

#[test]
fn a_draw_by_score_needs_scores() {
    let error = Policy::least_request().with_picker(Picker::ByScore).expect_err("no scores").to_string();
    assert!(error.contains("expected combination to be a sum"), "{error}");
}

/// SMG's `prefix_hash`: the owner is passed over when it has more than 1.25 × (total + 1) / n.
#[test]
fn the_owner_of_a_prefix_gives_way_when_it_has_too_much() {
    let mut fleet = Fleet::empty(Policy::smg_prefix_hash(), 4);
    let owner = fleet.ask(0, 77);
    // Alone: 1 of 1, 1.25 × 2 / 4 = 0.625, so the second goes elsewhere.
    assert_eq!(fleet.decide(0, 77), owner);
    assert_ne!(fleet.decide(1, 77), owner);
    assert_ne!(fleet.decide(2, 77), owner);
    // 3 in flight: 1 <= 1.25 × 4 / 4.
    assert_eq!(fleet.decide(3, 77), owner);
    // 4 in flight, two of them here: 2 > 1.25 × 5 / 4; the only one without any is the least loaded.
    let idle = fleet.ids.iter().find(|id| fleet.balancer.load(**id).in_flight == 0).copied();
    assert_eq!(Some(fleet.decide(4, 77)), idle);
}

/// A session is kept by use: idle ones are forgotten.
#[test]
fn property_18_idle_sessions_are_forgotten() {
    let picker = Picker::Sticky { sessions: 2, idle_seconds: 10 };
    let sticky = Policy::round_robin().with_picker(picker).expect("in range");
    let mut fleet = Fleet::empty(sticky, 3);
    let mut at = |seconds, affinity| {
        let request = Request::new(fleet.pool, seconds, 10).with_affinity(affinity);
        let decision = fleet.balancer.decide(&request, Duration::from_secs(seconds)).expect("somebody is there");
        fleet.open.push(decision.reservation);
        decision.endpoint
    };
    // The first time is the origin.
    let first = at(100, 1);
    assert_eq!([at(101, 1), at(105, 1), at(114, 1)], [first; 3]);
    assert_ne!(at(124, 1), first, "ten seconds idle: the next in turn");
    let now = at(125, 1);
    let (second, third) = (at(126, 2), at(127, 3));
    // Only two are remembered: the first session is not among them.
    assert_eq!((at(128, 2), at(129, 3)), (second, third));
    let _ = now;
}
