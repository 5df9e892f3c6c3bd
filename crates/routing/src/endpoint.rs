//! The identity of an endpoint, and what does not change about it.

use core::time::Duration;

/// An endpoint of a [`Balancer`](crate::Balancer): a dense slot, and which of the slot's tenants is meant.
///
/// Ids order by slot. A slot is used again after its endpoint [left](crate::Balancer::leave), under a new generation, so
/// an id that was kept too long names nothing instead of a stranger.
///
/// ```
/// use phalanx_routing::{Balancer, Endpoint, Seed};
///
/// let mut balancer = Balancer::new(Seed::from(0));
/// let first = balancer.join(Endpoint::new());
/// balancer.leave(first);
/// let second = balancer.join(Endpoint::new());
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

/// What an endpoint is. Start from [`new`](Self::new) and say what is known.
///
/// ```
/// use core::time::Duration;
/// use phalanx_routing::Endpoint;
///
/// let endpoint = Endpoint::new().with_seats(128).with_kv_tokens(400_000).with_prefill_token(Duration::from_micros(70));
/// assert_eq!(endpoint.seats(), 128);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    seats: u32,
    kv_tokens: u32,
    prefill_token: Duration,
}

impl Endpoint {
    /// An engine with 256 seats, room for 400,000 tokens of KV, and 70 µs for a prompt token: an 8B model in 16 bits on an
    /// accelerator of the A100's class.
    #[must_use]
    pub const fn new() -> Self {
        Self { seats: 256, kv_tokens: 400_000, prefill_token: Duration::from_micros(70) }
    }

    /// Requests that it can run at once.
    #[must_use]
    pub const fn with_seats(mut self, seats: u32) -> Self {
        self.seats = seats;
        self
    }

    /// Tokens that its KV memory holds.
    #[must_use]
    pub const fn with_kv_tokens(mut self, tokens: u32) -> Self {
        self.kv_tokens = tokens;
        self
    }

    /// What it takes for a prompt token when it does nothing else. The pace that is learned stays between a third of that
    /// speed and a tenth more.
    #[must_use]
    pub const fn with_prefill_token(mut self, time: Duration) -> Self {
        self.prefill_token = time;
        self
    }

    /// Requests that it can run at once.
    #[must_use]
    pub const fn seats(&self) -> u32 {
        self.seats
    }

    /// Tokens that its KV memory holds.
    #[must_use]
    pub const fn kv_tokens(&self) -> u32 {
        self.kv_tokens
    }

    /// What it takes for a prompt token when it does nothing else.
    #[must_use]
    pub const fn prefill_token(&self) -> Duration {
        self.prefill_token
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::new()
    }
}
