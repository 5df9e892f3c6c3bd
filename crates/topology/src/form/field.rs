//! Where in a form something stands.

use std::fmt;

use super::{FormError, FormProblem};

/// Where in a form something stands: `nodes[0].in`. It borrows the place around it and costs nothing until it is told.
///
/// ```
/// # use phalanx_topology::form::Field;
/// let cluster = Field::ROOT.name("cluster");
/// let nodes = cluster.name("nodes");
/// assert_eq!(nodes.index(2).to_string(), "cluster.nodes[2]");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    outer: Option<&'a Field<'a>>,
    part: Part<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    Root,
    Name(&'a str),
    Index(usize),
}

impl<'a> Field<'a> {
    /// The whole form.
    pub const ROOT: Self = Self { outer: None, part: Part::Root };

    /// A field in this one.
    #[must_use]
    pub const fn name(&'a self, name: &'a str) -> Self {
        Self { outer: Some(self), part: Part::Name(name) }
    }

    /// An item of this list.
    #[must_use]
    pub const fn index(&'a self, index: usize) -> Self {
        Self { outer: Some(self), part: Part::Index(index) }
    }

    /// What is wrong here.
    #[must_use]
    pub fn wrong(&self, problem: impl Into<FormProblem>) -> FormError {
        FormError::new(self.to_string(), problem.into())
    }

    /// What stands here is not what was expected.
    pub(super) fn expected(&self, found: impl fmt::Debug, expected: &'static str) -> FormError {
        self.wrong(FormProblem::Expected { found: format!("{found:?}"), expected })
    }
}

/// The names from the outside in, joined by dots.
impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Outwards first, then the other way round: forms are a few levels deep, and nothing here recurses.
        let mut parts = Vec::new();
        let mut at = Some(self);
        while let Some(field) = at {
            parts.push(field.part);
            at = field.outer;
        }
        let mut first = true;
        for part in parts.iter().rev() {
            match part {
                Part::Root => continue,
                Part::Name(name) if first => write!(f, "{name}")?,
                Part::Name(name) => write!(f, ".{name}")?,
                Part::Index(index) => write!(f, "[{index}]")?,
            }
            first = false;
        }
        Ok(())
    }
}
