//! What tests alone use of this workspace has no version.

use super::{Check, Violation};
use crate::error::Error;
use crate::workspace::Workspace;

pub(crate) const CHECK: Check = Check {
    name: "versions",
    holds: "internal dev-dependencies name a path and no version, so that crates can be published one after the other",
    run,
};

fn run(workspace: &Workspace) -> Result<Vec<Violation>, Error> {
    let mut found = Vec::new();
    for package in &workspace.packages {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.internal && dependency.for_tests) {
            if dependency.versions != "*" {
                let short = dependency.name.strip_prefix("phalanx-").unwrap_or(&dependency.name);
                let want = format!("{} = {{ path = \"../{short}\" }}", dependency.name);
                let what = format!("[dev-dependencies] {} has a version; write {want}", dependency.name);
                found.push(Violation::of(&format!("{}/Cargo.toml", package.folder), what));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::{internal, package, workspace};

    #[test]
    fn an_internal_dev_dependency_with_a_version_is_found() {
        let mut pinned = internal("phalanx-topology");
        pinned.for_tests = true;
        let mut free = pinned.clone();
        free.versions = "*".to_owned();
        assert_eq!(run(&workspace(&[package("phalanx-gang", &[pinned])], &[])).expect("nothing to read").len(), 1);
        assert_eq!(run(&workspace(&[package("phalanx-gang", &[free])], &[])).expect("nothing to read"), []);
    }
}
