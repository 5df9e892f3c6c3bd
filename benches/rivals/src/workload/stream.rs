//! What the engines of a fleet tell, in nobody's own types.

use std::ops::Range;

/// Events in the order in which they are told. Blocks lie in two columns, so that every index can lend or copy them in
/// the form that it likes best before the clock runs.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// The events.
    pub events: Vec<Event>,
    /// What the engine calls each block: a hash of its tokens and all before them.
    pub names: Vec<u64>,
    /// A hash of each block's own tokens; 0 for removed ones.
    pub contents: Vec<u64>,
}

/// One event of one rank.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Whose.
    pub rank: u32,
    /// What happened.
    pub kind: Kind,
    start: u32,
    end: u32,
}

/// What happened to the blocks of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They follow each other after a block that the rank holds, or from the start.
    Stored {
        /// The block before the first one.
        parent: Option<u64>,
    },
    /// They are gone.
    Removed,
}

impl Event {
    /// Where its blocks lie in the columns.
    pub fn blocks(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl Stream {
    /// Adds an event, unless it has no blocks.
    pub fn push(&mut self, rank: u32, kind: Kind, blocks: impl IntoIterator<Item = (u64, u64)>) {
        let start = self.names.len() as u32;
        for (name, content) in blocks {
            self.names.push(name);
            self.contents.push(content);
        }
        let end = self.names.len() as u32;
        if start < end {
            self.events.push(Event { rank, kind, start, end });
        }
    }

    /// Block operations: the blocks of all events.
    pub fn ops(&self) -> usize {
        self.names.len()
    }

    /// The events so far and from then on, with about as many blocks in each.
    pub fn halves(&self) -> (Self, Self) {
        let (mut first, mut second) = (Self::default(), Self::default());
        for event in &self.events {
            let half = if event.blocks().start < self.ops() / 2 { &mut first } else { &mut second };
            let blocks = event.blocks().map(|at| (self.names[at], self.contents[at]));
            half.push(event.rank, event.kind, blocks);
        }
        (first, second)
    }

    /// The removal of all that the stored events of this stream put in place, tail first, an event for each of them.
    pub fn undone(&self) -> Self {
        let mut undone = Self::default();
        for event in self.events.iter().rev() {
            if let Kind::Stored { .. } = event.kind {
                undone.push(event.rank, Kind::Removed, self.names[event.blocks()].iter().rev().map(|&name| (name, 0)));
            }
        }
        undone
    }
}
