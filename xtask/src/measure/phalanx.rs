//! The `phalanx` binary, as a newcomer would run it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Setting;
use crate::error::Error;
use crate::tree::cargo;

/// A built `phalanx`, run from the workspace's root.
#[derive(Clone, Debug)]
pub(crate) struct Phalanx {
    binary: PathBuf,
    root: PathBuf,
}

/// What one run printed, and how long it took from start to end.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// Wall time.
    pub(crate) took: Duration,
}

/// One policy's object of `phalanx simulate -o json`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) policy: String,
    pub(crate) requests: u64,
    pub(crate) completed: u64,
    pub(crate) rejected: u64,
    pub(crate) hit_ratio: f64,
    pub(crate) ttft_p50_ms: f64,
    pub(crate) ttft_p99_ms: f64,
    pub(crate) tpot_p50_ms: f64,
    /// A share of the requests.
    pub(crate) goodput: f64,
    pub(crate) simulated_engine_seconds: f64,
}

impl Phalanx {
    /// Builds the release binary, or takes the one that the setting names.
    ///
    /// # Errors
    /// When it does not build.
    pub(crate) fn prepare(setting: &Setting<'_>) -> Result<Self, Error> {
        let root = setting.workspace.root.clone();
        if let Some(binary) = setting.binary {
            // A relative name would be looked up from the workspace's root once the run starts there.
            let binary = std::path::absolute(binary).map_err(|error| Error::file(binary, error))?;
            return Ok(Self { binary, root });
        }
        (setting.note)("building phalanx (release)\n");
        cargo(&["build", "--release", "--locked", "--quiet", "--package", "phalanx"], &root)?;
        let binary = setting.workspace.target.join("release").join(format!("phalanx{}", std::env::consts::EXE_SUFFIX));
        Ok(Self { binary, root })
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it does not start, or exits with another code than 0.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Run, Error> {
        let command = || format!("phalanx {}", arguments.join(" "));
        let started = Instant::now();
        let output = Command::new(&self.binary).args(arguments).current_dir(&self.root).output();
        let output = output.map_err(|source| Error::Start { command: command(), source })?;
        let took = started.elapsed();
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::Failed { command: command(), status: output.status, stderr });
        }
        Ok(Run { stdout: output.stdout, took })
    }

    /// Replays a trace under policies; `more` are further arguments.
    ///
    /// # Errors
    /// As [`Phalanx::run`].
    pub(crate) fn simulate(&self, trace: &Path, engines: u32, policies: &[&str], more: &[&str]) -> Result<Run, Error> {
        let (trace, engines) = (trace.to_string_lossy(), engines.to_string());
        let mut arguments = vec!["simulate", "--trace", &trace, "--engines", &engines];
        arguments.extend(policies.iter().flat_map(|policy| ["--policy", policy]));
        arguments.extend(["-o", "json"]);
        arguments.extend(more);
        self.run(&arguments)
    }
}

impl Run {
    /// Reads the reports of `simulate -o json`.
    ///
    /// # Errors
    /// When it printed anything else.
    pub(crate) fn reports(&self) -> Result<Vec<Report>, Error> {
        serde_json::from_slice(&self.stdout).map_err(|error| Error::Answer {
            command: "phalanx simulate -o json".to_owned(),
            expected: format!("expected an array with one object a policy: {error}"),
        })
    }
}
