use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use core::time::Duration;

use phalanx_kvcache::{BlockHash, BlockSize, Change, Layer};

use super::*;
use crate::balancer::Balancer;
use crate::balancer::tests::{Step, World, policy, step};
use crate::{Endpoint, Omission, Outcome, PoolId, Refusal, Request, Router, Seed, Signals};

fn recorded(policy: &Policy, seed: u64, steps: &[Step]) -> Vec<u8> {
    let mut world = World::recording(policy.clone(), seed);
    for step in steps {
        world.apply(step, |_, _, _| {});
    }
    world.recorded().to_vec()
}

proptest! {
    #[test]
    fn invariant_11_every_decision_is_made_again(policy in policy(), seed: u64, steps in vec(step(), 1..80)) {
        let bytes = recorded(&policy, seed, &steps);
        let log = Log::read(&bytes).expect("as it was written");
        prop_assert_eq!(log.to_string().into_bytes(), bytes);
        let report = log.replay().expect("lines go together");
        prop_assert_eq!((report.decisions, &report.differences[..]), (log.decisions(), &[][..]));
        // Another thread is no different.
        let elsewhere = std::thread::scope(|scope| scope.spawn(|| log.replay()).join().expect("it does not panic"));
        prop_assert_eq!(elsewhere, Ok(report));
    }

    #[test]
    fn the_same_policy_makes_no_difference(policy in policy(), other in policy(), seed: u64, steps in vec(step(), 1..60)) {
        let log = Log::read(&recorded(&policy, seed, &steps)).expect("as it was written");
        let same = log.replay_with(|_, policy| policy.clone()).expect("lines go together");
        prop_assert_eq!(same.differences, []);
        let report = log.replay_with(|_, _| other.clone()).expect("lines go together");
        prop_assert_eq!(report.decisions, log.decisions());
        for difference in &report.differences {
            prop_assert_ne!(difference.was.endpoint(), difference.now.endpoint());
            prop_assert!(difference.cost.is_none() || difference.omission.is_none());
            prop_assert_eq!(difference.factor.is_some(), difference.margin.is_some_and(|margin| margin > 0));
            if other.picker() == crate::Picker::Best {
                prop_assert!(difference.margin.is_none_or(|margin| margin >= 0));
            }
        }
    }

    #[test]
    fn a_cut_log_is_shorter_or_an_error(seed: u64, steps in vec(step(), 1..30), cut: Index) {
        let bytes = recorded(&Policy::phalanx(), seed, &steps);
        let whole = Log::read(&bytes).expect("as it was written");
        let cut = cut.index(bytes.len());
        match Log::read(&bytes[..cut]) {
            Ok(log) => {
                prop_assert!(log.lines.len() <= whole.lines.len());
                prop_assert_eq!(log.replay().expect("lines go together").differences, []);
            }
            Err(error) => prop_assert_eq!(error.line(), bytes[..cut].split(|byte| *byte == b'\n').count()),
        }
    }

    #[test]
    fn a_log_has_its_limit(seed: u64, steps in vec(step(), 1..60), limit in 60..4000_usize) {
        let mut world = World::limited(Policy::phalanx(), seed, limit);
        steps.iter().for_each(|step| world.apply(step, |_, _, _| {}));
        let bytes = world.recorded();
        prop_assert!(bytes.len() <= limit + 18);
        if let Ok(log) = Log::read(bytes) {
            let lines = bytes.split(|byte| *byte == b'\n').count() - 1;
            prop_assert!(log.left_out().is_none_or(|line| line == lines));
            let report = log.replay().expect("lines go together");
            prop_assert_eq!((report.differences.len(), report.left_out), (0, log.left_out()));
        }
    }

    #[test]
    fn a_damaged_log_is_an_error_or_another_log(seed: u64, steps in vec(step(), 1..30), damage in vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..4)) {
        let mut bytes = recorded(&Policy::phalanx(), seed, &steps);
        for (at, byte, how) in damage {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes[at] = b"0123456789,:[]{}\"\n"[usize::from(byte) % 18],
                _ => drop(bytes.remove(at)),
            }
        }
        if let Ok(log) = Log::read(&bytes) {
            let _ = log.replay();
            let _ = log.replay_with(|_, _| Policy::kthena());
        }
    }
}

