//! Worked cases of the choice of a pair: which order finds which, when the decode endpoint stays alone, and how a pair
//! policy is written.

use core::time::Duration;

use phalanx_routing::{
    Balancer, Domain, Endpoint, EndpointId, Evidence, Link, LinkCosts, Local, Outcome, PairDecision, PairId, PairOrder,
    PairPolicy, PairRequest, Policy, PoolId, Refusal, Request, Role, Seed,
};

/// Two racks: a gibibyte takes 22 ms within one, and 172 ms between them.
struct Fleet {
    balancer: Balancer,
    prefill: PoolId,
    decode: PoolId,
    pair: PairId,
}

/// A gibibyte of KV.
const PROMPT: u32 = 8192;

impl Fleet {
    fn new(order: PairOrder, local: Local) -> Self {
        let mut balancer = Balancer::new(Seed::from(1));
        let [prefill, decode] = [Policy::phalanx(), Policy::phalanx()].map(|policy| balancer.add_pool(policy));
        let [near, far] = [21_000, 168_000].map(|per_mib| Link::new(Duration::ZERO, per_mib));
        let links = LinkCosts::uniform(2, near, far).expect("two domains");
        let policy = PairPolicy::new(prefill, decode, links, 128 << 10).with_order(order).with_local(local);
        let pair = balancer.add_pair(policy).expect("both weigh in nanoseconds");
        Self { balancer, prefill, decode, pair }
    }

    fn join(&mut self, role: Role, endpoint: Endpoint) -> EndpointId {
        let id = self.balancer.join(endpoint.with_role(role));
        self.balancer.enter(if role == Role::Prefill { self.prefill } else { self.decode }, id);
        id
    }

    fn in_rack(&mut self, role: Role, rack: u32) -> EndpointId {
        self.join(role, Endpoint::new().with_domain(Domain::from(rack)))
    }

    /// A request without end at an endpoint; its prompt is computed.
    fn burden(&mut self, pool: PoolId, id: EndpointId) {
        let subset = [id];
        let request = Request::new(pool, 0, 10).with_subset(&subset);
        let mut held = self.balancer.decide(&request, Duration::ZERO).expect("it is in the pool").reservation;
        self.balancer.first_token(&mut held, Duration::ZERO);
    }

    fn decide(&mut self, prompt: u32, held: &[(EndpointId, u32)]) -> Result<PairDecision, Refusal> {
        let request = PairRequest::new(self.pair, 7, prompt).with_evidence(Evidence::Tokens(held));
        self.balancer.decide_pair(&request, Duration::ZERO)
    }

    /// Who computes and who answers, without a trace.
    fn pair(&mut self, prompt: u32, held: &[(EndpointId, u32)]) -> Option<(Option<EndpointId>, EndpointId)> {
        let PairDecision { prefill, decode, .. } = self.decide(prompt, held).ok()?;
        let who = (prefill.as_ref().map(|leg| leg.endpoint), decode.endpoint);
        for leg in prefill.into_iter().chain([decode]) {
            self.balancer.settle(leg.reservation, Outcome::Unused, Duration::ZERO);
        }
        Some(who)
    }
}

#[test]
fn decode_first_takes_the_best_to_answer_even_far_from_those_who_compute() {
    for (order, is_near) in [(PairOrder::Joint, true), (PairOrder::DecodeFirst, false)] {
        let mut fleet = Fleet::new(order, Local::NEVER);
        let computes = fleet.in_rack(Role::Prefill, 0);
        let (near, far) = (fleet.in_rack(Role::Decode, 0), fleet.in_rack(Role::Decode, 1));
        // One more sequence there costs 27 ms, which is less than the way to the other rack.
        fleet.burden(fleet.decode, near);
        assert_eq!(fleet.pair(PROMPT, &[]), Some((Some(computes), if is_near { near } else { far })));
    }
}

