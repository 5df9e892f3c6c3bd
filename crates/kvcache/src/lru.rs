//! A list of slots from the least to the most recently used, linked by index.

const NONE: u32 = u32::MAX;

/// Doubly linked over slot numbers: push, pop and removal from the middle in constant time.
#[derive(Clone, Debug)]
pub(crate) struct Lru {
    links: Vec<Link>,
    first: u32,
    last: u32,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
}

impl Lru {
    pub(crate) fn new() -> Self {
        Self { links: Vec::new(), first: NONE, last: NONE, len: 0 }
    }

    /// Adds a slot that is not in the list, as the most recently used.
    pub(crate) fn push_back(&mut self, slot: u32) {
        if self.links.len() <= slot as usize {
            self.links.resize(slot as usize + 1, Link { before: NONE, after: NONE });
        }
        self.links[slot as usize] = Link { before: self.last, after: NONE };
        match self.last {
            NONE => self.first = slot,
            last => self.links[last as usize].after = slot,
        }
        self.last = slot;
        self.len += 1;
    }

    /// Takes the least recently used slot.
    pub(crate) fn pop_front(&mut self) -> Option<u32> {
        (self.first != NONE).then(|| {
            let slot = self.first;
            self.remove(slot);
            slot
        })
    }

    /// Takes a slot that is in the list.
    pub(crate) fn remove(&mut self, slot: u32) {
        let Link { before, after } = self.links[slot as usize];
        match before {
            NONE => self.first = after,
            before => self.links[before as usize].after = after,
        }
        match after {
            NONE => self.last = before,
            after => self.links[after as usize].before = before,
        }
        self.len -= 1;
    }

    /// The least recently used slot.
    pub(crate) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// All slots, the most recently used one first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = u32> {
        let slot = |at| (at != NONE).then_some(at);
        core::iter::successors(slot(self.last), move |&at| slot(self.links[at as usize].before))
    }

    /// All slots, the least recently used one first.
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = u32> {
        let slot = |at| (at != NONE).then_some(at);
        core::iter::successors(slot(self.first), move |&at| slot(self.links[at as usize].after))
    }

    /// Makes room for slots below `slots`, and no more.
    pub(crate) fn reserve_exact(&mut self, slots: usize) {
        self.links.reserve_exact(slots.saturating_sub(self.links.len()));
    }

    pub(crate) fn bytes(&self) -> usize {
        self.links.capacity() * size_of::<Link>()
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }
}
