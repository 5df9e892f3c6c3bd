//! Anything that a caller may say, in any order.

use super::*;
use phalanx_routing::{Link, LinkCosts, PairPolicy, PairRequest, Refusal, Slo};

/// What is said. Numbers of endpoints are taken modulo those that there ever were.
#[derive(Clone, Debug)]
enum Said {
    Join(u32, u32, Duration),
    Leave(usize),
    Enter(usize),
    Exit(usize),
    Signals(usize, Option<u32>, Option<u32>, Option<Duration>, Duration),
    Decide { prompt: u32, held: Vec<(usize, u32)>, excluded: Vec<usize>, subset: Option<Vec<usize>>, pair: bool },
    FirstToken(usize),
    Generated(usize, u32),
    Settle(usize),
    Adopt(usize, u32, u32, bool),
    Reclaim(Duration),
    Timeout,
    Now(Duration),
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0..5_u32, Just(u32::MAX), Just(u32::MAX - 1), any::<u32>(), Just(1 << 24), Just((1 << 14) - 1)]
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        Just(Duration::from_nanos(1)),
        any::<u64>().prop_map(Duration::from_nanos),
        (0..100_u64).prop_map(Duration::from_secs),
        Just(Duration::from_nanos(u64::MAX)),
        Just(Duration::from_nanos(1 << 60)),
        Just(Duration::from_secs(u64::MAX)),
    ]
}

fn said() -> impl Strategy<Value = Said> {
    let at = any::<usize>;
    let held = vec((at(), number()), 0..5);
    let subset = proptest::option::weighted(0.3, vec(at(), 0..4));
    prop_oneof![
        4 => (number(), number(), time()).prop_map(|(seats, kv, pace)| Said::Join(seats, kv, pace)),
        1 => at().prop_map(Said::Leave),
        1 => at().prop_map(Said::Enter),
        1 => at().prop_map(Said::Exit),
        3 => (at(), proptest::option::of(number()), proptest::option::of(number()), proptest::option::of(time()), time())
            .prop_map(|(at, waiting, running, ttft, read)| Said::Signals(at, waiting, running, ttft, read)),
        8 => (number(), held, vec(at(), 0..3), subset, prop::bool::weighted(0.3)).prop_map(
            |(prompt, held, excluded, subset, pair)| Said::Decide { prompt, held, excluded, subset, pair }
        ),
        3 => at().prop_map(Said::FirstToken),
        1 => (at(), number()).prop_map(|(at, tokens)| Said::Generated(at, tokens)),
        2 => at().prop_map(Said::Settle),
        1 => (at(), number(), number(), any::<bool>())
            .prop_map(|(at, prompt, uncached, came)| Said::Adopt(at, prompt, uncached, came)),
        1 => time().prop_map(Said::Reclaim),
        1 => Just(Said::Timeout),
        3 => time().prop_map(Said::Now),
    ]
}

