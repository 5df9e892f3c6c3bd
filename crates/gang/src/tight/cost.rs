//! What a placement costs, level by level.

/// For each level from the ancestor down, the domains used and the capacity of those: compared lexicographically, added
/// level by level.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost([(u32, u64); Self::LEVELS]);

impl Cost {
    /// As many levels as are weighed; below that a placement is not proven optimal.
    pub(super) const LEVELS: usize = 8;

    /// Adds domains used at a level; levels beyond the last weighed are left out.
    pub(super) fn add_level(&mut self, level: usize, domains: u64, capacity: u64) {
        if let Some((count, sum)) = self.0.get_mut(level) {
            *count += domains as u32;
            *sum += capacity;
        }
    }

    /// Whether this, the cost of `cap` units, and another one of `of` units are the same for each unit.
    pub(super) fn is_in_proportion(&self, cap: u64, other: &Self, of: u64) -> bool {
        let product = |a: u64, b: u64| u128::from(a) * u128::from(b);
        let equal = |(&(count, sum), &(others, other_sum)): (&(u32, u64), &(u32, u64))| {
            product(count.into(), of) == product(others.into(), cap) && product(sum, of) == product(other_sum, cap)
        };
        self.0.iter().zip(&other.0).all(equal)
    }

    pub(super) fn add(&mut self, other: &Self) {
        for ((count, sum), (more, capacity)) in self.0.iter_mut().zip(&other.0) {
            *count += more;
            *sum += capacity;
        }
    }
}
