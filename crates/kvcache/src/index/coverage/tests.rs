//! Coverage beside a bit for each rank and block.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Coverage, Part};

const RANKS: u32 = 5;

/// Which rank holds which block of a run of so many.
#[derive(Clone, Debug)]
struct Naive {
    len: u32,
    held: BTreeSet<(u32, u32)>,
}

impl Naive {
    fn of(&self, rank: u32) -> impl Iterator<Item = u32> {
        self.held.range((rank, 0)..(rank + 1, 0)).map(|&(_, at)| at)
    }

    /// The blocks of each rank, in pieces as long as can be.
    fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for &(rank, at) in &self.held {
            match parts.last_mut() {
                Some(part) if part.rank == rank && part.to == at => part.to += 1,
                _ => parts.push(Part { rank, from: at, to: at + 1 }),
            }
        }
        parts
    }
}

fn check(coverage: &Coverage, naive: &Naive) {
    let len = naive.len;
    let (full, parts): (Vec<_>, Vec<_>) = naive.parts().into_iter().partition(|part| part.from == 0 && part.to == len);
    assert!(coverage.full.iter().eq(full.iter().map(|part| part.rank)), "{coverage:?} is {naive:?}");
    assert_eq!(coverage.parts(), parts);
    assert_eq!(coverage.is_empty(), naive.held.is_empty());
    assert_eq!(coverage.end(len), naive.held.iter().map(|&(_, at)| at + 1).max().unwrap_or(0));
    for rank in 0..RANKS {
        for (from, to) in [(0, len), (0, 1), (len / 3, len / 2), (len - 1, len)] {
            let held = naive.of(rank).filter(|at| (from..to).contains(at)).count();
            assert_eq!(coverage.held(rank, from, to), held as u32, "of {rank} at {from}..{to}");
        }
    }
    match coverage.middle(len) {
        Some(at) => assert!(parts.iter().any(|part| part.from == at || part.to == at) && 0 < at && at < len),
        // All parts would begin and end where the run does.
        None => assert!(parts.is_empty()),
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Cover(u32, u32, u32),
    Uncover(u32, u32, u32),
    Forget(u32),
    /// Cuts, and goes on with the blocks before or behind.
    Split(u32, bool),
    /// Takes away what nobody holds at the end.
    Shorten,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (rank, at) = (0..RANKS, 0_u32..30);
    let part = || (rank.clone(), at.clone(), 1_u32..12);
    let step = prop_oneof![
        8 => part().prop_map(|(rank, from, len)| Step::Cover(rank, from, from + len)),
        2 => rank.clone().prop_map(|rank| Step::Cover(rank, 0, 100)),
        6 => part().prop_map(|(rank, from, len)| Step::Uncover(rank, from, from + len)),
        1 => rank.clone().prop_map(Step::Forget),
        1 => (at.clone(), any::<bool>()).prop_map(|(at, behind)| Step::Split(at, behind)),
        1 => Just(Step::Shorten),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn coverage_is_a_bit_for_each_rank_and_block(len in 1_u32..30, steps in steps()) {
        let mut coverage = Coverage::default();
        let mut naive = Naive { len, held: BTreeSet::new() };
        for step in steps {
            let len = naive.len;
            let within = |from: u32, to: u32| {
                let from = from % len;
                (from, to.clamp(from + 1, len))
            };
            match step {
                Step::Cover(rank, from, to) => {
                    let (from, to) = within(from, to);
                    coverage.cover(rank, from, to, len);
                    naive.held.extend((from..to).map(|at| (rank, at)));
                }
                Step::Uncover(rank, from, to) => {
                    let (from, to) = within(from, to);
                    coverage.uncover(rank, from, to, len);
                    naive.held.retain(|&(of, at)| of != rank || at < from || at >= to);
                }
                Step::Forget(rank) => {
                    assert_eq!(coverage.forget(rank), naive.of(rank).next().is_some());
                    naive.held.retain(|&(of, _)| of != rank);
                }
                Step::Split(at, behind) if len > 1 => {
                    let at = 1 + at % (len - 1);
                    let head = coverage.split(at, len);
                    let mut before = naive.clone();
                    before.len = at;
                    before.held = naive.held.iter().filter(|&&(_, of)| of < at).copied().collect();
                    naive.len -= at;
                    let held = naive.held.iter().filter(|&&(_, of)| of >= at);
                    naive.held = held.map(|&(rank, of)| (rank, of - at)).collect();
                    check(&head, &before);
                    check(&coverage, &naive);
                    if !behind {
                        (coverage, naive) = (head, before);
                    }
                }
                Step::Shorten if !naive.held.is_empty() => {
                    let keep = coverage.end(len);
                    if keep < len {
                        coverage.shorten(keep);
                        naive.len = keep;
                    }
                }
                Step::Split(..) | Step::Shorten => {}
            }
            check(&coverage, &naive);
        }
        for rank in 0..RANKS {
            coverage.forget(rank);
        }
        prop_assert!(coverage.is_empty());
        prop_assert_eq!(coverage.heap(), 0, "nothing is held, and nothing is kept for it");
    }
}

#[test]
fn parts_that_meet_are_one() {
    let mut coverage = Coverage::default();
    coverage.cover(3, 0, 2, 10);
    coverage.cover(3, 4, 6, 10);
    assert_eq!(coverage.parts(), [Part { rank: 3, from: 0, to: 2 }, Part { rank: 3, from: 4, to: 6 }]);
    coverage.cover(3, 2, 4, 10);
    assert_eq!(coverage.parts(), [Part { rank: 3, from: 0, to: 6 }]);
    coverage.cover(3, 5, 10, 10);
    assert!(coverage.parts().is_empty() && coverage.full.is_only(3));
    coverage.uncover(3, 0, 1, 10);
    assert_eq!(coverage.parts(), [Part { rank: 3, from: 1, to: 10 }]);
    assert_eq!((coverage.held(3, 0, 10), coverage.held(3, 0, 1), coverage.held(4, 0, 10)), (9, 0, 0));
}
