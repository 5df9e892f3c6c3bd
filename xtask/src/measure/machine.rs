//! What a figure was measured on: day, processor, compiler, commit.

use std::fmt;
use std::path::Path;
use std::process::Command;

use crate::error::Error;

/// What a record says of the machine and the code.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The day in UTC, as `2026-01-31`.
    pub(crate) date: String,
    processor: String,
    cores: usize,
    compiler: String,
    commit: String,
}

impl Facts {
    /// Asks the system, the compiler and git.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub(crate) fn gather(root: &Path) -> Result<Self, Error> {
        let commit = ask(root, "git", &["rev-parse", "--short=12", "HEAD"])?;
        let changed = !ask(root, "git", &["status", "--porcelain", "--untracked-files=no"])?.is_empty();
        Ok(Self {
            date: ask(root, "date", &["-u", "+%Y-%m-%d"])?,
            processor: processor(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            compiler: ask(root, "rustc", &["--version"])?,
            commit: if changed { format!("{commit}, with changes") } else { commit },
        })
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "- machine: {}, {} cores", self.processor, self.cores)?;
        writeln!(f, "- compiler: {}, release profile", self.compiler)?;
        writeln!(f, "- commit: {}", self.commit)
    }
}

/// The processor's name in Linux's list; other systems do not tell it this way.
fn processor(list: &str) -> String {
    let name = list.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| format!("unnamed {}", std::env::consts::ARCH), |(_, name)| name.trim().to_owned())
}

fn ask(root: &Path, program: &str, arguments: &[&str]) -> Result<String, Error> {
    let command = || format!("{program} {}", arguments.join(" "));
    let output = Command::new(program).args(arguments).current_dir(root).output();
    let output = output.map_err(|source| Error::Start { command: command(), source })?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::Failed { command: command(), status: output.status, stderr });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_where_the_system_tells() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: Fast One @ 3 GHz\n"), "Fast One @ 3 GHz");
        assert!(processor("").starts_with("unnamed "));
    }
}
