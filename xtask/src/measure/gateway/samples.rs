//! What was seen in all rounds.

use std::collections::BTreeMap;

use super::BIG;
use super::harness::{Big, Memory, Seen};
use crate::measure::figures::Spread;

/// Without a gateway.
pub(super) const DIRECT: &str = "direct";
/// What anything else may take of a core in a round that counts.
const QUIET: f64 = 0.12;

/// What a figure is of: gateway, load, figure.
type Key = (&'static str, &'static str, &'static str);

/// Numbers by figure, one a round.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    numbers: BTreeMap<Key, Vec<Sample>>,
    failures: BTreeMap<&'static str, Failures>,
    round: u32,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    round: u32,
    value: f64,
    /// What anything else took meanwhile, in cores.
    foreign: f64,
}

/// What went wrong with a gateway.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    pub(super) requests: u64,
    pub(super) runs: u64,
    pub(super) first: Option<String>,
}

impl Samples {
    /// What comes now is of this round.
    pub(super) fn begin(&mut self, round: u32) {
        self.round = round;
    }

    /// Notes a load.
    pub(super) fn add(&mut self, who: &'static str, load: &'static str, seen: &Seen) {
        let of = |time: f64, count: u64| (count > 0).then(|| time / count as f64);
        let each = |count| of(seen.cpu_us - seen.tokenizer_us, count);
        let rate = |count: u64| Some(count as f64 / seen.seconds);
        let chunks_a_read = (seen.reads > 0).then(|| seen.chunks as f64 / seen.reads as f64);
        let numbers = [
            ("us a request", each(seen.requests)),
            ("us a chunk", each(seen.chunks)),
            ("tokenizer us a request", of(seen.tokenizer_us, seen.requests)),
            ("requests/s", rate(seen.requests)),
            ("chunks/s", rate(seen.chunks)),
            ("chunks a read", chunks_a_read),
            ("p50", seen.latency.p50),
            ("p99", seen.latency.p99),
            ("first p50", seen.first_token.p50),
            ("first p99", seen.first_token.p99),
            ("one way p50", seen.one_way.p50),
            ("one way p99", seen.one_way.p99),
            ("affinity", seen.affinity),
            ("hottest", seen.hottest),
            ("gateway use", Some(seen.gateway_use)),
            ("harness use", Some(seen.harness_use)),
            ("foreign use", Some(seen.foreign_use)),
            ("MB before", Some(megabytes(seen.before).0)),
            ("MB after", Some(megabytes(seen.after).0)),
        ];
        for (figure, value) in numbers {
            self.note((who, load, figure), value, seen.foreign_use);
        }
        // What a gateway adds in this round.
        for (figure, of, value) in [
            ("added p50", "p50", seen.latency.p50),
            ("added p99", "p99", seen.latency.p99),
            ("added first p50", "first p50", seen.first_token.p50),
            ("added one way p50", "one way p50", seen.one_way.p50),
        ] {
            let direct = self.numbers.get(&(DIRECT, load, of)).and_then(|samples| samples.last()).copied();
            if let (Some(value), Some(direct)) = (value, direct.filter(|_| who != DIRECT)) {
                self.note((who, load, figure), Some(value - direct.value), seen.foreign_use.max(direct.foreign));
            }
        }
        if seen.failures > 0 {
            let failures = self.failures.entry(who).or_default();
            failures.requests += seen.failures;
            failures.first = failures.first.take().or_else(|| seen.failure.clone());
        }
    }

    /// Notes a huge body.
    pub(super) fn add_big(&mut self, who: &'static str, seen: &Big) {
        self.note((who, BIG, "MB peak"), Some(megabytes(seen.after).1), 0.0);
        self.note((who, BIG, "ms"), Some(seen.milliseconds), 0.0);
    }

    /// Notes that a run could not be made.
    pub(super) fn fail(&mut self, who: &'static str, reason: &str) {
        let failures = self.failures.entry(who).or_default();
        failures.runs += 1;
        failures.first.get_or_insert_with(|| reason.to_owned());
    }

