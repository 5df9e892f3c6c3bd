//! Every member takes the workspace's lints, and those forbid `unsafe`.

use super::{Check, Violation};
use crate::error::Error;
use crate::workspace::Workspace;

pub(crate) const CHECK: Check = Check {
    name: "lints",
    holds: "`unsafe` is forbidden and public items are documented in every member: [lints] workspace = true",
    run,
};

/// What the root manifest must say, lint by lint.
const WORKSPACE: &[(&str, &str)] = &[("unsafe_code", "forbid"), ("missing_docs", "deny")];

fn run(workspace: &Workspace) -> Result<Vec<Violation>, Error> {
    let mut found = Vec::new();
    let root = parse("Cargo.toml", &workspace.manifest)?;
    for (lint, level) in WORKSPACE {
        let is = look(&root, &["workspace", "lints", "rust", lint]).and_then(toml::Value::as_str);
        if is != Some(level) {
            found.push(Violation::of("Cargo.toml", format!("[workspace.lints.rust] must say {lint} = \"{level}\"")));
        }
    }
    for package in &workspace.packages {
        let path = format!("{}/Cargo.toml", package.folder);
        let manifest = parse(&path, &package.manifest)?;
        if look(&manifest, &["lints", "workspace"]).and_then(toml::Value::as_bool) != Some(true) {
            found.push(Violation::of(&path, "must take the workspace's lints: [lints] workspace = true"));
        }
    }
    Ok(found)
}

/// Reads a manifest.
pub(super) fn parse(path: &str, text: &str) -> Result<toml::Table, Error> {
    text.parse().map_err(|source| Error::Toml { path: path.to_owned(), source: Box::new(source) })
}

/// The value under these keys, one inside the other.
pub(super) fn look<'a>(table: &'a toml::Table, keys: &[&str]) -> Option<&'a toml::Value> {
    let (first, rest) = keys.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, key| value.get(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::{package, workspace};

    #[test]
    fn a_member_without_the_lints_and_a_weaker_root_are_found() {
        let mut good = package("phalanx-gang", &[]);
        good.manifest = "[lints]\nworkspace = true\n".to_owned();
        let bad = package("phalanx-routing", &[]);
        let mut workspace = workspace(&[good, bad], &[]);
        workspace.manifest = "[workspace.lints.rust]\nunsafe_code = \"deny\"\nmissing_docs = \"deny\"\n".to_owned();
        let found: Vec<_> = run(&workspace).expect("the fixture parses").iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "Cargo.toml: [workspace.lints.rust] must say unsafe_code = \"forbid\"",
                "crates/routing/Cargo.toml: must take the workspace's lints: [lints] workspace = true",
            ]
        );
    }
}
