//! What a feed tells its owner.

/// What to do with a rank's entries, or for them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "entries that are not changed as told here are wrong"]
pub enum Action<P> {
    /// Apply the events of a batch.
    Apply {
        /// Its number.
        seq: u64,
        /// What was handed in.
        payload: P,
    },
    /// Drop all entries of the rank.
    Clear,
    /// Ask the engine for all batches from this number on that it still has, and hand in the answers with this ticket.
    /// What an earlier ticket still brings is of no interest any more.
    Ask {
        /// The first number.
        from: u64,
        /// Which request the answers belong to.
        ticket: u32,
    },
}

/// How far a rank's entries can be trusted, once all [`Action`]s are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// They may be out of date: a replay is on its way.
    CatchingUp,
    /// Each of them is true; some may be missing.
    Partial,
    /// They are what the engine had at the newest batch that was applied.
    Whole,
}

/// Where a feed stands, to go on from there with the entries that belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Number of the batch that is due.
    pub next: u64,
    /// Fingerprint of the batch before it.
    pub last: u64,
    /// Whether nothing that the engine has is missing.
    pub whole: bool,
}
