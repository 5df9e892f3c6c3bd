//! The best of many numbers that change one at a time.

use std::ops::Range;

/// How many entries one of the level above stands for: two lines of cache.
const FAN: usize = 16;

/// A column of numbers, 0 for none, that knows its greatest in any range: a tree of maxima. A change or a question costs
/// O(log n).
#[derive(Clone, Debug)]
pub(super) struct Ranking {
    /// The numbers, then the greatest of each 16, and so on; the last level is short.
    levels: Vec<Vec<u64>>,
}

impl Ranking {
    pub(super) fn new(numbers: Vec<u64>) -> Self {
        let mut levels = vec![numbers];
        while let Some(last) = levels.last().filter(|last| last.len() > FAN) {
            let above = last.chunks(FAN).map(|chunk| *chunk.iter().max().expect("no chunk is empty")).collect();
            levels.push(above);
        }
        Self { levels }
    }

    pub(super) fn set(&mut self, mut at: usize, mut number: u64) {
        for level in 0..self.levels.len() {
            if level > 0 {
                let below = &self.levels[level - 1];
                number = *below[at * FAN..below.len().min(at * FAN + FAN)].iter().max().expect("no chunk is empty");
            }
            if self.levels[level][at] == number {
                return;
            }
            self.levels[level][at] = number;
            at /= FAN;
        }
    }

    /// The first position of the greatest number in the range; none if all there are 0. Panics on a range beyond the column.
    pub(super) fn best(&self, range: Range<usize>) -> Option<usize> {
        let Range { mut start, mut end } = range;
        // Of what is left and of what is right of the part that the levels above have still to look at.
        let (mut left, mut right) = (Found::NONE, Found::NONE);
        for (level, numbers) in self.levels.iter().enumerate() {
            if level + 1 == self.levels.len() || end.saturating_sub(start) <= FAN {
                left = left.or_later(Found::first(level, numbers, start..end));
                break;
            }
            let (inner_start, inner_end) = (start.next_multiple_of(FAN), end - end % FAN);
            left = left.or_later(Found::first(level, numbers, start..inner_start));
            right = Found::first(level, numbers, inner_end..end).or_later(right);
            (start, end) = (inner_start / FAN, inner_end / FAN);
        }
        let Found { number, mut level, mut at } = left.or_later(right);
        if number == 0 {
            return None;
        }
        while level > 0 {
            level -= 1;
            at *= FAN;
            at += self.levels[level][at..].iter().position(|&below| below == number).expect("a maximum is one of them");
        }
        Some(at)
    }
}

/// A number and where it was found.
#[derive(Clone, Copy)]
struct Found {
    number: u64,
    level: usize,
    at: usize,
}

impl Found {
    const NONE: Self = Self { number: 0, level: 0, at: 0 };

    fn first(level: usize, numbers: &[u64], range: Range<usize>) -> Self {
        let mut found = Self { level, ..Self::NONE };
        for at in range {
            if numbers[at] > found.number {
                (found.number, found.at) = (numbers[at], at);
            }
        }
        found
    }

    /// The greater one; this one if they are equal.
    fn or_later(self, later: Self) -> Self {
        if later.number > self.number { later } else { self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(numbers: &[u64], range: Range<usize>) -> Option<usize> {
        let best = range.clone().map(|at| numbers[at]).max().filter(|&best| best > 0)?;
        range.into_iter().find(|&at| numbers[at] == best)
    }

    proptest! {
        #[test]
        fn the_best_is_that_of_looking_at_all(
            (mut numbers, sets, ranges) in (0..900_usize).prop_flat_map(|len| (
                prop::collection::vec(0..9_u64, len),
                prop::collection::vec((0..len.max(1), 0..9_u64), if len == 0 { 0 } else { 20 }),
                prop::collection::vec((0..=len, 0..=len), 9),
            ))
        ) {
            let mut ranking = Ranking::new(numbers.clone());
            for (at, number) in sets {
                ranking.set(at, number);
                numbers[at] = number;
                prop_assert_eq!(ranking.best(0..numbers.len()), naive(&numbers, 0..numbers.len()));
                for &(a, b) in &ranges {
                    let range = a.min(b)..a.max(b);
                    prop_assert_eq!(ranking.best(range.clone()), naive(&numbers, range));
                }
            }
        }

        #[test]
        fn it_is_the_same_when_built_anew(numbers in prop::collection::vec(0..4_u64, 1..700)) {
            let mut ranking = Ranking::new(vec![0; numbers.len()]);
            numbers.iter().enumerate().for_each(|(at, &number)| ranking.set(at, number));
            prop_assert_eq!(ranking.levels, Ranking::new(numbers).levels);
        }
    }
}
