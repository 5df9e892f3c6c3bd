//! Who is taken of those that were weighed.

use serde::{Deserialize, Serialize};

/// How one endpoint is picked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Picker {
    /// The best; of equals the one that was chosen longest ago: of all of them up to eight, or else of two that are drawn.
    #[default]
    Best,
    /// The best of so many that are drawn, each once.
    PowerOf(u32),
    /// Any, whatever it costs.
    Any,
    /// A draw in which each has the weight `exp(-(cost - least) / (range × temperature))`: the temperature in thousandths,
    /// 1 to a million, the range from the least cost to the most. All have the same where the range is 0.
    Softmax(u32),
    /// A draw in which each has its score for weight, all the same where nobody has any. For sums of scores only.
    ByScore,
    /// The endpoint whose point on a ring follows the request's [affinity](crate::Request::with_affinity): each endpoint
    /// has as many points as said, and keeps them when others come or go. Gates, and who is near, only count where the best
    /// is taken instead. The request's key stands for an affinity that it does not have.
    Ring {
        /// Points of each endpoint, 1 to 1024.
        points: u32,
        /// How much load is too much; without it the load does not count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bound: Option<Bound>,
    },
    /// The endpoint that had the requests of the same [affinity](crate::Request::with_affinity) before, as long as it is a
    /// candidate; otherwise the best, from then on. Gates, and who is near, are for the first of them only. Remembering takes
    /// memory as affinities come, up to the bound.
    Sticky {
        /// So many affinities are remembered, 1 to 2^24: the ones used last.
        sessions: u32,
        /// An affinity that was not used for so long is forgotten.
        idle_seconds: u32,
    },
    /// By the length of the prompt: the candidates, in the order of their slots, have equal shares of the prompt tokens of
    /// late, the first one those of the shortest prompts; lengths of the last few thousand requests say where one share
    /// ends. The best instead while the load is uneven. Gates, and who is near, are for the best only.
    Bucket {
        /// The load is uneven where the most requests in flight are more than so many above the least,
        above: u32,
        /// and more than so many thousandths of it.
        permille: u32,
    },
}

/// Where the owner on the ring has too much load, by the requests in flight of all candidates and this one: `mean` of them
/// comes on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// Thousandths of the mean, 1,000 or more.
    pub permille: u32,
    /// Who gets the request instead.
    pub then: Overflow,
}

/// Who is taken where the owner on the ring has too much load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// The next on the ring that is below the bound. While requests only come, nobody ever has more than the bound, rounded
    /// up.
    #[default]
    Next,
    /// The best. An owner who is just at the bound takes one more.
    Best,
}

impl Picker {
    /// Whether it keeps a ring.
    pub(crate) fn points(self) -> Option<u32> {
        match self {
            Self::Ring { points, .. } => Some(points),
            _ => None,
        }
    }
}
