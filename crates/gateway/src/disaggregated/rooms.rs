//! Where the two legs of a request meet.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A room's number is an int64 of no sign.
const MASK: u64 = i64::MAX as u64;

/// Numbers of rooms: each once. They begin anywhere, since gateways beside each other ask the same engines.
#[derive(Debug)]
pub(crate) struct Rooms(AtomicU64);

impl Rooms {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(RandomState::new().hash_one(0)))
    }

    pub(crate) fn draw(&self) -> u64 {
        scatter(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// A bijection of 63 bits: engines take the remainder of a room for the number of a rank, so neighbours should be spread.
fn scatter(number: u64) -> u64 {
    let mut number = number & MASK;
    number = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15) & MASK;
    number = (number ^ (number >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) & MASK;
    number ^ (number >> 32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_room_is_given_twice() {
        let rooms = Rooms::new();
        let drawn: BTreeSet<u64> = (0..10_000).map(|_| rooms.draw()).collect();
        assert_eq!(drawn.len(), 10_000);
        assert!(drawn.iter().all(|room| i64::try_from(*room).is_ok()));
        assert_ne!(Rooms::new().draw(), Rooms::new().draw());
    }
}
