//! Whether a process grows.

use std::time::Instant;

use serde::Serialize;

use crate::watch::Tree;

/// Looks at a process's memory over time.
#[derive(Debug)]
pub(super) struct Samples {
    tree: Tree,
    /// Before anything was asked, in kilobytes of 1,024 bytes.
    idle: u64,
    started: Instant,
    /// Seconds since the start, and kilobytes.
    seen: Vec<(f64, u64)>,
}

/// Memory over a time, in kilobytes of 1,024 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Flat {
    idle: u64,
    /// The median of the first tenth of the looks.
    first: u64,
    /// The median of the last tenth.
    last: u64,
    most: u64,
    /// By the line that fits best.
    each_minute: f64,
}

impl Samples {
    pub(super) fn new(tree: Tree) -> Self {
        let idle = tree.memory().resident;
        Self { tree, idle, started: Instant::now(), seen: Vec::new() }
    }

    pub(super) fn take(&mut self) {
        self.seen.push((self.started.elapsed().as_secs_f64(), self.tree.memory().resident));
    }

    pub(super) fn flat(&self) -> Flat {
        flat(self.idle, &self.seen)
    }
}

fn flat(idle: u64, seen: &[(f64, u64)]) -> Flat {
    let median = |part: &[(f64, u64)]| {
        let mut sizes: Vec<u64> = part.iter().map(|(_, size)| *size).collect();
        sizes.sort_unstable();
        sizes.get(sizes.len() / 2).copied().unwrap_or_default()
    };
    let tenth = seen.len().div_ceil(10);
    let mean = |of: fn(&(f64, u64)) -> f64| seen.iter().map(of).sum::<f64>() / seen.len() as f64;
    let (middle, size) = (mean(|(time, _)| *time), mean(|(_, size)| *size as f64));
    let (mut together, mut spread) = (0.0, 0.0);
    for (time, of) in seen {
        together += (time - middle) * (*of as f64 - size);
        spread += (time - middle) * (time - middle);
    }
    Flat {
        idle,
        first: median(&seen[..tenth]),
        last: median(&seen[seen.len() - tenth..]),
        most: seen.iter().map(|(_, size)| *size).max().unwrap_or_default(),
        each_minute: if spread > 0.0 { 60.0 * together / spread } else { 0.0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_has_a_slope_and_what_does_not_has_none() {
        let line: Vec<_> = (0..100).map(|second| (f64::from(second), 1_000 + 2 * second as u64)).collect();
        let told = flat(7, &line);
        assert_eq!((told.idle, told.first, told.last, told.most), (7, 1_010, 1_190, 1_198));
        assert!((told.each_minute - 120.0).abs() < 1e-6, "{told:?}");
        let level = flat(0, &[(0.0, 5), (1.0, 5), (2.0, 5)]);
        assert_eq!((level.first, level.last, level.each_minute), (5, 5, 0.0));
        assert_eq!(flat(0, &[]).most, 0);
    }
}
