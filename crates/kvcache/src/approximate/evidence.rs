//! What an engine's reports have shown so far, and what may be concluded from the next one.

use super::Expectation;

/// Reports over which errors are remembered, about.
const REPORTS: u64 = 32;

/// Places behind the point of the sums of errors.
const POINT: u32 = 8;

/// Weighs reports, so that those of an engine that does not do as supposed do no harm.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    /// What all numbers of cached blocks were multiples of; 0 before the first hit.
    step: u32,
    /// Blocks that were believed and missing, and blocks that were there and not believed, of late.
    missed: u64,
    unknown: u64,
}

/// What a report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// Blocks that were cached.
    pub(super) cached: u32,
    /// A block that had been dropped, and with it what was used no later.
    pub(super) dropped: Option<u32>,
}

impl Evidence {
    pub(super) fn weigh(&mut self, expected: &Expectation, cached: u32) -> Finding {
        let (blocks, believed) = (expected.blocks, expected.believed_blocks());
        self.step = gcd(self.step, cached);
        let mut cached = cached.min(blocks);
        if believed == blocks && cached + 1 == blocks {
            cached = blocks; // the last token is computed in any case
        }
        // An engine that reuses whole steps only may have all of them but the last.
        let missing = cached.saturating_add(self.step.max(1) - 1);
        let missed = believed.min(expected.confirmed).saturating_sub(missing);
        for (sum, more) in [(&mut self.missed, missed), (&mut self.unknown, cached.saturating_sub(believed))] {
            *sum = *sum - *sum / REPORTS + (u64::from(more) << POINT);
        }
        let sound = self.step > 0 && missing < blocks.saturating_sub(1) && self.missed >= self.unknown;
        Finding { cached, dropped: (missed > 0 && sound).then_some(missing) }
    }
}

/// The greatest common divisor; what is not 0 if one of them is.
fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
