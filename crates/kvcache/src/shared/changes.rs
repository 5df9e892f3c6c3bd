//! Changes that are kept: copied into two flat lists that are used again and again.

use crate::{BlockHash, Change, Layer, RankId};

/// Room for hashes that is kept for the next time (512 KiB); what a rare big batch took beyond that is given back.
const KEPT_HASHES: usize = 1 << 16;

/// Changes of any ranks, in their order. Nothing is allocated once the lists have their room.
#[derive(Debug, Default)]
pub(super) struct Changes {
    noted: Vec<(RankId, Noted)>,
    hashes: Vec<BlockHash>,
}

/// A change; its hashes are the next ones in the list, names before contents.
#[derive(Clone, Copy, Debug)]
enum Noted {
    Stored { layer: Layer, parent: Option<BlockHash>, names: usize, contents: usize },
    Removed { layer: Layer, names: usize },
    Cleared,
}

impl Changes {
    /// Room for changes that is kept for the next time.
    pub(super) const KEPT: usize = 1 << 12;

    /// Copies one more change.
    pub(super) fn push(&mut self, rank: RankId, change: Change<'_>) {
        let noted = match change {
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
        self.noted.push((rank, noted));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.noted.len()
    }

    /// The changes, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RankId, Change<'_>)> {
        let mut rest = self.hashes.as_slice();
        let mut next = move |count: usize| {
            let (taken, left) = rest.split_at(count);
            rest = left;
            taken
        };
        self.noted.iter().map(move |&(rank, noted)| {
            let change = match noted {
                Noted::Stored { layer, parent, names, contents } => {
                    Change::Stored { layer, parent, names: next(names), contents: next(contents) }
                }
                Noted::Removed { layer, names } => Change::Removed { layer, names: next(names) },
                Noted::Cleared => Change::Cleared,
            };
            (rank, change)
        })
    }

    /// Forgets all, and keeps some room.
    pub(super) fn clear(&mut self) {
        self.noted.clear();
        self.noted.shrink_to(Self::KEPT);
        self.hashes.clear();
        self.hashes.shrink_to(KEPT_HASHES);
    }
}
