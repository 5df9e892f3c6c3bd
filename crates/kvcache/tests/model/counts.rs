//! What became of the blocks of a change.

use phalanx_kvcache::Applied;

/// As `Applied` tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) stored: u32,
    pub(crate) repeated: u32,
    pub(crate) removed: u32,
    pub(crate) unplaced: u32,
    pub(crate) left_out: u32,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Counts) {
        self.stored += other.stored;
        self.repeated += other.repeated;
        self.removed += other.removed;
        self.unplaced += other.unplaced;
        self.left_out += other.left_out;
    }
}

impl From<Applied> for Counts {
    fn from(applied: Applied) -> Self {
        Self {
            stored: applied.stored,
            repeated: applied.repeated,
            removed: applied.removed,
            unplaced: applied.unplaced,
            left_out: applied.left_out,
        }
    }
}
