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

impl Cursor {
    /// The cursor as bytes, in a form that stays: both numbers little-endian, and 1 if nothing is missing or 0.
    ///
    /// ```
    /// use phalanx_kvcache::feed::Cursor;
    ///
    /// let cursor = Cursor { next: 7, last: 0x5eed, whole: true };
    /// assert_eq!(Cursor::from_bytes(cursor.to_bytes()), cursor);
    /// ```
    pub fn to_bytes(self) -> [u8; 17] {
        let mut bytes = [0; 17];
        bytes[..8].copy_from_slice(&self.next.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.last.to_le_bytes());
        bytes[16] = self.whole.into();
        bytes
    }

    /// The cursor that [`to_bytes`](Self::to_bytes) wrote. Any bytes are one.
    ///
    /// ```
    /// let cursor = phalanx_kvcache::feed::Cursor::from_bytes([0; 17]);
    /// assert!(cursor.next == 0 && !cursor.whole);
    /// ```
    pub fn from_bytes(bytes: [u8; 17]) -> Self {
        let word = |from: usize| u64::from_le_bytes(core::array::from_fn(|at| bytes[from + at]));
        Self { next: word(0), last: word(8), whole: bytes[16] == 1 }
    }
}
