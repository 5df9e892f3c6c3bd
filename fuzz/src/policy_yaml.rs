//! Any text as a policy.

use std::time::Duration;

use phalanx_routing::{
    Balancer, Endpoint, Evidence, Log, Outcome, Picker, Policy, Refusal, Request, Reservation, Seed, Signals,
};

/// The longest text that is looked at, in bytes: more only takes longer.
const LONGEST: usize = 4096;

/// Requests that a policy decides.
const REQUESTS: u64 = 24;

/// Reads a text as a policy in YAML. If it is none, the error says something. If it is one, it is written and read as the
/// same again, in YAML and in JSON; a fleet with all kinds of load decides by it; whoever is chosen is the one that is
/// explained; and the log of it is replayed without a difference.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(&data[..data.len().min(LONGEST)]) else { return };
    let policy: Policy = match serde_saphyr::from_str(text) {
        Ok(policy) => policy,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let json = serde_json::to_string(&policy).expect("plain data");
    assert_eq!(serde_json::from_str::<Policy>(&json).expect("as it was written"), policy);
    assert_eq!(serde_saphyr::from_str::<Policy>(&json).expect("JSON is YAML"), policy);
    decide(policy);
}

fn decide(policy: Policy) {
    let mut balancer = Balancer::new(Seed::from(7));
    assert!(balancer.record(1 << 20));
    let (is_best, pool) = (policy.picker() == Picker::Best, balancer.add_pool(policy));
    let refused = balancer.decide(&Request::new(pool, 0, 1), Duration::ZERO);
    assert_eq!(refused, Err(Refusal::NoCandidates { subset: 0 }));
    let ids: Vec<_> = (0..7).map(|_| balancer.join(Endpoint::new())).collect();
    for (id, at) in ids.iter().zip(0..) {
        assert!(balancer.enter(pool, *id));
        let some = |kind: u32, value: u32| (at % (kind + 1) != kind).then_some(value);
        let signals = Signals {
            waiting: some(1, at),
            running: some(2, if at == 4 { u32::MAX } else { 2 * at }),
            kv_used_ppm: some(3, at * 160_000),
            ttft: some(4, at).map(|at| Duration::from_millis(at.into())),
            tpot: some(2, at).map(|at| if at == 6 { Duration::MAX } else { Duration::from_micros(at.into()) }),
            ..Signals::unknown(Duration::ZERO)
        };
        assert!(balancer.signals(*id, signals));
    }
    let mut open: Vec<Reservation> = Vec::new();
    for key in 0..REQUESTS {
        let now = Duration::from_millis(key * 7);
        let held = [(ids[key as usize % 7], 400 * key as u32), (ids[3], if key == 9 { u32::MAX } else { 100 })];
        let prompt = if key == 11 { u32::MAX } else { 1000 * (1 + key as u32 % 5) };
        let request = Request::new(pool, key, prompt).with_evidence(Evidence::Tokens(&held)).with_affinity(key % 3);
        let explanation = balancer.explain(&request, now).expect("the pool exists");
        let answer = balancer.decide(&request, now);
        assert_eq!(answer.as_ref().ok().map(|decision| decision.endpoint), explanation.chosen);
        match answer {
            Ok(decision) => {
                let least = explanation.candidates.iter().map(|candidate| candidate.total).min();
                assert!(!is_best || least == Some(decision.cost));
                open.push(decision.reservation);
            }
            Err(refusal) => assert!(matches!(refusal, Refusal::AllFiltered { candidates: 1..=7, .. }), "{refusal}"),
        }
        if key % 3 == 2
            && let Some(mut first) = (!open.is_empty()).then(|| open.remove(0))
        {
            balancer.first_token(&mut first, now);
            if key % 2 == 0 {
                let _ = balancer.settle(first, Outcome::Success, now);
            } else {
                open.push(first);
            }
        }
    }
    let report = Log::read(balancer.recorded()).expect("as it was written").replay().expect("lines go together");
    assert_eq!((report.decisions, &report.differences[..]), (1 + REQUESTS as usize, &[][..]));
    for reservation in open {
        let _ = balancer.settle(reservation, Outcome::Success, Duration::ZERO);
    }
    assert_eq!(balancer.outstanding(), 0);
}
