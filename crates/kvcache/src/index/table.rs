//! Hash tables from a key that is kept elsewhere to a number: 12 entries in a cache line.

/// Entries of a line.
const LANES: usize = 12;
/// Tag of an empty lane.
const EMPTY: u8 = 0;

/// A table of numbers whose keys the caller keeps: it gives the key's hash, and says whether a number has the key.
///
/// It is cut into segments that grow one at a time, by a third, so that the table is never much larger than what is in
/// it and no insertion pays for all. Each line counts what found no room in it and lies further on, so a search ends
/// where nothing passed by.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    segments: Box<[Segment]>,
    /// Leading bits of a hash that choose the segment.
    bits: u32,
    len: usize,
    /// Lines, over all segments.
    lines: usize,
}

#[derive(Clone, Debug, Default)]
struct Segment {
    lines: Box<[Line]>,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line {
    numbers: [u32; LANES],
    tags: [u8; LANES],
    /// Entries that passed by, at the most: it stays at its own maximum.
    passed: u16,
}

impl Line {
    const NEW: Self = Self { numbers: [0; LANES], tags: [EMPTY; LANES], passed: 0 };

    /// Lanes with this tag, one bit each.
    fn lanes(&self, tag: u8) -> u32 {
        let mut found = 0;
        for (lane, &of) in self.tags.iter().enumerate() {
            found |= u32::from(of == tag) << lane;
        }
        found
    }
}

fn tag(hash: u64) -> u8 {
    (hash as u8).max(1)
}

impl Segment {
    fn home(&self, hash: u64, bits: u32) -> usize {
        let fraction = (hash << bits) >> 32;
        ((fraction * self.lines.len() as u64) >> 32) as usize
    }

    fn next(&self, line: usize) -> usize {
        if line + 1 == self.lines.len() { 0 } else { line + 1 }
    }

    /// Entries beyond which it grows: nine tenths of its lanes.
    fn room(&self) -> u32 {
        (self.lines.len() * LANES * 9 / 10) as u32
    }

    fn place(&mut self, hash: u64, bits: u32, number: u32) {
        let mut at = self.home(hash, bits);
        loop {
            let line = &mut self.lines[at];
            let free = line.lanes(EMPTY);
            if free != 0 {
                let lane = free.trailing_zeros() as usize;
                line.tags[lane] = tag(hash);
                line.numbers[lane] = number;
                break;
            }
            line.passed = line.passed.saturating_add(1);
            at = self.next(at);
        }
        self.len += 1;
    }

    fn resize(&mut self, lines: usize, bits: u32, hash_of: impl Fn(u32) -> u64) {
        let old = core::mem::replace(self, Self { lines: vec![Line::NEW; lines].into(), len: 0 });
        for line in &old.lines {
            for lane in (0..LANES).filter(|&lane| line.tags[lane] != EMPTY) {
                self.place(hash_of(line.numbers[lane]), bits, line.numbers[lane]);
            }
        }
    }
}

impl Table {
    /// An empty table of 2^`bits` segments.
    pub(crate) fn new(bits: u32) -> Self {
        Self { segments: vec![Segment::default(); 1 << bits].into(), bits, len: 0, lines: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Entries that fit in before most segments must grow.
    pub(super) fn room(&self) -> usize {
        self.lines * LANES * 4 / 5
    }

    pub(crate) fn bytes(&self) -> usize {
        self.segments.len() * size_of::<Segment>() + self.lines * size_of::<Line>()
    }

    fn segment(&self, hash: u64) -> usize {
        (hash >> (64 - self.bits)) as usize
    }

    /// The first number with this hash that `is_it` accepts.
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let segment = &self.segments[self.segment(hash)];
        if segment.len == 0 {
            return None;
        }
        let home = segment.home(hash, self.bits);
        let tag = tag(hash);
        let mut at = home;
        loop {
            let line = &segment.lines[at];
            let mut lanes = line.lanes(tag);
            while lanes != 0 {
                let number = line.numbers[lanes.trailing_zeros() as usize];
                if is_it(number) {
                    return Some(number);
                }
                lanes &= lanes - 1;
            }
            if line.passed == 0 {
                return None;
            }
            at = segment.next(at);
            if at == home {
                return None;
            }
        }
    }

    /// Reads the line where a hash would be, so that a search for it soon finds it near. Gives a number that may be the
    /// hash's, or `u32::MAX`.
    pub(super) fn touch(&self, hash: u64) -> u32 {
        let segment = &self.segments[self.segment(hash)];
        if segment.len == 0 {
            return u32::MAX;
        }
        let line = &segment.lines[segment.home(hash, self.bits)];
        let lanes = line.lanes(tag(hash));
        if lanes == 0 { u32::MAX } else { line.numbers[lanes.trailing_zeros() as usize] }
    }

    /// Adds an entry, also beside one with the same key.
    pub(crate) fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        let (at, bits) = (self.segment(hash), self.bits);
        let segment = &mut self.segments[at];
        if segment.len >= segment.room() {
            let lines = segment.lines.len();
            let more = lines + (lines / 3).max(1);
            segment.resize(more, bits, hash_of);
            self.lines += more - lines;
        }
        segment.place(hash, bits, number);
        self.len += 1;
    }

    /// Takes an entry out. It must be there.
    pub(crate) fn remove(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        let (at, bits) = (self.segment(hash), self.bits);
        let segment = &mut self.segments[at];
        let home = segment.home(hash, bits);
        let tag = tag(hash);
        let mut at = home;
        'search: loop {
            let next = segment.next(at);
            let line = &mut segment.lines[at];
            let mut lanes = line.lanes(tag);
            while lanes != 0 {
                let lane = lanes.trailing_zeros() as usize;
                if line.numbers[lane] == number {
                    line.tags[lane] = EMPTY;
                    break 'search;
                }
                lanes &= lanes - 1;
            }
            if line.passed < u16::MAX {
                line.passed -= 1;
            }
            at = next;
        }
        segment.len -= 1;
        self.len -= 1;
        let lines = segment.lines.len();
        if (segment.len as usize) < lines * LANES / 4 {
            let fewer = if segment.len == 0 { 0 } else { lines.div_ceil(2) };
            if fewer < lines {
                segment.resize(fewer, bits, hash_of);
                self.lines -= lines - fewer;
            }
        }
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

    pub(super) fn one(self, key: u64) -> u64 {
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