const HEAD: &str = "{\"log\":\"phalanx-routing\",\"version\":1,\"seed\":7}\n";

#[track_caller]
fn wrong(text: &str, line: usize, words: &str) {
    let error = Log::read(text.as_bytes()).and_then(|log| log.replay()).expect_err("it is wrong");
    assert_eq!(error.line(), line, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    wrong("", 1, "expected the start of a log");
    wrong("{\"log\":\"phalanx-routing\",\"version\":2,\"seeds\":7}\n", 1, "version 2; expected version 1");
    wrong("{\"log\":\"other\",\"version\":1,\"seed\":7}\n", 1, "a log of \"other\"");
    let after = |line: &str| format!("{HEAD}{line}");
    wrong(&after("{\"do\":\"leave\",\"endp"), 2, "cut off");
    wrong(&after("\n"), 2, "ends too early");
    wrong(&after("{\"do\":\"dance\"}\n"), 2, "unknown variant `dance`, expected one of `max-age`");
    wrong(&after("{\"do\":\"leave\",\"endpoint\":[0,0],\"why\":1}\n"), 2, "unknown field `why`");
    wrong(&after("{\"do\":\"timeout\",\"now\":1.5}\n"), 2, "expected u64");
    wrong(&after("{\"do\":\"timeout\"}\n"), 2, "missing field `now`");
    wrong(&after("{\"do\":\"leave\",\"endpoint\":[0,0]}\n"), 2, "expected one that joined");
    wrong(&after("{\"do\":\"settle\",\"of\":3,\"outcome\":\"success\",\"now\":1}\n"), 2, "no such request is open");
    let sent = "{\"do\":\"decide\",\"now\":1,\"pool\":9,\"key\":1,\"prompt_tokens\":1,\"answer\":{\"sent\":\
        {\"endpoint\":[0,0],\"cached_tokens\":0,\"cost\":1,\"ties\":1}}}\n";
    let endpoint =
        "{\"do\":\"join\",\"endpoint\":[0,0],\"seats\":1,\"kv_tokens\":1,\"prefill_token\":1,\"decode_token\":1}\n";
    wrong(&after(&format!("{endpoint}{sent}")), 3, "expected one that was added before");
    let join = "{\"do\":\"join\",\"endpoint\":[4000000000,0],\"seats\":1,\"kv_tokens\":1,\"prefill_token\":1,\"decode_token\":1}\n";
    wrong(&after(join), 2, "expected 65536 at the most");
    wrong(
        &after("{\"do\":\"pool\",\"policy\":{\"name\":\"a\",\"combination\":{\"sum\":[]}}}\n"),
        2,
        "combination.sum is empty",
    );
}

#[test]
fn what_is_rare_is_replayed_too() {
    let mut balancer = Balancer::new(Seed::from(3)).with_max_age(Duration::from_secs(2));
    assert!(balancer.record(1 << 20));
    let seconds = Duration::from_secs;
    let pools = [Policy::phalanx(), Policy::llm_d()].map(|policy| balancer.add_pool(policy));
    assert!(!balancer.record(1), "it is not new");
    let ids = [2, 0, 7].map(|slot| balancer.join_at(slot, Endpoint::new()).expect("it is vacant"));
    let _ = ids.map(|id| pools.map(|pool| balancer.enter(pool, id)));
    let adopted = balancer.adopt(ids[0], 500, 100, true, seconds(1)).expect("it is there");
    let adopted_too = balancer.adopt(ids[2], 70_000, 60_000, false, seconds(1)).expect("it is there");
    balancer.signals(ids[1], Signals { waiting: Some(4), ..Signals::unknown(seconds(1)) });
    let decide = |balancer: &mut Balancer, pool: usize, key| {
        let request = Request::new(pools[pool], key, 800).with_excluded(&ids[..1]);
        balancer.decide(&request, seconds(2)).expect("there are others").reservation
    };
    let mut old = decide(&mut balancer, 0, 1);
    balancer.handle_timeout(seconds(3));
    assert_eq!(balancer.reclaim(seconds(1), seconds(4)), 3);
    // These are no longer open.
    balancer.first_token(&mut old, seconds(5));
    balancer.generated(&old, 7);
    let _ = [old, adopted, adopted_too].map(|of| balancer.settle(of, Outcome::Cut, seconds(6)));
    let _ = decide(&mut balancer, 1, 2);
    let stranger = Request { pool: PoolId(9), ..Request::new(pools[0], 1, 1) };
    assert!(balancer.decide(&stranger, seconds(6)).is_err());
    let log = Log::read(balancer.recorded()).expect("as it was written");
    let report = log.replay().expect("lines go together");
    assert_eq!((report.decisions, report.refused, &report.differences[..]), (3, 1, &[][..]));
    // A clone goes on without a log; a time that has no place in one ends it.
    assert_eq!(balancer.clone().recorded(), b"");
    balancer.handle_timeout(Duration::MAX);
    let _ = balancer.reclaim(seconds(1), Duration::MAX);
    let log = Log::read(balancer.recorded()).expect("it ends with a line");
    assert!(log.left_out().is_some());
}

#[test]
fn levels_of_an_overlap_are_replayed() {
    let mut router = Router::new(BlockSize::new(16).expect("a size"), Seed::from(5));
    assert!(router.balancer_mut().record(1 << 22));
    let pool = router.balancer_mut().add_pool(Policy::llm_d_precise());
    let cost = router.balancer_mut().add_pool(Policy::phalanx());
    let fleet: Vec<_> = (0..200).map(|_| router.join(Endpoint::new())).collect();
    let blocks: Vec<_> = (0..50).map(BlockHash).collect();
    for (at, id) in fleet.iter().enumerate() {
        router.balancer_mut().enter(pool, *id);
        router.balancer_mut().enter(cost, *id);
        let blocks = &blocks[..[0, 5, 20, 20, 20, 50][at % 6] + usize::from(at == 100)];
        if !blocks.is_empty() {
            let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: blocks, contents: blocks };
            let _ = router.apply(*id, stored).expect("it is there");
        }
    }
    for key in 0..100 {
        let pool = if key % 2 == 0 { pool } else { cost };
        let request = Request::new(pool, key, 700 + key as u32).with_excluded(&fleet[..key as usize]);
        let now = Duration::from_millis(key);
        let decision = router.decide(&request, &blocks[..43], now).expect("there are others");
        if key % 3 == 0 {
            router.settle(decision.reservation, Outcome::Success, now);
        }
    }
    let bytes = router.balancer().recorded();
    assert!(bytes.windows(8).any(|text| text == b"\"levels\""), "some are many");
    let report = Log::read(bytes).expect("as it was written").replay().expect("lines go together");
    assert_eq!((report.decisions, &report.differences[..]), (100, &[][..]));
}

