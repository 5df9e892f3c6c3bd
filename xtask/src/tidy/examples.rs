//! Every example is run by the tests.

use super::lints::{look, parse};
use super::{Check, Violation};
use crate::error::Error;
use crate::workspace::{Package, Workspace};

pub(crate) const CHECK: Check = Check {
    name: "examples",
    holds: "each program in examples/ is listed with `test = true` and `harness = false`, so that cargo test runs it",
    run,
};

/// The member whose programs these are.
const PACKAGE: &str = "phalanx-examples";

fn run(workspace: &Workspace) -> Result<Vec<Violation>, Error> {
    let Some(package) = workspace.packages.iter().find(|package| package.name == PACKAGE) else {
        return Ok(vec![Violation::of(PACKAGE, "is no member of the workspace")]);
    };
    let programs = workspace.sources_of(PACKAGE).filter_map(|source| source.path.strip_prefix("examples/"));
    judge(package, programs.filter(|path| !path.contains('/')))
}

fn judge<'a>(package: &Package, programs: impl Iterator<Item = &'a str>) -> Result<Vec<Violation>, Error> {
    let manifest = parse("examples/Cargo.toml", &package.manifest)?;
    let listed = look(&manifest, &["example"]).and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut found = Vec::new();
    for program in programs {
        let entry = listed.iter().find(|entry| entry.get("path").and_then(toml::Value::as_str) == Some(program));
        let flag = |key: &str| entry.and_then(|entry| entry.get(key)).and_then(toml::Value::as_bool);
        if (flag("test"), flag("harness")) != (Some(true), Some(false)) {
            let name = program.trim_end_matches(".rs");
            let entry = format!("[[example]] name = {name:?}, path = {program:?}, test = true, harness = false");
            found.push(Violation::of("examples/Cargo.toml", format!("must list {entry}")));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::package;

    #[test]
    fn an_example_that_no_test_runs_is_found() {
        let mut examples = package(PACKAGE, &[]);
        examples.manifest = "[[example]]\nname = \"a\"\npath = \"a.rs\"\ntest = true\nharness = false\n\
                             [[example]]\nname = \"b\"\npath = \"b.rs\"\n"
            .to_owned();
        let found = judge(&examples, ["a.rs", "b.rs", "c.rs"].into_iter()).expect("the fixture parses");
        let names: Vec<_> = found.iter().map(|found| found.to_string().contains("\"b.rs\"")).collect();
        assert_eq!(names, [true, false]);
    }
}
