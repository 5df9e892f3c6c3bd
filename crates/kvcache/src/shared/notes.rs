//! What was done to one copy of the index, kept for the other.

use super::changes::Changes;
use super::left_right::Log;
use crate::{Applied, Change, FleetIndex, IndexError, RankId};

/// One write: a rank that joins or leaves, or changes.
///
/// Both copies get it from here, the one at once and the other before the next write, in one and the same call. So they
/// do the same in the same order and stay alike.
#[derive(Debug, Default)]
pub(super) struct Notes {
    write: Option<Write>,
    changes: Changes,
    /// The changes as the index takes them. Empty but during a call; kept for its room.
    batch: Vec<(RankId, Change<'static>)>,
}

#[derive(Clone, Copy, Debug)]
enum Write {
    Join,
    Leave(RankId),
    Changes,
}

impl Notes {
    /// Notes that a rank joins and does it.
    pub(super) fn join(&mut self, index: &mut FleetIndex) -> RankId {
        self.write = Some(Write::Join);
        index.join()
    }

    /// Notes that `rank` leaves and does it.
    pub(super) fn leave(&mut self, index: &mut FleetIndex, rank: RankId) -> Result<(), IndexError> {
        self.write = Some(Write::Leave(rank));
        index.leave(rank)
    }

    /// Notes the changes that `fill` puts into an empty list, and makes them.
    pub(super) fn change(
        &mut self,
        index: &mut FleetIndex,
        fill: impl FnOnce(&mut Changes),
    ) -> Result<Applied, IndexError> {
        self.write = Some(Write::Changes);
        fill(&mut self.changes);
        self.apply(index)
    }

    fn apply(&mut self, index: &mut FleetIndex) -> Result<Applied, IndexError> {
        if self.changes.len() == 1
            && let Some((rank, change)) = self.changes.iter().next()
        {
            return index.apply(rank, change);
        }
        let mut batch: Vec<(RankId, Change<'_>)> = std::mem::take(&mut self.batch);
        batch.extend(self.changes.iter());
        let applied = index.apply_batch(&batch);
        batch.clear();
        // The same room, under a lifetime that may be kept: nothing is left in it that could have had the other one.
        self.batch = batch.into_iter().map_while(|_| None).collect();
        applied
    }
}

impl Log<FleetIndex> for Notes {
    fn is_empty(&self) -> bool {
        self.write.is_none()
    }

    fn replay(&mut self, copy: &mut FleetIndex) {
        // What the other copy answered was given to whoever asked; this one answers the same.
        match self.write {
            None => {}
            Some(Write::Join) => _ = copy.join(),
            Some(Write::Leave(rank)) => _ = copy.leave(rank),
            Some(Write::Changes) => _ = self.apply(copy),
        }
    }

    fn clear(&mut self) {
        self.write = None;
        self.changes.clear();
        self.batch.shrink_to(Changes::KEPT);
    }
}
