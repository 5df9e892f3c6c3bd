//! The tokens of pieces of text that came before.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What an entry takes beyond its tokens, in bytes.
const ENTRY: usize = 96;

/// Pieces by a hash of their text. Bounded: what was not asked for while half of the bound was filled anew is let go.
#[derive(Debug)]
pub(super) struct Cache {
    young: Generation,
    old: Generation,
    /// Bytes of a generation, at the most.
    half: usize,
}

/// Pieces that were asked for in the same time.
#[derive(Debug, Default)]
pub(super) struct Generation {
    pieces: BTreeMap<u128, Arc<[u32]>>,
    bytes: usize,
}

impl Cache {
    pub(super) fn new(bytes: usize) -> Self {
        Self { young: Generation::default(), old: Generation::default(), half: bytes / 2 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.young.bytes + self.old.bytes
    }

    /// The tokens of a piece; what had to go for that it stays is handed out, to be dropped without the lock.
    pub(super) fn get(&mut self, key: u128) -> (Option<Arc<[u32]>>, Option<Generation>) {
        if let Some(ids) = self.young.pieces.get(&key) {
            return (Some(Arc::clone(ids)), None);
        }
        let Some(ids) = self.old.pieces.remove(&key) else { return (None, None) };
        self.old.bytes -= size(&ids);
        let gone = self.put(key, Arc::clone(&ids));
        (Some(ids), gone)
    }

    /// Keeps the tokens of a piece, unless it is too large; what had to go for it is handed out.
    #[must_use]
    pub(super) fn put(&mut self, key: u128, ids: Arc<[u32]>) -> Option<Generation> {
        let size = size(&ids);
        if size > self.half {
            return None;
        }
        let gone = (self.young.bytes + size > self.half)
            .then(|| std::mem::replace(&mut self.old, std::mem::take(&mut self.young)));
        if self.young.pieces.insert(key, ids).is_none() {
            self.young.bytes += size;
        }
        gone
    }
}

fn size(ids: &[u32]) -> usize {
    size_of_val(ids) + ENTRY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_bound_holds() {
        let mut cache = Cache::new(10 * (ENTRY + 40));
        let ids: Arc<[u32]> = Arc::from([7; 10]);
        let _ = cache.put(0, Arc::clone(&ids));
        for key in 1..1000 {
            let _ = cache.put(key, Arc::clone(&ids));
            assert!(cache.get(0).0.is_some(), "{key}");
            assert!(cache.bytes() <= 10 * (ENTRY + 40), "{key}");
        }
        assert!(cache.get(1).0.is_none());
        assert!(cache.get(999).0.is_some());
    }

    #[test]
    fn what_is_larger_than_half_is_not_kept() {
        let mut cache = Cache::new(1000);
        assert!(cache.put(1, Arc::from([0; 1000])).is_none());
        assert_eq!((cache.get(1).0, cache.bytes()), (None, 0));
        let mut none = Cache::new(0);
        let _ = none.put(1, Arc::from([0; 1]));
        assert_eq!(none.bytes(), 0);
    }
}
