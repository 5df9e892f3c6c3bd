//! How much may be taken away during an update.

/// How many of what is out of date may be taken away now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// In all.
    all: u32,
    /// Of those that run.
    running: u32,
}

impl Budget {
    /// The budget of a set of which `exist` are there and `running` serve, `fresh` are up to date and do not serve (yet),
    /// and `least` have to serve. What failed counts against it first: what runs goes only as far as enough others run.
    pub(super) fn new(exist: u32, running: u32, fresh: u32, least: u32) -> Self {
        Self { all: exist.saturating_sub(least).saturating_sub(fresh), running: running.saturating_sub(least) }
    }

    /// Takes one away, if it may go.
    pub(super) fn take(&mut self, is_running: bool) -> bool {
        if self.all == 0 || (is_running && self.running == 0) {
            return false;
        }
        self.all -= 1;
        if is_running {
            self.running -= 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mut budget: Budget, order: &[bool]) -> usize {
        order.iter().filter(|&&running| budget.take(running)).count()
    }

    #[test]
    fn what_failed_counts_first() {
        // Four exist and three have to serve. All run: one may go.
        assert_eq!(taken(Budget::new(4, 4, 0, 3), &[true; 4]), 1);
        // One that is kept does not run: none that runs may go, one that does not may.
        assert_eq!(taken(Budget::new(4, 3, 0, 3), &[true; 3]), 0);
        assert_eq!(taken(Budget::new(4, 3, 0, 3), &[false, true, true, true]), 1);
        // One that is new does not run yet: all wait for it.
        assert_eq!(taken(Budget::new(4, 3, 1, 3), &[true; 3]), 0);
        // Old ones that do not run block nothing.
        assert_eq!(taken(Budget::new(4, 2, 0, 3), &[false, false, true, true]), 1);
        assert_eq!(taken(Budget::new(5, 5, 0, 4), &[true; 4]), 1);
    }
}
