//! Sets of so many capacities with exactly this sum, by trying all where they are few.

/// The most sets of a count that are tried one by one.
const SETS: u64 = 20_000;

/// The most bounds that are kept for that: an item and count each.
const ENTRIES: usize = 1 << 16;

/// The sets of exactly `count` of the capacities that sum to `want`, in order of position. With an exact fit nothing is left
/// empty, so that only what is below the items is left to weigh.
#[derive(Debug)]
pub(super) struct Exact<'a> {
    caps: &'a [u64],
    count: usize,
    want: u64,
    /// For each start and count, the most and the least that so many capacities from there on sum to.
    bounds: Vec<(u64, u64)>,
    visited: u64,
}

impl<'a> Exact<'a> {
    /// None if there are too many sets to try them all.
    pub(super) fn new(caps: &'a [u64], count: usize, want: u64) -> Option<Self> {
        if count > caps.len() || caps.len().saturating_mul(count) > ENTRIES || !are_few(caps.len() as u64, count as u64)
        {
            return None;
        }
        let width = count + 1;
        let mut bounds = vec![(0, u64::MAX); (caps.len() + 1) * width];
        bounds[caps.len() * width] = (0, 0);
        let (mut high, mut low): (Vec<u64>, Vec<u64>) = (Vec::with_capacity(width), Vec::with_capacity(width));
        for at in (0..caps.len()).rev() {
            let cap = caps[at];
            high.insert(high.partition_point(|&other| other > cap), cap);
            low.insert(low.partition_point(|&other| other < cap), cap);
            high.truncate(count);
            low.truncate(count);
            let (mut most, mut least) = (0, 0);
            bounds[at * width] = (0, 0);
            for (taken, (&high, &low)) in high.iter().zip(&low).enumerate() {
                (most, least) = (most + high, least + low);
                bounds[at * width + taken + 1] = (most, least);
            }
        }
        Some(Self { caps, count, want, bounds, visited: 0 })
    }

    /// Calls `found` with each set, until it says false.
    pub(super) fn each(&mut self, mut found: impl FnMut(&[usize]) -> bool) {
        let mut set = Vec::with_capacity(self.count);
        self.from(0, 0, &mut set, &mut found);
    }

    /// How many items were looked at.
    pub(super) fn visited(&self) -> u64 {
        self.visited
    }

    /// Goes on from item `at` with the sum so far; false to stop. As deep as there are items in a set.
    fn from(&mut self, at: usize, sum: u64, set: &mut Vec<usize>, found: &mut impl FnMut(&[usize]) -> bool) -> bool {
        let left = self.count - set.len();
        if left == 0 {
            return sum != self.want || found(set);
        }
        let (width, rest) = (self.count + 1, self.want - sum);
        for at in at..=self.caps.len() - left {
            self.visited += 1;
            if self.bounds[at * width + left].0 < rest {
                break;
            }
            let cap = self.caps[at];
            let (most, least) = self.bounds[(at + 1) * width + left - 1];
            if cap > rest || cap + most < rest || cap.saturating_add(least) > rest {
                continue;
            }
            set.push(at);
            let on = self.from(at + 1, sum + cap, set, found);
            set.pop();
            if !on {
                return false;
            }
        }
        true
    }
}

/// Whether so many of so many make at most [`SETS`] sets.
fn are_few(of: u64, count: u64) -> bool {
    let mut sets = 1u64;
    for taken in 0..count.min(of - count) {
        // Exact: a product of consecutive numbers is divisible step by step.
        sets = sets * (of - taken) / (taken + 1);
        if sets > SETS {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(caps: &[u64], count: usize, want: u64) -> Vec<Vec<usize>> {
        let mut sets = Vec::new();
        Exact::new(caps, count, want).expect("they are few").each(|set| {
            sets.push(set.to_vec());
            true
        });
        sets
    }

    #[test]
    fn all_sets_and_no_other_are_found_in_order() {
        let caps = [3, 1, 70, 3, 64, 2, 1];
        for count in 0..=caps.len() {
            for want in 0..150 {
                let sets = (0u32..1 << caps.len()).map(|set| (0..caps.len()).filter(move |&at| set >> at & 1 == 1));
                let fits = |set: &Vec<usize>| set.len() == count && set.iter().map(|&at| caps[at]).sum::<u64>() == want;
                let mut expected: Vec<Vec<usize>> = sets.map(Iterator::collect).filter(fits).collect();
                expected.sort();
                assert_eq!(all(&caps, count, want), expected, "{count} with sum {want}");
            }
        }
    }

    #[test]
    fn too_many_are_not_tried() {
        assert!(Exact::new(&[1; 64], 20, 20).is_none());
        assert!(Exact::new(&[1; 16], 4, 4).is_some());
        assert!(Exact::new(&[1; 100_000], 99_999, 1).is_none());
    }
}
