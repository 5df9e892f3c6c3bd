//! Presets against cases worked by hand from the published formulas.

use core::time::Duration;

use phalanx_routing::{
    Balancer, Candidate, Endpoint, EndpointId, Evidence, Explanation, Policy, PoolId, Request, Reservation, Seed,
    Signals,
};

/// What is known of one endpoint.
#[derive(Clone, Copy, Default)]
struct State<'a> {
    /// Prompts without a first token, and prompts with one.
    prefilling: &'a [u32],
    decoding: &'a [u32],
    waiting: Option<u32>,
    running: Option<u32>,
    kv_used_ppm: Option<u32>,
    ttft_ms: Option<u64>,
    tpot_ms: Option<u64>,
    /// Of the prompt that is asked for.
    held: u32,
}

static ONES: [u32; 512] = [1; 512];

/// So many prompts of one token, past their first token.
fn requests(count: usize) -> State<'static> {
    State { decoding: &ONES[..count], ..State::default() }
}

struct Fleet {
    balancer: Balancer,
    pool: PoolId,
    ids: Vec<EndpointId>,
    evidence: Vec<(EndpointId, u32)>,
    open: Vec<Reservation>,
}

impl Fleet {
    fn new(policy: Policy, states: &[State<'_>]) -> Self {
        let mut balancer = Balancer::new(Seed::from(1));
        let pool = balancer.add_pool(policy);
        // Load comes from decisions of a pool that refuses nothing.
        let free = balancer.add_pool(Policy::random());
        let mut fleet = Self { balancer, pool, ids: Vec::new(), evidence: Vec::new(), open: Vec::new() };
        for state in states {
            let id = fleet.balancer.join(Endpoint::new());
            assert!(fleet.balancer.enter(pool, id) && fleet.balancer.enter(free, id));
            let prompts = state.decoding.iter().map(|prompt| (prompt, true));
            for (prompt, came) in prompts.chain(state.prefilling.iter().map(|prompt| (prompt, false))) {
                let request = Request::new(free, 0, *prompt).with_subset(core::slice::from_ref(&id));
                let decision = fleet.balancer.decide(&request, Duration::ZERO).expect("it is in the pool");
                let mut reservation = decision.reservation;
                if came {
                    fleet.balancer.first_token(&mut reservation, Duration::ZERO);
                }
                fleet.open.push(reservation);
            }
            let signals = Signals {
                waiting: state.waiting,
                running: state.running,
                kv_used_ppm: state.kv_used_ppm,
                ttft: state.ttft_ms.map(Duration::from_millis),
                tpot: state.tpot_ms.map(Duration::from_millis),
                ..Signals::unknown(Duration::ZERO)
            };
            assert!(fleet.balancer.signals(id, signals));
            fleet.evidence.push((id, state.held));
            fleet.ids.push(id);
        }
        fleet
    }

    fn explain(&self, prompt: u32) -> Explanation {
        let request = Request::new(self.pool, 7, prompt).with_evidence(Evidence::Tokens(&self.evidence));
        self.balancer.explain(&request, Duration::ZERO).expect("there is such a pool")
    }
}

/// Which endpoint a prompt goes to, by its place.
fn chosen(policy: Policy, prompt: u32, states: &[State<'_>]) -> usize {
    Fleet::new(policy, states).explain(prompt).chosen.expect("somebody is left").index()
}

/// The scores of all endpoints in one part of a sum, in hundredths.
fn hundredths(policy: Policy, part: usize, prompt: u32, states: &[State<'_>]) -> Vec<i64> {
    let explanation = Fleet::new(policy, states).explain(prompt);
    let amount = |of: &Candidate| explanation.contributions(of.endpoint).nth(part).expect("a part").amount;
    explanation.candidates.iter().map(|candidate| -amount(candidate) / 10_000).collect()
}

fn totals(policy: Policy, prompt: u32, states: &[State<'_>]) -> Vec<i64> {
    let explanation = Fleet::new(policy, states).explain(prompt);
    explanation.candidates.iter().map(|candidate| candidate.total).collect()
}

#[test]
fn kthena_scores_requests_memory_latency_and_prefix() {
    let running = |count: usize, running| State { running: Some(running), ..requests(count) };
    // In flight, and a hundred for each that does not run: 101, 202, 303 of 303.
    let cases = [running(1, 0), running(2, 0), running(3, 0)];
    assert_eq!(hundredths(Policy::kthena(), 0, 100, &cases), [66, 33, 0]);
    // 5, 505, 0 of 505.
    let cases = [running(5, 5), running(5, 0), running(0, 0)];
    assert_eq!(hundredths(Policy::kthena(), 0, 100, &cases), [99, 0, 100]);
    assert_eq!(hundredths(Policy::kthena(), 0, 100, &[running(0, 0), running(0, 3)]), [100, 100]);
    // Equal and not 0: all at the bottom.
    assert_eq!(hundredths(Policy::kthena(), 0, 100, &[running(2, 2), running(2, 2)]), [0, 0]);

    let memory = [0, 333_333, 999_999].map(|used| State { kv_used_ppm: Some(used), ..State::default() });
    assert_eq!(hundredths(Policy::kthena(), 1, 100, &memory), [100, 66, 0]);

    let times = |ttft, tpot| State { ttft_ms: Some(ttft), tpot_ms: Some(tpot), ..State::default() };
    // Half of (400 - ttft) / 300 and half of (30 - tpot) / 20, those without samples aside.
    let cases = [times(100, 30), times(200, 10), times(400, 15), State::default(), times(0, 10)];
    assert_eq!(hundredths(Policy::kthena(), 2, 100, &cases), [50, 83, 37, 50, 50]);

    let held = [64, 600, 1000, 0].map(|held| State { held, ..State::default() });
    assert_eq!(hundredths(Policy::kthena(), 3, 1000, &held), [6, 60, 100, 0]);
}

#[test]
fn kthena_keeps_endpoints_with_fewer_than_ten_waiting() {
    let waiting = [9, 10].map(|waiting| State { waiting: Some(waiting), ..State::default() });
    let explanation = Fleet::new(Policy::kthena(), &waiting).explain(100);
    assert_eq!((explanation.candidates.len(), explanation.omitted.len()), (1, 1));
}

#[test]
fn llm_d_spreads_queues_and_adds_memory_and_prefix() {
    let state = |waiting, kv, held| State { waiting: Some(waiting), kv_used_ppm: Some(kv), held, ..State::default() };
    let states = [state(0, 500_000, 0), state(2, 250_000, 400), state(8, 0, 1000)];
    // 2 × queue + 2 × memory + 3 × prefix: 2 + 1 + 0; 1.5 + 1.5 + 1.2; 0 + 2 + 3.
    assert_eq!(totals(Policy::llm_d(), 1000, &states), [-3_000_000, -4_200_000, -5_000_000]);
    // 2 × prefix + memory + queue: 0 + 0.5 + 1; 0.8 + 0.75 + 0.75; 2 + 1 + 0.
    assert_eq!(totals(Policy::llm_d_precise(), 1000, &states), [-1_500_000, -2_300_000, -3_000_000]);
    // One pod with 100 waiting makes 0 and 1 nearly the same.
    let states = [0, 1, 100].map(|waiting| state(waiting, 0, 0));
    assert_eq!(hundredths(Policy::llm_d(), 0, 100, &states), [200, 198, 0]);
}

#[test]
fn llm_d_single_scorers() {
    // One half less the share of 128, here as a whole: 1, 127/128, 1/2, 0, 0.
    let waiting = [0, 1, 64, 128, 500].map(|waiting| State { waiting: Some(waiting), ..State::default() });
    let expected = [-1_000_000, -992_188, -500_000, 0, 0];
    assert_eq!(totals(Policy::llm_d_load_aware(), 100, &waiting), expected);

    // Idle: 1; else (max - n) / max.
    let active = [0, 1, 3, 4].map(requests);
    assert_eq!(totals(Policy::llm_d_active_request(), 100, &active), [-1_000_000, -750_000, -250_000, 0]);
    assert_eq!(totals(Policy::llm_d_active_request(), 100, &[requests(0), requests(0)]), [-1_000_000; 2]);

    // 400,000 tokens of prompts are a million in flight with their answers: 1 - 1,000,000 / 4,194,304.
    let tokens: [&[u32]; 3] = [&[], &[400_000], &[1_000_000, 1_000_000]];
    let tokens = tokens.map(|prefilling| State { prefilling, ..State::default() });
    let found = totals(Policy::llm_d_token_load(), 100, &tokens);
    assert_eq!((found[0], found[2]), (-1_000_000, 0));
    assert!((found[1] + 761_581).abs() <= 1, "{}", found[1]);
}

#[test]
fn dynamo_adds_what_is_to_compute_and_what_is_in_use() {
    // Blocks of 16; in thousandths of tokens, 16,000 to the block. A prompt of 640 tokens is 40 blocks.
    let states = [
        // 20 blocks pending, 40 in use, 10 overlap: 20 + 40 - 10 + 40 = 90.
        State { prefilling: &[320], decoding: &[320], held: 160, ..State::default() },
        // None pending, 60 in use, no overlap: 40 + 60 = 100.
        State { decoding: &[480, 480], ..State::default() },
        // 80 pending, which are in use, and 39 overlap: 80 + 40 - 39 + 80 = 161.
        State { prefilling: &[1280], held: 624, ..State::default() },
        // Nothing at all: 40.
        State::default(),
    ];
    assert_eq!(totals(Policy::dynamo(), 640, &states), [90, 100, 161, 40].map(|blocks| blocks * 16_000));
    assert_eq!(chosen(Policy::dynamo(), 640, &states), 3);
    assert_eq!(chosen(Policy::dynamo(), 640, &states[..3]), 0);
}

#[test]
fn smg_takes_the_most_overlap_until_the_load_is_uneven() {
    let state = |count: usize, held| State { held, ..requests(count) };
    let cases: [(&[State<'_>], usize, Option<u32>); 7] = [
        // Most blocks, then fewer requests.
        (&[state(0, 0), state(32, 640), state(1, 320)], 1, None),
        (&[state(5, 640), state(4, 640), state(0, 320)], 1, None),
        // 33 above the least, and more than a tenth: the fewest requests.
        (&[state(0, 0), state(33, 640), state(1, 320)], 0, Some(0)),
        // 32 above is no imbalance.
        (&[state(1, 0), state(33, 640)], 1, None),
        // 123 is above 1.1 × 90.
        (&[state(90, 0), state(123, 640)], 0, Some(0)),
        // 33 above, but not more than a tenth.
        (&[state(340, 0), state(373, 640)], 1, None),
        // Nothing held: fewer requests.
        (&[state(3, 0), state(2, 0), state(4, 0)], 1, None),
    ];
    for (at, (states, expected, gate)) in cases.iter().enumerate() {
        let explanation = Fleet::new(Policy::smg_cache_aware(), states).explain(1000);
        assert_eq!(explanation.chosen.map(EndpointId::index), Some(*expected), "case {at}");
        assert_eq!(explanation.gate, *gate, "case {at}");
    }
}

#[test]
fn smg_by_history_asks_for_more_than_half_of_the_prompt() {
    let state = |count: usize, held| State { held, ..requests(count) };
    let cases: [(&[State<'_>], usize, Option<u32>); 4] = [
        (&[state(0, 0), state(9, 501)], 1, None),
        // Half is not enough.
        (&[state(0, 0), state(9, 500)], 0, Some(1)),
        (&[state(9, 501), state(0, 502)], 1, None),
        (&[state(0, 0), state(33, 900)], 0, Some(0)),
    ];
    for (at, (states, expected, gate)) in cases.iter().enumerate() {
        let explanation = Fleet::new(Policy::smg_cache_aware_history(), states).explain(1000);
        assert_eq!(explanation.chosen.map(EndpointId::index), Some(*expected), "case {at}");
        assert_eq!(explanation.gate, *gate, "case {at}");
    }
}

#[test]
fn aibrix_takes_the_best_match_that_is_not_overloaded() {
    let state = |count: usize, held| State { held, ..requests(count) };
    let cases: [(&[State<'_>], usize, Option<u32>, usize); 6] = [
        // 2, 4, 4, 4, 5, 5, 7, 9 have a mean of 5 and a deviation of 2: 7 is still near, 9 is not.
        (
            &[2, 4, 4, 4, 5, 5, 7, 9].map(|count| state(count, if count >= 7 { 100 * count as u32 } else { 0 })),
            6,
            None,
            1,
        ),
        // The same share: fewer requests.
        (&[state(3, 500), state(2, 500), state(2, 0)], 1, None, 1),
        // The only holder is too far: the fewest requests.
        (&[state(1, 0), state(0, 0), state(8, 900)], 1, None, 1),
        // Equal loads: all are near.
        (&[state(3, 0), state(3, 10), state(3, 20)], 2, None, 0),
        // Nine above the least: the least loaded, and of them the one that holds most.
        (&[state(0, 0), state(0, 100), state(9, 900)], 1, Some(0), 1),
        // Eight above is no imbalance.
        (&[state(0, 0), state(8, 900), state(8, 0), state(8, 0)], 1, None, 0),
    ];
    for (at, (states, expected, gate, far)) in cases.iter().enumerate() {
        let explanation = Fleet::new(Policy::aibrix_prefix(), states).explain(1000);
        assert_eq!(explanation.chosen.map(EndpointId::index), Some(*expected), "case {at}");
        assert_eq!((explanation.gate, explanation.omitted.len()), (*gate, *far), "case {at}");
    }
}

#[test]
fn lmetric_multiplies_tokens_and_batch() {
    // (pending + prompt not held) × (in flight + 1).
    let states = [
        State { prefilling: &[300], held: 500, ..State::default() },
        State { decoding: &[10, 10], held: 800, ..State::default() },
        State::default(),
    ];
    assert_eq!(totals(Policy::lmetric(), 1000, &states), [800 * 2, 200 * 3, 1000]);
    assert_eq!(chosen(Policy::lmetric(), 1000, &states), 1);
}

#[test]
fn least_of_what_engines_report() {
    let memory = [400_000, 300_000, 900_000].map(|used| State { kv_used_ppm: Some(used), ..State::default() });
    assert_eq!(chosen(Policy::least_kv(), 100, &memory), 1);

    // Time to first token and 200 further ones: 2.1, 1.4 and 4.0 seconds; unknown is last.
    let times = |ttft, tpot| State { ttft_ms: Some(ttft), tpot_ms: Some(tpot), ..State::default() };
    let states = [times(100, 10), times(400, 5), times(0, 20), State::default()];
    assert_eq!(chosen(Policy::least_latency(), 100, &states), 1);
    let found = totals(Policy::least_latency(), 100, &states);
    assert_eq!(found[..3], [2_100_000_000, 1_400_000_000, 4_000_000_000]);
}

#[test]
fn affine_stays_near_the_least() {
    let state = |count: usize, held| State { held, ..requests(count) };
    // 10 × 1.1 + 8 = 19 is near, 20 is not.
    assert_eq!(chosen(Policy::affine(), 1000, &[state(10, 0), state(19, 500), state(20, 900)]), 1);
    assert_eq!(chosen(Policy::affine(), 1000, &[state(10, 0), state(20, 900)]), 0);
}

#[test]
fn every_preset_is_the_same_after_a_round_trip() {
    for policy in Policy::presets() {
        let json = serde_json::to_string(&policy).expect("plain data");
        let back: Policy = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(back, policy);
    }
}

#[test]
fn unknown_fields_are_named() {
    let cases = [
        r#"{"name":"a","extra":1,"combination":{"lexicographic":["in-flight"]}}"#,
        r#"{"name":"a","combination":{"lexicographic":["in-flight"]},"filters":[{"measure":"waiting","below":1,"extra":1}]}"#,
        r#"{"name":"a","combination":{"sum":[{"scorer":"prefix","weight":1,"extra":1}]}}"#,
        r#"{"name":"a","combination":{"sum":[{"scorer":{"room":{"measure":"waiting","limit":1,"extra":1}},"weight":1}]}}"#,
        r#"{"name":"a","combination":{"cost":[{"term":"own","permille":1,"extra":1}]}}"#,
        r#"{"name":"a","combination":{"total":[{"measure":"turn","permille":1,"extra":1}]}}"#,
        r#"{"name":"a","combination":{"lexicographic":["in-flight"]},"near":{"measure":"waiting","limit":{"deviations":1},"extra":1}}"#,
        r#"{"name":"a","combination":{"lexicographic":["in-flight"]},"near":{"measure":"waiting","limit":{"least":{"permille":1000,"above":1,"extra":1}}}}"#,
        r#"{"name":"a","combination":{"lexicographic":["in-flight"]},"gates":[{"when":{"share-at-most":1},"combination":{"lexicographic":["turn"]},"extra":1}]}"#,
        r#"{"name":"a","combination":{"lexicographic":["in-flight"]},"gates":[{"when":{"spread":{"measure":"waiting","above":1,"permille":1,"extra":1}},"combination":{"lexicographic":["turn"]}}]}"#,
    ];
    for json in cases {
        let error = serde_json::from_str::<Policy>(json).expect_err(json).to_string();
        assert!(error.contains("`extra`"), "{json}: {error}");
        let known = json.replace(r#","extra":1"#, "");
        serde_json::from_str::<Policy>(&known).unwrap_or_else(|error| panic!("{known}: {error}"));
    }
}

#[test]
fn what_is_out_of_range_is_named_with_its_place() {
    let cases = [
        (
            r#"{"name":"a","combination":{"lexicographic":["turn"]},"gates":[{"when":{"share-at-most":1},"combination":{"total":[]}}]}"#,
            "gates[0].combination.total is empty",
        ),
        (
            r#"{"name":"a","combination":{"total":[{"measure":"turn","permille":1},{"measure":"turn","permille":2}]}}"#,
            "combination.total[1] is turn again",
        ),
        (
            r#"{"name":"a","combination":{"lexicographic":["turn"]},"near":{"measure":"waiting","limit":{"least":{"permille":999,"above":0}}}}"#,
            "near.limit.least.permille is 999; expected 1000 to 1000000",
        ),
        (
            r#"{"name":"a","combination":{"lexicographic":["turn"]},"gates":[{"when":{"most":{"measure":"uncached-tokens","above":1}},"combination":{"lexicographic":["turn"]}}]}"#,
            "gates[0].when.most.measure is uncached-tokens, which depends on the request",
        ),
    ];
    for (json, expected) in cases {
        let error = serde_json::from_str::<Policy>(json).expect_err(json).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn kthena_plugins_score_from_0_to_100() {
    let states = [
        State {
            running: Some(3),
            ttft_ms: Some(100),
            tpot_ms: Some(10),
            kv_used_ppm: Some(254_000),
            held: 50,
            ..requests(3)
        },
        State {
            running: Some(1),
            ttft_ms: Some(300),
            tpot_ms: Some(30),
            kv_used_ppm: Some(999_999),
            held: 333,
            ..requests(2)
        },
        State { kv_used_ppm: Some(0), waiting: Some(10), ..State::default() },
    ];
    // Bases 3, 2 + 100 × 1 and 0, the last of which does not pass the filter: (102 − 3) / 102 and 0.
    // Latencies at both ends, and none. KV memory 0.746, 0.000001 and 1 free. 50 and 333 of 1,000 tokens.
    for (policy, expected) in [
        (Policy::kthena_least_request(), vec![970_000, 0]),
        (Policy::kthena_least_latency(), vec![1_000_000, 0, 500_000]),
        (Policy::kthena_gpu_cache(), vec![740_000, 0, 1_000_000]),
        (Policy::kthena_prefix_cache(), vec![50_000, 330_000, 0]),
    ] {
        let name = policy.name().to_owned();
        let explanation = Fleet::new(policy, &states).explain(1000);
        let scores: Vec<_> = explanation.candidates.iter().map(|candidate| -candidate.total).collect();
        assert_eq!(scores, expected, "{name}");
    }
}

#[test]
fn smg_bucket_sends_prompts_by_their_length() {
    let mut fleet = Fleet::new(Policy::smg_bucket(), &[State::default(); 3]);
    let mut sent = [[0; 3]; 2];
    for key in 0..4000 {
        let prompt = if key % 11 == 0 { 10_000 } else { 1000 };
        let request = Request::new(fleet.pool, key, prompt);
        let decision = fleet.balancer.decide(&request, Duration::ZERO).expect("somebody is there");
        sent[usize::from(prompt > 1000)][decision.endpoint.index()] += 1;
        fleet.balancer.settle(decision.reservation, phalanx_routing::Outcome::Success, Duration::ZERO);
    }
    // Half of the tokens are in prompts of either length: their middles are in the first and in the last third.
    assert!(sent[0][0] > 3500 && sent[1][2] > 350, "{sent:?}");
    // Thirty-three requests more than nobody has are too many.
    fleet = Fleet::new(Policy::smg_bucket(), &[State::default(), requests(33), State::default(), State::default()]);
    let explanation = fleet.explain(1000);
    assert_ne!(explanation.chosen, Some(fleet.ids[1]));
}

#[test]
fn a_cold_request_goes_where_the_last_one_is_longest_ago() {
    use phalanx_routing::{Combination, Scorer, Weighted};

    let sum = Combination::Sum(vec![Weighted::new(Scorer::NoHitLru, 1)]);
    let policy = Policy::new("cold", sum).expect("in range");
    let mut fleet = Fleet::new(policy, &[State::default(); 3]);
    let mut order = Vec::new();
    for key in 0..6 {
        let request = Request::new(fleet.pool, key, 1000);
        let decision = fleet.balancer.decide(&request, Duration::ZERO).expect("somebody is there");
        order.push(decision.endpoint.index());
        fleet.open.push(decision.reservation);
    }
    assert_eq!(order[..3], order[3..]);
    let scores = |explanation: Explanation| explanation.candidates.iter().map(|of| -of.total).collect::<Vec<_>>();
    let mut cold = scores(fleet.explain(1000));
    cold.sort_unstable();
    assert_eq!(cold, [0, 500_000, 1_000_000]);
    fleet.evidence[1].1 = 64;
    assert_eq!(scores(fleet.explain(1000)), [500_000; 3]);
}
