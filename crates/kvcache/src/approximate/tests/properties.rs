//! Any sequence of calls leaves what the literal model leaves, and tells it without a fault.

use core::time::Duration;

use proptest::prelude::*;

use super::naive::{Naive, NaiveExpectation};
use super::{Told, blocks};
use crate::{ApproximateConfig, ApproximateLedger, Expectation};

#[derive(Clone, Debug)]
enum Op {
    Learn { prompt: Vec<u64> },
    Report { nth: usize, more: Vec<u64>, cached: u32 },
    Retract { nth: usize },
    Timeout { due: bool },
    SetCapacity { blocks: u32 },
    Clear,
}

/// Prompts of which many share a beginning.
pub(super) fn prompt() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![4 => Just(0u64), 2 => 1u64..3], 0..9)
}

fn op() -> impl Strategy<Value = (Op, u64)> {
    let op = prop_oneof![
        8 => prompt().prop_map(|prompt| Op::Learn { prompt }),
        8 => (0usize..4, prop::collection::vec(0u64..2, 0..3), 0u32..10)
            .prop_map(|(nth, more, cached)| Op::Report { nth, more, cached }),
        1 => (0usize..4).prop_map(|nth| Op::Retract { nth }),
        1 => any::<bool>().prop_map(|due| Op::Timeout { due }),
        1 => (0u32..40).prop_map(|blocks| Op::SetCapacity { blocks }),
        1 => Just(Op::Clear),
    ];
    // Often no time passes, sometimes much, and a clock may go back.
    (op, prop_oneof![Just(0u64), 0u64..9, Just(u64::MAX)])
}

/// How many cases, unless the environment says otherwise.
pub(super) fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if default.cases == 256 { cases } else { default.cases };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn it_is_the_literal_model(
        capacity in 0u32..40,
        ttl in prop_oneof![5u64..60, Just(u64::MAX / 2)],
        adapting in any::<bool>(),
        seed in any::<u64>(),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let config = ApproximateConfig::new().ttl(Duration::from_nanos(ttl)).adapting(adapting).seed(seed);
        let mut ledger = ApproximateLedger::with_config(capacity, config);
        let mut naive = Naive::new(capacity, ttl, adapting);
        let mut told = Told::default();
        let mut sent: Vec<(Vec<u64>, Expectation, NaiveExpectation)> = Vec::new();
        let mut now = 0u64;
        for (op, step) in ops {
            now = if step == u64::MAX { now.saturating_sub(3) } else { now + step };
            let moment = Duration::from_nanos(now);
            match op {
                Op::Learn { prompt } => {
                    let expected = ledger.learn(&blocks(&prompt), moment, |change| told.hear(change));
                    let literal = naive.learn(&prompt, now);
                    prop_assert_eq!(expected.believed_blocks() as usize, literal.believed.len());
                    sent.push((prompt, expected, literal));
                }
                Op::Report { nth, more, cached } => if nth < sent.len() {
                    let (mut contents, expected, literal) = sent.remove(nth);
                    contents.extend(more);
                    ledger.report(&expected, &blocks(&contents), cached, moment, |change| told.hear(change));
                    naive.report(&literal, &contents, cached, now);
                },
                Op::Retract { nth } => if nth < sent.len() {
                    let (prompt, expected, literal) = sent.remove(nth);
                    ledger.retract(&expected, &blocks(&prompt), |change| told.hear(change));
                    naive.retract(&literal, &prompt);
                },
                Op::Timeout { due } => {
                    if due && ttl < 60 {
                        now = ledger.next_timeout().map_or(now, |due| due.as_nanos() as u64);
                    }
                    ledger.handle_timeout(Duration::from_nanos(now), |change| told.hear(change));
                    naive.advance(now);
                }
                Op::SetCapacity { blocks } => {
                    ledger.set_capacity(blocks, |change| told.hear(change));
                    naive.set_capacity(blocks);
                }
                Op::Clear => {
                    ledger.clear(|change| told.hear(change));
                    naive.clear();
                }
            }
            prop_assert_eq!(told.paths(), naive.paths());
            prop_assert_eq!(ledger.blocks() as usize, told.paths.len());
            prop_assert_eq!(ledger.assumed_blocks(), naive.assumed);
            prop_assert!(ledger.blocks() <= naive.assumed && naive.assumed <= ledger.capacity_blocks());
            prop_assert_eq!(ledger.accuracy(), naive.accuracy);
            prop_assert_eq!(ledger.next_timeout(), naive.next_timeout().map(Duration::from_nanos));
        }
        let mut again = Told::default();
        ledger.replay(|change| again.hear(change));
        prop_assert_eq!(again, told);

        // One that learns it believes the same, and gives it up in the same order.
        let mut heir = ApproximateLedger::new(ledger.assumed_blocks());
        ledger.prompts(|prompt| {
            heir.learn(prompt, Duration::ZERO, |_| {});
        });
        let believed = |ledger: &ApproximateLedger| {
            let mut told = Told::default();
            ledger.replay(|change| told.hear(change));
            told.paths()
        };
        prop_assert_eq!(believed(&heir), believed(&ledger));
        let fresh = |n: u32| blocks(&[1000 + u64::from(n)]);
        for n in 0..ledger.assumed_blocks() {
            ledger.learn(&fresh(n), Duration::ZERO, |_| {});
            heir.learn(&fresh(n), Duration::ZERO, |_| {});
            prop_assert_eq!(believed(&heir), believed(&ledger));
        }
    }

    #[test]
    fn the_same_calls_tell_the_same(prompts in prop::collection::vec(prompt(), 1..60), seeds in any::<[u64; 2]>()) {
        let tell = |seed| {
            let mut ledger = ApproximateLedger::with_config(12, ApproximateConfig::new().seed(seed));
            let mut changes = Vec::new();
            for (at, prompt) in (0..).zip(&prompts) {
                let expected =
                    ledger.learn(&blocks(prompt), Duration::from_nanos(at), |change| changes.push(format!("{change:?}")));
                let cached = (at % 3) as u32;
                ledger.report(&expected, &blocks(prompt), cached, Duration::from_nanos(at), |change| {
                    changes.push(format!("{change:?}"));
                });
            }
            changes
        };
        prop_assert_eq!(tell(seeds[0]), tell(seeds[1]), "not even the seed makes a difference");
    }
}
