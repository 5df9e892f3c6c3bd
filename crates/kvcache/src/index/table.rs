//! Hash tables from a key that is kept elsewhere to a number: ten entries in a cache line.

/// Entries of a line.
const LANES: usize = 10;
/// Lines that an entry may lie behind its own: what finds no room in them is lost.
const REACH: usize = 32;
/// Changes that wait in front of a segment.
const FRONT: usize = 16;
/// Tag of an empty lane.
const EMPTY: u16 = 0;

/// A table of numbers whose keys the caller keeps: it gives the key's hash, and says whether a number has the key.
///
/// It is cut into segments that grow one at a time and by little, so that the table is never much larger than what is in
/// it and no insertion pays for all. An entry's place in its segment follows from the 16 bits of its hash that stand
/// beside it, so a segment grows without a look at any key. Each line counts what found no room in it and lies further
/// on, so a search ends where nothing passed by.
///
/// Changes wait in front of their segment until there are some of them: their lines are then fetched side by side, from
/// few pages of memory. An entry that was removed may still be offered to a search until then.
///
/// An entry lies near its own line, or not at all: of keys that are all alike, some hundred find room, and the numbers of
/// the others are [given back](Self::take_lost). So no search is long, whatever the keys.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    segments: Box<[Segment]>,
    /// Leading bits of a hash that choose the segment.
    bits: u32,
    len: usize,
    /// Lines, over all segments.
    lines: usize,
    lost: Vec<u32>,
}

/// Two cache lines.
#[derive(Clone, Debug, Default)]
#[repr(align(128))]
struct Segment {
    lines: Box<[Line]>,
    /// Entries in the lines.
    len: u32,
    /// Changes that wait: insertions from the first place on, removals from the last.
    insertions: u16,
    removals: u16,
    tags: [u16; FRONT],
    numbers: [u32; FRONT],
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line {
    numbers: [u32; LANES],
    /// [`EMPTY`] from place `len` on.
    tags: [u16; LANES],
    len: u16,
    /// Entries that passed by, at the most: it stays at its own maximum.
    passed: u16,
}

impl Line {
    const NEW: Self = Self { numbers: [0; LANES], tags: [EMPTY; LANES], len: 0, passed: 0 };

    /// Lanes with this tag. The first one is right; others may be one off in the tag, but are not empty.
    #[inline]
    fn lanes(&self, tag: u16) -> Lanes {
        let [most @ .., last_but_one, last] = &self.tags;
        Lanes { most: alike(most, tag), rest: u32::from(*last_but_one == tag) | u32::from(*last == tag) << 1 }
    }
}

/// The top bit of each tag that is like `tag`. The first one is right; one above it may be one off.
#[inline]
fn alike(tags: &[u16; 8], tag: u16) -> u128 {
    // Tags that are zero, by a borrow out of each: one above a zero may be a one and be taken for it.
    const ONES: u128 = u128::MAX / 0xffff;
    let mut bytes = [0; 16];
    for (bytes, tag) in bytes.chunks_exact_mut(2).zip(tags) {
        bytes.copy_from_slice(&tag.to_le_bytes());
    }
    let unlike = u128::from_le_bytes(bytes) ^ (u128::from(tag) * ONES);
    unlike.wrapping_sub(ONES) & !unlike & (ONES << 15)
}

/// Some lanes of a line.
struct Lanes {
    most: u128,
    rest: u32,
}

impl Iterator for Lanes {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.most != 0 {
            let lane = self.most.trailing_zeros() / 16;
            self.most &= self.most - 1;
            return Some(lane as usize);
        }
        (self.rest != 0).then(|| {
            let lane = 8 + self.rest.trailing_zeros() as usize;
            self.rest &= self.rest - 1;
            lane
        })
    }
}

/// The bits of a hash that stand beside an entry: never [`EMPTY`], nor one beside it.
#[inline]
fn tag(hash: u64) -> u16 {
    (hash as u16).max(2)
}

impl Segment {
    #[inline]
    fn home(&self, tag: u16) -> usize {
        (usize::from(tag) * self.lines.len()) >> 16
    }

    #[inline]
    fn next(&self, line: usize) -> usize {
        if line + 1 == self.lines.len() { 0 } else { line + 1 }
    }

    /// Places of the waiting insertions with this tag, one bit each.
    #[inline]
    fn front(&self, tag: u16) -> u32 {
        let mut found = 0;
        for (at, &of) in self.tags.iter().enumerate() {
            found |= u32::from(of == tag) << at;
        }
        found & ((1 << self.insertions) - 1)
    }

