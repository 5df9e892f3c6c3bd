//! Pools that share what a rule takes.

/// An InferencePool and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    pool: String,
    weight: u32,
}

impl Backend {
    /// The largest weight.
    pub const MAX_WEIGHT: u32 = 1_000_000;

    /// A pool with weight 1. Ports are the pool's own, so that a reference has none.
    ///
    /// ```
    /// let backend = phalanx_routing::Backend::to("llama-pool").with_weight(70);
    /// assert_eq!((backend.pool(), backend.weight()), ("llama-pool", 70));
    /// ```
    #[must_use]
    pub fn to(pool: impl Into<String>) -> Self {
        Self { pool: pool.into(), weight: 1 }
    }

    /// Its share among the weights of the rule, 0 to 1,000,000.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// The pool's name.
    #[must_use]
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// Its weight.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }
}
