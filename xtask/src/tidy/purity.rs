//! Pure crates and the shapes leave the world alone: no sockets, files, environment, processes or clocks.

use super::{Check, Violation};
use crate::error::Error;
use crate::source::Source;
use crate::workspace::Workspace;

pub(crate) const CHECK: Check = Check {
    name: "purity",
    holds: "pure crates and phalanx-manifest do not name std's net, fs, env or process, nor read a clock, in tests either",
    run,
};

/// Clippy's list of banned functions says the same of single calls; this sees whole modules, and macros.
const BANNED: &[([&str; 2], &str)] = &[
    (["std", "net"], "sockets belong to the adapters"),
    (["std", "fs"], "the caller reads files and passes text"),
    (["std", "env"], "settings come from the caller"),
    (["std", "process"], "the caller starts processes"),
    (["Instant", "now"], "time is an argument: `now: Duration` since the caller's epoch"),
    (["SystemTime", "now"], "time is an argument: `now: Duration` since the caller's epoch"),
];

fn run(workspace: &Workspace) -> Result<Vec<Violation>, Error> {
    let mut found = Vec::new();
    for package in workspace.packages.iter().filter(|package| package.is_apart_from_the_world()) {
        for source in workspace.sources_of(&package.name) {
            found.extend(judge(source)?);
        }
    }
    Ok(found)
}

fn judge(source: &Source) -> Result<Vec<Violation>, Error> {
    let tokens = source.tokens()?;
    let mut found = Vec::new();
    for (path, why) in BANNED {
        for line in tokens.find_path(*path) {
            found.push(Violation::at(&source.path, line, format!("names {}; {why}", path.join("::"))));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_clocks_are_found_in_code_and_not_in_prose() {
        let text = "//! std::fs is not for us.\nuse std::{fmt, net::IpAddr};\nfn f() { let _ = std::time::Instant::now(); }\n\
                    const NAME: &str = \"std::env\";\n";
        let found = judge(&Source::new("phalanx-gang", "crates/gang/src/lib.rs", text)).expect("the fixture parses");
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "crates/gang/src/lib.rs:2: names std::net; sockets belong to the adapters",
                "crates/gang/src/lib.rs:3: names Instant::now; time is an argument: `now: Duration` since the caller's epoch",
            ]
        );
    }
}