    fn is_full(&self) -> bool {
        usize::from(self.insertions + self.removals) == FRONT
    }

    #[inline]
    fn push_insertion(&mut self, tag: u16, number: u32) {
        let at = usize::from(self.insertions) % FRONT;
        self.tags[at] = tag;
        self.numbers[at] = number;
        self.insertions += 1;
    }

    /// Takes a waiting insertion back; says whether there was one. What goes soon after it came costs no more than that.
    #[inline]
    fn take_back(&mut self, tag: u16, number: u32) -> bool {
        let mut places = self.front(tag);
        while places != 0 {
            let at = places.trailing_zeros() as usize % FRONT;
            if self.numbers[at] == number {
                self.insertions -= 1;
                let last = usize::from(self.insertions) % FRONT;
                self.tags[at] = self.tags[last];
                self.numbers[at] = self.numbers[last];
                return true;
            }
            places &= places - 1;
        }
        false
    }

    #[inline]
    fn push_removal(&mut self, tag: u16, number: u32) {
        self.removals += 1;
        let at = (FRONT - usize::from(self.removals)) % FRONT;
        self.tags[at] = tag;
        self.numbers[at] = number;
    }

    /// Makes the waiting changes; says by how many lines the segment has changed.
    fn flush(&mut self, lost: &mut Vec<u32>) -> isize {
        let before = self.lines.len();
        let (insertions, removals) = (usize::from(self.insertions), usize::from(self.removals));
        let (tags, numbers) = (self.tags, self.numbers);
        (self.insertions, self.removals) = (0, 0);
        if !self.lines.is_empty() {
            // The lines are read side by side: all places, also those where nothing waits.
            let read = |tag: u16| self.lines[self.home(tag)].len;
            core::hint::black_box(tags.into_iter().fold(0, |sum, tag| sum ^ read(tag)));
        }
        // Insertions first: a number that comes and goes and comes again is in it once at the end, whatever the order.
        let len = self.len as usize + insertions;
        if len * 5 > self.lines.len() * LANES * 4 {
            let lines = self.lines.len();
            self.resize((lines + lines / 4).max((len * 4).div_ceil(LANES * 3)), lost);
        }
        for at in 0..insertions {
            self.place(tags[at], numbers[at], lost);
        }
        for at in FRONT - removals..FRONT {
            self.displace(tags[at], numbers[at]);
        }
        // The last line stays: what comes and goes, one at a time, takes no memory anew each time.
        if self.lines.len() > 1 && self.len as usize * 4 < self.lines.len() * LANES {
            self.resize(if self.len == 0 { 1 } else { self.lines.len().div_ceil(2) }, lost);
        }
        self.lines.len() as isize - before as isize
    }

    /// Lines from `home` on, as far as an entry may lie.
    fn reach(&self) -> usize {
        self.lines.len().min(REACH)
    }

    #[inline]
    fn place(&mut self, tag: u16, number: u32, lost: &mut Vec<u32>) {
        let home = self.home(tag);
        let mut at = home;
        for _ in 0..self.reach() {
            let line = &mut self.lines[at];
            let lane = usize::from(line.len);
            if lane < LANES {
                line.tags[lane] = tag;
                line.numbers[lane] = number;
                line.len += 1;
                self.len += 1;
                self.pass(home, at, |passed| passed.saturating_add(1));
                return;
            }
            at = self.next(at);
        }
        lost.push(number);
    }

    /// Takes an entry out of the lines, unless it was lost.
    #[inline]
    fn displace(&mut self, tag: u16, number: u32) {
        let home = self.home(tag);
        let mut at = home;
        for _ in 0..self.reach() {
            let line = &mut self.lines[at];
            if let Some(lane) = line.lanes(tag).find(|&lane| line.numbers[lane] == number && line.tags[lane] == tag) {
                line.len -= 1;
                let last = usize::from(line.len) % LANES;
                line.tags[lane] = line.tags[last];
                line.numbers[lane] = line.numbers[last];
                line.tags[last] = EMPTY;
                self.len -= 1;
                // One that stands at its maximum has lost count.
                self.pass(home, at, |passed| if passed < u16::MAX { passed - 1 } else { passed });
                return;
            }
            if line.passed == 0 {
                return;
            }
            at = self.next(at);
        }
    }

