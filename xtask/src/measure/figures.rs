//! What the program beside the rivals says.

use std::fmt;

use serde::Deserialize;

/// All figures of a run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Figures(Vec<Figure>);

/// One figure of one index on one workload.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Figure {
    workload: String,
    ranks: u32,
    figure: String,
    /// With the way in which it answered.
    pub(super) index: String,
    /// Over the rounds.
    #[serde(flatten)]
    pub(super) spread: Spread,
}

/// A median, the least and the most.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Spread {
    /// The median.
    pub(super) median: f64,
    /// The least.
    pub(super) min: f64,
    /// The most.
    pub(super) max: f64,
}

impl Figures {
    /// A figure of every index that has it.
    pub(super) fn all(&self, workload: &str, ranks: u32, figure: &str) -> impl Iterator<Item = &Figure> {
        self.0.iter().filter(move |row| row.workload == workload && row.ranks == ranks && row.figure == figure)
    }

    /// A figure of one index.
    pub(super) fn of(&self, workload: &str, ranks: u32, figure: &str, index: &str) -> Option<&Figure> {
        self.all(workload, ranks, figure).find(|row| row.index == index)
    }

    /// A figure of the rival that needs least.
    pub(super) fn best_rival(&self, workload: &str, ranks: u32, figure: &str) -> Option<&Figure> {
        let rivals = self.all(workload, ranks, figure).filter(|row| !row.is_ours());
        rivals.min_by(|a, b| a.spread.median.total_cmp(&b.spread.median))
    }

    /// The sum of a figure's medians over all workloads and fleets, for one index and all its ways; and of how many.
    pub(super) fn sum(&self, figure: &str, index: &str) -> (f64, usize) {
        let of = |row: &&Figure| row.figure == figure && row.index.split(' ').next() == Some(index);
        let rows = || self.0.iter().filter(of);
        (rows().map(|row| row.spread.median).sum(), rows().count())
    }
}

impl Figure {
    fn is_ours(&self) -> bool {
        self.index.starts_with("ours")
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.index, self.spread)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, min, max } = *self;
        let digits = if median.abs() < 100.0 { 2 } else { 0 };
        write!(f, "{median:.digits$} [{min:.digits$}..{max:.digits$}]")
    }
}

/// How many times less `ours` needs than `theirs`; not a number if either is missing.
pub(super) fn times_less(ours: Option<&Figure>, theirs: Option<&Figure>) -> f64 {
    ours.zip(theirs).map_or(f64::NAN, |(ours, theirs)| theirs.spread.median / ours.spread.median)
}

/// The figures that are there, for a note.
pub(super) fn beside<'a>(figures: impl IntoIterator<Item = Option<&'a Figure>>) -> String {
    let texts: Vec<_> = figures.into_iter().flatten().map(ToString::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_rival_is_the_one_that_needs_least_and_is_not_ours() {
        let row = |index: &str, median: f64| {
            serde_json::json!({"workload": "w", "ranks": 8, "figure": "f", "index": index, "median": median,
                "min": median, "max": median + 1.0})
        };
        let rows = serde_json::json!([row("ours levels", 2.0), row("chain callback", 5.0), row("crtc map", 4.0)]);
        let figures: Figures = serde_json::from_value(rows).unwrap();
        let (ours, best) = (figures.of("w", 8, "f", "ours levels"), figures.best_rival("w", 8, "f"));
        assert_eq!(best.unwrap().index, "crtc map");
        assert_eq!(times_less(ours, best), 2.0);
        assert!(times_less(ours, None).is_nan());
        assert_eq!(beside([ours, None]), "ours levels 2.00 [2.00..3.00]");
        assert_eq!(figures.sum("f", "ours"), (2.0, 1));
    }
}
