//! A long log, made again on other numbers of threads.

use std::collections::VecDeque;

use super::*;
use phalanx_routing::{
    AdapterReading, Domain, FailMode, Labels, Link, LinkCosts, Local, Log, PairId, PairPolicy, PairRequest, Report,
    Role, Slo, Targets,
};

const ENDPOINTS: u32 = 48;
/// Requests that are open at the most.
const OPEN: usize = 300;

/// A recording balancer with pools that pick in all ways, two of which make pairs as well.
struct Recorded {
    balancer: Balancer,
    pools: Vec<PoolId>,
    pair: PairId,
    ids: Vec<EndpointId>,
    open: VecDeque<Reservation>,
    now: Duration,
    decisions: usize,
}

fn endpoint(at: u32) -> Endpoint {
    let role = [Role::Both, Role::Prefill, Role::Decode][at as usize % 3];
    let endpoint = Endpoint::new().with_seats(16 + at % 5).with_role(role).with_domain(Domain::from(at % 4));
    let endpoint = endpoint.with_labels(Labels::from(u64::from(at % 3)));
    let endpoint = if at.is_multiple_of(11) { endpoint.with_context_tokens(4_000) } else { endpoint };
    let endpoint = if at.is_multiple_of(5) { endpoint } else { endpoint.with_name(&format!("engine-{at}")) };
    if at.is_multiple_of(7) { endpoint.with_rank(at % 2) } else { endpoint }
}

impl Recorded {
    fn new() -> Self {
        let mut balancer = Balancer::new(Seed::from(23)).with_max_age(Duration::from_secs(2));
        assert!(balancer.record(usize::MAX));
        let softmax = Policy::kthena().with_filters(vec![]).and_then(|policy| policy.with_picker(Picker::Softmax(300)));
        let policies = [
            Policy::phalanx(),
            Policy::phalanx(),
            Policy::sticky(),
            Policy::ring(),
            Policy::smg_prefix_hash(),
            Policy::power_of_two(),
            Policy::llm_d(),
            Policy::affine(),
            softmax.expect("in range"),
        ];
        let targets = Targets { fail: FailMode::Open, ..Targets::default() };
        let policies = policies.map(|policy| policy.with_targets(targets));
        let pools: Vec<_> = policies.map(|policy| balancer.add_pool(policy)).into();
        let [near, far] = [10, 200].map(|micros| Link::new(Duration::from_micros(micros), 40_000));
        let links = LinkCosts::uniform(4, near, far).expect("in range");
        let policy = PairPolicy::new(pools[0], pools[1], links, 1 << 17).with_local(Local::WHEN_CHEAPER);
        let pair = balancer.add_pair(policy).expect("both weigh in nanoseconds");
        let mut recorded =
            Self { balancer, pools, pair, ids: vec![], open: VecDeque::new(), now: Duration::ZERO, decisions: 0 };
        (0..ENDPOINTS).for_each(|at| recorded.join(at));
        recorded
    }

    fn join(&mut self, at: u32) {
        let id = self.balancer.join(endpoint(at));
        self.pools.iter().for_each(|pool| assert!(self.balancer.enter(*pool, id)));
        self.ids.push(id);
    }

    fn decide(&mut self, key: u64) {
        let some = |step: u64| self.ids[(key * step % self.ids.len() as u64) as usize];
        let held = [(some(7), 3000), (some(11), 1500), (some(13), 400)];
        let (excluded, subset) = ([some(5)], [some(3), some(17), some(29)]);
        let prompt = 200 + (key * 97 % 6000) as u32;
        let pool = self.pools[key as usize % self.pools.len()];
        let mut request =
            Request::new(pool, key, prompt).with_affinity(key % 61).with_evidence(Evidence::Tokens(&held));
        if key.is_multiple_of(5) {
            request = request.with_excluded(&excluded);
        }
        if key.is_multiple_of(17) {
            request = request.with_subset(&subset);
        }
        self.decisions += 1;
        match key % 4 {
            0 => {
                let asked = PairRequest::new(self.pair, key, prompt).with_evidence(Evidence::Tokens(&held));
                let asked = if key.is_multiple_of(5) { asked.with_excluded(&excluded) } else { asked };
                let asked = if key.is_multiple_of(17) { asked.with_subset(&subset) } else { asked };
                // Some need an adapter, and some are in a hurry.
                let in_a_hurry = Slo { ttft: Some(Duration::from_millis(key % 900)), tpot: None };
                let asked = match key % 12 {
                    4 => asked.with_adapter((key as u32 % 3).into()).with_output_tokens(key as u32 % 5_000),
                    8 => asked.with_slo(in_a_hurry).with_labels(Labels::from(key % 2)),
                    _ => asked,
                };
                if let Ok(decision) = self.balancer.decide_pair(&asked, self.now) {
                    self.open.push_back(decision.decode.reservation);
                    self.open.extend(decision.prefill.map(|leg| leg.reservation));
                }
            }
            1 => {
                let mut others = Vec::new();
                let answer = self.balancer.decide_list(&request, self.now, 3, &mut others);
                self.open.extend(answer.map(|decision| decision.reservation));
            }
            _ => self.open.extend(self.balancer.decide(&request, self.now).map(|decision| decision.reservation)),
        }
    }

