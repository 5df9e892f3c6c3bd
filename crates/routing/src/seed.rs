//! Chance, as an input.

/// Where draws come from: the same seed and the same request key give the same draw, on every platform.
///
/// ```
/// use phalanx_routing::Seed;
///
/// assert_eq!(Seed::from(7), Seed::from(7));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seed(u64);

/// What a draw is for: draws of one request for different ends are independent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    Tie = 1,
    Target = 2,
    Pick = 3,
    Score = 4,
    Odds = 5,
    Order = 6,
}

impl Seed {
    /// A number below `bound` for the request `key`; 0 when `bound` is 0. Uneven by at most one part in 2^32.
    pub(crate) fn draw(self, stage: Stage, key: u64, bound: u32) -> u32 {
        self.draw_nth(stage, key, 0, bound)
    }

    /// One of several independent draws of a request for the same end.
    pub(crate) fn draw_nth(self, stage: Stage, key: u64, nth: u64, bound: u32) -> u32 {
        let mixed = self.mixed(stage, key);
        let mixed = if nth == 0 { mixed } else { mix(mixed ^ nth) };
        // The high half of the product: multiply and shift instead of a remainder.
        (((mixed >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// A number below `bound`, which may be great; 0 when `bound` is 0.
    pub(crate) fn draw_wide(self, stage: Stage, key: u64, bound: u64) -> u64 {
        ((u128::from(self.mixed(stage, key)) * u128::from(bound)) >> 64) as u64
    }

    fn mixed(self, stage: Stage, key: u64) -> u64 {
        mix(mix(self.0 ^ mix(stage as u64)) ^ key)
    }
}

impl From<u64> for Seed {
    fn from(seed: u64) -> Self {
        Self(seed)
    }
}

impl From<Seed> for u64 {
    fn from(seed: Seed) -> Self {
        seed.0
    }
}

/// The splitmix64 step: a bijection of u64 in which every input bit reaches every output bit.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_splitmix64() {
        // The first output of the published generator seeded with 0.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn draws_stay_below_the_bound_and_reach_all_of_it() {
        let mut seen = [0_u32; 7];
        for key in 0..7000 {
            seen[Seed::from(3).draw(Stage::Tie, key, 7) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert_eq!(Seed::from(3).draw(Stage::Tie, 1, 0), 0);
    }
}
