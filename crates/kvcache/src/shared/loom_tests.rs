//! Every interleaving of readers and writers, within loom's bounds:
//! `RUSTFLAGS="--cfg loom" cargo test -p phalanx-kvcache --release --lib loom`.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::left_right::{LeftRight, Log};

/// A value of which every change has two halves, with room for others to step in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Halves {
    first: u32,
    second: u32,
}

impl Halves {
    fn step(&mut self, by: u32) {
        self.first += by;
        thread::yield_now();
        self.second += by;
    }
}

#[derive(Debug, Default)]
struct Steps(Vec<u32>);

impl Log<Halves> for Steps {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn replay(&mut self, copy: &mut Halves) {
        self.0.iter().for_each(|&by| copy.step(by));
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

type Shared = LeftRight<Halves, Steps>;

fn shared() -> Arc<Shared> {
    Arc::new(LeftRight::new(&Halves::default(), Steps::default()))
}

fn step(shared: &Shared, by: u32) {
    shared.write(|halves, steps| {
        halves.step(by);
        steps.0.push(by);
    });
}

/// What a reader sees: never a half.
fn seen(shared: &Shared) -> u32 {
    let look = shared.look();
    assert_eq!(look.first, look.second, "half a change is seen");
    look.first
}

/// Runs `model` over all interleavings with up to `preemptions` places where a thread is interrupted.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Reads `times` times; the values never go back.
fn reader(shared: &Arc<Shared>, times: usize) -> thread::JoinHandle<u32> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let mut last = 0;
        for _ in 0..times {
            let now = seen(&shared);
            assert!(now >= last, "{now} after {last}");
            last = now;
        }
        last
    })
}

#[test]
fn loom_one_reader_sees_whole_changes_that_never_go_back() {
    explore(3, || {
        let shared = shared();
        let reader = reader(&shared, 3);
        (0..3).for_each(|_| step(&shared, 1));
        reader.join().expect("the reader is content");
        assert_eq!(seen(&shared), 3);
    });
}

#[test]
fn loom_two_readers_and_a_writer() {
    explore(2, || {
        let shared = shared();
        let readers = [reader(&shared, 2), reader(&shared, 2)];
        (0..3).for_each(|_| step(&shared, 1));
        for reader in readers {
            reader.join().expect("the reader is content");
        }
        assert_eq!(seen(&shared), 3);
    });
}

#[test]
fn loom_two_writers_lose_nothing() {
    explore(2, || {
        let shared = shared();
        let reader = reader(&shared, 2);
        let other = Arc::clone(&shared);
        let writer = thread::spawn(move || (0..2).for_each(|_| step(&other, 1)));
        (0..2).for_each(|_| step(&shared, 10));
        writer.join().expect("the writer is content");
        reader.join().expect("the reader is content");
        assert_eq!(seen(&shared), 22, "what the active copy holds");
        step(&shared, 100);
        assert_eq!(seen(&shared), 122, "what the other one holds");
    });
}

#[test]
fn loom_who_has_been_told_of_a_value_sees_it() {
    explore(2, || {
        let shared = shared();
        let told = Arc::new(loom::sync::atomic::AtomicU32::new(0));
        let (asking, telling) = (Arc::clone(&shared), Arc::clone(&told));
        let first = thread::spawn(move || telling.store(seen(&asking), Ordering::Release));
        let asking = Arc::clone(&shared);
        let second = thread::spawn(move || {
            let at_least = told.load(Ordering::Acquire);
            assert!(seen(&asking) >= at_least);
        });
        (0..3).for_each(|_| step(&shared, 1));
        first.join().expect("the reader is content");
        second.join().expect("the reader is content");
    });
}

#[test]
fn loom_a_reader_does_not_wait_for_a_writer_at_work() {
    explore(3, || {
        let shared = shared();
        step(&shared, 1);
        let done = Arc::new(AtomicBool::new(false));
        let (asking, telling) = (Arc::clone(&shared), Arc::clone(&done));
        let reader = thread::spawn(move || {
            assert_eq!(seen(&asking), 1);
            telling.store(true, Ordering::Release);
        });
        shared.write(|halves, steps| {
            // With the lock of its copy, and the writers' lock, in hand until the reader has its answer.
            while !done.load(Ordering::Acquire) {
                thread::yield_now();
            }
            halves.step(1);
            steps.0.push(1);
        });
        reader.join().expect("the reader is content");
        assert_eq!(seen(&shared), 2);
    });
}
