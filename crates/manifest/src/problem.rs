//! What is wrong with a manifest, and what is right but not acted on.

use core::cell::RefCell;
use core::fmt;
use std::sync::Arc;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The source's name, as the caller gave it.
    pub file: Arc<str>,
    /// The line of the field, from 1.
    pub line: u32,
    /// Kind and name of the object, as far as they are known: `ModelServing default/chat`.
    pub object: String,
    /// The field's path: `spec.template.roles[1].replicas`. Empty for the document as a whole.
    pub field: String,
    /// What is there.
    pub found: String,
    /// What should be.
    pub expected: String,
}

/// Everything that is wrong with a set of manifests, in the order of the sources and their lines. Never empty.
///
/// Displays as one line for each problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

/// Something that is valid and kept, but that this release does not act on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// The source's name, as the caller gave it.
    pub file: Arc<str>,
    /// The line of the field, from 1.
    pub line: u32,
    /// Kind and name of the object: `ModelServing default/chat`.
    pub object: String,
    /// The field's path: `spec.rateLimit`. Empty for the object as a whole.
    pub field: String,
    /// What happens instead.
    pub message: String,
}

impl Problems {
    /// Sorts nothing and drops nothing; `None` when there is no problem.
    pub(crate) fn of(problems: Vec<Problem>) -> Option<Self> {
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// The problems.
    ///
    /// ```
    /// use phalanx_manifest::{Manifests, Settings};
    ///
    /// let problems = Manifests::read([("node.yaml", "apiVersion: v1\nkind: Node\n")], &Settings::new()).unwrap_err();
    /// assert_eq!(problems.list()[0].field, "metadata");
    /// ```
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.0
    }
}

impl core::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, &self.file, self.line, &[&self.object, &self.field])?;
        write!(f, "found {}, expected {}", self.found, self.expected)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, &self.file, self.line, &[&self.object, &self.field])?;
        f.write_str(&self.message)
    }
}

fn place(f: &mut fmt::Formatter<'_>, file: &str, line: u32, parts: &[&str]) -> fmt::Result {
    write!(f, "{file}:{line}: ")?;
    parts.iter().filter(|part| !part.is_empty()).try_for_each(|part| write!(f, "{part}: "))
}

/// Where an object or a reference stands, for what is checked once everything is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    pub(crate) line: u32,
    pub(crate) object: String,
    pub(crate) field: String,
}

impl Place {
    pub(crate) fn problem(&self, found: impl Into<String>, expected: impl Into<String>) -> Problem {
        Problem {
            file: Arc::clone(&self.file),
            line: self.line,
            object: self.object.clone(),
            field: self.field.clone(),
            found: found.into(),
            expected: expected.into(),
        }
    }

    pub(crate) fn warning(&self, message: impl Into<String>) -> Warning {
        Warning {
            file: Arc::clone(&self.file),
            line: self.line,
            object: self.object.clone(),
            field: self.field.clone(),
            message: message.into(),
        }
    }
}

/// Collects what is said about one source while it is read.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) file: Arc<str>,
    pub(crate) object: RefCell<String>,
    pub(crate) problems: RefCell<Vec<Problem>>,
    pub(crate) warnings: RefCell<Vec<Warning>>,
}

impl Sink {
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.into(),
            object: RefCell::default(),
            problems: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    pub(crate) fn place(&self, line: u32, field: &str) -> Place {
        let object = self.object.borrow().clone();
        Place { file: Arc::clone(&self.file), line, object, field: field.to_owned() }
    }
}
