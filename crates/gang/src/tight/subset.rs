//! Which sums can be had from exactly so many of a list of capacities.

use std::collections::BTreeMap;

/// For each start and count, the sums of that many of the capacities from there on, as bits.
#[derive(Debug)]
pub(super) struct Sums {
    bits: Vec<u64>,
    words: usize,
    count: usize,
}

impl Sums {
    /// The most items.
    const MAX_ITEMS: usize = 4096;

    /// How many words are written; none if that is out of the question.
    pub(super) fn cost(items: usize, count: usize, most: u64) -> Option<u64> {
        let words = most / 64 + 1;
        let cost = (items as u64 + 1).checked_mul(count as u64 + 1)?.checked_mul(words)?;
        (cost <= 1 << 22 && items <= Self::MAX_ITEMS).then_some(cost.div_ceil(8))
    }

    /// Sums up to `most` of up to `count` of the capacities.
    pub(super) fn new(caps: &[u64], count: usize, most: u64) -> Self {
        let words = (most / 64 + 1) as usize;
        let mut sums = Self { bits: vec![0; (caps.len() + 1) * (count + 1) * words], words, count };
        sums.bits[caps.len() * (count + 1) * words] = 1;
        for at in (0..caps.len()).rev() {
            for n in 0..=count {
                let (to, skip) = (sums.start(at, n), sums.start(at + 1, n));
                sums.bits.copy_within(skip..skip + words, to);
                if n > 0 {
                    let take = sums.start(at + 1, n - 1);
                    sums.or_shifted(to, take, caps[at]);
                }
            }
        }
        sums
    }

    /// Whether exactly `count` of the capacities from `at` on can sum to `sum`.
    pub(super) fn has(&self, at: usize, count: usize, sum: u64) -> bool {
        let word = (sum / 64) as usize;
        word < self.words && self.bits[self.start(at, count) + word] >> (sum % 64) & 1 == 1
    }

    /// The least sum of exactly `count` capacities that is `want` or more.
    pub(super) fn least_from(&self, count: usize, want: u64) -> Option<u64> {
        (want..self.words as u64 * 64).find(|&sum| self.has(0, count, sum))
    }

    /// The first set in order of position with exactly this count and sum.
    pub(super) fn first_set(&self, caps: &[u64], count: usize, sum: u64) -> Vec<usize> {
        let (mut count, mut sum, mut set) = (count, sum, Vec::with_capacity(count));
        for (at, &cap) in caps.iter().enumerate() {
            if count > 0 && cap <= sum && self.has(at + 1, count - 1, sum - cap) {
                set.push(at);
                (count, sum) = (count - 1, sum - cap);
            }
        }
        set
    }

    fn start(&self, at: usize, count: usize) -> usize {
        (at * (self.count + 1) + count) * self.words
    }

    /// Or's the words from `from` into those from `to`, shifted up by `by` bits.
    fn or_shifted(&mut self, to: usize, from: usize, by: u64) {
        let (words, bits) = ((by / 64) as usize, by % 64);
        for at in words..self.words {
            let low = self.bits[from + at - words] << bits;
            let carry = if bits > 0 && at > words { self.bits[from + at - words - 1] >> (64 - bits) } else { 0 };
            self.bits[to + at] |= low | carry;
        }
    }
}

pub(super) fn all_equal(caps: &[u64]) -> bool {
    caps.windows(2).all(|pair| pair[0] == pair[1])
}

/// Positions in order, at most `count` of each capacity.
pub(super) fn kept(caps: &[u64], count: usize) -> Vec<usize> {
    let mut seen = BTreeMap::new();
    let keep = |&at: &usize| {
        let seen = seen.entry(caps[at]).or_insert(0usize);
        *seen += 1;
        *seen <= count
    };
    (0..caps.len()).filter(keep).collect()
}

/// Largest first, the last one replaced by the smallest that holds the rest; the earliest among equals. The capacities
/// suffice, and `want` is not 0.
pub(super) fn best_fit(caps: &[u64], want: u64) -> Vec<usize> {
    let most = caps.iter().copied().max().unwrap_or(0);
    if most >= want {
        let fits = (0..caps.len()).filter(|&at| caps[at] >= want);
        return fits.min_by_key(|&at| (caps[at], at)).into_iter().collect();
    }
    let mut order: Vec<usize> = (0..caps.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(caps[at]), at));
    let (mut left, mut chosen) = (want, Vec::new());
    for (taken, &at) in order.iter().enumerate() {
        if caps[at] >= left {
            let rest = order[taken..].iter().copied().filter(|&at| caps[at] >= left);
            chosen.extend(rest.min_by_key(|&at| (caps[at], at)));
            break;
        }
        left -= caps[at];
        chosen.push(at);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_subsets() {
        let caps = [3, 1, 70, 3, 64, 2];
        let sums = Sums::new(&caps, 3, 140);
        for at in 0..=caps.len() {
            for count in 0..=3 {
                let mut expected = vec![false; 141];
                for set in 0u32..1 << caps.len() {
                    let members = (0..caps.len()).filter(|&i| set >> i & 1 == 1);
                    if set.count_ones() as usize == count && members.clone().all(|i| i >= at) {
                        let sum: u64 = members.map(|i| caps[i]).sum();
                        if sum <= 140 {
                            expected[sum as usize] = true;
                        }
                    }
                }
                let found: Vec<bool> = (0..=140).map(|sum| sums.has(at, count, sum)).collect();
                assert_eq!(found, expected, "{count} from {at} on");
            }
        }
        assert_eq!(sums.least_from(3, 9), Some(67));
        assert_eq!(sums.first_set(&caps, 2, 4), [0, 1]);
    }

    #[test]
    fn best_fit_takes_the_smallest_that_holds_the_rest() {
        assert_eq!(best_fit(&[5, 4, 3], 7), [0, 2]);
        assert_eq!(best_fit(&[5, 4, 3, 3], 3), [2]);
        assert_eq!(best_fit(&[2, 2, 2], 6), [0, 1, 2]);
    }
}
