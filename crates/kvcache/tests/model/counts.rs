//! What became of the blocks of a change.

use phalanx_kvcache::{Applied, Change};

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

    /// Whether each block of a change is counted once, and the rank's blocks went from `before` to `after` by that. A
    /// store may cost it blocks that it gave the same name; and where memory is short, a removal may cost it more.
    pub(crate) fn add_up(&self, change: Change<'_>, before: u32, after: u32, sheds: bool) -> bool {
        let Self { stored, repeated, removed, unplaced, left_out } = *self;
        match change {
            Change::Stored { names, .. } => {
                let all = (stored + repeated + unplaced + left_out) as usize;
                all == names.len() && removed == 0 && after <= before + stored
            }
            Change::Removed { names, .. } => {
                let all = (removed + repeated + unplaced) as usize;
                let gone = before.checked_sub(after);
                all == names.len()
                    && stored + left_out == 0
                    && gone.is_some_and(|gone| gone == removed || sheds && gone > removed)
            }
            Change::Cleared => *self == Self::default() && after == 0,
        }
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
