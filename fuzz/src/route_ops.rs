//! Any bytes as operations on a balancer.

mod check;
mod pair;
mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use phalanx_routing::{
    AdapterId, AdapterReading, Balancer, Decision, Endpoint, EndpointId, Evidence, Log, Outcome, PairId, Policy,
    PoolId, Refusal, Request, Reservation, Seed, Signals,
};

use crate::bytes::Bytes;

/// Operations that are looked at: more only take longer.
const MOST: usize = 400;

/// Reads the bytes as two policies and then as operations: endpoints that come, go and enter pools, reports of engines,
/// decisions with evidence, subsets and exclusions that name strangers too, requests that go on, end, are adopted or are
/// lost, and clocks that go back and to their end. After each of them every load is what is open, by a recount; whoever is
/// chosen may be chosen, is the one that is explained, and is chosen again from the same state; contributions add up; a
/// refusal has its reason. At the end all load is gone, and the log of it all is replayed without a difference.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let mut world = World::new(&mut bytes);
    for _ in 0..MOST {
        if bytes.is_empty() {
            break;
        }
        world.step(&mut bytes);
        world.recount();
    }
    world.end();
}

/// A request that is open: the model of its load.
#[derive(Debug)]
struct Open {
    reservation: Reservation,
    /// Nobody knows of it any more.
    lost: bool,
    endpoint: EndpointId,
    prompt: u32,
    uncached: u32,
    prefilling: bool,
}

struct World {
    balancer: Balancer,
    pools: Vec<PoolId>,
    /// Every id that was ever given, and those of a stranger.
    ids: Vec<EndpointId>,
    /// What each of them is.
    endpoints: BTreeMap<EndpointId, Endpoint>,
    /// A pair policy, if two of the pools can have one, and these pools.
    pair: Option<(PairId, [PoolId; 2])>,
    /// Those that have not left, with their pools.
    live: BTreeMap<EndpointId, BTreeSet<PoolId>>,
    open: Vec<Open>,
    now: Duration,
    decisions: usize,
}

