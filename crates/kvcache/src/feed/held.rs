//! Live batches that wait for the end of a replay.

use std::collections::VecDeque;

/// What a batch counts for besides its payload, in bytes.
const EACH: usize = 64;

/// A batch: its number, its fingerprint, its payload.
type Batch<P> = (u64, u64, P);

/// Batches by ascending number, in bounded memory.
#[derive(Clone, Debug)]
pub(super) struct Held<P> {
    batches: VecDeque<Batch<P>>,
    bytes: usize,
    most: usize,
}

impl<P: AsRef<[u8]>> Held<P> {
    pub(super) const fn new(most: usize) -> Self {
        Self { batches: VecDeque::new(), bytes: 0, most }
    }

    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// One more than the highest number that is here; 0 without any.
    pub(super) fn end(&self) -> u64 {
        self.batches.back().map_or(0, |(seq, _, _)| seq.saturating_add(1))
    }

    /// The fingerprint of a batch that is here.
    pub(super) fn print(&self, seq: u64) -> Option<u64> {
        let at = self.batches.binary_search_by_key(&seq, |(seq, _, _)| *seq).ok()?;
        Some(self.batches[at].1)
    }

    /// Keeps a batch with a higher number than all that are here, if there is room for it.
    pub(super) fn push(&mut self, seq: u64, print: u64, payload: P) {
        let bytes = self.bytes.saturating_add(size(&payload));
        if bytes <= self.most {
            self.bytes = bytes;
            self.batches.push_back((seq, print, payload));
        }
    }

    /// Hands out the lowest number.
    pub(super) fn pop(&mut self) -> Option<Batch<P>> {
        let batch = self.batches.pop_front()?;
        self.bytes -= size(&batch.2);
        Some(batch)
    }

    /// Takes back what was just handed out.
    pub(super) fn unpop(&mut self, seq: u64, print: u64, payload: P) {
        self.bytes += size(&payload);
        self.batches.push_front((seq, print, payload));
    }

    /// Lets go of everything before the last gap.
    pub(super) fn keep_last_run(&mut self) {
        let numbers = self.batches.iter().map(|(seq, _, _)| *seq);
        let gap = numbers.clone().zip(numbers.skip(1)).rposition(|(one, other)| other - one > 1);
        (0..gap.map_or(0, |at| at + 1)).for_each(|_| drop(self.pop()));
    }

    pub(super) fn clear(&mut self) {
        self.batches.clear();
        self.bytes = 0;
    }
}

fn size(payload: &impl AsRef<[u8]>) -> usize {
    payload.as_ref().len().saturating_add(EACH)
}
