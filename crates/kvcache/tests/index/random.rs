//! A small generator of choices, and sequences of operations made shorter for as long as they fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::model::mix;

/// Choices that a seed decides.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// One of `0..count`, `count` being at least 1.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.word() % count as u64) as usize
    }

    /// Any order.
    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}

/// Runs the steps; if that panics, as few of them as still do are told.
///
/// # Panics
///
/// With those steps, if `run` does.
pub(crate) fn hold<T: Clone + core::fmt::Debug>(steps: &[T], run: impl Fn(&[T])) {
    let fails = |steps: &[T]| catch_unwind(AssertUnwindSafe(|| run(steps))).is_err();
    if !fails(steps) {
        return;
    }
    let mut steps = steps.to_vec();
    let mut size = steps.len();
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let fewer = [&steps[..at], &steps[(at + size).min(steps.len())..]].concat();
            if fails(&fewer) {
                steps = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    panic!("{} steps fail: {steps:#?}", steps.len());
}
