use super::*;
use crate::source::Source;
use crate::workspace::{Dependency, Package};

/// A made-up member in the folder that its name asks for.
pub(super) fn package(name: &str, dependencies: &[Dependency]) -> Package {
    let folder = format!("crates/{}", name.strip_prefix("phalanx-").unwrap_or(name));
    Package { name: name.to_owned(), folder, dependencies: dependencies.to_vec(), ..Package::default() }
}

/// A dependency on a member of the workspace, with its version.
pub(super) fn internal(name: &str) -> Dependency {
    Dependency {
        name: name.to_owned(),
        known_as: name.replace('-', "_"),
        for_tests: false,
        internal: true,
        versions: "^0.1.0".to_owned(),
    }
}

/// A made-up workspace.
pub(super) fn workspace(packages: &[Package], sources: &[Source]) -> Workspace {
    Workspace { packages: packages.to_vec(), sources: sources.to_vec(), ..Workspace::default() }
}

/// Runs one check on the workspace as it is.
fn holds(check: Check) {
    let workspace = Workspace::load().expect("cargo describes the workspace");
    let violations = (check.run)(&workspace).expect("the check can look");
    let list: Vec<_> = violations.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{}: {}\n  {}", check.name, check.holds, list.join("\n  "));
}

/// One test a check, so that a failure names the check; and a test that none was forgotten.
macro_rules! each {
    ($($check:ident),+ $(,)?) => {
        $(
            #[test]
            fn $check() {
                holds(super::$check::CHECK);
            }
        )+

        #[test]
        fn every_check_is_a_test() {
            let tested = [$(stringify!($check)),+];
            let listed: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
            assert_eq!(listed, tested);
        }
    };
}

each!(graph, runtime, purity, signatures, lints, folders, versions, docs, length, sleeps, unfinished, examples);
