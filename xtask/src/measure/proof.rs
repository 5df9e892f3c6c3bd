//! The proofs that CI runs with some cases, once with many.

use std::process::{Command, Stdio};
use std::time::Instant;

use super::Setting;
use super::row::{Row, Want};
use crate::error::Error;

/// What is proven, by which tests of which package, and with how many cases each.
pub(super) type Proof = (&'static str, &'static str, &'static [&'static str], u32);

/// A row that says whether the tests pass.
pub(super) fn row(setting: &Setting<'_>, (what, package, tests, cases): Proof) -> Result<Row, Error> {
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
