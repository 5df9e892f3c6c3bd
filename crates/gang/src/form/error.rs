//! Why a form is no case.

use phalanx_topology::MixError;
use phalanx_topology::form::{Field, FormError, FormProblem};

use crate::GangError;

/// Why a form is no case: the field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ScenarioError {
    field: String,
    problem: ScenarioProblem,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioProblem {
    /// It holds something else than it should, or the cluster cannot be so.
    #[error(transparent)]
    Form(#[from] FormProblem),
    /// It names a pod that a replica does not have.
    #[error("found pod {found}, expected {}", ordinals("pods", *count))]
    UnknownPod {
        /// The pod's ordinal.
        found: u64,
        /// How many pods a replica has.
        count: u32,
    },
    /// It names a replica that a group does not have.
    #[error("found replica {found} of {group:?}, expected {}", ordinals("replicas", *count))]
    UnknownReplica {
        /// The path of the group.
        group: String,
        /// The replica's ordinal.
        found: u32,
        /// How many replicas there are, those above the minimum too.
        count: u32,
    },
    /// The groups make no gang, or none for this cluster.
    #[error(transparent)]
    Gang(#[from] GangError),
    /// The pods that are expected make no mix.
    #[error(transparent)]
    Mix(#[from] MixError),
}

/// The ordinals that so many have, in words.
fn ordinals(what: &str, count: u32) -> String {
    match count {
        0 => format!("none: there are no {what}"),
        1 => "0, the only one".to_owned(),
        _ => format!("{what} 0-{}", count - 1),
    }
}

impl ScenarioError {
    pub(super) fn new(field: impl ToString, problem: impl Into<ScenarioProblem>) -> Self {
        Self { field: field.to_string(), problem: problem.into() }
    }

    /// What stands there is not what was expected.
    pub(super) fn expected(field: Field<'_>, found: impl ToString, expected: &'static str) -> Self {
        Self::new(field, FormProblem::Expected { found: found.to_string(), expected })
    }

    /// The path of the field, `gangs[0].group.slices[0].size`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> &ScenarioProblem {
        &self.problem
    }
}

impl From<FormError> for ScenarioError {
    fn from(error: FormError) -> Self {
        Self::new(error.field(), error.problem().clone())
    }
}
