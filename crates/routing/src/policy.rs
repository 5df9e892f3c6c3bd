//! What a router minimises.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// How a [`Router`](crate::Router) chooses: the candidate with the least cost, ties by the seed.
///
/// | name | cost |
/// |---|---|
/// | `round-robin` | the number of the last decision that chose it: each candidate in its turn, new ones first |
/// | `least-load` | its requests in flight, then its prompt tokens still to be computed |
/// | `prefix-aware` | see [`PrefixAware`] |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// Each candidate in its turn.
    RoundRobin,
    /// The fewest requests in flight.
    LeastLoad,
    /// The least delay for this request and for those that it would hold up.
    PrefixAware(PrefixAware),
}

/// A policy that weighs what a cache holds against what waits there, in the one unit of both: prefill tokens.
///
/// With `own` the prompt tokens that are not cached at the endpoint, the cost is
///
/// ```text
///   prompt tokens waiting there
/// + own
/// + own × (0.15 × requests decoding there + 0.5 × requests prefilling there)
/// + (17 + 0.046 × prompt tokens) × requests in flight there
/// ```
///
/// The third line is what carries it: computing a prompt holds up every request of the batch. Its decoding weight may be
/// anything from 0.1, which favours the tail of the time to first token, to 0.2, which favours goodput under overload.
/// The fourth line is the price of one more sequence in every later step, for an engine that prefills a token in 70 µs
/// and decodes 30 µs longer for a sequence and 0.08 µs longer for a token of context.
///
/// ```
/// use phalanx_routing::{Policy, PrefixAware};
///
/// let policy = Policy::PrefixAware(PrefixAware::new().with_decoding_permille(200));
/// assert_eq!(policy.to_string(), "prefix-aware");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrefixAware {
    pub(crate) decoding_permille: u16,
    pub(crate) prefilling_permille: u16,
    pub(crate) sequence_millitokens: u16,
    pub(crate) context_millitokens: u16,
}

/// A policy name that is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown policy {found:?}: expected round-robin, least-load or prefix-aware")]
pub struct UnknownPolicy {
    /// The name given.
    pub found: String,
}

impl Policy {
    /// The policy of that name, with its default knobs.
    ///
    /// # Errors
    ///
    /// [`UnknownPolicy`], which lists the names.
    ///
    /// ```
    /// use phalanx_routing::Policy;
    ///
    /// assert_eq!(Policy::parse("least-load")?, Policy::LeastLoad);
    /// assert!(Policy::parse("random").unwrap_err().to_string().contains("prefix-aware"));
    /// # Ok::<(), phalanx_routing::UnknownPolicy>(())
    /// ```
    pub fn parse(name: &str) -> Result<Self, UnknownPolicy> {
        let policy = Self::all().iter().find(|policy| policy.name() == name);
        policy.copied().ok_or_else(|| UnknownPolicy { found: name.to_owned() })
    }

    /// Every policy with its default knobs, the simplest first.
    ///
    /// ```
    /// let names: Vec<_> = phalanx_routing::Policy::all().iter().map(|policy| policy.name()).collect();
    /// assert_eq!(names, ["round-robin", "least-load", "prefix-aware"]);
    /// ```
    #[must_use]
    pub fn all() -> &'static [Self] {
        const { &[Self::RoundRobin, Self::LeastLoad, Self::PrefixAware(PrefixAware::new())] }
    }

    /// The name that [`parse`](Self::parse) reads; knobs do not show in it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastLoad => "least-load",
            Self::PrefixAware(_) => "prefix-aware",
        }
    }
}

impl PrefixAware {
    /// The policy with the weights of the table above.
    ///
    /// ```
    /// assert_eq!(phalanx_routing::PrefixAware::new(), phalanx_routing::PrefixAware::default());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { decoding_permille: 150, prefilling_permille: 500, sequence_millitokens: 17_000, context_millitokens: 46 }
    }

    /// What a token to compute costs each request that decodes there, in thousandths of a token.
    #[must_use]
    pub const fn with_decoding_permille(mut self, weight: u16) -> Self {
        self.decoding_permille = weight;
        self
    }

    /// What a token to compute costs each request that waits for its first token there, in thousandths of a token.
    #[must_use]
    pub const fn with_prefilling_permille(mut self, weight: u16) -> Self {
        self.prefilling_permille = weight;
        self
    }

    /// What a request in flight costs whatever the prompt, in thousandths of a prefill token.
    #[must_use]
    pub const fn with_sequence_millitokens(mut self, price: u16) -> Self {
        self.sequence_millitokens = price;
        self
    }

    /// What a request in flight costs for each token of this prompt, in thousandths of a prefill token.
    #[must_use]
    pub const fn with_context_millitokens(mut self, price: u16) -> Self {
        self.context_millitokens = price;
        self
    }
}

impl Default for PrefixAware {
    fn default() -> Self {
        Self::new()
    }
}

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        Self::parse(name)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for policy in Policy::all() {
            assert_eq!(policy.to_string().parse(), Ok(*policy));
        }
        let error = Policy::parse("Round-Robin").expect_err("names are lower case");
        assert_eq!(
            error.to_string(),
            "unknown policy \"Round-Robin\": expected round-robin, least-load or prefix-aware"
        );
    }
}
