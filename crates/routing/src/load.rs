//! The load that this router's own decisions put on an endpoint.

/// Counted from a decision until it is settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Load {
    /// Requests decided and not settled.
    pub in_flight: u32,
    /// Those of them whose first token has not come.
    pub prefilling: u32,
    /// Prompt tokens that those still have to compute.
    pub pending_tokens: u64,
    /// Prompt tokens of all that are in flight.
    pub prompt_tokens: u64,
}

impl Load {
    /// Requests past their first token.
    #[must_use]
    pub fn decoding(&self) -> u32 {
        self.in_flight.saturating_sub(self.prefilling)
    }
}

/// How the settled requests of an endpoint ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Answers that were complete.
    pub success: u64,
    /// Requests that failed before the answer began.
    pub error: u64,
    /// Requests whose client went away.
    pub client_gone: u64,
    /// Answers that broke off.
    pub cut: u64,
    /// Requests that went elsewhere before the endpoint was asked.
    pub unused: u64,
}
