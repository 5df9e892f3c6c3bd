//! The promises, one by one.

use super::contender::{AWARE, OURS, TOKENIZED};
use super::samples::{DIRECT, Samples};
use super::{BIG, BURST, LOW_ONE_K, LOW_TWELVE_K, ONE_K, PACED, TWELVE_K};
use crate::measure::Setting;
use crate::measure::row::{Row, Want};

/// The bound of our index, in millions of bytes.
const INDEX_BOUND: f64 = 536.870_912;

/// All rows.
pub(super) fn rows(setting: &Setting<'_>, samples: &Samples) -> Vec<Row> {
    let maker = Maker { setting, samples };
    let mut rows = Vec::new();
    for (load, target, stretch) in [(ONE_K, 40.0, 25.0), (TWELVE_K, 90.0, 60.0)] {
        let name = format!("CPU a request, {load} tokens, 64 in flight");
        rows.push(maker.at_most(name, "us", (load, "us a request"), target, Some(stretch)));
        rows.extend(AWARE.map(|rival| maker.times_less(load, rival)));
        rows.push(maker.times_haproxy(load, "us a request", "request"));
        rows.push(maker.reported(
            format!("requests a second, {load} tokens, 64 in flight"),
            "/s",
            (load, "requests/s"),
        ));
    }
    for (load, what, target, stretch) in
        [(BURST, "as fast as they go", 3.5, 2.5), (PACED, "one each 10 ms", 25.0, 18.0)]
    {
        let name = format!("CPU a streamed chunk, 64 streams, {what}");
        rows.push(maker.at_most(name, "us", (load, "us a chunk"), target, Some(stretch)));
        rows.push(maker.times_haproxy(load, "us a chunk", "chunk"));
        rows.push(maker.reported(format!("chunks a read of the client, {what}"), "", (load, "chunks a read")));
    }
    for load in [LOW_ONE_K, LOW_TWELVE_K] {
        let haproxy = samples.of("haproxy", load, "added p50").map(|spread| spread.median);
        rows.push(maker.at_most(format!("added p50, {load}"), "us", (load, "added p50"), 300.0, haproxy));
        rows.push(maker.reported(format!("added p99, {load}"), "us", (load, "added p99")));
    }
    let haproxy = samples.of("haproxy", PACED, "added first p50").map(|spread| spread.median);
    rows.push(maker.at_most("added TTFT p50, paced streams".into(), "us", (PACED, "added first p50"), 250.0, haproxy));
    rows.push(maker.reported("added one-way time of a chunk p50, paced".into(), "us", (PACED, "added one way p50")));
    for load in [ONE_K, TWELVE_K] {
        let name = |what| format!("{what}, {load} tokens, 64 in flight after cold serial first contact");
        let (about, figure) = (name("affinity"), (load, "affinity"));
        let affinity = maker.row(about, "", figure);
        rows.push(maker.promise(affinity, Want::AtLeast(0.98), Some(Want::AtLeast(0.995))));
        rows.push(maker.at_most(name("hottest engine's share"), "", (load, "hottest"), 0.2, Some(0.16)));
    }
    rows.push(maker.reported("memory idle".into(), "MB", (ONE_K, "MB before")));
    let after = "memory after all loads (100 MB and the index's bound)".into();
    rows.push(maker.at_most(after, "MB", (PACED, "MB after"), 100.0 + INDEX_BOUND, Some(60.0)));
    rows.push(maker.at_most("peak with a body of 64 MB".into(), "MB", (BIG, "MB peak"), 84.0, None));
    rows.push(maker.reported("time for a body of 64 MB".into(), "ms", (BIG, "ms")));
    rows.push(maker.failures());
    rows.extend([ONE_K, TWELVE_K].into_iter().flat_map(|load| maker.tokenized(load)));
    rows.extend(maker.circumstances());
    rows
}

struct Maker<'a> {
    setting: &'a Setting<'a>,
    samples: &'a Samples,
}

/// A load and a figure.
type Of = (&'static str, &'static str);

