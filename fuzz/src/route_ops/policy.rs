//! Bytes as a policy: one by name, or one made of parts.

use phalanx_routing::{
    Bound, Combination, FailMode, Filter, Gate, Limit, Measure, Measured, Near, Overflow, Picker, Policy, Priced,
    Scorer, Targets, Term, Trigger, Unknown, Weighted,
};

use crate::bytes::Bytes;

/// A policy; the default where the parts make none, whose error says something.
pub(super) fn read(bytes: &mut Bytes<'_>) -> Policy {
    let name = Policy::NAMES.get(bytes.below(2 * Policy::NAMES.len()));
    if let Some(name) = name {
        return Policy::preset(name).expect("a preset");
    }
    let made = Policy::new("made", combination(bytes))
        .and_then(|policy| policy.with_filters((0..bytes.below(3)).map(|_| filter(bytes)).collect()))
        .and_then(|policy| policy.with_gates((0..bytes.below(3)).map(|_| gate(bytes)).collect()))
        .and_then(|policy| if bytes.below(4) == 0 { policy.with_near(near(bytes)) } else { Ok(policy) })
        .and_then(|policy| policy.with_picker(picker(bytes)));
    match made {
        Ok(policy) => {
            let policy = if bytes.flag() { policy.with_unknown(Unknown::Idle) } else { policy };
            if bytes.below(4) == 0 { policy.with_targets(targets(bytes)) } else { policy }
        }
        Err(error) => {
            assert!(error.to_string().contains("\"made\""), "{error}");
            Policy::phalanx()
        }
    }
}

fn number(bytes: &mut Bytes<'_>) -> u32 {
    match bytes.byte() {
        small @ 0..=99 => u32::from(small),
        even @ 100..=199 => 1000 + 10 * u32::from(even - 100),
        200..=220 => 1_000_000,
        221..=250 => bytes.word() as u32 % 2_000_000,
        251.. => u32::MAX,
    }
}

fn measure(bytes: &mut Bytes<'_>) -> Measure {
    Measure::ALL[bytes.below(Measure::ALL.len())]
}

fn combination(bytes: &mut Bytes<'_>) -> Combination {
    let (kind, parts) = (bytes.below(5), 1 + bytes.below(5));
    match kind {
        0 => Combination::Sum((0..parts).map(|_| weighted(bytes)).collect()),
        1 => Combination::Product((0..parts).map(|_| measure(bytes)).collect()),
        2 => Combination::Lexicographic((0..parts.min(2)).map(|_| measure(bytes)).collect()),
        3 => {
            let first = bytes.below(Term::ALL.len());
            let term = |at: usize| Term::ALL[(first + at) % Term::ALL.len()];
            Combination::Cost((0..2 * parts).map(|at| Priced::new(term(at), number(bytes))).collect())
        }
        _ => {
            let first = bytes.below(Measure::ALL.len());
            let of = |at: usize| Measure::ALL[(first + at) % Measure::ALL.len()];
            Combination::Total((0..parts).map(|at| Measured::new(of(at), number(bytes))).collect())
        }
    }
}

fn weighted(bytes: &mut Bytes<'_>) -> Weighted {
    let scorer = match bytes.below(8) {
        0 => Scorer::Prefix,
        1 => Scorer::Spread(measure(bytes)),
        2 => Scorer::BelowMost(measure(bytes)),
        3 => Scorer::Room { measure: measure(bytes), limit: number(bytes) },
        4 => Scorer::Latency { ttft_ppm: number(bytes) },
        5 => Scorer::Adapter,
        6 => Scorer::NoHitLru,
        _ => Scorer::Draw,
    };
    let steps = bytes.flag().then(|| number(bytes));
    Weighted { steps, ..Weighted::new(scorer, number(bytes)) }
}

fn filter(bytes: &mut Bytes<'_>) -> Filter {
    Filter { fail: fail(bytes), measure: measure(bytes), below: number(bytes) }
}

fn gate(bytes: &mut Bytes<'_>) -> Gate {
    let when = match bytes.below(4) {
        0 => Trigger::Spread { measure: measure(bytes), above: number(bytes), permille: number(bytes) },
        1 => Trigger::Most { measure: measure(bytes), above: number(bytes) },
        2 => Trigger::Least { measure: measure(bytes), above: number(bytes) },
        _ => Trigger::ShareAtMost(number(bytes)),
    };
    Gate { when, combination: combination(bytes) }
}

fn near(bytes: &mut Bytes<'_>) -> Near {
    let limit = match bytes.flag() {
        true => Limit::Least { permille: number(bytes), above: number(bytes) },
        false => Limit::Deviations(number(bytes)),
    };
    Near { measure: measure(bytes), limit }
}

fn targets(bytes: &mut Bytes<'_>) -> Targets {
    let mut millis = || bytes.flag().then(|| number(bytes));
    let (ttft_millis, tpot_millis) = (millis(), millis());
    Targets { ttft_millis, tpot_millis, fail: fail(bytes) }
}

fn fail(bytes: &mut Bytes<'_>) -> FailMode {
    if bytes.flag() { FailMode::Open } else { FailMode::Closed }
}

fn picker(bytes: &mut Bytes<'_>) -> Picker {
    match bytes.below(12) {
        0 => Picker::PowerOf(number(bytes)),
        1 => Picker::Any,
        2 => Picker::Softmax(number(bytes)),
        3 => Picker::ByScore,
        4 | 5 => {
            let then = if bytes.flag() { Overflow::Next } else { Overflow::Best };
            let bound = bytes.flag().then(|| Bound { permille: number(bytes), then });
            Picker::Ring { points: number(bytes) % 70, bound }
        }
        6 => Picker::Bucket { above: number(bytes), permille: number(bytes) },
        7 => Picker::Sticky { sessions: number(bytes), idle_seconds: number(bytes) },
        _ => Picker::Best,
    }
}
