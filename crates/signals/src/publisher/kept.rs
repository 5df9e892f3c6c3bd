//! Batches that are kept for replays.

use std::collections::VecDeque;
use std::sync::Arc;

/// A batch and its number. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) seq: u64,
    pub(super) payload: Arc<[u8]>,
}

/// The latest batches, within bounds.
#[derive(Debug)]
pub(super) struct Kept {
    batches: VecDeque<Batch>,
    next: u64,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

impl Kept {
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        Self { batches: VecDeque::new(), next: 0, bytes: 0, most, most_bytes }
    }

    /// Numbers a batch and keeps it, and lets go of the oldest ones.
    pub(super) fn push(&mut self, payload: Vec<u8>) -> Batch {
        let batch = Batch { seq: self.next, payload: payload.into() };
        self.next += 1;
        self.bytes += batch.payload.len();
        self.batches.push_back(batch.clone());
        while (self.batches.len() > self.most || self.bytes > self.most_bytes)
            && let Some(gone) = self.batches.pop_front()
        {
            self.bytes -= gone.payload.len();
        }
        batch
    }

    /// The first batch of at least this number.
    pub(super) fn at_least(&self, seq: u64) -> Option<Batch> {
        let first = self.batches.front()?.seq;
        let place = usize::try_from(seq.saturating_sub(first)).ok()?;
        self.batches.get(place).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept() {
        let seq = |batch: Option<Batch>| batch.map(|batch| batch.seq);
        let mut kept = Kept::new(3, 10);
        assert_eq!(kept.at_least(0), None);
        (0..5).for_each(|seq| assert_eq!(kept.push(vec![0; 2]).seq, seq));
        assert_eq!(
            [0, 2, 4, 5, u64::MAX].map(|from| seq(kept.at_least(from))),
            [Some(2), Some(2), Some(4), None, None]
        );
        kept.push(vec![0; 9]);
        assert_eq!(seq(kept.at_least(0)), Some(5));
        kept.push(vec![0; 11]);
        assert_eq!(seq(kept.at_least(0)), None);
    }
}
