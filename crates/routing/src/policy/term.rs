//! Prices in seconds: what the default policy is made of.

use core::fmt;

use serde::{Deserialize, Serialize};

/// A part of the time that a request would take from itself and from others, in nanoseconds.
///
/// With `own` the time to compute what is not cached of the prompt, at the pace that was learned of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Term {
    /// Until its turn: the pending tokens before it, less what the first of these has made of it by now (95% of it at
    /// the most).
    Wait,
    /// `own`.
    Own,
    /// `own` for each request that decodes there: so long its next token waits.
    DelayDecoding,
    /// `own` for each request that waits there for its first token.
    DelayPrefilling,
    /// What one more sequence adds to every step of those in flight there, over an answer of the usual length: 30 µs and
    /// 80 ns for each token of the prompt.
    Sequence,
    /// A second for each whole of the KV memory that would be in use above nine tenths of it.
    MemoryWall,
    /// A second for each request in flight above the seats.
    SeatWall,
    /// A second for each request that waits at the engine while it runs fewer than are in flight from here.
    EngineQueue,
    /// 15 µs for each token that has to be computed, however fast the endpoint is: work that was done once is not done again
    /// for the sake of a few milliseconds.
    Recompute,
    /// Until the request's adapter is there: nothing where it is loaded, and without an adapter; half a load where it is to
    /// be loaded already; a load where a slot is free for it; and two where another one has to go, which will be loaded
    /// again in its turn.
    ///
    /// A load is taken for a tenth of a second: 200 MB, an adapter of rank 64 for an 8B model, at 2 GB/s. That is a prior and
    /// was not measured; where adapters take longer, they have another price.
    AdapterLoad,
}

impl Term {
    /// Every term there is.
    ///
    /// ```
    /// use phalanx_routing::Term;
    ///
    /// assert!(Term::ALL.contains(&Term::Wait));
    /// ```
    pub const ALL: [Self; 10] = [
        Self::Wait,
        Self::Own,
        Self::DelayDecoding,
        Self::DelayPrefilling,
        Self::Sequence,
        Self::MemoryWall,
        Self::SeatWall,
        Self::EngineQueue,
        Self::Recompute,
        Self::AdapterLoad,
    ];
}

/// A term and its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Priced {
    /// What is priced.
    pub term: Term,
    /// How much of it counts, in thousandths.
    pub permille: u32,
}

impl Priced {
    /// A term with a price in thousandths.
    ///
    /// ```
    /// use phalanx_routing::{Priced, Term};
    ///
    /// assert_eq!(Priced::new(Term::Own, 1000).permille, 1000);
    /// ```
    #[must_use]
    pub const fn new(term: Term, permille: u32) -> Self {
        Self { term, permille }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wait => "wait",
            Self::Own => "own",
            Self::DelayDecoding => "delay-decoding",
            Self::DelayPrefilling => "delay-prefilling",
            Self::Sequence => "sequence",
            Self::MemoryWall => "memory-wall",
            Self::SeatWall => "seat-wall",
            Self::EngineQueue => "engine-queue",
            Self::Recompute => "recompute",
            Self::AdapterLoad => "adapter-load",
        })
    }
}
