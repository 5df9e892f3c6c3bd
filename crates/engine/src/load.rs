//! What an engine's metrics would show.

/// An engine's load at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests without a seat, preempted ones among them.
    pub waiting: u32,
    /// Requests with a seat: in prefill or decode.
    pub running: u32,
    /// Blocks that running requests hold; a shared one counts once.
    pub kv_used_blocks: u32,
    /// Blocks in all.
    pub kv_blocks: u32,
}

/// Sums since the engine was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Answers completed.
    pub finished: u64,
    /// Requests that were taken and then cancelled.
    pub cancelled: u64,
    /// Prompt tokens of requests whose first token came.
    pub prompt_tokens: u64,
    /// Those of them that were in the cache and so spared; none of a prompt that arrived from a prefill engine.
    pub cached_tokens: u64,
    /// Those of them that arrived from a prefill engine.
    pub transferred_tokens: u64,
    /// Tokens generated.
    pub generated_tokens: u64,
    /// Times that a running request had to give up its blocks.
    pub preemptions: u64,
    /// Steps that have ended.
    pub steps: u64,
}
