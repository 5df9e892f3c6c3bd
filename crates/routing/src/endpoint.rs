//! The identity of an endpoint.

/// An endpoint of a [`Router`](crate::Router): a dense slot, and which of the slot's tenants is meant.
///
/// Ids order by slot. A slot is used again after its endpoint [left](crate::Router::leave), under a new generation, so
/// an id that was kept too long names nothing instead of a stranger.
///
/// ```
/// use phalanx_routing::{Policy, Router, Seed};
///
/// let mut router = Router::new(Policy::LeastLoad, Seed::from(0));
/// let first = router.join();
/// router.leave(first);
/// let second = router.join();
/// assert_eq!(first.index(), second.index());
/// assert_ne!(first, second);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId {
    slot: u32,
    generation: u32,
}

impl EndpointId {
    pub(crate) fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    /// The slot, from 0: a place in a table of the caller's own.
    #[must_use]
    pub fn index(self) -> usize {
        self.slot as usize
    }

    /// How many endpoints had the slot before this one.
    #[must_use]
    pub fn generation(self) -> u32 {
        self.generation
    }
}
