//! A growing array in chunks: nothing moves when it grows, and it is never much larger than what is in it.

/// Items of a chunk.
const CHUNK: usize = 512;

/// Items of one kind by number.
#[derive(Clone, Debug)]
pub(super) struct Slab<T> {
    chunks: Vec<Box<[T]>>,
    len: usize,
}

impl<T: Default> Slab<T> {
    pub(super) fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    /// Items that were given out.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds `count` items, and says the number of the first.
    pub(super) fn grow(&mut self, count: usize) -> usize {
        let first = self.len;
        self.len += count;
        while self.chunks.len() * CHUNK < self.len {
            self.chunks.push(core::iter::repeat_with(T::default).take(CHUNK).collect());
        }
        first
    }

    pub(super) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<T>() + self.chunks.capacity() * size_of::<Box<[T]>>()
    }

    /// Bytes by which it would grow for `count` items more.
    pub(super) fn growth(&self, count: usize) -> usize {
        (self.len + count).div_ceil(CHUNK).saturating_sub(self.chunks.len()) * CHUNK * size_of::<T>()
    }

    /// Neighbouring items from a number on, as many as lie in one piece, up to `count`.
    #[inline]
    pub(super) fn piece(&self, at: u32, count: u32) -> &[T] {
        let from = at as usize % CHUNK;
        &self.chunks[at as usize / CHUNK][from..CHUNK.min(from + count as usize)]
    }
}

impl<T> core::ops::Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: u32) -> &T {
        &self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }
}

impl<T> core::ops::IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }
}