    /// Counts an entry of the line `home` that lies in the line `at`, in those that it has passed.
    #[inline]
    fn pass(&mut self, home: usize, at: usize, count: impl Fn(u16) -> u16) {
        let mut line = home;
        while line != at {
            self.lines[line].passed = count(self.lines[line].passed);
            line = self.next(line);
        }
    }

    fn resize(&mut self, lines: usize, lost: &mut Vec<u32>) {
        let old = core::mem::replace(&mut self.lines, vec![Line::NEW; lines].into());
        self.len = 0;
        for line in &old {
            for lane in 0..usize::from(line.len).min(LANES) {
                self.place(line.tags[lane], line.numbers[lane], lost);
            }
        }
    }

    #[inline]
    fn find(&self, tag: u16, is_it: &mut impl FnMut(u32) -> bool) -> Option<u32> {
        let mut places = self.front(tag);
        while places != 0 {
            let number = self.numbers[places.trailing_zeros() as usize % FRONT];
            if is_it(number) {
                return Some(number);
            }
            places &= places - 1;
        }
        if self.len == 0 {
            return None;
        }
        let mut at = self.home(tag);
        for _ in 0..self.reach() {
            let line = &self.lines[at];
            for lane in line.lanes(tag) {
                let number = line.numbers[lane];
                if is_it(number) {
                    return Some(number);
                }
            }
            if line.passed == 0 {
                break;
            }
            at = self.next(at);
        }
        None
    }
}

impl Table {
    /// An empty table of 2^`bits` segments.
    pub(crate) fn new(bits: u32) -> Self {
        Self { segments: vec![Segment::default(); 1 << bits].into(), bits, len: 0, lines: 0, lost: Vec::new() }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> usize {
        self.segments.len() * size_of::<Segment>() + self.lines * size_of::<Line>()
    }

    /// Bytes by which it may grow for `more` entries.
    pub(crate) fn growth(&self, more: usize) -> usize {
        // All segments as they are just after they have grown, or those grow in which one of the entries may be.
        let all = ((self.len + more) * size_of::<Line>()).div_ceil(LANES) * 25 / 16;
        let one = (self.lines >> self.bits) / 4 + 2;
        all.saturating_sub(self.lines * size_of::<Line>()).min(more * one * size_of::<Line>())
    }

    #[inline]
    fn segment(&self, hash: u64) -> usize {
        (hash >> (64 - self.bits)) as usize
    }

    /// The first number with this hash that `is_it` accepts. It may be asked about numbers that were removed.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.segments[self.segment(hash)].find(tag(hash), &mut is_it)
    }

    /// Adds an entry, also beside one with the same key.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, number: u32) {
        self.segment_with_room(hash).push_insertion(tag(hash), number);
        self.len += 1;
    }

    /// Takes an entry out. It must be there, or lost and not [given back](Self::take_lost).
    #[inline]
    pub(crate) fn remove(&mut self, hash: u64, number: u32) {
        let at = self.segment(hash);
        if !self.segments[at].take_back(tag(hash), number) {
            self.segment_with_room(hash).push_removal(tag(hash), number);
        }
        self.len -= 1;
    }

    /// A number that found no room, if there is one: it is in the table no longer, and must not be taken out of it.
    #[inline]
    pub(crate) fn take_lost(&mut self) -> Option<u32> {
        let lost = self.lost.pop()?;
        self.len -= 1;
        Some(lost)
    }

    /// Forgets which numbers found no room: the caller takes them out as if they were there.
    #[inline]
    pub(crate) fn ignore_lost(&mut self) {
        self.lost.clear();
    }

    #[inline]
    fn segment_with_room(&mut self, hash: u64) -> &mut Segment {
        let at = self.segment(hash);
        let segment = &mut self.segments[at];
        if segment.is_full() {
            self.lines = self.lines.wrapping_add_signed(segment.flush(&mut self.lost));
        }
        segment
    }
}

/// A hash function of two numbers with secret factors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mixer {
    a: u64,
    b: u64,
}

impl Mixer {
    pub(crate) fn new(seed: u64) -> Self {
        // SplitMix64's steps, to get two unlike words out of one.
        let word = |n: u64| {
            let mut z = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self { a: word(1), b: word(2) | 1 }
    }

    pub(crate) fn one(self, key: u64) -> u64 {
        fold(key ^ self.a, self.b)
    }

    pub(crate) fn two(self, first: u32, second: u64) -> u64 {
        fold(second ^ self.a, self.b ^ u64::from(first).wrapping_mul(0xd6e8_feb8_6659_fd93))
    }
}

/// Both halves of a product, as one word.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests;
