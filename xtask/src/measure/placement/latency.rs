//! How long the planner takes on a large cluster that changes all the time.

use serde::Deserialize;

use super::super::program::Program;
use super::super::row::{Row, Want};
use super::Setting;
use crate::error::Error;

/// An operation, its target and its stretch, as 99th percentiles in microseconds.
const TARGETS: [(&str, f64, f64); 10] = [
    ("128x8, warm", 100.0, 30.0),
    ("1024x1, warm", 100.0, 30.0),
    ("128x8, first time", 1_000.0, 300.0),
    ("1024x1, first time", 1_000.0, 300.0),
    ("nested, 1024 pods", 3_000.0, 1_000.0),
    ("commit 128 nodes", 100.0, 30.0),
    ("release 128 nodes", 100.0, 30.0),
    ("roll back 128 nodes", 100.0, 30.0),
    ("infeasible in a rack", 1_000.0, 300.0),
    ("infeasible in the cluster", 1_000.0, 300.0),
];

/// Runs of the whole; of their 99th percentiles the median is reported.
const ROUNDS: usize = 3;

/// What the bench's program says of one operation.
#[derive(Clone, Debug, Deserialize)]
struct Times {
    operation: String,
    p50_us: f64,
    p99_us: f64,
}

/// A row for each operation at 12,500 nodes, with how it grows at ten times as many.
pub(super) fn rows(setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
    let program = Program::prepare(setting, "placement")?;
    let mut rounds: Vec<Vec<Times>> = Vec::new();
    for round in 1..=ROUNDS {
        (setting.note)(&format!("placement on 12,500 nodes, round {round}\n"));
        rounds.push(program.run(&["12500", "2000"])?);
    }
    (setting.note)("placement on 125,000 nodes\n");
    let large: Vec<Times> = program.run(&["125000", "200"])?;
    let mut rows = Vec::new();
    for (operation, target, stretch) in TARGETS {
        let row = Row::new(format!("{operation}: p99")).unit("us");
        let row = row.want(Want::AtMost(target)).stretch(Want::AtMost(stretch));
        let of = |times: &[Times]| times.iter().find(|times| times.operation == operation).cloned();
        let mut seen: Vec<Times> = rounds.iter().filter_map(|times| of(times)).collect();
        seen.sort_by(|a, b| a.p99_us.total_cmp(&b.p99_us));
        rows.push(match (seen.get(seen.len() / 2), of(&large)) {
            (Some(times), Some(large)) => {
                let (first, last) = (seen[0].p99_us, seen[seen.len() - 1].p99_us);
                row.saw(times.p99_us).note(format!(
                    "p50 {:.1}; rounds {first:.1} to {last:.1}; 125,000 nodes: p50 {:.1}, p99 {:.1}",
                    times.p50_us, large.p50_us, large.p99_us
                ))
            }
            _ => row.saw(f64::NAN).note("the bench does not know it"),
        });
    }
    Ok(rows)
}
