//! A program of the benches, built for release, that answers in JSON.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::de::DeserializeOwned;

use super::Setting;
use crate::error::Error;
use crate::tree::cargo;

/// A built program of the benches.
#[derive(Clone, Debug)]
pub(super) struct Program {
    name: &'static str,
    binary: PathBuf,
}

impl Program {
    /// Builds one of the package `phalanx-benches`.
    ///
    /// # Errors
    /// When it does not build.
    pub(super) fn prepare(setting: &Setting<'_>, name: &'static str) -> Result<Self, Error> {
        (setting.note)(&format!("building the benches' {name} (release)\n"));
        let build = ["build", "--release", "--locked", "--quiet", "--package", "phalanx-benches", "--bin", name];
        cargo(&build, &setting.workspace.root)?;
        Ok(Self { name, binary: binary(&setting.workspace.target, name) })
    }

    /// Builds one of the workspace `benches/rivals`, in a target folder of its own.
    ///
    /// # Errors
    /// When it does not build.
    pub(super) fn beside_rivals(setting: &Setting<'_>, name: &'static str) -> Result<Self, Error> {
        (setting.note)(&format!("building the rivals' {name} (release)\n"));
        let target = setting.workspace.target.join("rivals");
        let folder = target.display().to_string();
        let manifest = ["--manifest-path", "benches/rivals/Cargo.toml", "--target-dir", &folder];
        let build = [&["build", "--release", "--locked", "--quiet", "--bin", name], &manifest[..]].concat();
        cargo(&build, &setting.workspace.root)?;
        Ok(Self { name, binary: binary(&target, name) })
    }

    /// Where it is.
    pub(super) fn into_path(self) -> PathBuf {
        self.binary
    }

    /// Runs it to its end. An answer that cannot be read is no answer: figures without a number.
    ///
    /// # Errors
    /// When it does not start, or exits with another code than 0.
    pub(super) fn run<T: DeserializeOwned + Default>(&self, arguments: &[&str]) -> Result<T, Error> {
        let command = || format!("{} {}", self.name, arguments.join(" "));
        let output = Command::new(&self.binary).args(arguments).output();
        let output = output.map_err(|source| Error::Start { command: command(), source })?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::Failed { command: command(), status: output.status, stderr });
        }
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }
}

fn binary(target: &Path, name: &str) -> PathBuf {
    target.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}
