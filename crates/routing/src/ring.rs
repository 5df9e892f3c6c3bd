//! A ring of points: who owns a key, with little change when endpoints come and go.

use std::collections::BTreeSet;

use crate::endpoint::EndpointId;
use crate::seed::mix;

/// Points of endpoints on a circle of 2^64. They are made of an endpoint's name or id alone, so each keeps its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ring {
    /// With the slots that they belong to.
    points: BTreeSet<(u64, u32)>,
}

impl Ring {
    pub(crate) fn insert(&mut self, id: EndpointId, name: Option<u64>, points: u32) {
        self.points.extend(points_of(id, name, points));
    }

    pub(crate) fn remove(&mut self, id: EndpointId, name: Option<u64>, points: u32) {
        for point in points_of(id, name, points) {
            self.points.remove(&point);
        }
    }

    /// The slots of all points from that of a key on, once around: each as often as it has points.
    pub(crate) fn from(&self, key: u64) -> impl Iterator<Item = usize> {
        let start = (mix(key), 0);
        self.points.range(start..).chain(self.points.range(..start)).map(|(_, slot)| *slot as usize)
    }
}

fn points_of(id: EndpointId, name: Option<u64>, points: u32) -> impl Iterator<Item = (u64, u32)> {
    let slot = id.index() as u32;
    let own = mix(name.unwrap_or(u64::from(slot) << 32 | u64::from(id.generation())));
    (0..points).map(move |nth| (mix(own ^ u64::from(nth)), slot))
}