    fn note(&mut self, key: Key, value: Option<f64>, foreign: f64) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.numbers.entry(key).or_default().push(Sample { round: self.round, value, foreign });
        }
    }

    /// A figure over the quiet rounds, or over all when none was.
    pub(super) fn of(&self, who: &'static str, load: &'static str, figure: &'static str) -> Option<Spread> {
        spread(self.numbers.get(&(who, load, figure))?.iter().copied())
    }

    /// How many times as much `theirs` is as `ours`, each round by itself.
    pub(super) fn ratio(
        &self,
        load: &'static str,
        figure: &'static str,
        ours: &'static str,
        theirs: &'static str,
    ) -> Option<Spread> {
        let of = |who| self.numbers.get(&(who, load, figure));
        let (ours, theirs) = (of(ours)?, of(theirs)?);
        let pairs = ours.iter().filter_map(|ours| {
            let theirs = theirs.iter().find(|theirs| theirs.round == ours.round)?;
            Some(Sample { value: theirs.value / ours.value, foreign: ours.foreign.max(theirs.foreign), ..*ours })
        });
        spread(pairs)
    }

    /// The median of a figure; not a number where there is none.
    pub(super) fn median(&self, who: &'static str, load: &'static str, figure: &'static str) -> f64 {
        self.of(who, load, figure).map_or(f64::NAN, |spread| spread.median)
    }

    /// Who has a figure, in the order of names.
    pub(super) fn who(&self) -> impl Iterator<Item = &'static str> {
        let mut names: Vec<_> = self.numbers.keys().map(|(who, _, _)| *who).collect();
        names.dedup();
        names.into_iter()
    }

    /// How many loads there were and in how many anything else took more than it may.
    pub(super) fn noise(&self) -> (usize, usize) {
        let samples =
            || self.numbers.iter().filter(|((_, _, figure), _)| *figure == "foreign use").flat_map(|(_, all)| all);
        (samples().count(), samples().filter(|sample| sample.foreign > QUIET).count())
    }

    /// The greatest of a figure over everybody and all loads.
    pub(super) fn greatest(&self, figure: &str) -> f64 {
        let of = self.numbers.iter().filter(|((_, _, name), _)| *name == figure).flat_map(|(_, all)| all);
        of.map(|sample| sample.value).fold(f64::NAN, f64::max)
    }

    /// What went wrong, by gateway.
    pub(super) fn failures(&self) -> &BTreeMap<&'static str, Failures> {
        &self.failures
    }
}

/// The median over the quiet samples, or over all when none is.
fn spread(samples: impl Iterator<Item = Sample>) -> Option<Spread> {
    let (quiet, noisy): (Vec<_>, Vec<_>) = samples.partition(|sample| sample.foreign <= QUIET);
    let taken = if quiet.is_empty() { noisy } else { quiet };
    let mut values: Vec<f64> = taken.into_iter().map(|sample| sample.value).collect();
    values.sort_by(f64::total_cmp);
    let (min, max) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
    Some(Spread { median, min, max })
}

/// Resident and peak, in millions of bytes.
fn megabytes(memory: Memory) -> (f64, f64) {
    let of = |kilobytes: u64| kilobytes as f64 * 1_024.0 / 1e6;
    (of(memory.resident), of(memory.peak))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noisy_rounds_count_only_where_there_is_no_other() {
        let mut samples = Samples::default();
        for (value, foreign) in [(5.0, 0.0), (100.0, 0.9), (7.0, 0.1)] {
            samples.note(("a", "l", "f"), Some(value), foreign);
        }
        samples.note(("b", "l", "f"), Some(3.0), 0.9);
        samples.note(("b", "l", "g"), Some(f64::NAN), 0.0);
        assert_eq!(samples.median("a", "l", "f"), 6.0);
        assert_eq!(samples.median("b", "l", "f"), 3.0);
        assert!(samples.median("b", "l", "g").is_nan());
        samples.begin(1);
        samples.note(("c", "l", "f"), Some(4.0), 0.0);
        samples.note(("d", "l", "f"), Some(8.0), 0.0);
        assert_eq!(samples.ratio("l", "f", "c", "d").map(|spread| spread.median), Some(2.0));
        assert!(samples.ratio("l", "f", "a", "d").is_none(), "of other rounds");
        samples.numbers.retain(|(who, _, _), _| ["a", "b"].contains(who));
        assert_eq!(samples.who().collect::<Vec<_>>(), ["a", "b"]);
    }
}
