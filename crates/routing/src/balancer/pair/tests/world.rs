//! A fleet of any kind, and the choice by a look at all pairs.

use proptest::collection::vec;
use proptest::option::of as maybe;
use proptest::prelude::*;

use phalanx_kvcache::{BlockHash, BlockSize, CacheEvent, Change, FleetIndex, Overlap};

use super::super::*;
use crate::Seed;
use crate::adapter::{AdapterId, AdapterReading};
use crate::endpoint::{Endpoint, EndpointId};
use crate::evidence::Held;
use crate::health::Breaker;
use crate::label::Labels;
use crate::line::Tokens;
use crate::link::{Domain, Link, LinkCosts};
use crate::pair::{Class, Local};
use crate::policy::{FailMode, Filter, Measure, Policy, Priced, Targets, Term, Unknown};
use crate::price;
use crate::request::Evidence;
use crate::reservation::{Outcome, Reservation};
use crate::signals::Signals;
use crate::slo::Slo;

/// A fleet and what it is asked. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub(super) struct Case {
    policies: [Policy; 2],
    one_pool: bool,
    rows: Vec<Vec<Link>>,
    kv_bytes: u32,
    pub(super) order: PairOrder,
    pub(super) local: Local,
    /// With the pools that it is in.
    endpoints: Vec<(Endpoint, u8)>,
    /// Blocks of the prompt that each holds by the index; none where the evidence is told one by one.
    blocks: Option<Vec<u32>>,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Decide {
        key: u64,
        prompt: u32,
        held: Vec<(usize, u32)>,
        excluded: Vec<usize>,
        subset: Option<Vec<usize>>,
        needs: Needs,
    },
    FirstToken(usize),
    Settle(usize),
    Fail(usize),
    Signals(usize, u32, u32),
    Adapters(usize, Vec<u32>, Option<u32>),
    Leave(usize),
    Wait(u64),
}

/// What not every request asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    adapter: Option<u32>,
    labels: u64,
    output: u32,
    slo: Slo,
}

fn needs() -> impl Strategy<Value = Needs> {
    let millis = |most: u64| maybe((0..most).prop_map(Duration::from_millis));
    let some = (maybe(0..3_u32), 0..4_u64, 0..4_000_u32, millis(900), millis(30))
        .prop_map(|(adapter, labels, output, ttft, tpot)| Needs { adapter, labels, output, slo: Slo { ttft, tpot } });
    prop_oneof![3 => Just(Needs::default()), 2 => some]
}

fn policy() -> impl Strategy<Value = Policy> {
    let terms = vec![Term::Wait, Term::Own, Term::DelayDecoding, Term::DelayPrefilling];
    let others = vec![Term::Sequence, Term::MemoryWall, Term::SeatWall, Term::EngineQueue, Term::AdapterLoad];
    let term = prop::sample::select([terms, others].concat());
    let cost = vec((term, prop_oneof![3 => Just(1000), 1 => 0..2000_u32]), 1..6).prop_map(|mut terms| {
        terms.sort_by_key(|priced| priced.0 as u8);
        terms.dedup_by_key(|priced| priced.0);
        terms.into_iter().map(|(term, permille)| Priced::new(term, permille)).collect()
    });
    let filter = (1..4_u32, prop_oneof![Just(FailMode::Closed), Just(FailMode::Open)])
        .prop_map(|(below, fail)| Filter { measure: Measure::InFlight, below, fail });
    let filter = prop_oneof![3 => filter, 1 => (1..4_u32, Just(FailMode::Open))
        .prop_map(|(below, fail)| Filter { measure: Measure::Adapter, below, fail })];
    let made = (cost, vec(filter, 0..2), any::<bool>()).prop_map(|(cost, filters, idle)| {
        let policy =
            Policy::new("made", Combination::Cost(cost)).expect("in range").with_filters(filters).expect("few");
        policy.with_unknown(if idle { Unknown::Idle } else { Unknown::Worst })
    });
    let fail = prop_oneof![Just(FailMode::Closed), Just(FailMode::Open)];
    let targets = proptest::option::weighted(0.3, fail.prop_map(|fail| Targets { fail, ..Targets::default() }));
    (prop_oneof![2 => Just(Policy::phalanx()), 3 => made], targets)
        .prop_map(|(policy, targets)| targets.map_or(policy.clone(), |targets| policy.with_targets(targets)))
}

