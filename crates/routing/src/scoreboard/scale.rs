//! From the value of one to its score among all.

use crate::policy::ONE;

/// Ranges up to this are divided by with a multiplication.
pub(super) const SHORT: i64 = 1 << 21;
pub(super) const SHIFT: u32 = 43;

/// How a value becomes a score between the least and the most of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(super) most: i64,
    range: i64,
    /// 2^43 scores for each unit, rounded up; 0 for a range that is too long for that.
    pub(super) factor: u64,
}

impl Scale {
    /// From the most, which scores nothing, to the least; all in full when they are equal.
    pub(crate) fn new(least: i64, most: i64) -> Self {
        let range = most.saturating_sub(least).max(0);
        // A distance d of the range r comes out at d × ONE / r and less than 2^-22 more, and 1/r is twice that or more: so
        // it is rounded down to the same whole number. The product stays below 2^64.
        let factor = if (1..=SHORT).contains(&range) { ((ONE as u64) << SHIFT) / range as u64 + 1 } else { 0 };
        Self { most, range, factor }
    }

    #[inline]
    pub(crate) fn score(&self, value: i64) -> i64 {
        let distance = self.most.saturating_sub(value).clamp(0, self.range);
        if self.factor != 0 {
            return ((distance as u64 * self.factor) >> SHIFT) as i64;
        }
        if self.range == 0 { ONE } else { distance.saturating_mul(ONE) / self.range }
    }
}

/// Two scores as one, the first of which counts for so much in parts of a million.
pub(crate) fn blended(first_ppm: u32, first: i64, second: i64) -> i64 {
    let weight = i64::from(first_ppm);
    (weight * first + (ONE - weight) * second) / ONE
}
