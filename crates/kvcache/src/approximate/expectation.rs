//! What a ledger believed of a request when it was sent.

/// Last uses that are told apart along one prompt.
const USES: usize = 4;

/// What an [`ApproximateLedger`](crate::ApproximateLedger) believed of a request when it was sent: kept beside the request
/// until its response, and given back then. A plain value of some 100 bytes, which may as well be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// When the request was learned, as the ledger counts.
    pub(super) used: u64,
    pub(super) blocks: u32,
    believed: u32,
    pub(super) confirmed: u32,
    /// Where the blocks of one last use end, and when that was: later ones first, as a prefix is used with all that
    /// continues it.
    uses: [(u32, u64); USES],
    len: u32,
}

impl Expectation {
    pub(super) fn new(blocks: u32) -> Self {
        Self { used: 0, blocks, believed: 0, confirmed: 0, uses: [(0, 0); USES], len: 0 }
    }

    /// One more block that is believed to be there, since a use of all of the prompt up to it.
    pub(super) fn believe(&mut self, used: u64, confirmed: bool) {
        self.believed += 1;
        self.confirmed += u32::from(confirmed);
        let same = self.len > 0 && self.uses[self.len as usize - 1].1 == used;
        if !same && (self.len as usize) < USES {
            self.len += 1;
        }
        // Past the last place, uses fall together as the earliest of them: less is concluded from it, but nothing wrong.
        self.uses[self.len as usize - 1] = (self.believed, used);
    }

    /// Blocks that were believed to be in the cache, counted from the start of the prompt.
    pub const fn believed_blocks(&self) -> u32 {
        self.believed
    }

    /// When block `at`, one of the believed ones, had been used last, or earlier than that.
    pub(super) fn last_use(&self, at: u32) -> u64 {
        let uses = &self.uses[..self.len as usize];
        uses.iter().find(|&&(end, _)| at < end).map_or(0, |&(_, used)| used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_uses_than_places_fall_together_as_the_earliest() {
        let mut expected = Expectation::new(9);
        for used in [90, 90, 80, 70, 60, 50, 40] {
            expected.believe(used, false);
        }
        let uses: Vec<u64> = (0..7).map(|at| expected.last_use(at)).collect();
        assert_eq!(uses, [90, 90, 80, 70, 40, 40, 40]);
        assert_eq!((expected.believed_blocks(), expected.blocks), (7, 9));
        assert_eq!(expected.last_use(7), 0, "none of the believed ones");
    }
}
