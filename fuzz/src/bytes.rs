//! Bytes read as choices. Past the end there are zeros, so that every prefix of an input means something.

/// The bytes that are left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first
    }

    /// One of `0..count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Any 64 bits.
    pub(crate) fn word(&mut self) -> u64 {
        (0..8).fold(0, |word, _| word << 8 | u64::from(self.byte()))
    }

    /// Mostly small; now and then as large as can be.
    pub(crate) fn amount(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=200 => u64::from(small % 32),
            middle @ 201..=240 => u64::from(middle) << 20,
            241..=250 => self.word(),
            251..=253 => u64::MAX / 2,
            254.. => u64::MAX,
        }
    }
}
