//! Adapters, labels and contexts: cases worked by hand.

use core::time::Duration;

use phalanx_routing::{
    AdapterId, AdapterReading, AdapterState, Balancer, Combination, Endpoint, EndpointId, Evidence, Factor, FailMode,
    Filter, Labels, Log, Measure, Omission, Outcome, Policy, PoolId, Refusal, Request, Scorer, Seed, Term, Unknown,
    Weighted,
};

const WANTED: AdapterId = adapter(3);

const fn adapter(number: u32) -> AdapterId {
    AdapterId::new(number)
}

struct Fleet {
    balancer: Balancer,
    pool: PoolId,
    ids: Vec<EndpointId>,
}

impl Fleet {
    fn new(policy: Policy, endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        let mut balancer = Balancer::new(Seed::from(1));
        assert!(balancer.record(1 << 20));
        let pool = balancer.add_pool(policy);
        let ids: Vec<_> = endpoints.into_iter().map(|endpoint| balancer.join(endpoint)).collect();
        assert!(ids.iter().all(|id| balancer.enter(pool, *id)));
        Self { balancer, pool, ids }
    }

    /// Four endpoints: the adapter is loaded, queued, has a free slot, and none. A fifth one said nothing.
    fn of_states(policy: Policy) -> Self {
        let mut fleet = Self::new(policy, [Endpoint::new(); 5]);
        let (it, others) = ([WANTED], [adapter(8), adapter(9)]);
        fleet.read(0, &it, &[], Some(2));
        fleet.read(1, &[], &it, Some(2));
        fleet.read(2, &others[..1], &[], Some(2));
        fleet.read(3, &others, &[], Some(2));
        fleet
    }

    fn read(&mut self, at: usize, loaded: &[AdapterId], queued: &[AdapterId], slots: Option<u32>) {
        let reading = AdapterReading { loaded, queued, slots, read: Duration::ZERO };
        assert!(self.balancer.adapters(self.ids[at], &reading));
    }

    fn request(&self, key: u64) -> Request<'static> {
        Request::new(self.pool, key, 1000)
    }

    /// What each endpoint makes of the first part of the policy, in the order of the endpoints, and the total.
    fn totals(&self, request: &Request<'_>) -> Vec<(i64, i64)> {
        let explanation = self.balancer.explain(request, Duration::ZERO).expect("there is such a pool");
        let parts = explanation
            .candidates
            .iter()
            .map(|of| (explanation.contributions(of.endpoint).next().map_or(0, |part| part.value), of.total));
        parts.collect()
    }

    /// Where a request goes, by the endpoint's place.
    fn decide(&mut self, request: &Request<'_>) -> Result<usize, Refusal> {
        let decision = self.balancer.decide(request, Duration::ZERO)?;
        // The load stays.
        let place = decision.endpoint.index();
        let _ = decision;
        Ok(place)
    }

    /// What was decided is decided again from the log.
    fn replays(&self) {
        let log = Log::read(self.balancer.recorded()).expect("as it was written");
        assert_eq!(log.to_string().as_bytes(), self.balancer.recorded());
        assert_eq!(log.replay().expect("lines go together").differences, []);
    }
}

fn order(measures: Vec<Measure>) -> Policy {
    Policy::new("order", Combination::Lexicographic(measures)).expect("in range")
}

#[test]
fn the_measure_of_an_adapter_is_its_state() {
    let policy = order(vec![Measure::Adapter, Measure::InFlight]);
    let values = |policy: Policy| {
        let fleet = Fleet::of_states(policy);
        let of = |request: &Request<'_>| fleet.totals(request).iter().map(|of| of.0).collect::<Vec<_>>();
        (of(&fleet.request(1).with_adapter(WANTED)), of(&fleet.request(1)))
    };
    assert_eq!(values(policy.clone()), (vec![0, 1, 2, 3, 3], vec![0; 5]));
    assert_eq!(values(policy.with_unknown(Unknown::Idle)).0, [0, 1, 2, 3, 2]);
}

