use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::balancer::tests::{Step, World, policy, step};

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
    let join = "{\"do\":\"join\",\"endpoint\":[4000000000,0],\"seats\":1,\"kv_tokens\":1,\"prefill_token\":1}\n";
    wrong(&after(join), 2, "expected 65536 at the most");
    wrong(
        &after("{\"do\":\"pool\",\"policy\":{\"name\":\"a\",\"combination\":{\"sum\":[]}}}\n"),
        2,
        "combination.sum is empty",
    );
}
