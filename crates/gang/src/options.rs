//! How a gang is to be planned.

use crate::{Budget, Objective, Present};

/// How a gang is to be planned: for which objective, within how many steps, beside what is there already.
///
/// ```
/// # use phalanx_gang::{Budget, Objective, Options};
/// let options = Options::new().objective(Objective::LeastFree).budget(Budget::steps(1_000));
/// assert_ne!(options, Options::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub(crate) objective: Objective,
    pub(crate) budget: Budget,
    pub(crate) present: Present,
}

impl Options {
    /// Tight, 200,000 steps, nothing there.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same for another objective.
    #[must_use]
    pub fn objective(mut self, objective: Objective) -> Self {
        self.objective = objective;
        self
    }

    /// The objective.
    #[must_use]
    pub fn planned_for(&self) -> &Objective {
        &self.objective
    }

    /// The same within another number of steps.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// The same beside other things.
    #[must_use]
    pub fn present(mut self, present: Present) -> Self {
        self.present = present;
        self
    }
}
