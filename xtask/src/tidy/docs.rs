//! Every source file says at its head what it is.

use super::{Check, Violation};
use crate::error::Error;
use crate::source::Source;
use crate::workspace::Workspace;

pub(crate) const CHECK: Check =
    Check { name: "docs", holds: "every source file but tests.rs begins with `//!` docs", run };

fn run(workspace: &Workspace) -> Result<Vec<Violation>, Error> {
    Ok(workspace.sources.iter().filter_map(judge).collect())
}

fn judge(source: &Source) -> Option<Violation> {
    if source.file_name() == "tests.rs" {
        return None;
    }
    let head = source.text.lines().map_while(|line| line.strip_prefix("//!"));
    let empty = head.flat_map(str::split_whitespace).next().is_none();
    empty.then(|| Violation::of(&source.path, "must begin with `//!` docs that say what the file is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_docs_at_its_head_is_found() {
        let source = |text| Source::new("phalanx-gang", "crates/gang/src/plan.rs", text);
        assert!(judge(&source("use std::fmt;\n//! Too late.\n")).is_some());
        assert!(judge(&source("//!\n")).is_some());
        assert!(judge(&source("//! Where each pod goes.\nuse std::fmt;\n")).is_none());
        assert!(judge(&Source::new("phalanx-gang", "crates/gang/src/plan/tests.rs", "use super::*;\n")).is_none());
    }
}
