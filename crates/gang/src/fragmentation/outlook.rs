//! A mix of expected pods laid out for measuring nodes against it.

use std::ops::Range;

use phalanx_topology::{Demand, KindSet, Locality, ResourceId, ShapeMix};

use super::score::Steps;

/// A device in milli.
pub(super) const WHOLE: u32 = 1000;

/// A mix laid out for measuring. Shapes that ask no device are in none of the columns: nothing is of use to them.
#[derive(Debug)]
pub(super) struct Outlook {
    pub(super) mix: ShapeMix,
    pub(super) steps: Steps,
    /// By what is asked of a device, ascending.
    pub(super) asks: Vec<Ask>,
    /// Those that may be anywhere on the node, ask by ask, and then those within an island or a zone.
    pub(super) shapes: Vec<Shape>,
    /// How many shapes may be anywhere.
    pub(super) anywhere: usize,
    /// How many of each ask are in one device, by the milli that are left of it and then by ask.
    in_device: Vec<u16>,
    /// The resources that a shape asks.
    pub(super) resources: Vec<ResourceId>,
    /// By resource and then by shape.
    amounts: Vec<Amount>,
    /// Whether a shape asks for kinds.
    pub(super) picky: bool,
}

/// The shapes that ask the same of a device.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) milli: u32,
    pub(super) shapes: Range<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) weight: u64,
    /// Milli times weight of one pod.
    pub(super) worth: u64,
    /// Devices of one pod.
    pub(super) count: u32,
    pub(super) kinds: KindSet,
    pub(super) locality: Locality,
}

impl Outlook {
    pub(super) fn new(mix: ShapeMix) -> Self {
        // What no node could ever take is left out too, which keeps the worth of a pod small.
        let asking = |(shape, _): &(&Demand, u64)| (1..=64).contains(&devices_of(shape));
        let key =
            |(shape, _): &(&Demand, u64)| (shape.locality() != Locality::Node, milli_of(shape), devices_of(shape));
        let mut rows: Vec<_> = mix.shapes().filter(asking).collect();
        rows.sort_by_key(key);
        let shape = |&(demand, weight): &(&Demand, u64)| Shape {
            weight,
            worth: weight * u64::from(milli_of(demand) * devices_of(demand)),
            count: devices_of(demand),
            kinds: demand.kinds(),
            locality: demand.locality(),
        };
        let shapes: Vec<_> = rows.iter().map(shape).collect();
        let anywhere = shapes.partition_point(|shape| shape.locality == Locality::Node);

        let mut asks: Vec<Ask> = Vec::new();
        for (at, (demand, _)) in rows[..anywhere].iter().enumerate() {
            match asks.last_mut() {
                Some(ask) if ask.milli == milli_of(demand) => ask.shapes.end = at + 1,
                _ => asks.push(Ask { milli: milli_of(demand), shapes: at..at + 1 }),
            }
        }
        let in_device = (0..=WHOLE).flat_map(|left| asks.iter().map(move |ask| (left / ask.milli) as u16)).collect();

        let mut resources: Vec<_> = rows.iter().flat_map(|(demand, _)| demand.resources()).map(|&(id, _)| id).collect();
        resources.sort_unstable();
        resources.dedup();
        let of = |&resource: &ResourceId| rows.iter().map(move |(demand, _)| Amount::new(demand.amount(resource)));
        let amounts = resources.iter().flat_map(of).collect();

        let picky = shapes.iter().any(|shape| !shape.kinds.is_empty());
        let steps = Steps::new(mix.total_weight());
        Self { steps, asks, shapes, anywhere, in_device, resources, amounts, picky, mix }
    }

    /// How many of each ask are in a device of which so much is left.
    pub(super) fn in_device(&self, left: u32) -> &[u16] {
        let len = self.asks.len();
        &self.in_device[left as usize * len..][..len]
    }

    /// How much each shape asks of the resource at this position.
    pub(super) fn amounts(&self, resource: usize) -> &[Amount] {
        let len = self.shapes.len();
        &self.amounts[resource * len..][..len]
    }
}

/// On how many devices such a pod runs.
fn devices_of(demand: &Demand) -> u32 {
    if demand.milli() > 0 { 1 } else { demand.device_count() }
}

/// How many milli of each of its devices such a pod takes.
fn milli_of(demand: &Demand) -> u32 {
    if demand.milli() > 0 { demand.milli() } else { WHOLE }
}

/// An amount of a resource with its reciprocal, so that counting multiplies instead of dividing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount {
    amount: u64,
    /// The greatest such that its product with `amount` is below 2^64.
    reciprocal: u64,
}

impl Amount {
    fn new(amount: u64) -> Self {
        Self { amount, reciprocal: u64::MAX.checked_div(amount).unwrap_or(0) }
    }

    /// How many times the amount is in `free`, at most `most`; `most` if it is nothing.
    pub(super) fn bound(self, free: u64, most: u32) -> u32 {
        if self.amount == 0 {
            return most;
        }
        // The reciprocal is short of 2^64 / amount by at most 2^-64 of it times itself, so the quotient by at most one.
        let quotient = ((u128::from(free) * u128::from(self.reciprocal)) >> 64) as u64;
        let quotient = quotient + u64::from(free - quotient * self.amount >= self.amount);
        quotient.min(u64::from(most)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_are_exact_at_the_edges() {
        let edges = [1, 2, 3, 5, 1 << 32, (1 << 32) + 1, 1 << 63, u64::MAX - 1, u64::MAX];
        for amount in edges {
            for free in edges.into_iter().flat_map(|free| [free - 1, free, free / amount * amount]) {
                let most = (free / amount).min(u64::from(u32::MAX)) as u32;
                assert_eq!(Amount::new(amount).bound(free, u32::MAX), most, "{free} / {amount}");
            }
        }
        assert_eq!(Amount::new(0).bound(0, 7), 7);
    }
}
