//! The proofs that CI runs with a thousand cases, once with many.

use std::process::{Command, Stdio};
use std::time::Instant;

use super::super::row::{Row, Want};
use super::Setting;
use crate::error::Error;

/// What is proven, by which tests of which package, and with how many cases each.
const PROOFS: [(&str, &str, &[&str], u32); 3] = [
    ("gang: invariants 1 to 7 and properties against brute force", "phalanx-gang", &["invariants"], 100_000),
    ("gang: objectives against slow references on mid-size clusters", "phalanx-gang", &["references"], 10_000),
    ("topology: ledger and index against models", "phalanx-topology", &["invariants", "index"], 100_000),
];

/// A row for each proof.
pub(super) fn rows(setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
    PROOFS.into_iter().map(|proof| row(setting, proof)).collect()
}

fn row(setting: &Setting<'_>, (what, package, tests, cases): (&str, &str, &[&str], u32)) -> Result<Row, Error> {
    (setting.note)(&format!("{what}, {cases} cases each\n"));
    let mut arguments = vec!["test", "--release", "--locked", "--quiet", "--package", package];
    tests.iter().for_each(|test| arguments.extend(["--test", test]));
    let command = || format!("PROPTEST_CASES={cases} cargo {}", arguments.join(" "));
    let started = Instant::now();
    let status = Command::new(env!("CARGO"))
        .args(&arguments)
        .env("PROPTEST_CASES", cases.to_string())
        .current_dir(&setting.workspace.root)
        .stdout(Stdio::null())
        .status()
        .map_err(|source| Error::Start { command: command(), source })?;
    let took = started.elapsed().as_secs();
    Ok(Row::new(format!("{what}, {cases} cases each")).want(Want::Yes).held(status.success()).note(format!("{took} s")))
}