#[test]
fn decode_first_then_takes_the_best_to_compute_with_the_transfer() {
    let mut fleet = Fleet::new(PairOrder::DecodeFirst, Local::NEVER);
    let (near, far) = (fleet.in_rack(Role::Prefill, 0), fleet.in_rack(Role::Prefill, 1));
    let answers = fleet.in_rack(Role::Decode, 0);
    assert_eq!(fleet.pair(PROMPT, &[]), Some((Some(near), answers)));
    // 150 ms more to move against 1,000 tokens of 70 µs, then against 3,000.
    assert_eq!(fleet.pair(PROMPT, &[(far, 1000)]), Some((Some(near), answers)));
    assert_eq!(fleet.pair(PROMPT, &[(far, 3000)]), Some((Some(far), answers)));
}

#[test]
fn decode_first_passes_over_those_with_whom_nobody_goes_together() {
    let mut fleet = Fleet::new(PairOrder::DecodeFirst, Local::NEVER);
    let computes = fleet.join(Role::Prefill, Endpoint::new().with_group(1).with_rank(0));
    let others = [Endpoint::new(), Endpoint::new().with_group(2), Endpoint::new().with_group(1).with_rank(1)];
    for other in others {
        fleet.join(Role::Decode, other);
    }
    assert_eq!(fleet.pair(PROMPT, &[]), None);
    let answers = fleet.join(Role::Decode, Endpoint::new().with_group(1));
    fleet.burden(fleet.decode, answers);
    assert_eq!(fleet.pair(PROMPT, &[]), Some((Some(computes), answers)));
}

#[test]
fn a_walk_ends_after_so_many() {
    for (decodes, finds) in [(2, false), (3, true)] {
        let mut fleet = Fleet::new(PairOrder::Walk { decodes }, Local::NEVER);
        let computes = fleet.join(Role::Prefill, Endpoint::new().with_group(1));
        for group in [2, 3] {
            fleet.join(Role::Decode, Endpoint::new().with_group(group));
        }
        let third = fleet.join(Role::Decode, Endpoint::new().with_group(1));
        fleet.burden(fleet.decode, third);
        assert_eq!(fleet.pair(PROMPT, &[]), finds.then_some((Some(computes), third)));
    }
}

#[test]
fn the_decode_endpoint_stays_alone_when_that_is_cheaper() {
    let mut fleet = Fleet::new(PairOrder::Joint, Local::WHEN_CHEAPER);
    let (computes, answers) = (fleet.in_rack(Role::Prefill, 1), fleet.in_rack(Role::Decode, 0));
    // Whoever computes the prompt takes as long; moving it comes on top.
    assert_eq!(fleet.pair(PROMPT, &[]), Some((None, answers)));
    // 1,500 tokens of 80.5 µs and 15 µs are 143 ms, and the way is 172 ms; 3,000 are 287 ms.
    assert_eq!(fleet.pair(PROMPT, &[(computes, 1500)]), Some((None, answers)));
    assert_eq!(fleet.pair(PROMPT, &[(computes, 3000)]), Some((Some(computes), answers)));
}

#[test]
fn the_decode_endpoint_stays_alone_at_need() {
    for (local, stays) in [(Local::NEVER, false), (Local::AT_NEED, true), (Local::WHEN_CHEAPER, true)] {
        let mut fleet = Fleet::new(PairOrder::Joint, local);
        let answers = fleet.in_rack(Role::Decode, 0);
        assert_eq!(fleet.pair(PROMPT, &[]), stays.then_some((None, answers)), "{local:?}");
        let computes = fleet.in_rack(Role::Prefill, 0);
        let both = if local == Local::WHEN_CHEAPER { None } else { Some(computes) };
        assert_eq!(fleet.pair(PROMPT, &[]), Some((both, answers)), "{local:?}");
    }
}

#[test]
fn few_tokens_stay_where_the_answer_is() {
    // Tokens of the prompt, of those that are held, and whether 2,048 tokens and 70 % are enough for the rest.
    let cases = [
        (2048, 0, false),
        (8192, 6144, true),
        (8192, 6143, false),
        (2000, 600, true),
        (2000, 599, false),
        (1, 0, false),
        (0, 0, true),
    ];
    for order in [PairOrder::Joint, PairOrder::DecodeFirst, PairOrder::Walk { decodes: 5 }] {
        for (prompt, held, stays) in cases {
            let mut fleet = Fleet::new(order, Local::DYNAMO);
            let (computes, answers) = (fleet.in_rack(Role::Prefill, 0), fleet.in_rack(Role::Decode, 0));
            let found = fleet.pair(prompt, &[(answers, held)]);
            assert_eq!(found, Some(((!stays).then_some(computes), answers)), "{order:?}, {prompt} tokens, {held} held");
        }
    }
}

