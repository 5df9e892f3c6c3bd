//! Which of two objects was there first.

use core::time::Duration;

/// When an object was made. The smaller is the older; one without a time is younger than all that have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Age {
    pub(crate) order: u32,
    pub(crate) created: Option<Duration>,
    pub(crate) version: u64,
}

impl Age {
    /// What ages are compared by.
    pub(crate) fn key(&self) -> (u32, bool, Option<Duration>, u64) {
        (self.order, self.created.is_none(), self.created, self.version)
    }
}