proptest! {
    /// Property 24, for all that is said: numbers at their ends, clocks that go back and to their end, ids that are unknown,
    /// have left or come twice, pools without anybody. Every answer is a decision or a refusal, what is explained is what
    /// is done, and the log, as far as it has room for such times, is replayed without a difference.
    #[test]
    fn property_24_anything_may_be_said(preset in any_preset(), max_age in proptest::option::of(time()), all in vec(said(), 1..60)) {
        let mut balancer = Balancer::new(Seed::from(4));
        if let Some(age) = max_age {
            balancer = balancer.with_max_age(age);
        }
        assert!(balancer.record(1 << 22));
        let (pool, prefill, empty) =
            (balancer.add_pool(preset), balancer.add_pool(Policy::phalanx()), balancer.add_pool(Policy::phalanx()));
        let link = Link::new(Duration::MAX, u32::MAX);
        let links = LinkCosts::uniform(1, link, link).expect("in range");
        let pair = balancer.add_pair(PairPolicy::new(prefill, prefill, links, u32::MAX)).expect("in nanoseconds");
        let mut stranger = Balancer::new(Seed::from(4));
        let mut ids = vec![stranger.join_at(900, Endpoint::new()).expect("it is vacant")];
        let (mut open, mut now): (Vec<Reservation>, _) = (Vec::new(), Duration::from_secs(50));
        for said in all {
            let id = |at: usize| ids[at % ids.len()];
            match said {
                Said::Join(seats, kv, pace) => {
                    let endpoint = Endpoint::new().with_seats(seats).with_kv_tokens(kv).with_prefill_token(pace);
                    let joined = balancer.join(endpoint);
                    assert!(balancer.enter(pool, joined) && balancer.enter(prefill, joined));
                    ids.push(joined);
                }
                Said::Leave(at) => _ = balancer.leave(id(at)),
                Said::Enter(at) => _ = balancer.enter(pool, id(at)),
                Said::Exit(at) => _ = balancer.exit(pool, id(at)),
                Said::Signals(at, waiting, running, ttft, read) => {
                    let signals = Signals { waiting, running, kv_used_ppm: waiting, ttft, tpot: ttft, read };
                    let _ = balancer.signals(id(at), signals);
                }
                Said::Decide { prompt, held, excluded, subset, pair: is_pair } => {
                    let held: Vec<_> = held.into_iter().map(|(at, tokens)| (id(at), tokens)).collect();
                    let excluded: Vec<_> = excluded.into_iter().map(id).collect();
                    let subset: Option<Vec<_>> = subset.map(|subset| subset.into_iter().map(id).collect());
                    if is_pair {
                        let mut request = PairRequest::new(pair, prompt.into(), prompt);
                        request = request.with_evidence(Evidence::Tokens(&held)).with_excluded(&excluded);
                        if let Some(subset) = &subset {
                            request = request.with_subset(subset);
                        }
                        if prompt.is_multiple_of(2) {
                            let slo = Slo { ttft: Some(Duration::MAX), tpot: Some(Duration::ZERO) };
                            request = request.with_adapter(prompt.into()).with_output_tokens(u32::MAX).with_slo(slo);
                        }
                        let why = balancer.explain_pair(&request, now).expect("there is such a pair");
                        let answer = balancer.decide_pair(&request, now);
                        prop_assert_eq!(why.decode.chosen, answer.as_ref().ok().map(|of| of.decode.endpoint));
                        if let Ok(decision) = answer {
                            open.push(decision.decode.reservation);
                            open.extend(decision.prefill.map(|leg| leg.reservation));
                        }
                        continue;
                    }
                    let mut request = Request::new(pool, prompt.into(), prompt).with_affinity(u64::from(prompt % 3));
                    request = request.with_evidence(Evidence::Tokens(&held)).with_excluded(&excluded);
                    if let Some(subset) = &subset {
                        request = request.with_subset(subset);
                    }
                    let why = balancer.explain(&request, now).expect("there is such a pool");
                    let answer = balancer.decide(&request, now);
                    prop_assert_eq!(why.chosen, answer.as_ref().ok().map(|decision| decision.endpoint));
                    open.extend(answer.map(|decision| decision.reservation));
                    let nobody = balancer.decide(&Request::new(empty, 1, prompt), now);
                    prop_assert_eq!(nobody, Err(Refusal::NoCandidates { subset: 0 }));
                }
                Said::FirstToken(at) if !open.is_empty() => {
                    let at = at % open.len();
                    balancer.first_token(&mut open[at], now);
                }
                Said::Generated(at, tokens) if !open.is_empty() => balancer.generated(&open[at % open.len()], tokens),
                Said::Settle(at) if !open.is_empty() => {
                    let at = at % open.len();
                    let _ = balancer.settle(open.swap_remove(at), Outcome::Cut, now);
                }
                Said::Adopt(at, prompt, uncached, came) => {
                    open.extend(balancer.adopt(id(at), prompt, uncached, came, now));
                }
                Said::Reclaim(age) => _ = balancer.reclaim(age, now),
                Said::Timeout => balancer.handle_timeout(now),
                Said::Now(time) => now = time,
                Said::FirstToken(_) | Said::Generated(..) | Said::Settle(_) => {}
            }
        }
        for reservation in open {
            let _ = balancer.settle(reservation, Outcome::Unused, now);
        }
        prop_assert_eq!(balancer.outstanding(), 0);
        let report = phalanx_routing::Log::read(balancer.recorded()).expect("as it was written").replay();
        prop_assert_eq!(report.map(|report| report.differences), Ok(vec![]));
    }
}

/// What no float may be: numbers of a policy are whole and in range, and an error says which is not.
#[test]
fn property_24_no_float_enters_a_policy() {
    for wrong in ["1e999", "-1", "1.5", "null", "4294967296", "\"NaN\"", "[]", "1e3"] {
        let text =
            format!("{{\"name\":\"a\",\"combination\":{{\"cost\":[{{\"term\":\"wait\",\"permille\":{wrong}}}]}}}}");
        let error = serde_json::from_str::<Policy>(&text).expect_err(wrong).to_string();
        assert!(!error.is_empty());
    }
}