#[test]
fn an_endpoint_is_never_paired_with_itself() {
    for order in [PairOrder::Joint, PairOrder::DecodeFirst, PairOrder::Walk { decodes: 5 }] {
        let mut fleet = Fleet::new(order, Local::NEVER);
        let both = fleet.in_rack(Role::Both, 0);
        fleet.balancer.enter(fleet.prefill, both);
        assert_eq!(fleet.pair(PROMPT, &[]), None);
        let other = fleet.in_rack(Role::Decode, 0);
        assert_eq!(fleet.pair(PROMPT, &[]), Some((Some(both), other)));
    }
}

fn written(more: &str) -> String {
    let link = r#"{"latency_nanos":1000,"nanos_per_mib":21000}"#;
    let links = format!(r#"{{"uniform":{{"domains":2,"within":{link},"between":{link}}}}}"#);
    format!(r#"{{"prefill":0,"decode":1,"links":{links},"kv_bytes_per_token":131072{more}}}"#)
}

#[test]
fn every_pair_policy_comes_back() {
    let fleet = Fleet::new(PairOrder::Joint, Local::NEVER);
    let [one, other] = [1, u32::MAX].map(|per_mib| Link::new(Duration::from_nanos(u64::from(per_mib)), per_mib));
    let rows = LinkCosts::from_rows(&[vec![one, other], vec![other, other]]).expect("a square");
    let links =
        [rows, LinkCosts::uniform(1, one, other).expect("a domain"), LinkCosts::uniform(3, one, other).expect("three")];
    let orders = [PairOrder::Joint, PairOrder::DecodeFirst, PairOrder::Walk { decodes: 64 }];
    let locals =
        [Local::NEVER, Local::AT_NEED, Local::WHEN_CHEAPER, Local::DYNAMO, Local::WHEN_CHEAPER.or_within(1, 2)];
    for links in links {
        for order in orders {
            for local in locals {
                let policy = PairPolicy::new(fleet.prefill, fleet.decode, links.clone(), 7);
                let policy = policy.with_order(order).with_local(local);
                let json = serde_json::to_string(&policy).expect("it is plain data");
                let back: PairPolicy = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
                assert_eq!(back, policy);
            }
        }
    }
    let plain: PairPolicy = serde_json::from_str(&written("")).expect("the rest has defaults");
    assert_eq!((plain.order(), plain.local()), (PairOrder::Joint, Local::WHEN_CHEAPER));
}

#[test]
fn what_is_wrong_in_a_pair_policy_is_named() {
    let cases = [
        (written(r#","extra":1"#), "`extra`"),
        (written(r#","order":{"walk":{"decodes":0}}"#), "order.walk.decodes is 0; expected 1 to 64"),
        (written(r#","order":{"walk":{"decodes":1,"extra":1}}"#), "`extra`"),
        (written(r#","order":"backwards""#), "`backwards`"),
        (written(r#","local":{"when":"never","within":{"tokens":1,"permille":1}}"#), "local.within has no use"),
        (
            written(r#","local":{"within":{"tokens":1,"permille":1001}}"#),
            "local.within.permille is 1001; expected 0 to 1000",
        ),
        (written(r#","local":{"within":{"tokens":1}}"#), "`permille`"),
        (written("").replace(r#""domains":2"#, r#""domains":0"#), "links: links between 0 domains; expected 1 to 2048"),
        (written("").replace(r#""latency_nanos":1000,"#, ""), "`latency_nanos`"),
        (written("").replace(r#""prefill":0,"#, ""), "`prefill`"),
    ];
    for (json, expected) in cases {
        let error = serde_json::from_str::<PairPolicy>(&json).expect_err(&json).to_string();
        assert!(error.contains(expected), "{json}: {error}");
    }
}
