//! A column in pages, so that a copy shares what it does not write.

use std::sync::Arc;

/// A column of entries, `PAGE` a page: a copy-on-write step copies one page, a fork one pointer a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paged<T, const PAGE: usize = 256> {
    pages: Vec<Arc<[T; PAGE]>>,
}

impl<T: Copy, const PAGE: usize> Paged<T, PAGE> {
    /// A column of `len` equal entries; all pages are one until they are written.
    pub(crate) fn new(len: usize, value: T) -> Self {
        let page = Arc::new([value; PAGE]);
        Self { pages: vec![page; len.div_ceil(PAGE)] }
    }

    pub(crate) fn set(&mut self, at: usize, value: T) {
        Arc::make_mut(&mut self.pages[at / PAGE])[at % PAGE] = value;
    }

    pub(crate) fn get(&self, at: usize) -> T {
        self.pages[at / PAGE][at % PAGE]
    }

    /// For an entry that is too large to be copied around.
    pub(crate) fn at(&self, at: usize) -> &T {
        &self.pages[at / PAGE][at % PAGE]
    }

    pub(crate) fn at_mut(&mut self, at: usize) -> &mut T {
        &mut Arc::make_mut(&mut self.pages[at / PAGE])[at % PAGE]
    }

    /// The pages in order; the last one may run past the column's end.
    pub(crate) fn pages(&self) -> impl Iterator<Item = &[T]> {
        self.pages.iter().map(|page| page.as_slice())
    }
}
