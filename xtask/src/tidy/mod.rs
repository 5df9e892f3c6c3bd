//! What the compiler does not check: one file a check, all of them also tests of this package.

mod docs;
mod examples;
mod folders;
mod graph;
mod length;
mod lints;
mod purity;
mod runtime;
mod signatures;
mod sleeps;
mod unfinished;
mod versions;

#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use self::length::MOST_LINES;
pub(crate) use self::runtime::BANNED as RUNTIMES;
pub(crate) use self::sleeps::marks_a_test;

use crate::error::Error;
use crate::workspace::Workspace;

/// One thing that must hold of the whole workspace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    /// One word or two, as `cargo xtask tidy` prints it.
    pub(crate) name: &'static str,
    /// What it holds, in a sentence.
    pub(crate) holds: &'static str,
    /// Looks, and lists what it found.
    pub(crate) run: fn(&Workspace) -> Result<Vec<Violation>, Error>,
}

/// Every check. A new one is a file in this folder and a line here.
pub(crate) const CHECKS: &[Check] = &[
    graph::CHECK,
    runtime::CHECK,
    purity::CHECK,
    signatures::CHECK,
    lints::CHECK,
    folders::CHECK,
    versions::CHECK,
    docs::CHECK,
    length::CHECK,
    sleeps::CHECK,
    unfinished::CHECK,
    examples::CHECK,
];

/// Something that should not be there, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// A file from the workspace's root, or a package.
    place: String,
    /// The line, from 1, where there is one.
    line: Option<usize>,
    /// What is wrong, and what would be right.
    what: String,
}

impl Violation {
    /// Something wrong with a package or a whole file.
    pub(crate) fn of(place: &str, what: impl Into<String>) -> Self {
        Self { place: place.to_owned(), line: None, what: what.into() }
    }

    /// Something wrong at a line of a file.
    pub(crate) fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { place: path.to_owned(), line: Some(line), what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.place, self.what),
            None => write!(f, "{}: {}", self.place, self.what),
        }
    }
}
