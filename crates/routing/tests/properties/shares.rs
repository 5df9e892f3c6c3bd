//! Draws, and how often each falls.

use super::*;
use phalanx_routing::{ModelRoute, RouteTable, Target};

/// How often each target of a route is drawn for the keys from 0 on.
fn counts(weights: &[u32], keys: u64) -> Vec<u32> {
    let names: Vec<_> = (0..weights.len()).map(|at| format!("server-{at}")).collect();
    let targets = names.iter().zip(weights).map(|(name, weight)| Target::new(name, *weight));
    let table = RouteTable::new([ModelRoute::new("r", "m", targets)]).expect("a route");
    let mut counts = vec![0; weights.len()];
    for key in 0..keys {
        let server = table.resolve("m", key).expect("routed").server().expect("a server");
        counts[names.iter().position(|name| name == server).expect("one of them")] += 1;
    }
    counts
}

/// Property 26: each target of a canary has its share within three standard deviations, and none where its weight is 0.
#[test]
fn property_26_a_canary_has_its_share() {
    let keys = 40_000;
    for weights in [&[95, 5][..], &[99, 1], &[50, 50], &[100, 0], &[1, 1, 1], &[60, 30, 10, 0], &[100, 100, 100, 7]] {
        let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        for (weight, count) in weights.iter().zip(counts(weights, keys)) {
            let share = f64::from(*weight) / sum;
            let (mean, deviation) = (keys as f64 * share, (keys as f64 * share * (1.0 - share)).sqrt());
            let off = (f64::from(count) - mean).abs();
            assert!(off <= 3.0 * deviation, "{count} of {keys} for {weight} of {weights:?}");
        }
    }
}

proptest! {
    /// Property 26: a key has the same target every time, whatever other routes there are; and while a canary grows, keys
    /// move to it only.
    #[test]
    fn property_26_a_key_keeps_its_target(key: u64, from in 0..=100_u32, grown in 0..=100_u32, others in 0..5_usize) {
        let table = |weight: u32, others: usize| {
            let split = [Target::new("stable", 100 - weight), Target::new("canary", weight)];
            let more = (0..others).map(|at| ModelRoute::to(format!("other-{at}"), "elsewhere"));
            RouteTable::new(more.chain([ModelRoute::new("split", "m", split)])).expect("routes")
        };
        let server = |table: &RouteTable| table.resolve("m", key).ok().and_then(Target::server).map(str::to_owned);
        let before = server(&table(from, 0));
        prop_assert_eq!(&before, &server(&table(from, others)));
        let after = server(&table(from.max(grown), others));
        prop_assert!(before == after || after.as_deref() == Some("canary"), "{before:?} became {after:?}");
    }
}

/// Property 12: whoever is drawn without regard to cost is drawn evenly, of all and of a subset.
#[test]
fn property_12_a_draw_is_even() {
    let chi = chi_square(&mut stairs(Policy::random(), 10), &[1.0; 10]);
    assert!(chi < 27.9, "chi square {chi} with 9 degrees of freedom");
    let mut fleet = stairs(Policy::random(), 10);
    let subset = fleet.ids[2..7].to_vec();
    let mut seen = [0_u32; 10];
    for key in 0..10_000 {
        let request = Request::new(fleet.pool, key, 1).with_subset(&subset).with_excluded(&subset[..1]);
        let decision = fleet.balancer.decide(&request, Duration::ZERO).expect("four are left");
        seen[decision.endpoint.index()] += 1;
        let _ = fleet.balancer.settle(decision.reservation, Outcome::Unused, Duration::ZERO);
    }
    let chi: f64 = seen[3..7].iter().map(|&count| (f64::from(count) - 2500.0).powi(2) / 2500.0).sum();
    assert_eq!(seen[3..7].iter().sum::<u32>(), 10_000);
    assert!(chi < 16.3, "chi square {chi} with 3 degrees of freedom");
}

/// Property 12: of three that are drawn among ten the one at place r from the best wins with (9 - r choose 2) in 120.
#[test]
fn property_12_the_best_of_three_is_as_frequent_as_computed() {
    let three = Policy::power_of_two().with_picker(Picker::PowerOf(3)).expect("in range");
    let weights: Vec<_> = (0..10_u32).map(|place| f64::from((9 - place) * 8_u32.saturating_sub(place) / 2)).collect();
    let chi = chi_square(&mut stairs(three, 10), &weights);
    assert!(chi < 24.4, "chi square {chi} with 7 degrees of freedom");
}