#[test]
fn llm_d_scores_loaded_free_queued_and_full() {
    let fleet = Fleet::of_states(Policy::llm_d_lora_affinity());
    let scores = fleet.totals(&fleet.request(1).with_adapter(WANTED));
    let expected = [1_000_000, 600_000, 800_000, 0, 0];
    assert_eq!(scores, expected.map(|score| (score, -score)));
    // Beside another scorer it is a part of the sum.
    let sum = Combination::Sum(vec![Weighted::new(Scorer::Adapter, 2), Weighted::new(Scorer::Prefix, 3)]);
    let fleet = Fleet::of_states(Policy::new("both", sum).expect("in range"));
    let held = [(fleet.ids[1], 800)];
    let request = fleet.request(1).with_adapter(WANTED).with_evidence(Evidence::Tokens(&held));
    assert_eq!(fleet.totals(&request)[1].1, -(2 * 600_000 + 3 * 800_000));
    assert_eq!(fleet.balancer.explain(&request, Duration::ZERO).expect("a pool").chosen, Some(fleet.ids[1]));
}

#[test]
fn kthena_keeps_those_who_have_the_adapter_and_refuses_otherwise() {
    let loaded = Filter { measure: Measure::Adapter, below: 1, fail: FailMode::Closed };
    let policy = order(vec![Measure::InFlight]).with_filters(vec![loaded]).expect("in range");
    let mut fleet = Fleet::of_states(policy.clone());
    for key in 0..20 {
        let request = fleet.request(key).with_adapter(WANTED);
        assert_eq!(fleet.decide(&request), Ok(0));
    }
    let stranger = fleet.request(1).with_adapter(adapter(100));
    assert_eq!(fleet.decide(&stranger), Err(Refusal::AllFiltered { filter: 0, candidates: 5 }));
    let explanation = fleet.balancer.explain(&stranger, Duration::ZERO).expect("there is such a pool");
    assert!(explanation.omitted.iter().all(|(_, why)| *why == Omission::Filtered(0)));
    assert_eq!(explanation.omitted.len(), 5);
    // Open, it is as if it were not there; and without an adapter everybody passes.
    assert!(fleet.decide(&fleet.request(1)).is_ok());
    let open = policy.with_filters(vec![Filter { fail: FailMode::Open, ..loaded }]).expect("in range");
    let mut open = Fleet::of_states(open);
    assert!(open.decide(&open.request(1).with_adapter(adapter(100))).is_ok());
    open.replays();
    fleet.replays();
}

#[test]
fn a_load_takes_a_tenth_of_a_second() {
    let fleet = Fleet::of_states(Policy::phalanx());
    let request = fleet.request(1).with_adapter(WANTED);
    let explanation = fleet.balancer.explain(&request, Duration::ZERO).expect("there is such a pool");
    let load = |of: &phalanx_routing::Candidate| {
        let part = explanation.contributions(of.endpoint).find(|part| part.factor == Factor::Term(Term::AdapterLoad));
        part.expect("it is a part of the policy").amount
    };
    let loads: Vec<_> = explanation.candidates.iter().map(|of| load(of) / 1_000_000).collect();
    assert_eq!(loads, [0, 50, 100, 200, 100]);
    // So long a wait makes up for it: 1,000 tokens take 70 ms.
    let held = [(fleet.ids[2], 900)];
    let warm = request.with_evidence(Evidence::Tokens(&held));
    assert_eq!(fleet.balancer.explain(&warm, Duration::ZERO).expect("a pool").chosen, Some(fleet.ids[0]));
    assert!(fleet.totals(&fleet.request(1)).windows(2).all(|of| of[0] == of[1]));
}

#[test]
fn a_burst_of_a_cold_adapter_goes_to_few() {
    let mut fleet = Fleet::new(Policy::phalanx(), [Endpoint::new(); 20]);
    (0..20).for_each(|at| fleet.read(at, &[], &[], Some(4)));
    let mut places: Vec<_> = (0..10)
        .map(|key| {
            let request = Request::new(fleet.pool, key, 100).with_adapter(WANTED);
            fleet.decide(&request).expect("somebody is there")
        })
        .collect();
    places.sort_unstable();
    places.dedup();
    assert!(places.len() <= 3, "{} endpoints load it", places.len());
    // One by one without an adapter they go everywhere.
    let spread = (0..10).map(|key| fleet.decide(&Request::new(fleet.pool, key, 100)).expect("somebody is there"));
    assert!(spread.collect::<std::collections::BTreeSet<_>>().len() > 8);
    fleet.replays();
}

