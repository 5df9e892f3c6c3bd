//! No runtime and no global randomness in the trees of the pure crates and of the shapes.

use super::{Check, Violation};
use crate::error::Error;
use crate::tree::Tree;
use crate::workspace::Workspace;

pub(crate) const CHECK: Check = Check {
    name: "runtime",
    holds: "pure crates and phalanx-manifest have no runtime, HTTP stack or random numbers in their trees",
    run,
};

/// What must not be in a pure crate's tree. The first four are the design's rule; the others are the same thing by
/// another name.
pub(crate) const BANNED: &[&str] =
    &["tokio", "mio", "hyper", "rand", "rand_core", "getrandom", "fastrand", "async-std", "smol", "socket2", "h2"];

fn run(workspace: &Workspace) -> Result<Vec<Violation>, Error> {
    let mut found = Vec::new();
    for package in workspace.packages.iter().filter(|package| package.is_apart_from_the_world()) {
        // With every feature on: features only add, so this tree holds all others.
        let features: &[&str] = if package.has_features { &["--all-features"] } else { &[] };
        found.extend(judge(&package.name, &Tree::of(&package.name, "normal", features, &workspace.root)?));
    }
    Ok(found)
}

fn judge(package: &str, tree: &Tree) -> Option<Violation> {
    let held = tree.holds(BANNED);
    (!held.is_empty()).then(|| {
        let ask = format!("`cargo tree -p {package} -e normal -i {}` says why", held[0]);
        Violation::of(package, format!("has {} in its tree; {ask}", held.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_anywhere_in_the_tree_is_found() {
        let tree = Tree::parse("phalanx-gang v0.1.0 (/here)\nserde v1.0.0\ntokio v1.54.0\nmio v1.0.0\n");
        let found = judge("phalanx-gang", &tree).expect("tokio is in the tree").to_string();
        assert!(found.starts_with("phalanx-gang: has tokio, mio in its tree"), "{found}");
        assert_eq!(judge("phalanx-gang", &Tree::parse("phalanx-gang v0.1.0\nserde v1.0.0\n")), None);
    }
}
