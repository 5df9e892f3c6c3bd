//! What was done to one copy of the index, kept for the other.

use super::left_right::Log;
use crate::{Applied, BlockHash, Change, FleetIndex, IndexError, Layer, RankId};

/// Room that is kept for the next write, in hashes (512 KiB) and in changes; what a rare big write took beyond that is
/// given back.
const KEPT_HASHES: usize = 1 << 16;
const KEPT_CHANGES: usize = 1 << 12;

/// One write: a rank that joins or leaves, or changes of one rank, with all hashes in one list.
///
/// Both copies get it from here, the one at once and the other before the next write, in one and the same call. So they
/// do the same in the same order and stay alike, and nothing is allocated once the lists have their room.
#[derive(Debug, Default)]
pub(super) struct Notes {
    write: Option<Write>,
    changes: Vec<Noted>,
    hashes: Vec<BlockHash>,
    /// The changes as the index takes them. Empty but during a call; kept for its room.
    batch: Vec<(RankId, Change<'static>)>,
}

#[derive(Clone, Copy, Debug)]
enum Write {
    Join,
    Leave(RankId),
    Changes(RankId),
}

/// A change; its hashes are the next ones in the list, names before contents.
#[derive(Clone, Copy, Debug)]
enum Noted {
    Stored { layer: Layer, parent: Option<BlockHash>, names: usize, contents: usize },
    Removed { layer: Layer, names: usize },
    Cleared,
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

    /// Notes changes of `rank` and makes them.
    pub(super) fn change(
        &mut self,
        index: &mut FleetIndex,
        rank: RankId,
        changes: &[Change<'_>],
    ) -> Result<Applied, IndexError> {
        for change in changes {
            let noted = match *change {
                Change::Stored { layer, parent, names, contents } => {
                    self.hashes.extend_from_slice(names);
                    self.hashes.extend_from_slice(contents);
                    Noted::Stored { layer, parent, names: names.len(), contents: contents.len() }
                }
                Change::Removed { layer, names } => {
                    self.hashes.extend_from_slice(names);
                    Noted::Removed { layer, names: names.len() }
                }
                Change::Cleared => Noted::Cleared,
            };
            self.changes.push(noted);
        }
        self.write = Some(Write::Changes(rank));
        self.apply(index, rank)
    }

    fn apply(&mut self, index: &mut FleetIndex, rank: RankId) -> Result<Applied, IndexError> {
        let mut batch: Vec<(RankId, Change<'_>)> = std::mem::take(&mut self.batch);
        let mut rest = self.hashes.as_slice();
        let mut next = |count: usize| {
            let (taken, left) = rest.split_at(count);
            rest = left;
            taken
        };
        batch.extend(self.changes.iter().map(|noted| {
            let change = match *noted {
                Noted::Stored { layer, parent, names, contents } => {
                    Change::Stored { layer, parent, names: next(names), contents: next(contents) }
                }
                Noted::Removed { layer, names } => Change::Removed { layer, names: next(names) },
                Noted::Cleared => Change::Cleared,
            };
            (rank, change)
        }));
        let applied = match batch.as_slice() {
            [(rank, change)] => index.apply(*rank, *change),
            batch => index.apply_batch(batch),
        };
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
            Some(Write::Changes(rank)) => _ = self.apply(copy, rank),
        }
    }

    fn clear(&mut self) {
        self.write = None;
        self.changes.clear();
        self.changes.shrink_to(KEPT_CHANGES);
        self.hashes.clear();
        self.hashes.shrink_to(KEPT_HASHES);
        self.batch.shrink_to(KEPT_CHANGES);
    }
}
