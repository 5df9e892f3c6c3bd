//! Any policy.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::policy::{
    Bound, Combination, FailMode, Filter, Gate, Limit, Measure, Measured, Near, Overflow, Picker, Policy, Priced,
    Scorer, Targets, Term, Trigger, Unknown, Weighted,
};

fn measure() -> impl Strategy<Value = Measure> {
    prop::sample::select(Measure::ALL.to_vec())
}

fn of_endpoint() -> impl Strategy<Value = Measure> {
    measure().prop_filter("of the endpoint", |measure| !measure.is_of_request())
}

pub(crate) fn policy() -> impl Strategy<Value = Policy> {
    let preset = prop::sample::select(Policy::NAMES.to_vec()).prop_map(|name| Policy::preset(name).expect("a preset"));
    let term = prop::sample::select(Term::ALL.to_vec());
    let permille = prop_oneof![Just(1000), 0..2000_u32, 0..=1_000_000_u32];
    let cost =
        vec((term, permille).prop_map(|(term, permille)| Priced::new(term, permille)), 1..10).prop_map(|mut terms| {
            terms.sort_by_key(|priced| priced.term as u8);
            terms.dedup_by_key(|priced| priced.term);
            terms
        });
    let scorer = prop_oneof![
        Just(Scorer::Prefix),
        of_endpoint().prop_map(Scorer::Spread),
        of_endpoint().prop_map(Scorer::BelowMost),
        (of_endpoint(), 1..2000_u32).prop_map(|(measure, limit)| Scorer::Room { measure, limit }),
        (of_endpoint(), 1..2000_u32).prop_map(|(measure, limit)| Scorer::Room { measure, limit }),
        (0..=1_000_000_u32).prop_map(|ttft_ppm| Scorer::Latency { ttft_ppm }),
        Just(Scorer::Draw),
        Just(Scorer::NoHitLru),
        Just(Scorer::Adapter),
    ];
    let weighted = (scorer, 0..10_u32, proptest::option::of(1..200_u32)).prop_map(|(scorer, weight, steps)| Weighted {
        scorer,
        weight,
        steps,
    });
    let price = prop_oneof![Just(1000), 0..3000_u32, 0..=1_000_000_u32];
    let total = vec((measure(), price).prop_map(|(measure, permille)| Measured::new(measure, permille)), 1..6);
    let total = total.prop_map(|mut parts| {
        parts.sort_by_key(|priced| priced.measure as u8);
        parts.dedup_by_key(|priced| priced.measure);
        Combination::Total(parts)
    });
    let combination = prop_oneof![
        2 => cost.prop_map(Combination::Cost),
        2 => total,
        2 => vec(weighted, 1..4).prop_map(Combination::Sum),
        2 => vec(measure(), 1..4).prop_map(Combination::Product),
        2 => vec(measure(), 1..=2).prop_map(Combination::Lexicographic),
    ];
    let combination = combination.boxed();
    let condition = prop_oneof![
        (of_endpoint(), 0..9_u32, 0..2000_u32).prop_map(|(measure, above, permille)| Trigger::Spread {
            measure,
            above,
            permille
        }),
        (of_endpoint(), 0..9_u32).prop_map(|(measure, above)| Trigger::Most { measure, above }),
        (of_endpoint(), 0..9_u32).prop_map(|(measure, above)| Trigger::Least { measure, above }),
        (0..=1_000_000_u32).prop_map(Trigger::ShareAtMost),
    ];
    let gates = vec((condition, combination.clone()).prop_map(|(when, combination)| Gate { when, combination }), 0..3);
    let limit = prop_oneof![
        (1000..2000_u32, 0..9_u32).prop_map(|(permille, above)| Limit::Least { permille, above }),
        (0..2000_u32).prop_map(Limit::Deviations),
    ];
    let near = proptest::option::of((of_endpoint(), limit).prop_map(|(measure, limit)| Near { measure, limit }));
    let relative = prop_oneof![2 => Just((vec![], None)), 1 => (gates, near)];
    let fail = prop_oneof![Just(FailMode::Closed), Just(FailMode::Open)];
    let filter = prop_oneof![3 => of_endpoint(), 1 => Just(Measure::Adapter)];
    let filter = (filter, 0..6_u32, fail).prop_map(|(measure, below, fail)| Filter { measure, below, fail });
    let then = prop::sample::select(vec![Overflow::Next, Overflow::Best]);
    let bound = proptest::option::of((1000..2000_u32, then).prop_map(|(permille, then)| Bound { permille, then }));
    let picker = prop_oneof![
        12 => Just(Picker::Best),
        2 => (1..4_u32).prop_map(Picker::PowerOf),
        1 => Just(Picker::Any),
        1 => (1..2000_u32).prop_map(Picker::Softmax),
        1 => (1..9_u32, bound).prop_map(|(points, bound)| Picker::Ring { points, bound }),
        1 => (0..5_u32, 0..2000_u32).prop_map(|(above, permille)| Picker::Bucket { above, permille }),
        1 => (1..4_u32, 0..3_u32).prop_map(|(sessions, idle_seconds)| Picker::Sticky { sessions, idle_seconds }),
    ];
    let unknown = prop_oneof![Just(Unknown::Worst), Just(Unknown::Idle)];
    let fail = prop::sample::select(vec![FailMode::Closed, FailMode::Open]);
    let target = || proptest::option::of(0..3000_u32);
    let targets = (target(), target(), fail).prop_map(|(ttft_millis, tpot_millis, fail)| Targets {
        ttft_millis,
        tpot_millis,
        fail,
    });
    let targets = proptest::option::weighted(0.2, targets);
    let parts = (combination, vec(filter, 0..2), relative, picker, unknown, targets);
    let made = parts.prop_map(|(combination, filters, (gates, near), picker, unknown, targets)| {
        let policy = Policy::new("made", combination).expect("its parts are in range");
        let policy = policy.with_filters(filters).expect("of the endpoint").with_gates(gates).expect("in range");
        let policy = near.map_or(Ok(policy.clone()), |near| policy.with_near(near)).expect("in range");
        let policy = policy.with_picker(picker).expect("in range").with_unknown(unknown);
        targets.map_or(policy.clone(), |targets| policy.with_targets(targets))
    });
    prop_oneof![preset, made]
}
