//! One shape for all indexes, each behind it driven by its best interface.

mod chain;
mod crtc;
mod ours;

use std::time::Duration;

pub use self::chain::Chain;
pub use self::crtc::Crtc;
pub use self::ours::{Feed as OursFeed, Ours};
use crate::workload::Query;
use crate::workload::stream::Stream;

/// An index of a fleet.
pub trait Index {
    /// What the index is called in tables.
    const NAME: &'static str;
    /// The ways in which it can answer, best first, as tables call them.
    const WAYS: &'static [&'static str];
    /// Events in its own types.
    type Feed;
    /// A query in its own types.
    type Prompt: Clone;

    /// With `ranks` ranks that hold nothing.
    fn new(ranks: u32) -> Self;

    /// Translates events; no part of any measurement.
    fn feed(&self, stream: &Stream) -> Self::Feed;

    /// Translates a query; no part of any measurement.
    fn prompt(&self, query: &Query) -> Self::Prompt;

    /// Applies all events, and says how much processor time that took.
    fn apply(&mut self, feed: Self::Feed) -> Duration;

    /// Applies all events as they come, so that what is live afterwards is the index.
    fn trickle(&mut self, stream: &Stream) {
        self.apply(self.feed(stream));
    }

    /// The rank with the most overlap less load, and its overlap; of equals the least loaded, then the lowest rank.
    fn best(&mut self, way: usize, prompt: &Self::Prompt, loads: &[u32]) -> Option<(u32, u32)>;

    /// The bare answer, made and thrown away. What it returns only keeps the work from being left out.
    fn bare(&mut self, way: usize, prompt: &Self::Prompt) -> usize;

    /// Each holder and its overlap, in any order.
    fn pairs(&mut self, prompt: &Self::Prompt, out: &mut Vec<(u32, u32)>);
}

/// The best so far of the ranks that an answer names one by one.
#[derive(Clone, Copy, Debug)]
struct Best {
    worth: i64,
    load: u32,
    rank: u32,
    depth: u32,
}

impl Best {
    const NONE: Self = Self { worth: i64::MIN, load: 0, rank: 0, depth: 0 };

    #[inline(always)]
    fn offer(&mut self, rank: u32, depth: u32, loads: &[u32]) {
        let load = loads[rank as usize];
        let worth = i64::from(depth) - i64::from(load);
        if worth > self.worth || worth == self.worth && (load, rank) < (self.load, self.rank) {
            *self = Self { worth, load, rank, depth };
        }
    }

    fn found(self) -> Option<(u32, u32)> {
        (self.worth != i64::MIN).then_some((self.rank, self.depth))
    }
}
