//! What few runs have beside their one cache line.

use super::Run;
use crate::index::coverage::Coverage;
use crate::index::pages::Extent;
use crate::index::room;

/// Further pages, and further layers.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub(super) extents: Vec<Extent>,
    /// Holders in other layers, by number of the layer.
    pub(super) layers: Vec<(u16, Coverage)>,
}

impl Extra {
    pub(super) fn bytes(&self) -> usize {
        let layers = self.layers.iter().map(|(_, coverage)| coverage.heap()).sum::<usize>();
        size_of::<Self>() + self.room() + layers
    }

    /// Bytes of its lists.
    fn room(&self) -> usize {
        self.extents.capacity() * size_of::<Extent>() + self.layers.capacity() * size_of::<(u16, Coverage)>()
    }

    fn is_empty(&self) -> bool {
        self.extents.is_empty() && self.layers.is_empty()
    }
}

/// With the same room, since its bytes are counted.
impl Clone for Extra {
    fn clone(&self) -> Self {
        Self { extents: room::copy(&self.extents), layers: room::copy(&self.layers) }
    }
}

/// Some that no run needs now, kept for those that will: runs whose paths part and meet again need one for a moment.
#[derive(Debug)]
#[expect(clippy::vec_box, reason = "runs have them boxed")]
pub(in crate::index) struct Spare {
    kept: Vec<Box<Extra>>,
    bytes: usize,
}

impl Spare {
    /// How many are kept.
    const MOST: usize = 8;
    /// Bytes of the lists of one that is kept.
    const ROOM: usize = 256;

    pub(in crate::index) fn new() -> Self {
        Self { kept: Vec::with_capacity(Self::MOST), bytes: 0 }
    }

    pub(in crate::index) fn bytes(&self) -> usize {
        self.kept.capacity() * size_of::<Box<Extra>>() + self.bytes
    }

    /// Gives one to a run that has none, if there is one.
    pub(in crate::index) fn lend(&mut self, run: &mut Run) {
        if run.extra.is_none()
            && let Some(extra) = self.kept.pop()
        {
            self.bytes -= extra.bytes();
            run.extra = Some(extra);
        }
    }

    /// Takes that of a run that does not need it.
    pub(in crate::index) fn take_back(&mut self, run: &mut Run) {
        let Some(extra) = run.extra.take_if(|extra| extra.is_empty()) else { return };
        if self.kept.len() < Self::MOST && extra.room() <= Self::ROOM {
            self.bytes += extra.bytes();
            self.kept.push(extra);
        }
    }
}

/// With the same room, since its bytes are counted.
impl Clone for Spare {
    fn clone(&self) -> Self {
        Self { kept: room::copy(&self.kept), bytes: self.bytes }
    }
}
