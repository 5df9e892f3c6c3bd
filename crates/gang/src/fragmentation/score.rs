//! What a placement is worth, as one number.

use std::fmt;

/// What it is worth to place a pod on a node: see [`Fragmentation`](crate::Fragmentation). A greater score is better; only
/// scores of the same demand and the same mix compare.
///
/// ```
/// # use phalanx_gang::Fragmentation;
/// # use phalanx_topology::{Demand, Inventory, ShapeMix};
/// let inventory = Inventory::from_notation("r1{n1:3}")?;
/// let n1 = inventory.topology().node("n1").unwrap();
/// let objective = Fragmentation::new(ShapeMix::new([(Demand::devices(2), 1)])?);
/// let (score, _) = objective.score(&inventory, n1, &Demand::devices(2)).unwrap();
/// // One device was useless for pairs beyond the first, and still is: it only became visible.
/// assert_eq!((score.gradient(), score.room_lost(), score.milli_left()), (26, 2_000, 1_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentationScore(u64);

/// Where the gradient begins, above 40 bits of room and 16 bits of milli, each counted down. The top bit is always set, so
/// that no score is 0.
const GRADIENT: u32 = 56;
const ROOM: u32 = 16;
const MOST_ROOM: u64 = (1 << (GRADIENT - ROOM)) - 1;
const MOST_MILLI: u64 = (1 << ROOM) - 1;

impl FragmentationScore {
    pub(super) fn new(gradient: u32, room_lost: u64, milli_left: u32) -> Self {
        let top = 1 << 63 | u64::from(gradient) << GRADIENT;
        Self(top | (MOST_ROOM - room_lost) << ROOM | (MOST_MILLI - u64::from(milli_left)))
    }

    /// As a number that orders like the score and is never 0.
    pub(super) fn key(self) -> u64 {
        self.0
    }

    /// The fall of fragmentation in steps, 0 to 99; 50 and above if it does not grow.
    #[must_use]
    pub fn gradient(self) -> u32 {
        (self.0 << 1 >> (GRADIENT + 1)) as u32
    }

    /// How much room the expected pods lose, in milli of a device times weight.
    #[must_use]
    pub fn room_lost(self) -> u64 {
        MOST_ROOM - (self.0 >> ROOM & MOST_ROOM)
    }

    /// How many milli of its devices the node has left then.
    #[must_use]
    pub fn milli_left(self) -> u32 {
        (MOST_MILLI - (self.0 & MOST_MILLI)) as u32
    }
}

impl fmt::Debug for FragmentationScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FragmentationScore")
            .field("gradient", &self.gradient())
            .field("room_lost", &self.room_lost())
            .field("milli_left", &self.milli_left())
            .finish()
    }
}

/// Steps of the gradient.
const STEPS: usize = 100;

/// Where the steps 51 to 99 begin, in 10^-9 devices: ln(k / (100 - k)), rounded. Step k holds the falls x with
/// floor(100 / (1 + e^-x)) = k; step 50 begins at 0, and step 50 - k where 50 + k does, below zero.
const BEGINS: [i64; STEPS / 2 - 1] = [
    40_005_335,
    80_042_708,
    120_144_312,
    160_342_650,
    200_670_695,
    241_162_057,
    281_851_152,
    322_773_392,
    363_965_377,
    405_465_108,
    447_312_218,
    489_548_225,
    532_216_814,
    575_364_145,
    619_039_208,
    663_294_217,
    708_185_058,
    753_771_802,
    800_119_300,
    847_297_860,
    895_384_047,
    944_461_609,
    994_622_575,
    1_045_968_555,
    1_098_612_289,
    1_152_679_510,
    1_208_311_206,
    1_265_666_373,
    1_324_925_415,
    1_386_294_361,
    1_450_010_176,
    1_516_347_489,
    1_585_627_264,
    1_658_228_077,
    1_734_601_055,
    1_815_289_967,
    1_900_958_761,
    1_992_430_165,
    2_090_741_097,
    2_197_224_577,
    2_313_634_929,
    2_442_347_035,
    2_586_689_344,
    2_751_535_313,
    2_944_438_979,
    3_178_053_830,
    3_476_098_690,
    3_891_820_298,
    4_595_119_850,
];

/// Where the steps 1 to 99 begin, in milli of a device times weight.
#[derive(Clone, Debug)]
pub(super) struct Steps([i64; STEPS - 1]);

impl Steps {
    /// For a mix of this weight.
    pub(super) fn new(total_weight: u64) -> Self {
        let begin = |step: usize| {
            let nano = match step.cmp(&50) {
                std::cmp::Ordering::Less => -i128::from(BEGINS[49 - step]),
                std::cmp::Ordering::Equal => 0,
                std::cmp::Ordering::Greater => i128::from(BEGINS[step - 51]),
            };
            // The least integer that is not below it.
            -(-nano * i128::from(total_weight)).div_euclid(1_000_000) as i64
        };
        Self(std::array::from_fn(|at| begin(at + 1)))
    }

    /// The step of a fall, 0 to 99.
    pub(super) fn of(&self, fall: i64) -> u32 {
        self.0.partition_point(|&begin| begin <= fall) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_score_come_back_and_order_it() {
        let parts = [(0, 0, 0), (99, MOST_ROOM, 64_000), (50, 7, 65_535), (50, 7, 64_000), (50, 6, 65_535), (51, 9, 9)];
        for (gradient, room, milli) in parts {
            let score = FragmentationScore::new(gradient, room, milli);
            assert_eq!((score.gradient(), score.room_lost(), score.milli_left()), (gradient, room, milli));
            for (g, r, m) in parts {
                let by_parts = gradient.cmp(&g).then(r.cmp(&room)).then(m.cmp(&milli));
                assert_eq!(score.cmp(&FragmentationScore::new(g, r, m)), by_parts);
            }
        }
    }

    #[test]
    fn steps_are_those_of_the_logistic_function() {
        for weight in [1, 3, 7_766, 1 << 24] {
            let steps = Steps::new(weight);
            for milli in (-64_000..=64_000_i64).filter(|milli| milli % 7 == 0) {
                let fall = milli * weight as i64;
                let step = 100.0 / (1.0 + (-milli as f64 / 1000.0).exp());
                assert_eq!(f64::from(steps.of(fall)), step.floor().min(99.0), "{milli} x {weight}");
            }
        }
    }
}
