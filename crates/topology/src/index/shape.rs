//! A demand laid out for counting.

use crate::shares::WHOLE;
use crate::{Demand, DeviceSet, Inventory, Locality, ResourceId};

/// The most pods that a node counts for: more of a shape that asks next to nothing would only overflow the sums.
pub(super) const MOST: u32 = 1 << 20;

/// The number of free devices that stands for a node that takes no pods.
pub(super) const BLOCKED: u8 = DeviceSet::MAX as u8 + 1;

#[derive(Debug)]
pub(super) struct Shape {
    pub(super) demand: Demand,
    /// How many have devices by the number of free ones, 0 to 64, or [`BLOCKED`].
    pub(super) by_devices: [u32; BLOCKED as usize + 1],
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
        Self { demand: demand.clone(), by_devices, resources }
    }

    /// Whether the number of free devices says how many have devices: not for shares of devices that others share, nor for
    /// places on the node.
    pub(super) fn counts_free_devices(&self, inventory: &Inventory) -> bool {
        self.demand.locality() == Locality::Node && (self.demand.milli() == 0 || inventory.shares.never_used())
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
