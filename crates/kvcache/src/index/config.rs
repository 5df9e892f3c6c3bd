//! Settings of the fleet index.

/// Bounds and habits of a [`FleetIndex`](crate::FleetIndex).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexConfig {
    pub(crate) max_bytes: usize,
    pub(crate) max_rank_blocks: u32,
    pub(crate) seed: u64,
    pub(crate) counted_copies: bool,
}

impl IndexConfig {
    /// The defaults: 1 GiB, no bound on a single rank, a fixed seed, copies counted.
    ///
    /// ```
    /// use phalanx_kvcache::{FleetIndex, IndexConfig};
    ///
    /// let config = IndexConfig::new().max_bytes(64 << 20).max_rank_blocks(100_000).seed(0x5eed);
    /// let index = FleetIndex::with_config(config);
    /// assert_eq!(index.pairs(), 0);
    /// ```
    pub const fn new() -> Self {
        Self { max_bytes: 1 << 30, max_rank_blocks: u32::MAX, seed: 0x9e37_79b9_7f4a_7c15, counted_copies: true }
    }

    /// The most memory that the index may ask for, in bytes. At the bound, blocks are left out (and counted in
    /// [`Applied::left_out`](crate::Applied::left_out)) until others go; nothing that is held is given up for them.
    ///
    /// A change is taken in whole or not at all. An empty index has 140 kB, whatever the bound; a block that one rank holds takes about 25 bytes, and a further holder of a
    /// block that others hold, a bit and less.
    #[must_use]
    pub const fn max_bytes(self, bytes: usize) -> Self {
        Self { max_bytes: bytes, ..self }
    }

    /// The most memory that was asked for, in bytes.
    ///
    /// ```
    /// assert_eq!(phalanx_kvcache::IndexConfig::new().byte_limit(), 1 << 30);
    /// ```
    pub const fn byte_limit(&self) -> usize {
        self.max_bytes
    }

    /// The most blocks that one rank may hold, over all layers, so that one that stores without end (its removals are
    /// lost, or it means ill) leaves room for the others. What it stores beyond is left out.
    #[must_use]
    pub const fn max_rank_blocks(self, blocks: u32) -> Self {
        Self { max_rank_blocks: blocks, ..self }
    }

    /// Seed of the tables' hash function. No answer depends on it, only the time that it takes: choose it at random
    /// where prompts or engines may be hostile, so that nobody can make hashes that fall into one place.
    #[must_use]
    pub const fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Whether a block that is stored twice must be removed twice (the default). Right for engines that hold copies of
    /// a block and tell of each; wrong for those that repeat what they told of one and the same block.
    #[must_use]
    pub const fn counted_copies(self, counted: bool) -> Self {
        Self { counted_copies: counted, ..self }
    }
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self::new()
    }
}