impl World {
    fn new(bytes: &mut Bytes<'_>) -> Self {
        let mut balancer = Balancer::new(Seed::from(u64::from(bytes.byte())));
        if bytes.flag() {
            balancer = balancer.with_max_age(Duration::from_secs(bytes.amount()));
        }
        let limit = if bytes.byte() == 255 { 500 } else { 1 << 22 };
        assert!(balancer.record(limit));
        let pools: Vec<_> = (0..2).map(|_| balancer.add_pool(policy::read(bytes))).collect();
        let both = [bytes.below(2), bytes.below(2)].map(|at| pools[at]);
        let pair = match balancer.add_pair(pair::policy(bytes, both)) {
            Ok(pair) => Some((pair, both)),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                None
            }
        };
        let mut stranger = Balancer::new(Seed::from(0));
        let ids = vec![stranger.join_at(700, Endpoint::new()).expect("it is vacant")];
        let now = Duration::from_nanos(bytes.amount());
        let endpoints = BTreeMap::from([(ids[0], Endpoint::new())]);
        Self { balancer, pools, ids, endpoints, pair, live: BTreeMap::new(), open: Vec::new(), now, decisions: 0 }
    }

    fn id(&self, bytes: &mut Bytes<'_>) -> EndpointId {
        self.ids[bytes.below(self.ids.len())]
    }

    fn ids(&self, bytes: &mut Bytes<'_>, most: usize) -> Vec<EndpointId> {
        (0..bytes.below(most)).map(|_| self.id(bytes)).collect()
    }

    /// A pool, or one that a stranger has.
    fn pool(&self, bytes: &mut Bytes<'_>) -> PoolId {
        let mut stranger = Balancer::new(Seed::from(0));
        let strange = (0..4).map(|_| stranger.add_pool(Policy::random())).last().expect("there are four");
        self.pools.get(bytes.below(16) % (self.pools.len() + 1)).copied().unwrap_or(strange)
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.byte() {
            0..=19 => self.join(bytes),
            20..=29 => {
                let id = self.id(bytes);
                let there = self.live.remove(&id).is_some();
                assert_eq!(self.balancer.leave(id), there);
            }
            30..=49 => {
                let (pool, id) = (self.pool(bytes), self.id(bytes));
                let known = self.pools.contains(&pool);
                let changed = known && self.live.get_mut(&id).is_some_and(|of| of.insert(pool));
                assert_eq!(self.balancer.enter(pool, id), changed);
            }
            50..=55 => {
                let (pool, id) = (self.pool(bytes), self.id(bytes));
                let changed = self.live.get_mut(&id).is_some_and(|of| of.remove(&pool));
                assert_eq!(self.balancer.exit(pool, id), changed);
            }
            56..=79 => self.report(bytes),
            80..=134 => self.decide(bytes),
            135..=149 => self.decide_pair(bytes),
            150..=169 => {
                if let Some(at) = self.some_open(bytes) {
                    let open = &mut self.open[at];
                    self.balancer.first_token(&mut open.reservation, self.now);
                    assert!(!open.reservation.is_prefilling());
                    open.prefilling = false;
                }
            }
            170..=179 => {
                let tokens = bytes.amount() as u32;
                if let Some(at) = self.some_open(bytes) {
                    self.balancer.generated(&self.open[at].reservation, tokens);
                }
            }
            180..=209 => {
                if let Some(at) = self.some_open(bytes) {
                    let open = self.open.swap_remove(at);
                    let _ = self.balancer.settle(open.reservation, outcome(bytes), self.now);
                }
            }
            210..=215 => {
                if let Some(at) = self.some_open(bytes) {
                    self.open[at].lost = true;
                }
            }
            216..=219 => {
                let age = Duration::from_nanos(bytes.amount());
                let reclaimed = self.balancer.reclaim(age, self.now);
                let (balancer, before) = (&self.balancer, self.open.len());
                self.open.retain(|open| balancer.is_open(&open.reservation));
                assert_eq!(before - self.open.len(), reclaimed);
                assert!(age > Duration::ZERO || self.open.is_empty());
            }
            220..=224 => self.balancer.handle_timeout(self.now),
            225..=234 => self.adopt(bytes),
            235 => {
                if self.pools.len() < 3 {
                    self.pools.push(self.balancer.add_pool(policy::read(bytes)));
                }
            }
            236..=238 => self.now = self.now.saturating_sub(Duration::from_secs(bytes.amount())),
            239 => self.now = if bytes.byte() == 0 { Duration::MAX } else { Duration::from_nanos(u64::MAX / 2) },
            _ => self.now = self.now.saturating_add(Duration::from_nanos(bytes.amount().saturating_mul(40_000_000))),
        }
    }

    fn some_open(&self, bytes: &mut Bytes<'_>) -> Option<usize> {
        let at = bytes.below(self.open.len());
        self.open.get(at).is_some_and(|open| !open.lost).then_some(at)
    }

    fn join(&mut self, bytes: &mut Bytes<'_>) {
        let mut endpoint = Endpoint::new();
        if bytes.flag() {
            endpoint = endpoint.with_seats(bytes.amount() as u32).with_kv_tokens(bytes.amount() as u32);
            endpoint = endpoint.with_prefill_token(Duration::from_nanos(bytes.amount()));
        }
        if bytes.byte() < 100 {
            endpoint = pair::place(bytes, endpoint);
        }
        let id = if bytes.byte() < 200 {
            self.balancer.join(endpoint)
        } else {
            let slot = usize::from(bytes.byte());
            let taken = self.live.keys().any(|id| id.index() == slot);
            let joined = self.balancer.join_at(slot, endpoint);
            assert_eq!(joined.is_none(), taken);
            let Some(id) = joined else { return };
            id
        };
        assert!(!self.ids.contains(&id), "an id never comes back");
        self.ids.push(id);
        self.endpoints.insert(id, endpoint);
        let pool = self.pools[bytes.below(self.pools.len())];
        assert!(self.balancer.enter(pool, id));
        self.live.insert(id, BTreeSet::from([pool]));
    }

    fn report(&mut self, bytes: &mut Bytes<'_>) {
        let id = self.id(bytes);
        if bytes.byte() < 60 {
            let some = |bytes: &mut Bytes<'_>| -> Vec<_> {
                (0..bytes.below(3)).map(|_| AdapterId::from(bytes.below(4) as u32)).collect()
            };
            let (loaded, queued, slots) = (some(bytes), some(bytes), bytes.flag().then(|| bytes.amount() as u32));
            let reading = AdapterReading { loaded: &loaded, queued: &queued, slots, read: self.now };
            let taken = self.balancer.adapters(id, &reading);
            return assert!(!taken || self.live.contains_key(&id));
        }
        let some = |bytes: &mut Bytes<'_>| bytes.flag().then(|| bytes.amount());
        let signals = Signals {
            waiting: some(bytes).map(|value| value as u32),
            running: some(bytes).map(|value| value as u32),
            kv_used_ppm: some(bytes).map(|value| (value as u32).saturating_mul(40_000)),
            ttft: some(bytes).map(Duration::from_micros),
            tpot: some(bytes).map(Duration::from_secs),
            ..Signals::unknown(self.now.saturating_sub(Duration::from_millis(bytes.amount())))
        };
        let taken = self.balancer.signals(id, signals);
        assert!(!taken || self.live.contains_key(&id));
    }

    fn decide(&mut self, bytes: &mut Bytes<'_>) {
        let (pool, key, prompt) = (self.pool(bytes), u64::from(bytes.byte()), bytes.amount() as u32);
        // Some are named twice.
        let held: Vec<_> = self.ids(bytes, 5).into_iter().map(|id| (id, bytes.amount() as u32)).collect();
        let excluded = self.ids(bytes, 3);
        let subset = (bytes.byte() < 60).then(|| self.ids(bytes, 6));
        let mut request = Request::new(pool, key, prompt).with_excluded(&excluded);
        request = request.with_evidence(Evidence::Tokens(&held));
        if bytes.flag() {
            request = request.with_affinity(u64::from(bytes.byte() % 8));
        }
        if bytes.byte() < 60 {
            request = request.with_adapter(AdapterId::from(bytes.below(3) as u32));
        }
        if let Some(subset) = &subset {
            request = request.with_subset(subset);
        }
        let eligible = check::Eligible {
            pool,
            known: self.pools.contains(&pool),
            asked: self.asked(pool, subset.as_deref()),
            excluded: &excluded,
        };
        let explanation = self.balancer.explain(&request, self.now);
        let mut again = self.balancer.clone();
        let (answer, others) = if bytes.byte() < 64 {
            let mut others = vec![self.ids[0]];
            let most = bytes.below(5);
            let answer = self.balancer.decide_list(&request, self.now, most, &mut others);
            (answer, Some((most, others)))
        } else {
            (self.balancer.decide(&request, self.now), None)
        };
        self.decisions += 1;
        assert_eq!(answer, again.decide(&request, self.now), "the same state, the same answer");
        check::explained(&self.balancer, &request, &eligible, &answer, explanation);
        if let Some((most, others)) = others {
            check::listed(&eligible, &answer, most, &others);
        }
        self.note(prompt, answer);
    }

    /// Those of a pool that are asked for.
    fn asked(&self, pool: PoolId, subset: Option<&[EndpointId]>) -> BTreeSet<EndpointId> {
        let members = self.live.iter().filter(|(_, pools)| pools.contains(&pool)).map(|(id, _)| *id);
        members.filter(|id| subset.is_none_or(|subset| subset.contains(id))).collect()
    }

    fn note(&mut self, prompt: u32, answer: Result<Decision, Refusal>) {
        let Ok(decision) = answer else { return };
        assert!(self.balancer.is_open(&decision.reservation));
        assert_eq!(decision.cached_tokens.checked_add(decision.uncached_tokens), Some(prompt));
        assert!(prompt == 0 || decision.uncached_tokens > 0, "the last token is always computed");
        self.open.push(Open {
            endpoint: decision.endpoint,
            prompt,
            uncached: decision.uncached_tokens,
            prefilling: true,
            reservation: decision.reservation,
            lost: false,
        });
    }

    fn adopt(&mut self, bytes: &mut Bytes<'_>) {
        let (endpoint, prompt, uncached) = (self.id(bytes), bytes.amount() as u32, bytes.amount() as u32);
        let came = bytes.flag();
        let adopted = self.balancer.adopt(endpoint, prompt, uncached, came, self.now);
        assert_eq!(adopted.is_some(), self.live.contains_key(&endpoint));
        if let Some(reservation) = adopted {
            let uncached = uncached.min(prompt);
            self.open.push(Open { endpoint, prompt, uncached, prefilling: !came, reservation, lost: false });
        }
    }

    /// Every load is that of what is open.
    fn recount(&self) {
        for id in &self.ids {
            let own = self.open.iter().filter(|open| open.endpoint == *id);
            let load = self.balancer.load(*id);
            if !self.live.contains_key(id) {
                assert_eq!((load.in_flight, load.pending_tokens, load.prompt_tokens), (0, 0, 0));
                continue;
            }
            let prefilling = own.clone().filter(|open| open.prefilling);
            let pending: u64 = prefilling.clone().map(|open| u64::from(open.uncached)).sum();
            let prompts: u64 = own.clone().map(|open| u64::from(open.prompt)).sum();
            let counts = (own.count(), prefilling.count());
            assert_eq!((load.in_flight as usize, load.prefilling as usize), counts);
            assert_eq!((load.pending_tokens, load.prompt_tokens), (pending, prompts));
        }
    }

    /// Ends what is open, and replays it all.
    fn end(mut self) {
        let (lost, open): (Vec<_>, Vec<_>) = core::mem::take(&mut self.open).into_iter().partition(|open| open.lost);
        for open in open {
            let _ = self.balancer.settle(open.reservation, Outcome::Success, self.now);
        }
        let lost = lost.len();
        assert_eq!(self.balancer.reclaim(Duration::ZERO, self.now), lost);
        assert_eq!(self.balancer.outstanding(), 0);
        self.recount();
        let log = Log::read(self.balancer.recorded()).expect("as it was written");
        assert_eq!(log.to_string().as_bytes(), self.balancer.recorded());
        let report = log.replay().expect("lines go together");
        assert!(report.differences.is_empty(), "{:?}", report.differences);
        assert!(report.decisions == self.decisions || report.left_out.is_some());
        let other = log.replay_with(|_, _| Policy::kthena()).expect("lines go together");
        assert_eq!((other.decisions, other.refused), (report.decisions, report.refused));
    }
}

fn outcome(bytes: &mut Bytes<'_>) -> Outcome {
    match bytes.below(5) {
        0 => Outcome::Success,
        1 => Outcome::Error,
        2 => Outcome::ClientGone,
        3 => Outcome::Cut,
        _ => Outcome::Unused,
    }
}