    /// What happens between two decisions.
    fn pass(&mut self, key: u64) {
        self.now += Duration::from_micros(key * 31 % 9000);
        if key.is_multiple_of(3)
            && let Some(open) = self.open.get_mut(key as usize % OPEN)
        {
            self.balancer.first_token(open, self.now);
            self.balancer.generated(open, (key % 700) as u32);
        }
        while self.open.len() > OPEN {
            if let Some(open) = self.open.pop_front() {
                let _ = self.balancer.settle(open, Outcome::Success, self.now);
            }
        }
        if key.is_multiple_of(2) {
            let id = self.ids[(key / 2 % self.ids.len() as u64) as usize];
            let signals = Signals {
                waiting: Some((key % 6) as u32),
                running: Some((key % 23) as u32),
                kv_used_ppm: Some((key * 7919 % 1_000_000) as u32),
                ttft: Some(Duration::from_micros(key % 90_000)),
                tpot: Some(Duration::from_micros(key % 20_000)),
                ..Signals::unknown(self.now)
            };
            assert!(self.balancer.signals(id, signals));
            let loaded = [(key as u32 % 3).into()];
            let reading = AdapterReading { loaded: &loaded, queued: &[], slots: Some(2), read: self.now };
            assert!(self.balancer.adapters(id, &reading));
        }
        if key % 1000 == 999 {
            let gone = self.ids.remove(key as usize / 1000 % self.ids.len());
            assert!(self.balancer.leave(gone));
            self.join(key as u32 / 1000);
        }
    }
}

/// Property 23, and property 3 on other numbers of threads: a log is the same after it was read, and its decisions are
/// made again without a difference, by however many threads at once.
fn made_again(decisions: u64) {
    let mut recorded = Recorded::new();
    for key in 0..decisions {
        recorded.decide(key);
        recorded.pass(key);
    }
    let log = Log::read(recorded.balancer.recorded()).expect("as it was written");
    assert_eq!((log.decisions(), log.left_out()), (recorded.decisions, None));
    let first = log.replay().expect("lines go together");
    assert_eq!((first.decisions, &first.differences[..]), (recorded.decisions, &[][..]));
    assert!(first.refused * 10 < first.decisions, "{} refused", first.refused);
    for threads in [2, 4] {
        let reports: Vec<Report> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(|| log.replay())).collect();
            let join = |handle: std::thread::ScopedJoinHandle<'_, _>| handle.join().expect("it does not panic");
            handles.into_iter().map(|handle| join(handle).expect("lines go together")).collect()
        });
        assert!(reports.iter().all(|report| *report == first));
    }
}

#[test]
fn property_23_a_log_is_made_again_by_any_number_of_threads() {
    made_again(8_000);
}

/// The same, long. `.ci/run --full` runs it with the release profile.
#[test]
#[ignore = "of 100,000 decisions; takes long without the release profile"]
fn property_23_a_long_log_is_made_again_by_any_number_of_threads() {
    made_again(100_000);
}

/// What a log tells of a pair is told of a difference too.
#[test]
fn property_23_a_changed_answer_of_a_pair_is_a_difference() {
    let mut recorded = Recorded::new();
    (0..40).for_each(|key| {
        recorded.decide(key);
        recorded.pass(key);
    });
    let text = String::from_utf8(recorded.balancer.recorded().to_vec()).expect("text");
    let changed: Vec<_> = text
        .lines()
        .map(|line| match line.contains("\"do\":\"decide-pair\"") {
            true => line.replace("\"ties\":1", "\"ties\":7"),
            false => line.replace("\"others\":[3,[[", "\"others\":[3,[[47,0],["),
        })
        .collect();
    let log = Log::read((changed.join("\n") + "\n").as_bytes()).expect("a log");
    let report = log.replay().expect("lines go together");
    let (pairs, lists): (Vec<_>, Vec<_>) = report.differences.iter().partition(|of| of.others.is_none());
    assert!(!pairs.is_empty() && lists.len() == 10, "{} and {}", pairs.len(), lists.len());
    assert!(pairs.iter().all(|of| of.was.endpoint() == of.now.endpoint() && of.was != of.now));
    assert!(pairs.iter().all(|of| !of.was.to_string().is_empty()));
}