#[test]
fn differences_say_why() {
    let mut balancer = Balancer::new(Seed::from(7));
    balancer.record(1 << 20);
    let pool = balancer.add_pool(Policy::least_request());
    let ids = [Endpoint::new(), Endpoint::new()].map(|endpoint| balancer.join(endpoint));
    let _ = ids.map(|id| balancer.enter(pool, id));
    balancer.signals(ids[0], Signals { waiting: Some(50), ..Signals::unknown(Duration::ZERO) });
    let _ = balancer.decide(&Request::new(pool, 1, 10).with_excluded(&ids[1..]), Duration::ZERO);
    let _ = balancer.decide(&Request::new(pool, 2, 10).with_subset(&ids[..1]), Duration::ZERO);
    let log = Log::read(balancer.recorded()).expect("as it was written");
    let report = log.replay_with(|_, _| Policy::kthena()).expect("lines go together");
    // The one that is left has too many waiting.
    let refused = Answer::Refused(Refusal::AllFiltered { filter: 0, candidates: 1 });
    assert_eq!(report.differences.len(), 2);
    assert!(report.differences.iter().all(|of| of.now == refused && of.omission == Some(Omission::Filtered(0))));
    assert_eq!(report.by_factor(), []);

    // A log in which an answer was changed.
    let text = String::from_utf8(balancer.recorded().to_vec()).expect("text").replace("\"ties\":1", "\"ties\":2");
    let report = Log::read(text.as_bytes()).and_then(|log| log.replay()).expect("lines go together");
    assert_eq!((report.differences.len(), report.differences[0].line, report.draws()), (2, 8, 0));
}