#[test]
fn what_is_promised_takes_a_slot_until_it_is_settled() {
    let mut fleet = Fleet::new(order(vec![Measure::InFlight]), [Endpoint::new()]);
    fleet.read(0, &[adapter(8)], &[], Some(2));
    let id = fleet.ids[0];
    let decide = |fleet: &mut Fleet, of: AdapterId| {
        let request = fleet.request(1).with_adapter(of);
        fleet.balancer.decide(&request, Duration::ZERO).expect("it is there").reservation
    };
    let (one, two) = (decide(&mut fleet, WANTED), decide(&mut fleet, WANTED));
    assert_eq!(fleet.balancer.adapter(id, WANTED), AdapterState::Coming);
    assert_eq!(fleet.balancer.adapter(id, adapter(5)), AdapterState::Full);
    let _ = fleet.balancer.settle(one, Outcome::Error, Duration::ZERO);
    assert_eq!(fleet.balancer.adapter(id, WANTED), AdapterState::Coming);
    // A reading that tells of it has the last word; one that does not leaves the promise.
    fleet.read(0, &[adapter(8), WANTED], &[], Some(2));
    assert_eq!(fleet.balancer.adapter(id, WANTED), AdapterState::Loaded);
    fleet.read(0, &[adapter(8)], &[], Some(2));
    assert_eq!(fleet.balancer.adapter(id, WANTED), AdapterState::Coming);
    let _ = fleet.balancer.settle(two, Outcome::Success, Duration::ZERO);
    assert_eq!(fleet.balancer.adapter(id, WANTED), AdapterState::Free);
    // The next tenant of the slot inherits nothing, and what is settled late takes nothing from it.
    let late = decide(&mut fleet, WANTED);
    assert!(fleet.balancer.leave(id));
    let next = fleet.balancer.join(Endpoint::new());
    assert_eq!((next.index(), fleet.balancer.adapter(next, WANTED)), (id.index(), AdapterState::Unknown));
    assert!(fleet.balancer.enter(fleet.pool, next));
    let new = decide(&mut fleet, WANTED);
    let _ = fleet.balancer.settle(late, Outcome::Cut, Duration::ZERO);
    assert_eq!(fleet.balancer.adapter(next, WANTED), AdapterState::Coming);
    let _ = fleet.balancer.settle(new, Outcome::Success, Duration::ZERO);
    fleet.replays();
}

#[test]
fn readings_of_adapters_come_of_age() {
    let mut balancer = Balancer::new(Seed::from(0)).with_max_age(Duration::from_secs(5));
    let id = balancer.join(Endpoint::new());
    let loaded = [WANTED];
    let reading = AdapterReading { loaded: &loaded, queued: &[], slots: Some(4), read: Duration::from_secs(1) };
    assert!(balancer.adapters(id, &reading));
    assert!(balancer.adapters(id, &AdapterReading { read: Duration::from_secs(3), ..reading }));
    assert_eq!(balancer.next_timeout(), Some(Duration::from_secs(6)));
    balancer.handle_timeout(Duration::from_secs(6));
    assert_eq!(balancer.adapter(id, WANTED), AdapterState::Loaded);
    balancer.handle_timeout(Duration::from_secs(8));
    assert_eq!((balancer.adapter(id, WANTED), balancer.next_timeout()), (AdapterState::Unknown, None));
}

#[test]
fn labels_are_asked_for_and_refusals_name_those_that_nobody_has() {
    let labeled = |bits: u64| Endpoint::new().with_labels(Labels::from(bits));
    let mut fleet = Fleet::new(Policy::phalanx(), [labeled(0b01), labeled(0b11), labeled(0b10)]);
    let (canary, fast) = (Labels::from(0b01), Labels::from(0b10));
    for key in 0..20 {
        let request = fleet.request(key);
        assert_ne!(fleet.decide(&request.with_labels(canary)), Ok(2));
        assert_eq!(fleet.decide(&request.with_labels(canary | fast)), Ok(1));
    }
    let unknown = Labels::from(1 << 63);
    let refused = fleet.decide(&fleet.request(1).with_labels(fast | unknown));
    let labels = fast | unknown;
    assert_eq!(refused, Err(Refusal::NoneLabeled { labels, unknown, candidates: 3 }));
    let text = refused.expect_err("it was refused").to_string();
    assert!(text.ends_with("nobody has 0x8000000000000000"), "{text}");
    // Each is had by somebody, but not both by one of the subset.
    let subset = [fleet.ids[0], fleet.ids[2]];
    let refused = fleet.decide(&fleet.request(1).with_labels(canary | fast).with_subset(&subset));
    let labels = canary | fast;
    assert_eq!(refused, Err(Refusal::NoneLabeled { labels, unknown: Labels::NONE, candidates: 2 }));
    let request = fleet.request(1).with_labels(canary).with_excluded(&fleet.ids[..1]);
    let explanation = fleet.balancer.explain(&request, Duration::ZERO).expect("there is such a pool");
    let why = [(fleet.ids[0], Omission::Excluded), (fleet.ids[2], Omission::LacksLabels(canary))];
    assert_eq!((explanation.chosen, &explanation.omitted[..]), (Some(fleet.ids[1]), &why[..]));
    fleet.replays();
}

