//! The best pair by classes against all pairs, and what must hold of any pair.

use proptest::collection::vec;
use proptest::option::of as maybe;
use proptest::prelude::*;

use phalanx_kvcache::{BlockHash, BlockSize, CacheEvent, Change, FleetIndex, Overlap};

use super::*;
use crate::endpoint::{Endpoint, EndpointId};
use crate::link::{Domain, Link, LinkCosts};
use crate::pair::{Class, Local};
use crate::policy::{FailMode, Filter, Measure, Policy, Priced, Term, Unknown};
use crate::request::Evidence;
use crate::reservation::{Outcome, Reservation};
use crate::signals::Signals;
use crate::{Load, Seed};

/// A fleet and what it is asked. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
struct Case {
    policies: [Policy; 2],
    one_pool: bool,
    rows: Vec<Vec<Link>>,
    kv_bytes: u32,
    order: PairOrder,
    local: Local,
    /// With the pools that it is in.
    endpoints: Vec<(Endpoint, u8)>,
    /// Blocks of the prompt that each holds by the index; none where the evidence is told one by one.
    blocks: Option<Vec<u32>>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Decide { key: u64, prompt: u32, held: Vec<(usize, u32)>, excluded: Vec<usize>, subset: Option<Vec<usize>> },
    FirstToken(usize),
    Settle(usize),
    Signals(usize, u32, u32),
    Leave(usize),
    Wait(u64),
}

fn policy() -> impl Strategy<Value = Policy> {
    let terms = vec![Term::Wait, Term::Own, Term::DelayDecoding, Term::DelayPrefilling];
    let others = vec![Term::Sequence, Term::MemoryWall, Term::SeatWall, Term::EngineQueue];
    let term = prop::sample::select([terms, others].concat());
    let cost = vec((term, prop_oneof![3 => Just(1000), 1 => 0..2000_u32]), 1..6).prop_map(|mut terms| {
        terms.sort_by_key(|priced| priced.0 as u8);
        terms.dedup_by_key(|priced| priced.0);
        terms.into_iter().map(|(term, permille)| Priced::new(term, permille)).collect()
    });
    let filter = (1..4_u32, prop_oneof![Just(FailMode::Closed), Just(FailMode::Open)])
        .prop_map(|(below, fail)| Filter { measure: Measure::InFlight, below, fail });
    let made = (cost, vec(filter, 0..2), any::<bool>()).prop_map(|(cost, filters, idle)| {
        let policy =
            Policy::new("made", Combination::Cost(cost)).expect("in range").with_filters(filters).expect("few");
        policy.with_unknown(if idle { Unknown::Idle } else { Unknown::Worst })
    });
    prop_oneof![2 => Just(Policy::phalanx()), 3 => made]
}

fn tokens() -> impl Strategy<Value = u32> {
    prop_oneof![1 => 0..3_u32, 6 => 0..9000_u32, 1 => 0..90_000_u32, 1 => any::<u32>()]
}

fn endpoint() -> impl Strategy<Value = (Endpoint, u8)> {
    let role = prop_oneof![2 => Just(Role::Both), 2 => Just(Role::Prefill), 2 => Just(Role::Decode)];
    // One domain in many is unknown.
    let domain = prop_oneof![9 => 0..3_u32, 1 => 3..5_u32];
    let rest = (maybe(0..2_u32), 0..8_u32, maybe(0..2_u32), prop_oneof![Just(70_u64), 1..100_u64]);
    (role, domain, rest, 0..16_u8).prop_map(|(role, domain, (group, connector, rank, pace), pools)| {
        let endpoint = Endpoint::new().with_role(role).with_domain(Domain::from(domain)).with_connector(connector / 7);
        let endpoint = endpoint.with_prefill_token(Duration::from_micros(pace));
        let endpoint = group.map_or(endpoint, |group| endpoint.with_group(group));
        // Mostly in the pool of its role.
        let pools = match (pools, role) {
            (0..4, _) => pools,
            (_, Role::Prefill) => 1,
            (_, Role::Decode) => 2,
            (_, Role::Both) => 3,
        };
        (rank.map_or(endpoint, |rank| endpoint.with_rank(rank)), pools)
    })
}

