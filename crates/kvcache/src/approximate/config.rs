//! Settings of an approximate ledger.

use core::time::Duration;

/// How an [`ApproximateLedger`](crate::ApproximateLedger) believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApproximateConfig {
    pub(super) ttl: Duration,
    pub(super) adapting: bool,
    pub(super) seed: u64,
}

impl ApproximateConfig {
    /// The defaults: ten minutes, adapting, a fixed seed.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::{ApproximateConfig, ApproximateLedger};
    ///
    /// let config = ApproximateConfig::new().ttl(Duration::from_secs(120)).seed(0x5eed);
    /// let ledger = ApproximateLedger::with_config(40_000, config);
    /// assert_eq!(ledger.capacity_blocks(), 40_000);
    /// ```
    pub const fn new() -> Self {
        Self { ttl: Duration::from_secs(600), adapting: true, seed: 0x9e37_79b9_7f4a_7c15 }
    }

    /// How long after its last use a block is still believed to be there; [`Duration::MAX`] is for ever.
    ///
    /// An engine forgets for want of room and not with time, so this need not be short where reports or a known
    /// capacity correct the ledger. It bounds how long a mistake lives on a rank that is asked for nothing else.
    #[must_use]
    pub const fn ttl(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }

    /// Whether reports change how many blocks the rank is taken to keep (the default), or only what is in them.
    #[must_use]
    pub const fn adapting(self, adapting: bool) -> Self {
        Self { adapting, ..self }
    }

    /// Seed of the table's hash function. No answer depends on it, only the time that it takes: choose it at random
    /// where prompts may be hostile, so that nobody can make blocks that fall into one place.
    #[must_use]
    pub const fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }
}

impl Default for ApproximateConfig {
    fn default() -> Self {
        Self::new()
    }
}
