//! Numbers for the ranks of a fleet.

/// One KV pool of the fleet: an engine, or one data-parallel rank of it.
///
/// A dense number that [`FleetIndex::join`](crate::FleetIndex::join) gives out, and gives out again only after
/// [`FleetIndex::leave`](crate::FleetIndex::leave) and when nothing of its former holder is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RankId(pub(crate) u32);

impl RankId {
    /// The number, for columns of the caller's own.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