pub(super) fn tokens() -> impl Strategy<Value = u32> {
    prop_oneof![1 => 0..3_u32, 6 => 0..9000_u32, 1 => 0..90_000_u32, 1 => any::<u32>()]
}

fn endpoint() -> impl Strategy<Value = (Endpoint, u8)> {
    let role = prop_oneof![2 => Just(Role::Both), 2 => Just(Role::Prefill), 2 => Just(Role::Decode)];
    // One domain in many is unknown.
    let domain = prop_oneof![9 => 0..3_u32, 1 => 3..5_u32];
    let rest = (maybe(0..2_u32), 0..8_u32, maybe(0..2_u32), prop_oneof![Just(70_u64), 1..100_u64]);
    let limits = (prop_oneof![2 => Just(3_u64), 1 => 0..4_u64], proptest::option::weighted(0.2, 1000..9000_u32));
    (role, domain, rest, 0..16_u8, limits).prop_map(|(role, domain, (group, connector, rank, pace), pools, limits)| {
        let endpoint = Endpoint::new().with_role(role).with_domain(Domain::from(domain)).with_connector(connector / 7);
        let endpoint = endpoint.with_prefill_token(Duration::from_micros(pace));
        let endpoint = group.map_or(endpoint, |group| endpoint.with_group(group));
        let endpoint = endpoint.with_labels(Labels::from(limits.0));
        let endpoint = limits.1.map_or(endpoint, |most| endpoint.with_context_tokens(most));
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
        8 => (any::<u64>(), tokens(), held, vec(0..40_usize, 0..4), subset, needs()).prop_map(
            |(key, prompt, held, excluded, subset, needs)| Step::Decide { key, prompt, held, excluded, subset, needs }
        ),
        3 => any::<usize>().prop_map(Step::FirstToken),
        2 => any::<usize>().prop_map(Step::Settle),
        1 => (any::<usize>(), 0..20_u32, 0..1_000_000_u32).prop_map(|(at, waiting, kv)| Step::Signals(at, waiting, kv)),
        1 => any::<usize>().prop_map(Step::Leave),
        1 => any::<usize>().prop_map(Step::Fail),
        2 => (any::<usize>(), vec(0..3_u32, 0..3), maybe(0..4_u32))
            .prop_map(|(at, loaded, slots)| Step::Adapters(at, loaded, slots)),
        2 => (0..2_000_000_000_u64).prop_map(Step::Wait),
    ]
}

pub(super) fn case() -> impl Strategy<Value = Case> {
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
    // Sometimes a few depths, sometimes more wide levels than are taken together.
    let depth = prop_oneof![3 => Just(0), 1 => Just(5), 1 => Just(8), 3 => 1..=20_u32];
    let blocks = proptest::option::weighted(0.4, vec(depth, 120));
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

pub(super) struct World {
    pub(super) balancer: Balancer,
    pub(super) pair: PairId,
    pub(super) ids: Vec<EndpointId>,
    pub(super) open: Vec<Reservation>,
    overlap: Option<Overlap>,
    pub(super) now: Duration,
}

impl World {
    pub(super) fn new(case: &Case) -> Self {
        let breaker = Breaker::new().with_failures(1).expect("in range");
        let mut balancer = Balancer::new(Seed::from(5)).with_max_age(Duration::from_secs(4)).with_breaker(breaker);
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
        let overlap = case.blocks.as_ref().map(|blocks| of_depths(&blocks[..ids.len()]));
        Self { balancer, pair, ids, open: Vec::new(), overlap, now: Duration::from_secs(1_000) }
    }

    fn ids_of(&self, which: &[usize]) -> Vec<EndpointId> {
        which.iter().filter_map(|at| self.ids.get(*at).copied()).collect()
    }

    pub(super) fn apply(
        &mut self,
        step: &Step,
        check: &mut impl FnMut(&mut Self, &PairRequest<'_>, &Result<PairDecision, Refusal>),
    ) {
        match step {
            Step::Decide { key, prompt, held, excluded, subset, needs } => {
                let mut held: Vec<_> =
                    held.iter().filter_map(|(at, tokens)| Some((*self.ids.get(*at)?, *tokens))).collect();
                held.sort_unstable();
                held.dedup_by_key(|of| of.0);
                let (excluded, subset) = (self.ids_of(excluded), subset.as_ref().map(|subset| self.ids_of(subset)));
                let overlap = self.overlap.clone();
                let evidence = match &overlap {
                    Some(overlap) => {
                        let block = BlockSize::new(512).expect("not 0");
                        Evidence::Overlap { overlap, promised: &[], block }
                    }
                    None => Evidence::Tokens(&held),
                };
                let mut request =
                    PairRequest::new(self.pair, *key, *prompt).with_evidence(evidence).with_excluded(&excluded);
                if let Some(subset) = &subset {
                    request = request.with_subset(subset);
                }
                if let Some(adapter) = needs.adapter {
                    request = request.with_adapter(adapter.into());
                }
                request = request.with_labels(Labels::from(needs.labels)).with_output_tokens(needs.output);
                request = request.with_slo(needs.slo);
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
            Step::Fail(which) if !self.open.is_empty() => {
                let reservation = self.open.swap_remove(which % self.open.len());
                let _ = self.balancer.settle(reservation, Outcome::Error, self.now);
            }
            Step::FirstToken(_) | Step::Settle(_) | Step::Fail(_) => {}
            Step::Adapters(which, loaded, slots) => {
                let loaded: Vec<_> = loaded.iter().copied().map(AdapterId::from).collect();
                let reading = AdapterReading { loaded: &loaded, queued: &[], slots: *slots, read: self.now };
                self.balancer.adapters(self.ids[which % self.ids.len()], &reading);
            }
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

    pub(super) fn held(&self, request: &PairRequest<'_>, at: usize) -> u32 {
        let mut held = Held::default();
        held.fill(request.evidence, &self.balancer.columns);
        held.of(request.evidence, at)
    }

    /// The slots that may have a part.
    pub(super) fn candidates(&self, request: &PairRequest<'_>, role: Role) -> Vec<u32> {
        let (balancer, policy) = (&self.balancer, &self.balancer.pairs[0]);
        let pool = balancer.pool_of(policy, role);
        let may = |id: &EndpointId| {
            let Some(at) = balancer.columns.at(*id) else { return false };
            let endpoint = &balancer.columns.endpoint[at];
            let needs = request.of_pool(policy.prefill);
            // Who computes the prompt has no answer but its first token.
            let most = if role == Role::Prefill { 1 } else { u32::MAX };
            let needs = needs.with_output_tokens(needs.output_tokens.min(most));
            pool.has(at)
                && endpoint.labels().contains(needs.labels)
                && endpoint.takes(needs.context_tokens())
                && [role, Role::Both].contains(&endpoint.role())
                && endpoint.domain() < Domain::from(3)
                && !request.excluded.contains(id)
                && request.subset.is_none_or(|subset| subset.contains(id))
        };
        let mut slots: Vec<_> = self.ids.iter().filter(|id| may(id)).map(|id| id.index() as u32).collect();
        slots.sort_unstable();
        if slots.iter().any(|&at| !balancer.is_out(at as usize)) {
            slots.retain(|&at| !balancer.is_out(at as usize));
        }
        let known = balancer.known_for(pool, &request.of_pool(policy.prefill));
        if balancer.filter_for(pool, &known, &mut slots).is_err() {
            return Vec::new();
        }
        self.in_time(request, role, slots, if role == Role::Prefill { [true, false] } else { [false, true] })
    }

    /// The slots that may answer without another one.
    pub(super) fn alone(&self, request: &PairRequest<'_>) -> Vec<u32> {
        self.in_time(request, Role::Decode, self.candidates(request, Role::Decode), [true, true])
    }

    /// Those who are expected to be in time with what is asked of them.
    fn in_time(&self, request: &PairRequest<'_>, role: Role, slots: Vec<u32>, aspects: [bool; 2]) -> Vec<u32> {
        let policy = &self.balancer.pairs[0];
        let pool = if role == Role::Prefill { policy.prefill } else { policy.decode };
        let Some(targets) = self.balancer.pools[pool.index()].policy.targets() else { return slots };
        let asked = request.of_pool(pool);
        let slo = Slo { ttft: asked.slo.ttft.filter(|_| aspects[0]), tpot: asked.slo.tpot.filter(|_| aspects[1]) };
        let is_late = |at: &u32| {
            let forecast = self.balancer.forecast(self.balancer.columns.id(*at as usize), &asked, self.now);
            !forecast.expect("it is there").meets(slo)
        };
        if slots.iter().all(is_late) {
            return if targets.fail == FailMode::Closed { Vec::new() } else { slots };
        }
        slots.into_iter().filter(|at| !is_late(at)).collect()
    }

    pub(super) fn cost(&self, request: &PairRequest<'_>, role: Role, at: u32, held: u32, now: i64) -> i64 {
        let pool = self.balancer.pool_of(&self.balancer.pairs[0], role);
        let known = self.balancer.known_for(pool, &request.of_pool(self.balancer.pairs[0].prefill));
        price::cost(pool.policy.combination(), &known, at as usize, Tokens::new(request.prompt_tokens, held), now)
    }

    pub(super) fn fit(&self, prefill: u32, decode: u32) -> bool {
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
    pub(super) fn all(&mut self, request: &PairRequest<'_>) -> Vec<(u32, u32, [i64; 3])> {
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

    /// Tied pairs are drawn in this order: by the classes, by what both hold, then by who they are.
    pub(super) fn order(
        &self,
        request: &PairRequest<'_>,
        &(prefill, decode, [_, _, answers]): &(u32, u32, [i64; 3]),
    ) -> impl Ord {
        let mut held = Held::default();
        held.fill(request.evidence, &self.balancer.columns);
        let class = |at: u32| *self.balancer.classes.class(self.balancer.classes.of(at as usize));
        let unit = |at: u32| (!held.is_named(at as usize), core::cmp::Reverse(held.of(request.evidence, at as usize)));
        let falls =
            |role, at: u32| self.balancer.pool_of(&self.balancer.pairs[0], role).standings.line(at as usize).falling;
        let units = (class(decode), class(prefill), unit(decode), unit(prefill));
        (units, answers, (falls(Role::Decode, decode), decode), (falls(Role::Prefill, prefill), prefill))
    }

    /// Tied decode candidates that would compute the prompt are drawn in this order.
    pub(super) fn local_order(&self, request: &PairRequest<'_>, at: u32) -> impl Ord {
        let pool = self.balancer.pool_of(&self.balancer.pairs[0], Role::Decode);
        let mut held = Held::default();
        held.fill(request.evidence, &self.balancer.columns);
        let falls = pool.standings.line(at as usize).falling;
        let holds = (!held.is_named(at as usize), core::cmp::Reverse(held.of(request.evidence, at as usize)));
        let sees = price::sees_cache(pool.policy.combination());
        let request = request.of_pool(self.balancer.pairs[0].decode);
        let state = self.balancer.sought(pool, &request).state(at as usize);
        (if sees { holds } else { (true, core::cmp::Reverse(0)) }, state, falls, at)
    }

    /// The decode candidates that would compute the prompt at the least cost, and that cost.
    pub(super) fn locals(&mut self, request: &PairRequest<'_>) -> (Vec<u32>, i64) {
        let now = self.balancer.advance(self.now);
        let decodes = self.alone(request);
        let cost = |at: u32| self.cost(request, Role::Decode, at, self.held(request, at as usize), now);
        let costs: Vec<_> = decodes.iter().map(|at| cost(*at)).collect();
        let least = costs.iter().copied().min().unwrap_or(i64::MAX);
        let tied = decodes.into_iter().zip(costs).filter(|of| of.1 == least).map(|of| of.0).collect();
        (tied, least)
    }
}

/// What an index says where each rank holds so many blocks.
pub(super) fn of_depths(blocks: &[u32]) -> Overlap {
    let chain: Vec<_> = (1..=20).map(BlockHash).collect();
    let mut index = FleetIndex::new();
    for &depth in blocks {
        let rank = index.join();
        if depth > 0 {
            let stored = CacheEvent::Stored { parent: None, blocks: chain[..depth as usize].to_vec() };
            let _ = index.apply(rank, Change::from(&stored)).expect("the rank has joined");
        }
    }
    let mut overlap = Overlap::new();
    index.overlap(&chain, &mut overlap);
    overlap
}
