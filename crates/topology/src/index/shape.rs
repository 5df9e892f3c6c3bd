//! A demand laid out for counting: tables and reciprocals instead of divisions.

use crate::shares::WHOLE;
use crate::{Demand, DeviceSet, Locality, ResourceId};

/// The most pods that a node counts for: more of a shape that asks next to nothing would only overflow the sums.
pub(super) const MOST: u32 = 1 << 20;

/// The number of free devices that stands for a node that takes no pods.
pub(super) const BLOCKED: u8 = DeviceSet::MAX as u8 + 1;

#[derive(Debug)]
pub(super) struct Shape {
    pub(super) demand: Demand,
    /// How many have devices by the number of free ones, 0 to 64, or [`BLOCKED`].
    pub(super) by_devices: [u32; BLOCKED as usize + 1],
    /// The share that it asks, if it asks one.
    pub(super) share: Option<Share>,
    pub(super) resources: Vec<Amount>,
}

impl Shape {
    pub(super) fn new(demand: &Demand) -> Self {
        let mut by_devices = [0; BLOCKED as usize + 1];
        for (free, fits) in (0..).zip(&mut by_devices[..usize::from(BLOCKED)]) {
            *fits = match demand.milli() {
                0 => u32::checked_div(free, demand.device_count()).unwrap_or(MOST),
                milli => free * (WHOLE / milli),
            };
        }
        let resources = demand.resources().iter().map(|&(resource, amount)| Amount::new(resource, amount)).collect();
        let share = (demand.milli() > 0).then(|| Share::new(demand.milli()));
        Self { demand: demand.clone(), by_devices, share, resources }
    }

    /// Whether it asks for devices in one island or zone: then their number does not say how many fit.
    pub(super) fn is_placed(&self) -> bool {
        self.demand.locality() != Locality::Node
    }
}

/// A share of a device, with its reciprocal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// 2^20 by the share in milli, rounded up.
    reciprocal: u32,
}

impl Share {
    /// `milli` is 1 to 999.
    fn new(milli: u32) -> Self {
        Self { reciprocal: (1_u32 << 20).div_ceil(milli) }
    }

    /// How many times the share is in what is left of a device, at most 1000 milli.
    pub(super) fn of(self, left: u16) -> u32 {
        // Rounding up makes the quotient too great by less than left / 2^20, which is below the 1 / milli that would carry.
        (u32::from(left) * self.reciprocal) >> 20
    }
}

/// How much of a resource a pod asks, with its reciprocal, so that counting multiplies instead of dividing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    pub(super) resource: ResourceId,
    amount: u64,
    /// The greatest such that its product with `amount` is below 2^64.
    reciprocal: u64,
}

impl Amount {
    /// `amount` is above zero.
    pub(crate) fn new(resource: ResourceId, amount: u64) -> Self {
        Self { resource, amount, reciprocal: u64::MAX / amount }
    }

    /// How many times the amount is in `free`, at most `fits`. Exact.
    pub(crate) fn bound(self, free: u64, fits: u32) -> u32 {
        // The reciprocal is short of 2^64 / amount by at most 2^-64 of it times itself, so the quotient by at most one.
        let quotient = ((u128::from(free) * u128::from(self.reciprocal)) >> 64) as u64;
        let quotient = quotient + u64::from(free - quotient * self.amount >= self.amount);
        quotient.min(u64::from(fits)) as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(free: u64, amount: u64) {
        let bound = Amount::new(ResourceId::new(0), amount).bound(free, u32::MAX);
        assert_eq!(u64::from(bound), (free / amount).min(u64::from(u32::MAX)), "{free} / {amount}");
    }

    #[test]
    fn quotients_are_exact_at_the_edges() {
        let edges = [1, 2, 3, 5, 1 << 32, (1 << 32) + 1, 1 << 63, u64::MAX - 1, u64::MAX];
        for amount in edges {
            for free in edges.into_iter().flat_map(|free| [free - 1, free]) {
                check(free, amount);
                check(free / amount * amount, amount);
                check((free / amount * amount).saturating_sub(1), amount);
            }
        }
    }

    #[test]
    fn shares_of_what_is_left_are_exact() {
        for milli in 1..WHOLE {
            for left in 0..=1000_u16 {
                assert_eq!(Share::new(milli).of(left), u32::from(left) / milli, "{left} / {milli}");
            }
        }
    }

    proptest! {
        #[test]
        fn quotients_are_exact(quotient in 0..1_u64 << 40, amount in 1..u64::MAX, below in 0..2_u64) {
            let amount = amount >> (amount % 64);
            let amount = amount.max(1);
            check(quotient.saturating_mul(amount).saturating_sub(below), amount);
            check(amount, quotient.max(1));
        }
    }
}
