//! The blocks of an approximate ledger: a tree of prefixes in slots, ordered by last use.

use crate::BlockHash;
use crate::identity::link;
use crate::index::table::{Mixer, Table};
use crate::lru::Lru;

/// The parent of a prompt's first block.
pub(super) const ROOT: u32 = u32::MAX;

/// Segments of the table: 2^4, each grows alone.
const SEGMENT_BITS: u32 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Vacant,
    /// Its request was sent.
    Sent,
    /// Its request was answered, so it was computed.
    Confirmed,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) content: BlockHash,
    pub(super) name: BlockHash,
    pub(super) used: u64,
    /// The next vacant slot where this one is vacant.
    pub(super) parent: u32,
    state: State,
}

impl Entry {
    pub(super) fn is_confirmed(&self) -> bool {
        self.state == State::Confirmed
    }
}

/// A block is used with everything before it, and put behind that in the order of use: so a parent always was used later
/// than its children, and the least recently used block continues in none.
#[derive(Clone, Debug)]
pub(super) struct Entries {
    slots: Vec<Entry>,
    vacant: u32,
    order: Lru,
    /// By parent's slot and content.
    table: Table,
    mixer: Mixer,
}

impl Entries {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            slots: Vec::new(),
            vacant: ROOT,
            order: Lru::new(),
            table: Table::new(SEGMENT_BITS),
            mixer: Mixer::new(seed),
        }
    }

    /// Blocks in the order of use. Those between [`take_up`](Self::take_up) and [`put_back`](Self::put_back) are not.
    pub(super) fn len(&self) -> u32 {
        self.order.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Entry>() + self.order.bytes() + self.table.bytes()
    }

    pub(super) fn get(&self, slot: u32) -> &Entry {
        &self.slots[slot as usize]
    }

    pub(super) fn child(&self, parent: u32, content: BlockHash) -> Option<u32> {
        // A prompt's blocks mostly have consecutive slots.
        let guess = if parent == ROOT { ROOT } else { parent + 1 };
        let is_it = |slot: u32| {
            let entry = self.slots.get(slot as usize);
            entry.is_some_and(|e| e.content == content && e.parent == parent && e.state != State::Vacant)
        };
        if is_it(guess) { Some(guess) } else { self.table.find(self.mixer.two(parent, content.get()), is_it) }
    }

    /// The slot of the least recently used block.
    pub(super) fn oldest(&self) -> Option<u32> {
        self.order.first()
    }

    /// All slots, the most recently used one first: so each parent before its children.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = u32> {
        self.order.newest_first()
    }

    /// All slots, the least recently used one first: so each parent behind its children.
    pub(super) fn oldest_first(&self) -> impl Iterator<Item = u32> {
        self.order.oldest_first()
    }

    /// Slots that were ever in use: all numbers are below.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Adds a block that is not there, out of the order of use. At most `most` slots are made room for.
    pub(super) fn insert(&mut self, parent: u32, content: BlockHash, most: u32) -> u32 {
        // All ledgers call the same block the same, and as a pool would: by its place in the chain.
        let mut before = (parent != ROOT).then(|| self.get(parent).name.get());
        let name = link(&mut before, content.get());
        let entry = Entry { content, name, used: 0, parent, state: State::Sent };
        let slot = match self.vacant {
            ROOT => {
                let len = self.slots.len();
                if len == self.slots.capacity() {
                    let more = (len / 4 + 16).min((most as usize).saturating_sub(len)).max(1);
                    self.slots.reserve_exact(more);
                    self.order.reserve_exact(len + more);
                }
                self.slots.push(entry);
                len as u32
            }
            slot => {
                self.vacant = core::mem::replace(&mut self.slots[slot as usize], entry).parent;
                slot
            }
        };
        self.table.insert(self.mixer.two(parent, content.get()), slot);
        // One among too many that are alike is not found, and taken out as if it were there.
        self.table.ignore_lost();
        slot
    }

    /// Takes a block out of the order of use.
    pub(super) fn take_up(&mut self, slot: u32) {
        self.order.remove(slot);
    }

    /// Puts a block and all before it back into the order of use, as used just now, and the most recent there is.
    pub(super) fn put_back(&mut self, deepest: u32, used: u64, confirmed: bool) {
        let mut at = deepest;
        while at != ROOT {
            self.order.push_back(at);
            let entry = &mut self.slots[at as usize];
            entry.used = used;
            if confirmed {
                entry.state = State::Confirmed;
            }
            at = entry.parent;
        }
    }

    /// Removes a block that continues in none.
    pub(super) fn remove(&mut self, slot: u32) -> BlockHash {
        self.order.remove(slot);
        let Entry { parent, content, name, .. } = *self.get(slot);
        self.table.remove(self.mixer.two(parent, content.get()), slot);
        self.table.ignore_lost();
        let entry = &mut self.slots[slot as usize];
        entry.state = State::Vacant;
        entry.parent = core::mem::replace(&mut self.vacant, slot);
        name
    }

    /// Removes all, and gives the memory back.
    pub(super) fn clear(&mut self) {
        let mixer = self.mixer;
        *self = Self { mixer, ..Self::new(0) };
    }
}
