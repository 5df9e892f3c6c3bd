//! Rivals that Python's registry has, each in a folder of its own below the target folder.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::measure::Setting;

/// A program of a package at a version, installed if it is not there yet; or why there is none.
///
/// Each has a folder of its own: two of them bring a program of the same name.
pub(super) fn program(setting: &Setting<'_>, package: &str, version: &str, name: &str) -> Result<PathBuf, String> {
    let folder = setting.workspace.target.join("gateways").join(format!("{package}-{version}"));
    let (program, done) = (folder.join("bin").join(name), folder.join("installed"));
    if !done.is_file() {
        (setting.note)(&format!("installing {package} {version}\n"));
        run("python3", &["-m", "venv", &folder.display().to_string()])?;
        let pip = folder.join("bin/pip").display().to_string();
        run(&pip, &["install", "--quiet", &format!("{package}=={version}")])?;
        std::fs::write(&done, "").map_err(|error| format!("{}: {error}", done.display()))?;
    }
    if program.is_file() { Ok(program) } else { Err(format!("{package} {version} has no program `{name}`")) }
}

/// Runs a program to its end; its last words when it fails.
pub(super) fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(text.lines().last().unwrap_or("it failed without a word").to_owned())
}
