//! No source file is longer than a person reads in one go.

use super::{Check, Violation};
use crate::error::Error;
use crate::workspace::Workspace;

pub(crate) const CHECK: Check =
    Check { name: "length", holds: "no source file has more than 500 lines, unless it is listed with a reason", run };

/// The most lines that a source file may have.
pub(crate) const MOST_LINES: usize = 500;

/// Files that may be longer, and why: one noun that would be harder to read in two places.
const LONGER: &[(&str, &str)] = &[];

fn run(workspace: &Workspace) -> Result<Vec<Violation>, Error> {
    Ok(judge(workspace, LONGER))
}

fn judge(workspace: &Workspace, longer: &[(&str, &str)]) -> Vec<Violation> {
    let mut found = Vec::new();
    for source in &workspace.sources {
        let lines = source.lines();
        let listed = longer.iter().any(|(path, _)| *path == source.path);
        if lines > MOST_LINES && !listed {
            found.push(Violation::of(&source.path, format!("has {lines} lines; at most {MOST_LINES}")));
        }
        if lines <= MOST_LINES && listed {
            found.push(Violation::of(&source.path, format!("has {lines} lines and needs no exception any more")));
        }
    }
    for (path, _) in longer {
        if !workspace.sources.iter().any(|source| source.path == *path) {
            found.push(Violation::of(path, "is listed as longer and does not exist"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;
    use crate::tidy::tests::workspace;

    #[test]
    fn a_long_file_a_needless_exception_and_a_stale_one_are_found() {
        let long = Source::new("phalanx-gang", "a.rs", &"\n".repeat(MOST_LINES + 1));
        let fits = Source::new("phalanx-gang", "b.rs", &"\n".repeat(MOST_LINES));
        let workspace = workspace(&[], &[long, fits]);
        assert_eq!(judge(&workspace, &[]), [Violation::of("a.rs", "has 501 lines; at most 500")]);
        let found = judge(&workspace, &[("a.rs", "a table"), ("b.rs", "a table"), ("c.rs", "a table")]);
        assert_eq!(found.len(), 2);
    }
}
