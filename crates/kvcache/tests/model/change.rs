//! Changes that outlive what they were made of.

use phalanx_kvcache::{BlockHash, Change, Layer};

use super::Counts;

/// What a rank of the model told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) rank: usize,
    /// What became of its blocks.
    pub(crate) counts: Counts,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Stored { layer: Layer, parent: Option<BlockHash>, names: Vec<BlockHash>, contents: Vec<BlockHash> },
    Removed { layer: Layer, names: Vec<BlockHash> },
    Cleared,
}

impl Told {
    pub(crate) fn new(rank: usize, change: Change<'_>, counts: Counts) -> Self {
        let kind = match change {
            Change::Stored { layer, parent, names, contents } => {
                Kind::Stored { layer, parent, names: names.to_vec(), contents: contents.to_vec() }
            }
            Change::Removed { layer, names } => Kind::Removed { layer, names: names.to_vec() },
            Change::Cleared => Kind::Cleared,
        };
        Self { rank, counts, kind }
    }

    pub(crate) fn change(&self) -> Change<'_> {
        match &self.kind {
            Kind::Stored { layer, parent, names, contents } => {
                Change::Stored { layer: *layer, parent: *parent, names, contents }
            }
            Kind::Removed { layer, names } => Change::Removed { layer: *layer, names },
            Kind::Cleared => Change::Cleared,
        }
    }
}
