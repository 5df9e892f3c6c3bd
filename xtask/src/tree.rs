//! The dependency tree of one package, with the features that it has when it is built alone.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::error::Error;

/// What is in a package's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Every package by name, the root itself included; two versions of one package count twice.
    pub(crate) packages: BTreeSet<(String, String)>,
}

impl Tree {
    /// Asks cargo for the normal dependencies of `package` on this platform.
    ///
    /// `cargo tree -p` resolves the features for that package alone. The workspace's metadata would not do: there the
    /// features of all members are added up, which hides what one crate asks for and invents what it does not.
    ///
    /// # Errors
    /// When cargo cannot be started, or refuses.
    pub(crate) fn of(package: &str, edges: &str, features: &[&str], root: &Path) -> Result<Self, Error> {
        let mut arguments = vec!["tree", "--locked", "--package", package, "--edges", edges];
        arguments.extend(["--prefix", "none", "--format", "{p}"]);
        arguments.extend(features);
        // Without the network first. A machine that has fetched only what it built may lack a crate of another feature.
        let text = match cargo(&[arguments.as_slice(), &["--offline"]].concat(), root) {
            Ok(text) => text,
            Err(_) => cargo(&arguments, root)?,
        };
        Ok(Self::parse(&text))
    }

    /// Reads lines such as `serde v1.0.229` and `phalanx-gang v0.1.0 (/some/where) (*)`.
    pub(crate) fn parse(text: &str) -> Self {
        let packages = text
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                Some((words.next()?.to_owned(), words.next()?.to_owned()))
            })
            .collect();
        Self { packages }
    }

    /// The names among these that are in the tree.
    pub(crate) fn holds<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        names.iter().copied().filter(|name| self.packages.iter().any(|(package, _)| package == name)).collect()
    }
}

/// Runs cargo in `root` and returns what it prints.
pub(crate) fn cargo(arguments: &[&str], root: &Path) -> Result<String, Error> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let command = || format!("cargo {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|source| Error::Start { command: command(), source })?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::Failed { command: command(), status: output.status, stderr });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_counts_each_package_and_version_once() {
        let tree = Tree::parse(
            "phalanx-gang v0.1.0 (/some/where)\nserde v1.0.0\nsyn v2.0.0 (proc-macro)\nsyn v1.0.0\nserde v1.0.0 (*)\n\n",
        );
        assert_eq!(tree.packages.len(), 4);
        assert_eq!(tree.holds(&["tokio", "serde"]), ["serde"]);
    }
}
