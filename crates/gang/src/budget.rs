//! How long to search, counted in steps so that the answer does not depend on the machine.

/// The most steps of search that a plan may take. A step is a candidate that is tried or a state that is weighed, half a
/// microsecond at most on a common machine; reading the inventory once is not counted, nor is the first try without
/// backtracking. Extras above the minimum get as many steps again.
///
/// ```
/// # use phalanx_gang::Budget;
/// assert_eq!(Budget::default(), Budget::steps(200_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    steps: u64,
}

impl Budget {
    /// At most this many steps. With none at all what needs no search is still planned.
    #[must_use]
    pub const fn steps(steps: u64) -> Self {
        Self { steps }
    }
}

/// 200,000 steps.
impl Default for Budget {
    fn default() -> Self {
        Self::steps(200_000)
    }
}

/// Counts steps down.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    left: u64,
    limit: u64,
}

impl Steps {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { left: budget.steps, limit: budget.steps }
    }

    /// Takes `count` steps, or none and false if fewer are left.
    pub(crate) fn take(&mut self, count: u64) -> bool {
        let enough = count <= self.left;
        if enough {
            self.left -= count;
        }
        enough
    }

    /// As many as there were at first.
    pub(crate) fn again(&self) -> Self {
        Self { left: self.limit, limit: self.limit }
    }

    /// How many were taken.
    pub(crate) fn taken(&self) -> u64 {
        self.limit - self.left
    }

    /// Sets a part aside: at most `share` in `of` of what is left can be taken until [`join`](Self::join).
    pub(crate) fn split(&mut self, share: u64, of: u64) -> Self {
        let part = self.left / of * share;
        self.left -= part;
        Self { left: part, limit: part }
    }

    /// Takes back what a part did not use.
    pub(crate) fn join(&mut self, part: &Self) {
        self.left += part.left;
    }
}
