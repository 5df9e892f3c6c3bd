use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::line::Tokens;

fn line() -> impl Strategy<Value = Line> {
    let exact_to = prop_oneof![Just(Line::ALWAYS), Just(0), 0..10_000_i64];
    let known =
        (-50..50_i64, 0..4_i64, 0..3_i64, exact_to, -80..40_i64).prop_map(|(base, slope, context, exact_to, fall)| {
            Line {
                base: base * 100,
                slope,
                context: context.min(slope),
                exact_to,
                falling: fall > 0,
                floor: (base - fall.max(0)) * 100,
            }
        });
    prop_oneof![6 => known, 2 => Just(Line::ZERO), 1 => Just(Line::NEVER)]
}

/// Where a line is not all of the cost, there is something more, by slot.
fn cost(line: &Line, slot: usize, tokens: Tokens, offset: i64, now: i64) -> i64 {
    let more = if line.exact_to >= 2 * i64::from(tokens.uncached) { 0 } else { slot as i64 % 3 };
    line.low(tokens, now) + offset + more
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_least_and_those_who_have_it_are_found(
        changes in vec((0..1500_usize, line()), 1..900),
        slots in 1..1500_usize,
        asked in vec((1..70_000_u32, 0..70_000_u32, -500..500_i64, any::<Option<u64>>(), 0..6000_i64), 1..12),
    ) {
        let mut standings = Standings::default();
        let mut lines = vec![Line::NEVER; 1500];
        standings.grow(slots / 3 + 1);
        standings.grow(slots);
        for (slot, line) in changes {
            let slot = slot % slots;
            standings.set(slot, &line);
            lines[slot] = line;
            prop_assert_eq!(standings.line(slot), &line);
        }
        prop_assert!(standings.steady.is_sound(&standings.lines) && standings.falling.is_sound(&standings.lines));
        for (prompt, cached, offset, mask, now) in asked {
            let tokens = Tokens::new(prompt, cached);
            let mask: Option<Vec<u64>> = mask.map(|seed| (0..24).map(|word| seed.rotate_left(word)).collect());
            let mask = mask.as_deref();
            let allowed = |slot: usize| mask.is_none_or(|mask| mask[slot / 64] >> (slot % 64) & 1 == 1);
            let all: Vec<_> = (0..slots)
                .filter(|&slot| !lines[slot].is_never() && allowed(slot))
                .map(|slot| (cost(&lines[slot], slot, tokens, offset, now), slot))
                .collect();
            let naive = all.iter().map(|(cost, _)| *cost).min();
            let among = Among { mask, tokens, offset, now };
            let own = |slot: usize| cost(&lines[slot], slot, tokens, offset, now);
            let least = standings.least(&among, i64::MAX, own);
            prop_assert_eq!(least, naive.unwrap_or(i64::MAX));
            let Some(naive) = naive else { continue };
            prop_assert_eq!(standings.least(&among, naive, own), naive, "nothing is below what is known");
            let mut ties = Ties::default();
            standings.tied(&among, least, own, &mut ties);
            let mut tied: Vec<_> = all.iter().filter(|(cost, _)| *cost == naive).map(|(_, slot)| *slot).collect();
            tied.sort_by_key(|&slot| lines[slot].falling);
            let found: Vec<_> = (0..ties.total).filter_map(|place| standings.slot(&among, &ties, place)).collect();
            prop_assert_eq!(found, tied);
        }
    }
}

#[test]
fn a_look_at_few_is_enough() {
    let mut standings = Standings::default();
    standings.grow(10_000);
    for slot in 0..10_000 {
        let mixed = crate::seed::mix(slot as u64);
        let line = Line { base: (mixed % 1_000_000) as i64, slope: (mixed >> 32) as i64 % 300, ..Line::ZERO };
        standings.set(slot, &Line { exact_to: 0, ..line });
    }
    for prompt in [1, 100, 3000, 50_000] {
        let tokens = Tokens::new(prompt, 0);
        let mut looked = 0;
        let least = standings.least(&Among { mask: None, tokens, offset: 0, now: 0 }, i64::MAX, |slot| {
            looked += 1;
            standings.line(slot).at(tokens)
        });
        assert_eq!(Some(least), (0..10_000).map(|slot| standings.line(slot).at(tokens)).min());
        assert!(looked < 50, "{looked} endpoints were looked at for {prompt} tokens");
    }
}