fn step() -> impl Strategy<Value = Step> {
    let held = vec((0..40_usize, tokens()), 0..6);
    let subset = proptest::option::weighted(0.2, vec(0..40_usize, 0..12));
    prop_oneof![
        8 => (any::<u64>(), tokens(), held, vec(0..40_usize, 0..4), subset).prop_map(
            |(key, prompt, held, excluded, subset)| Step::Decide { key, prompt, held, excluded, subset }
        ),
        3 => any::<usize>().prop_map(Step::FirstToken),
        2 => any::<usize>().prop_map(Step::Settle),
        1 => (any::<usize>(), 0..20_u32, 0..1_000_000_u32).prop_map(|(at, waiting, kv)| Step::Signals(at, waiting, kv)),
        1 => any::<usize>().prop_map(Step::Leave),
        2 => (0..2_000_000_000_u64).prop_map(Step::Wait),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let micros = prop_oneof![Just(10_u64), 0..100_000_u64];
    let link = (micros, prop_oneof![Just(83_886_u32), 0..1_000_000_u32, any::<u32>()])
        .prop_map(|(micros, per)| Link::new(Duration::from_micros(micros), per));
    let links = prop_oneof![Just(vec![vec![Link::new(Duration::ZERO, 0); 3]; 3]), vec(vec(link, 3), 3),];
    let order = prop_oneof![
        4 => Just(PairOrder::Joint),
        1 => Just(PairOrder::DecodeFirst),
        1 => (1..6_u32).prop_map(|decodes| PairOrder::Walk { decodes }),
    ];
    let local =
        prop::sample::select(vec![Local::NEVER, Local::NEVER, Local::WHEN_CHEAPER, Local::AT_NEED, Local::DYNAMO]);
    let policy = (policy(), policy(), proptest::bool::weighted(0.2), prop_oneof![Just(131_072_u32), any::<u32>()]);
    let blocks = proptest::option::weighted(0.4, vec(0..16_u32, 120));
    let endpoints = prop_oneof![2 => vec(endpoint(), 1..24), 1 => vec(endpoint(), 80..120)];
    (policy, links, order, local, endpoints, blocks, vec(step(), 1..24)).prop_map(
        |((one, other, one_pool, kv_bytes), rows, order, local, endpoints, blocks, steps)| Case {
            policies: [one, other],
            one_pool,
            rows,
            kv_bytes,
            order,
            local,
            endpoints,
            blocks,
            steps,
        },
    )
}

struct World {
    balancer: Balancer,
    pair: PairId,
    ids: Vec<EndpointId>,
    open: Vec<Reservation>,
    overlap: Option<Overlap>,
    now: Duration,
}

impl World {
    fn new(case: &Case) -> Self {
        let mut balancer = Balancer::new(Seed::from(5)).with_max_age(Duration::from_secs(4));
        let first = balancer.add_pool(case.policies[0].clone());
        let second = if case.one_pool { first } else { balancer.add_pool(case.policies[1].clone()) };
        let links = LinkCosts::from_rows(&case.rows).expect("a square");
        let policy = PairPolicy::new(first, second, links, case.kv_bytes).with_order(case.order).with_local(case.local);
        let pair = balancer.add_pair(policy).expect("both weigh in nanoseconds");
        let join = |(endpoint, pools): &(Endpoint, u8)| {
            let id = balancer.join(*endpoint);
            for (pool, bit) in [(first, 1), (second, 2)] {
                if pools & bit != 0 {
                    balancer.enter(pool, id);
                }
            }
            id
        };
        let ids: Vec<_> = case.endpoints.iter().map(join).collect();
        let overlap = case.blocks.as_ref().map(|blocks| index(&blocks[..ids.len()]));
        Self { balancer, pair, ids, open: Vec::new(), overlap, now: Duration::from_secs(1_000) }
    }

    fn ids_of(&self, which: &[usize]) -> Vec<EndpointId> {
        which.iter().filter_map(|at| self.ids.get(*at).copied()).collect()
    }

    fn apply(
        &mut self,
        step: &Step,
        check: &mut impl FnMut(&mut Self, &PairRequest<'_>, &Result<PairDecision, Refusal>),
    ) {
        match step {
            Step::Decide { key, prompt, held, excluded, subset } => {
                let mut held: Vec<_> =
                    held.iter().filter_map(|(at, tokens)| Some((*self.ids.get(*at)?, *tokens))).collect();
                held.sort_unstable();
                held.dedup_by_key(|of| of.0);
                let (excluded, subset) = (self.ids_of(excluded), subset.as_ref().map(|subset| self.ids_of(subset)));
                let overlap = self.overlap.clone();
                let evidence = match &overlap {
                    Some(overlap) => {
                        let block = BlockSize::new(512).expect("not 0");
                        Evidence::Overlap { overlap, promised: None, block }
                    }
                    None => Evidence::Tokens(&held),
                };
                let mut request =
                    PairRequest::new(self.pair, *key, *prompt).with_evidence(evidence).with_excluded(&excluded);
                if let Some(subset) = &subset {
                    request = request.with_subset(subset);
                }
                let before = self.balancer.clone();
                let decision = self.balancer.decide_pair(&request, self.now);
                let after = core::mem::replace(&mut self.balancer, before);
                check(self, &request, &decision);
                self.balancer = after;
                if let Ok(decision) = decision {
                    self.open.push(decision.decode.reservation);
                    self.open.extend(decision.prefill.map(|of| of.reservation));
                }
            }
            Step::FirstToken(which) if !self.open.is_empty() => {
                let at = which % self.open.len();
                self.balancer.first_token(&mut self.open[at], self.now);
            }
            Step::Settle(which) if !self.open.is_empty() => {
                let reservation = self.open.swap_remove(which % self.open.len());
                let _ = self.balancer.settle(reservation, Outcome::Success, self.now);
            }
            Step::FirstToken(_) | Step::Settle(_) => {}
            Step::Signals(which, waiting, kv) => {
                let signals = Signals {
                    waiting: Some(*waiting),
                    running: Some(2),
                    kv_used_ppm: Some(*kv),
                    ..Signals::unknown(self.now)
                };
                self.balancer.signals(self.ids[which % self.ids.len()], signals);
            }
            Step::Leave(which) => {
                self.balancer.leave(self.ids[which % self.ids.len()]);
            }
            Step::Wait(nanos) => self.now += Duration::from_nanos(*nanos),
        }
    }

    fn held(&self, request: &PairRequest<'_>, at: usize) -> u32 {
        let mut held = Held::default();
        held.fill(request.evidence, &self.balancer.columns);
        held.of(request.evidence, at)
    }

    /// The slots that may have a part.
    fn candidates(&self, request: &PairRequest<'_>, role: Role) -> Vec<u32> {
        let (balancer, policy) = (&self.balancer, &self.balancer.pairs[0]);
        let pool = balancer.pool_of(policy, role);
        let may = |id: &EndpointId| {
            let Some(at) = balancer.columns.at(*id) else { return false };
            let endpoint = &balancer.columns.endpoint[at];
            pool.has(at)
                && [role, Role::Both].contains(&endpoint.role())
                && endpoint.domain() < Domain::from(3)
                && !request.excluded.contains(id)
                && request.subset.is_none_or(|subset| subset.contains(id))
        };
        let mut slots: Vec<_> = self.ids.iter().filter(|id| may(id)).map(|id| id.index() as u32).collect();
        slots.sort_unstable();
        balancer.filter(pool, &mut slots).map_or(Vec::new(), |()| slots)
    }

    fn cost(&self, request: &PairRequest<'_>, role: Role, at: u32, held: u32, now: i64) -> i64 {
        let pool = self.balancer.pool_of(&self.balancer.pairs[0], role);
        let known = self.balancer.known(&pool.policy);
        price::cost(&pool.policy, &known, at as usize, Tokens::new(request.prompt_tokens, held), now)
    }

    fn fit(&self, prefill: u32, decode: u32) -> bool {
        let [one, other] = [prefill, decode].map(|at| &self.balancer.columns.endpoint[at as usize]);
        let alike = one.group() == other.group() && one.connector() == other.connector();
        prefill != decode && alike && Class::fits(one.rank(), other.rank())
    }

    fn moving(&self, request: &PairRequest<'_>, prefill: u32, decode: u32) -> i64 {
        let policy = &self.balancer.pairs[0];
        let [from, to] = [prefill, decode].map(|at| self.balancer.columns.endpoint[at as usize].domain());
        let held = self.held(request, decode as usize);
        let link = policy.links.link(from, to).expect("both are known");
        link.transfer(policy.bytes(request.prompt_tokens, held)).as_nanos() as i64
    }

    /// All pairs by decode slot and prefill slot: what they are, and the three parts of their cost.
    fn all(&mut self, request: &PairRequest<'_>) -> Vec<(u32, u32, [i64; 3])> {
        let now = self.balancer.advance(self.now);
        let prefills = self.candidates(request, Role::Prefill);
        let prefills: Vec<_> = prefills
            .into_iter()
            .map(|at| (at, self.cost(request, Role::Prefill, at, self.held(request, at as usize), now)))
            .collect();
        let mut pairs = Vec::new();
        for decode in self.candidates(request, Role::Decode) {
            let answers = self.cost(request, Role::Decode, decode, u32::MAX, now);
            for &(prefill, computes) in prefills.iter().filter(|of| self.fit(of.0, decode)) {
                pairs.push((prefill, decode, [computes, self.moving(request, prefill, decode), answers]));
            }
        }
        pairs
    }

    /// The decode candidates that would compute the prompt at the least cost, and that cost.
    fn locals(&mut self, request: &PairRequest<'_>) -> (Vec<u32>, i64) {
        let now = self.balancer.advance(self.now);
        let decodes = self.candidates(request, Role::Decode);
        let cost = |at: u32| self.cost(request, Role::Decode, at, self.held(request, at as usize), now);
        let costs: Vec<_> = decodes.iter().map(|at| cost(*at)).collect();
        let least = costs.iter().copied().min().unwrap_or(i64::MAX);
        let tied = decodes.into_iter().zip(costs).filter(|of| of.1 == least).map(|of| of.0).collect();
        (tied, least)
    }
}

/// What an index says where each rank holds so many blocks.
fn index(blocks: &[u32]) -> Overlap {
    let chain: Vec<_> = (1..=20).map(BlockHash).collect();
    let mut index = FleetIndex::new();
    for &depth in blocks {
        let rank = index.join();
        // Most hold nothing, or as much as others.
        let depth = if depth > 9 { depth as usize % 4 * 5 } else { depth as usize / 9 * 8 };
        if depth > 0 {
            let stored = CacheEvent::Stored { parent: None, blocks: chain[..depth].to_vec() };
            let _ = index.apply(rank, Change::from(&stored)).expect("the rank has joined");
        }
    }
    let mut overlap = Overlap::new();
    index.overlap(&chain, &mut overlap);
    overlap
}

/// What is expected: slots, cost and ties.
type Expected = Option<(Option<u32>, u32, i64, u64)>;

fn expected(world: &mut World, request: &PairRequest<'_>) -> Expected {
    let local = world.balancer.pairs[0].local;
    let seed = world.balancer.seed;
    let (tied, cost) = world.locals(request);
    let stays = (!tied.is_empty()).then(|| {
        let at = tied[seed.draw(Stage::Tie, request.key, tied.len() as u32) as usize];
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
    let tied: Vec<_> = pairs.iter().filter(|of| of.2.iter().sum::<i64>() == least).collect();
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

    /// Property 25 of the routing facts: a pair goes together, on every retry too; and 27: retries end.
    #[test]
    fn retries_exclude_both_parts_and_end(case in case(), key: u64, prompt in tokens(), blames_decode: bool) {
        let mut world = World::new(&case);
        let mut excluded = Vec::new();
        loop {
            let request = PairRequest::new(world.pair, key, prompt).with_excluded(&excluded);
            let Ok(decision) = world.balancer.decide_pair(&request, world.now) else { break };
            let decode = decision.decode.endpoint;
            let prefill = decision.prefill.as_ref().map(|of| of.endpoint);
            for of in prefill.into_iter().chain([decode]) {
                prop_assert!(!excluded.contains(&of));
            }
            if let Some(prefill) = prefill {
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
                for candidate in why.prefill.candidates.iter().chain(&why.decode.candidates) {
                    let sum: i64 = candidate.contributions.iter().map(|part| part.amount).sum();
                    assert_eq!(sum, candidate.total);
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
                    totals.extend(world.candidates(request, Role::Decode).into_iter().map(local));
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
