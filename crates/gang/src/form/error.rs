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
    /// The groups make no gang, or none for this cluster.
    #[error(transparent)]
    Gang(#[from] GangError),
    /// The pods that are expected make no mix.
    #[error(transparent)]
    Mix(#[from] MixError),
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
