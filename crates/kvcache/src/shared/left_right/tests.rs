use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// Sums in which every change has two halves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sums {
    first: u64,
    second: u64,
}

#[derive(Debug, Default)]
struct Steps(Vec<u64>);

impl Log<Sums> for Steps {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn replay(&mut self, copy: &mut Sums) {
        for by in &self.0 {
            copy.first += by;
            copy.second += by;
        }
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

fn shared() -> LeftRight<Sums, Steps> {
    LeftRight::new(&Sums::default(), Steps::default())
}

fn step(shared: &LeftRight<Sums, Steps>, by: u64) {
    shared.write(|sums, steps| {
        sums.first += by;
        sums.second += by;
        steps.0.push(by);
    });
}

fn seen(shared: &LeftRight<Sums, Steps>) -> u64 {
    let look = shared.look();
    assert_eq!(look.first, look.second, "half a change is seen");
    look.first
}

#[test]
fn a_reader_within_a_write_sees_what_was_before() {
    let shared = shared();
    step(&shared, 1);
    shared.write(|sums, steps| {
        *sums = Sums { first: 3, second: 3 };
        steps.0.push(2);
        assert_eq!(seen(&shared), 1);
    });
    assert_eq!(seen(&shared), 3);
}

#[test]
fn a_write_within_a_look_is_not_seen_by_it() {
    let shared = shared();
    let look = shared.look();
    step(&shared, 1);
    assert_eq!((look.first, seen(&shared)), (0, 1));
}

#[test]
fn a_write_that_notes_nothing_publishes_nothing() {
    let shared = shared();
    let look = shared.look();
    // With this reader in the one copy, a second published write would wait for it.
    (0..3).for_each(|_| shared.write(|_, _| ()));
    assert_eq!(look.first, 0);
}

#[test]
fn a_change_that_panics_is_undone() {
    for writes_before in 0..4 {
        let shared = shared();
        (0..writes_before).for_each(|_| step(&shared, 1));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            shared.write(|sums, steps| {
                sums.first += 1;
                steps.0.push(1);
                panic!("between the halves");
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(seen(&shared), writes_before);
        for writes in 1..4 {
            step(&shared, 1);
            assert_eq!(seen(&shared), writes_before + writes);
        }
    }
}

#[test]
fn readers_on_other_threads_see_whole_changes_in_their_order() {
    let shared = shared();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while last < 20_000 {
                    let now = seen(&shared);
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| (0..10_000).for_each(|_| step(&shared, 1)));
        }
    });
    assert_eq!(seen(&shared), 20_000);
}
