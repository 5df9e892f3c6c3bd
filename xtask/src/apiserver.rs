//! A real API server for tests: etcd, kube-apiserver and kubectl, built from the Go modules that
//! `xtask/kubernetes/go.mod` names.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;

/// The release of Kubernetes; the module file has the same.
const VERSION: &str = "1.36.3";

/// What each program is built from.
const PROGRAMS: [(&str, &str); 3] = [
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
];

/// Builds the programs into a folder below `parts`, but for those that are there, and gives the folder, which
/// `KUBEBUILDER_ASSETS` is to name for the tests. On two cores it takes 10 minutes and 2 GB of memory once, and then no time.
///
/// # Errors
/// When there is no `go`, or a program cannot be built.
pub(crate) fn build(root: &Path, parts: &Path, note: &dyn Fn(&str)) -> Result<PathBuf, Error> {
    std::fs::create_dir_all(parts).map_err(|error| Error::file(parts, error))?;
    let parts = parts.canonicalize().map_err(|error| Error::file(parts, error))?;
    let folder = parts.join(format!("kubernetes-{VERSION}"));
    std::fs::create_dir_all(&folder).map_err(|error| Error::file(&folder, error))?;
    for (name, package) in PROGRAMS {
        let program = folder.join(name);
        if program.is_file() {
            continue;
        }
        note(&format!("building {name} of Kubernetes {VERSION}\n"));
        // Under its own name it is whole: a build that ends half-way leaves nothing that looks like it.
        let partial = folder.join(format!("{name}.partial"));
        go(&root.join("xtask").join("kubernetes"), &partial, package)?;
        std::fs::rename(&partial, &program).map_err(|error| Error::file(&program, error))?;
    }
    Ok(folder)
}

fn go(module: &Path, program: &Path, package: &str) -> Result<(), Error> {
    let (major, minor) = ("1", VERSION.split('.').nth(1).unwrap_or_default());
    let version = "k8s.io/component-base/version";
    let flags =
        format!("-s -w -X {version}.gitVersion=v{VERSION} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}");
    let arguments = ["build", "-trimpath", "-buildvcs=false", "-ldflags", &flags, "-o"];
    let mut build = Command::new("go");
    build.args(arguments).arg(program).arg(package).current_dir(module).env("CGO_ENABLED", "0").stdin(Stdio::null());
    let command = || format!("go {} {} {package}", arguments.join(" "), program.display());
    let output = build.output().map_err(|source| Error::Start { command: command(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::Failed { command: command(), status: output.status, stderr })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_not_built_again() {
        let parts = std::env::temp_dir().join(format!("apiserver-{}", std::process::id()));
        let folder = parts.join(format!("kubernetes-{VERSION}"));
        std::fs::create_dir_all(&folder).expect("a scratch folder");
        for (name, _) in PROGRAMS {
            std::fs::write(folder.join(name), "").expect("a file");
        }
        let built = build(Path::new("/nowhere"), &parts, &|told| panic!("{told}")).expect("all is there");
        assert!(built.is_absolute() && built.ends_with(format!("kubernetes-{VERSION}")), "{built:?}");
        std::fs::remove_dir_all(&parts).expect("it is ours");
    }

    #[test]
    fn the_module_has_the_same_release() {
        let module = concat!(env!("CARGO_MANIFEST_DIR"), "/kubernetes/go.mod");
        let module = std::fs::read_to_string(module).expect("the module file");
        assert!(module.contains(&format!("k8s.io/kubernetes v{VERSION}\n")), "{module}");
    }
}
