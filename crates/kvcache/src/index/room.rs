//! Room of lists whose memory is counted: they grow by an eighth, give back what they do not need, and have copies with
//! the same room.

/// Items for which a list gets room at the least.
pub(super) const LEAST: usize = 8;

/// A copy with as much room.
pub(super) fn copy<T: Clone>(list: &Vec<T>) -> Vec<T> {
    let mut copy = Vec::with_capacity(list.capacity());
    copy.extend_from_slice(list);
    copy
}

/// Makes room for `more` items.
#[inline]
pub(super) fn make<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more + list.len() / 8 + LEAST);
    }
}

/// Bytes by which a list may grow if it gets room for `more` items, one after the other or at once.
pub(super) fn growth<T>(list: &Vec<T>, more: usize) -> usize {
    let (len, room) = (list.len() + more, list.capacity());
    if len <= room { 0 } else { (len + len / 8 + LEAST - room) * size_of::<T>() }
}

/// Gives back room that a list does not need.
pub(super) fn release<T>(list: &mut Vec<T>) {
    if list.len() + LEAST < list.capacity() / 8 {
        list.shrink_to(2 * list.len());
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_list_grows_by_no_more_than_is_said() {
        for (len, more) in [(0, 1), (0, 100), (8, 1), (100, 1), (1_000, 300)] {
            let mut list = Vec::with_capacity(len);
            list.resize(len, 1_u16);
            let most = list.capacity() * 2 + super::growth(&list, more);
            for _ in 0..more {
                super::make(&mut list, 1);
                list.push(1);
            }
            assert!(list.capacity() * 2 <= most, "{len} and {more} items take {} bytes", list.capacity() * 2);
            let copy = super::copy(&list);
            assert_eq!((copy.len(), copy.capacity()), (list.len(), list.capacity()));
            list.truncate(3);
            super::release(&mut list);
            assert!(list.capacity() <= 100);
        }
    }
}