impl Maker<'_> {
    /// Ours, with the rivals' in the note.
    fn row(&self, name: String, unit: &'static str, (load, figure): Of) -> Row {
        let ours = self.samples.of(OURS, load, figure);
        let rivals = self.samples.who().filter(|who| ![OURS, TOKENIZED, DIRECT].contains(who));
        let rivals = rivals.filter_map(|who| Some((who, self.samples.of(who, load, figure)?)));
        let rivals = rivals.map(|(who, spread)| format!("{who} {spread}"));
        let said: Vec<_> = ours.iter().map(|spread| format!("ours {spread}")).chain(rivals).collect();
        let row = Row::new(name).unit(unit).saw(ours.map_or(f64::NAN, |spread| spread.median));
        row.note(said.join(", "))
    }

    fn reported(&self, name: String, unit: &'static str, of: Of) -> Row {
        self.row(name, unit, of)
    }

    fn at_most(&self, name: String, unit: &'static str, of: Of, target: f64, stretch: Option<f64>) -> Row {
        self.promise(self.row(name, unit, of), Want::AtMost(target), stretch.map(Want::AtMost))
    }

    fn promise(&self, row: Row, want: Want, stretch: Option<Want>) -> Row {
        match stretch {
            Some(stretch) => self.setting.promise(row, want, stretch),
            None if self.setting.tiny => row,
            None => row.want(want),
        }
    }

    /// How many times less processor time than a cache-aware rival.
    fn times_less(&self, load: &'static str, rival: &'static str) -> Row {
        let row = Row::new(format!("CPU a request, {load} tokens: times less than {rival}")).unit("x");
        let ratio = self.samples.ratio(load, "us a request", OURS, rival);
        if self.samples.of(rival, load, "us a request").is_none() {
            return row.skip(format!("{rival} was not measured"));
        }
        let row = row.saw(ratio.map_or(f64::NAN, |ratio| ratio.median));
        self.promise(row.note(ratio.map_or_else(String::new, |ratio| ratio.to_string())), Want::AtLeast(4.0), None)
    }

    /// How many times as much processor time as the plainest proxy: machines differ less in this than in microseconds.
    fn times_haproxy(&self, load: &'static str, figure: &'static str, each: &str) -> Row {
        let row = Row::new(format!("CPU a {each}, {load}: times that of haproxy")).unit("x");
        match self.samples.ratio(load, figure, "haproxy", OURS) {
            Some(ratio) => row.saw(ratio.median).note(ratio.to_string()),
            None => row.skip("haproxy was not measured"),
        }
    }

    /// What a tokenizer in process adds beside its own time, and what that is.
    fn tokenized(&self, load: &'static str) -> [Row; 3] {
        let of = |figure| self.samples.of(TOKENIZED, load, figure);
        let told = |name: &str, figure| {
            let row = Row::new(format!("with a tokenizer, {load} tokens: {name}")).unit("us");
            match of(figure) {
                Some(spread) => row.saw(spread.median).note(spread.to_string()),
                None => row.skip("it was not measured"),
            }
        };
        let row = Row::new(format!("with a tokenizer, {load} tokens: CPU a request, as times that without")).unit("x");
        let ratio = match self.samples.ratio(load, "us a request", OURS, TOKENIZED) {
            Some(ratio) => self.promise(row.saw(ratio.median).note(ratio.to_string()), Want::AtMost(1.2), None),
            None => row.skip("it was not measured"),
        };
        let cpu = told("CPU a request but for the tokenizer's threads, 64 in flight", "us a request");
        [ratio, cpu, told("CPU a request of the tokenizer's threads", "tokenizer us a request")]
    }

    /// Requests of ours that failed or were answered wrongly; those of others in the note.
    fn failures(&self) -> Row {
        let failures = self.samples.failures();
        let ours = failures.get(OURS).map_or(0, |ours| ours.requests + ours.runs);
        let said = failures.iter().map(|(who, of)| {
            let first = of.first.as_deref().unwrap_or_default().lines().next().unwrap_or_default();
            let first: String = first.chars().take(160).collect();
            format!("{who}: {} requests, {} runs, first: {first}", of.requests, of.runs)
        });
        let said = said.collect::<Vec<_>>().join("; ");
        Row::new("requests through ours that failed").want(Want::AtMost(0.0)).saw(ours as f64).note(said)
    }

    /// How far the figures can be trusted.
    fn circumstances(&self) -> Vec<Row> {
        let rate = |load| self.samples.of(DIRECT, load, "requests/s");
        let direct = [ONE_K, TWELVE_K].map(|load| {
            let row = Row::new(format!("engines without a gateway, {load} tokens")).unit("/s");
            row.saw(rate(load).map_or(f64::NAN, |spread| spread.median))
        });
        let (loads, noisy) = self.samples.noise();
        let foreign = self.samples.greatest("foreign use");
        let mut rows = Vec::from(direct);
        let wait =
            Row::new("p50 without a gateway, 200/s 1k").unit("us").saw(self.samples.median(DIRECT, LOW_ONE_K, "p50"));
        rows.push(wait);
        rows.push(
            Row::new("loads during which anything else took more than 12% of a core")
                .saw(noisy as f64)
                .note(format!("of {loads}; at worst {foreign:.2} cores")),
        );
        rows.push(Row::new("harness core in use at most").saw(self.samples.greatest("harness use")));
        rows
    }
}
