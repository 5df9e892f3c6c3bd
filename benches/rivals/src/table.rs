//! Figures as they come in, round by round, and what they say in the end.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Spread;

/// All figures of a run.
#[derive(Clone, Debug, Default)]
pub struct Table {
    seen: BTreeMap<Key, Vec<f64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    workload: String,
    ranks: u32,
    figure: String,
    index: String,
}

/// A figure of one index on one workload.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The workload.
    pub workload: String,
    /// The fleet.
    pub ranks: u32,
    /// What was measured, with its unit.
    pub figure: String,
    /// Of which index, and the way in which it answered.
    pub index: String,
    /// Over the rounds.
    #[serde(flatten)]
    pub spread: Spread,
}

impl Table {
    /// Adds what a round saw.
    pub fn saw(&mut self, workload: &str, ranks: u32, figure: &str, index: &str, value: f64) {
        let (workload, figure, index) = (workload.to_owned(), figure.to_owned(), index.to_owned());
        self.seen.entry(Key { workload, ranks, figure, index }).or_default().push(value);
    }

    /// Every figure over its rounds.
    pub fn rows(&self) -> Vec<Row> {
        let row = |(key, seen): (&Key, &Vec<f64>)| {
            let Key { workload, ranks, figure, index } = key.clone();
            Row { workload, ranks, figure, index, spread: Spread::of(seen) }
        };
        self.seen.iter().map(row).collect()
    }

    /// The same as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(&self.rows()).expect("rows are plain data")
    }

    /// The same for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for Row { workload, ranks, figure, index, spread: Spread { median, min, max } } in self.rows() {
            text += &format!("{workload:8} {ranks:6} {figure:28} {index:16} {median:10.2} [{min:.2}..{max:.2}]\n");
        }
        text
    }
}
