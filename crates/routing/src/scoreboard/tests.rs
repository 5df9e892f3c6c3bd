//! The scoreboard against a sum that is made anew each time.

use proptest::collection::vec;
use proptest::prelude::*;

use super::scale::SHORT;
use super::*;
use crate::policy::{Measure, ONE, Policy, Weighted};

const MEASURES: [Measure; 3] = [Measure::Waiting, Measure::KvUsed, Measure::PendingTokens];
const LATENCY: Scorer = Scorer::Latency { ttft_ppm: 300_000 };

/// What is known of a slot: nothing if it is no member.
type Known = Option<(i64, [i64; 3], Option<[i64; 2]>)>;

fn parts() -> Vec<Weighted> {
    vec![
        Weighted::new(Scorer::Spread(MEASURES[0]), 2),
        Weighted::new(Scorer::BelowMost(MEASURES[1]), 3).in_steps(7),
        Weighted::new(Scorer::Spread(MEASURES[2]), 1),
        Weighted::new(Scorer::Prefix, 3),
        Weighted::new(LATENCY, 2),
    ]
}

fn known() -> impl Strategy<Value = Known> {
    let waiting = prop_oneof![3 => 0..4_i64, 1 => 0..(1_i64 << 20)];
    let tokens = prop_oneof![3 => 0..3_i64, 1 => 0..(1_i64 << 40)];
    let times = proptest::option::weighted(0.8, [1..9000_i64, 1..(1_i64 << 32)]);
    let known = (-3..1_i64, waiting, 0..1_000_001_i64, tokens, times);
    proptest::option::weighted(
        0.9,
        known.prop_map(|(fixed, waiting, kv, tokens, times)| (fixed, [waiting, kv, tokens], times)),
    )
}

/// The cost of each slot, from the beginning.
fn costs(all: &[Known]) -> Vec<Option<i64>> {
    let ends = |which: usize| {
        let values = || all.iter().flatten().map(|(_, values, _)| values[which]);
        (values().min().unwrap_or(0), values().max().unwrap_or(0))
    };
    let of_times = |which: usize| {
        let times = || all.iter().flatten().filter_map(|(_, _, times)| Some((*times)?[which]));
        (times().min().unwrap_or(0), times().max().unwrap_or(0))
    };
    let score = |value: i64, (least, most): (i64, i64)| match most - least {
        0 => ONE,
        range => ((i128::from(most) - i128::from(value)) * i128::from(ONE) / i128::from(range)) as i64,
    };
    let cost = |known: &Known| {
        let (fixed, values, times) = (*known)?;
        let latency = times.map_or(ONE / 2, |[ttft, tpot]| {
            (300_000 * score(ttft, of_times(0)) + 700_000 * score(tpot, of_times(1))) / ONE
        });
        let kv = score(values[1], (0, ends(1).1)) * 7 / ONE * ONE / 7;
        Some(fixed - 2 * score(values[0], ends(0)) - 3 * kv - score(values[2], ends(2)) - 2 * latency)
    };
    all.iter().map(cost).collect()
}

proptest! {
    #[test]
    fn a_scale_divides_exactly(least in 0..1000_i64, range in 1..=SHORT, part in 0..=1_000_000_i64) {
        let scale = Scale::new(least, least + range);
        for value in [least, least + range, least + range * part / 1_000_000] {
            prop_assert_eq!(scale.score(value), (least + range - value) * ONE / range);
        }
    }

    #[test]
    fn scores_are_those_made_anew(
        steps in vec((0..300_usize, known()), 1..120),
        some in vec(any::<u64>(), 5),
        offset in -2_000_000..1_i64,
        draw: u32,
    ) {
        let policy = Policy::new("compares", Combination::Sum(parts())).expect("its parts are in range");
        let mut board = Scoreboard::of(&policy).expect("it compares");
        let mut all: Vec<Known> = vec![None; 300];
        for (round, (slot, known)) in steps.into_iter().enumerate() {
            board.grow(slot + 1);
            all[slot] = known;
            match known {
                None => board.clear(slot),
                Some((fixed, values, times)) => {
                    let of = |scorer| match scorer {
                        Scorer::Latency { .. } => times.unwrap_or([ABSENT; 2]),
                        Scorer::Spread(of) | Scorer::BelowMost(of) => {
                            [values[MEASURES.iter().position(|measure| *measure == of).expect("one of them")], 0]
                        }
                        _ => [0; 2],
                    };
                    board.set(slot, fixed, of);
                }
            }
            if round % 3 == 1 {
                continue;
            }
            board.settle();
            let expected = costs(&all);
            for (slot, cost) in expected.iter().enumerate() {
                prop_assert_eq!(board.has(slot).then(|| board.cost(slot)), *cost);
            }
            let everyone = board.members().to_vec();
            let masked: Vec<u64> = everyone.iter().zip(&some).map(|(members, some)| members & some).collect();
            for mask in [everyone, masked] {
                let stands = |slot: &usize| mask.get(slot / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1);
                let each = || (0..300).filter(stands).filter_map(|slot| Some((slot, expected[slot]? + offset)));
                let least = each().map(|(_, cost)| cost).min().unwrap_or(i64::MAX);
                prop_assert_eq!(board.least(&mask, offset, i64::MAX), least);
                let tied: Vec<usize> = each().filter(|(_, cost)| *cost == least).map(|(slot, _)| slot).collect();
                prop_assert_eq!(board.count(&mask, offset, least) as usize, tied.len());
                if !tied.is_empty() {
                    let place = draw as usize % tied.len();
                    prop_assert_eq!(board.slot(&mask, offset, least, place as u32), Some(tied[place]));
                }
            }
        }
    }
}
