//! A member's folder is its name without the prefix.

use super::{Check, Violation};
use crate::error::Error;
use crate::workspace::Workspace;

pub(crate) const CHECK: Check =
    Check { name: "folders", holds: "a crate's folder is its package's name without `phalanx-`", run };

/// Members that are not under `crates/`.
const BESIDE: &[&str] = &["xtask", "benches", "examples"];

fn run(workspace: &Workspace) -> Result<Vec<Violation>, Error> {
    let mut found = Vec::new();
    for package in &workspace.packages {
        let short = package.name.strip_prefix("phalanx-").unwrap_or(&package.name);
        let want = if BESIDE.contains(&short) { short.to_owned() } else { format!("crates/{short}") };
        if package.folder != want {
            found.push(Violation::of(&package.name, format!("is in {}; its name asks for {want}", package.folder)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::{package, workspace};

    #[test]
    fn a_package_in_another_folder_is_found() {
        let mut moved = package("phalanx-gang", &[]);
        moved.folder = "crates/placement".to_owned();
        let mut benches = package("phalanx-benches", &[]);
        benches.folder = "benches".to_owned();
        let facade = package("phalanx", &[]);
        let found = run(&workspace(&[moved, benches, facade], &[])).expect("nothing to read");
        assert_eq!(found, [Violation::of("phalanx-gang", "is in crates/placement; its name asks for crates/gang")]);
    }
}
