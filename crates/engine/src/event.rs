//! What an engine tells.

use core::time::Duration;

use phalanx_kvcache::CacheEvent;

use crate::RequestId;

/// Something happened, at a time since the caller's epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When: the end of a step, or its start for blocks that were evicted to make room for it.
    pub at: Duration,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The prompt is computed and the first token of the answer is there. Once a request, also if it is preempted later.
    FirstToken {
        /// The request.
        id: RequestId,
        /// Prompt tokens that were in the cache when it was admitted.
        cached_tokens: u32,
    },
    /// A token of the answer, the first one too: it follows its [`FirstToken`](Self::FirstToken). Told only with
    /// [`EngineConfig::report_tokens`](crate::EngineConfig::report_tokens).
    Token {
        /// The request.
        id: RequestId,
        /// Which token of the answer, from 0.
        index: u32,
    },
    /// The answer is complete; seat and blocks are free again.
    Finished {
        /// The request.
        id: RequestId,
        /// Prompt tokens that were in the cache when it was admitted.
        cached_tokens: u32,
        /// Tokens of the answer.
        output_tokens: u32,
    },
    /// What the pool can match has changed. Told only with
    /// [`EngineConfig::report_cache`](crate::EngineConfig::report_cache).
    Cache(CacheEvent),
}