#[test]
fn what_is_too_long_does_not_go_there_and_the_tightest_may_come_first() {
    let context = |most: u32| Endpoint::new().with_context_tokens(most);
    let policy = order(vec![Measure::ContextTokens, Measure::InFlight]);
    let mut fleet = Fleet::new(policy, [context(32_768), context(8192), Endpoint::new(), context(8192)]);
    let asks = |fleet: &Fleet, prompt: u32, output: u32| Request::new(fleet.pool, 1, prompt).with_output_tokens(output);
    let of = |fleet: &mut Fleet, prompt, output| fleet.decide(&asks(fleet, prompt, output));
    let tight = [of(&mut fleet, 8000, 192), of(&mut fleet, 8000, 192)];
    assert!(tight == [Ok(1), Ok(3)] || tight == [Ok(3), Ok(1)]);
    assert_eq!(of(&mut fleet, 8000, 193), Ok(0));
    assert_eq!(of(&mut fleet, 32_768, 0), Ok(0));
    assert_eq!(of(&mut fleet, 32_768, 1), Ok(2));
    assert_eq!(of(&mut fleet, u32::MAX, u32::MAX), Ok(2));
    let explanation = fleet.balancer.explain(&asks(&fleet, 9000, 0), Duration::ZERO).expect("a pool");
    let short = [1, 3].map(|at| (fleet.ids[at], Omission::TooShort(8192)));
    assert_eq!(explanation.omitted, short);
    let without = fleet.ids[2];
    assert!(fleet.balancer.exit(fleet.pool, without));
    let refused = Refusal::TooLong { tokens: 40_000, longest: 32_768, candidates: 3 };
    assert_eq!(of(&mut fleet, 39_000, 1000), Err(refused));
    fleet.replays();
}

#[test]
fn many_different_contexts_are_looked_at_one_by_one() {
    let contexts = (0..200).map(|at| Endpoint::new().with_context_tokens(1000 + at));
    let mut fleet = Fleet::new(order(vec![Measure::ContextTokens]), contexts);
    for tokens in [1, 1000, 1001, 1063, 1064, 1100, 1199] {
        let request = Request::new(fleet.pool, 1, tokens);
        assert_eq!(fleet.decide(&request), Ok(tokens.saturating_sub(1000) as usize));
    }
    let refused = fleet.decide(&Request::new(fleet.pool, 1, 1200));
    assert_eq!(refused, Err(Refusal::TooLong { tokens: 1200, longest: 1199, candidates: 200 }));
    for id in fleet.ids.clone() {
        assert!(fleet.balancer.leave(id));
    }
    let ids: Vec<_> =
        [Endpoint::new(), Endpoint::new().with_context_tokens(5)].map(|of| fleet.balancer.join(of)).into();
    assert!(ids.iter().all(|id| fleet.balancer.enter(fleet.pool, *id)));
    let decision = fleet.balancer.decide(&Request::new(fleet.pool, 1, 6), Duration::ZERO).expect("one takes it");
    assert_eq!(decision.endpoint, ids[0]);
    let _ = decision;
}

#[test]
fn policies_look_at_adapters_where_that_makes_sense() {
    let filter = Filter { measure: Measure::Adapter, below: 3, fail: FailMode::Open };
    let policy = order(vec![Measure::InFlight]).with_filters(vec![filter]).expect("a filter by the adapter");
    let text = serde_json::to_string(&policy).expect("it can be written");
    assert_eq!(serde_json::from_str::<Policy>(&text).expect("it can be read"), policy);
    let spread = Combination::Sum(vec![Weighted::new(Scorer::Spread(Measure::Adapter), 1)]);
    let error = Policy::new("spread", spread).expect_err("it depends on the request");
    assert!(error.to_string().contains("sum[0].scorer is adapter"), "{error}");
}
