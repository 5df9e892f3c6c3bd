//! Fingerprints of the batches that were applied last.

/// How many are remembered.
const COUNT: u64 = 64;

/// The fingerprints of batches of one process, each in the place that the last digits of its number say: of a row
/// without gaps the last 64.
#[derive(Clone, Debug)]
pub(super) struct Prints {
    /// Number and fingerprint. No batch has the highest number.
    prints: [(u64, u64); COUNT as usize],
}

impl Prints {
    pub(super) const fn new() -> Self {
        Self { prints: [(u64::MAX, 0); COUNT as usize] }
    }

    /// Remembers a batch, in the place of an older one.
    pub(super) fn push(&mut self, seq: u64, print: u64) {
        self.prints[(seq % COUNT) as usize] = (seq, print);
    }

    /// The fingerprint of a batch, if it is remembered.
    pub(super) fn get(&self, seq: u64) -> Option<u64> {
        let (of, print) = self.prints[(seq % COUNT) as usize];
        (of == seq && seq != u64::MAX).then_some(print)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_of_a_row_are_remembered() {
        let mut prints = Prints::new();
        assert_eq!([0, u64::MAX].map(|seq| prints.get(seq)), [None, None]);
        (0..100).for_each(|seq| prints.push(seq, seq * 3));
        assert_eq!([35, 36, 99, 100].map(|seq| prints.get(seq)), [None, Some(108), Some(297), None]);
        prints.push(u64::MAX - 1, 6);
        assert_eq!([u64::MAX - 2, u64::MAX - 1, u64::MAX].map(|seq| prints.get(seq)), [None, Some(6), None]);
    }
}
