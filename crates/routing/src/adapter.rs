//! Adapters, and where they are.

mod table;

use core::time::Duration;

pub(crate) use self::table::{Adapters, STATES, Sought};

/// An adapter (a LoRA) of the caller's: a number for its name, from 0 on without great gaps between them.
///
/// ```
/// use phalanx_routing::AdapterId;
///
/// assert_eq!(AdapterId::from(3).index(), 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdapterId(u32);

impl AdapterId {
    /// The adapter of that number.
    ///
    /// ```
    /// use phalanx_routing::AdapterId;
    ///
    /// const CHAT: AdapterId = AdapterId::new(3);
    /// assert_eq!(CHAT, AdapterId::from(3));
    /// ```
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl From<u32> for AdapterId {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

impl From<AdapterId> for u32 {
    fn from(adapter: AdapterId) -> Self {
        adapter.0
    }
}

/// What an engine says of its adapters, all of them: what is not named is not there.
///
/// ```
/// use core::time::Duration;
/// use phalanx_routing::{AdapterId, AdapterReading};
///
/// let loaded = [AdapterId::from(3)];
/// let reading = AdapterReading { loaded: &loaded, queued: &[], slots: Some(4), read: Duration::from_secs(1) };
/// assert_eq!(reading.slots, Some(4));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterReading<'a> {
    /// Those that are loaded, in any order.
    pub loaded: &'a [AdapterId],
    /// Those that wait to be loaded, in any order.
    pub queued: &'a [AdapterId],
    /// How many can be loaded at a time; none if that is not known, and then whether one more fits is not known either.
    pub slots: Option<u32>,
    /// When it was read, since the caller's epoch.
    pub read: Duration,
}

/// Where an adapter is with one endpoint, the better ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdapterState {
    /// It is loaded.
    Loaded,
    /// It will be: it waits to be loaded, or a request that needs it was sent there and is not settled.
    Coming,
    /// It is not there, and a slot is free.
    Free,
    /// It is not there, and no slot is free.
    Full,
    /// It is not there as far as is known, and nothing was said of slots.
    Unknown,
}
