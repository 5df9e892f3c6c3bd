//! Which pods are expected, and how often.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Demand;

/// The pods that are expected: shapes, each with a weight, such as how many of it came lately. Cheap to clone.
///
/// The order in which the shapes are given does not matter, and equal shapes count as one of both weights.
///
/// ```
/// # use phalanx_topology::{Demand, ShapeMix};
/// let mix = ShapeMix::new([(Demand::devices(1), 7), (Demand::share(500)?, 2), (Demand::devices(1), 1)])?;
/// assert_eq!(mix.total_weight(), 10);
/// assert_eq!(mix.shapes().collect::<Vec<_>>(), [(&Demand::share(500)?, 2), (&Demand::devices(1), 8)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShapeMix {
    /// Ascending by demand, each once, no zero weights.
    shapes: Arc<[(Demand, u64)]>,
    total: u64,
}

/// Why there is no such mix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MixError {
    /// No shape has a weight above zero.
    #[error("a mix has no shape with a weight above 0")]
    Empty,
    /// The weights are too large together.
    #[error("the weights of a mix sum up to more than {max}: divide all of them by the same number")]
    TooHeavy {
        /// The greatest sum.
        max: u64,
    },
}

impl ShapeMix {
    /// The greatest sum of weights, 2^24: a node's measure in milli x weight fits in 40 bits.
    pub const MAX_WEIGHT: u64 = 1 << 24;

    /// A mix of shapes with weights. A shape of weight zero is left out. O(n log n).
    ///
    /// # Errors
    ///
    /// All weights are zero, or they sum up to more than [`MAX_WEIGHT`](Self::MAX_WEIGHT).
    ///
    /// ```
    /// # use phalanx_topology::{Demand, MixError, ShapeMix};
    /// assert_eq!(ShapeMix::new([]), Err(MixError::Empty));
    /// assert!(ShapeMix::new([(Demand::devices(1), u64::MAX), (Demand::devices(2), 1)]).is_err());
    /// ```
    pub fn new(shapes: impl IntoIterator<Item = (Demand, u64)>) -> Result<Self, MixError> {
        let mut weights = BTreeMap::<Demand, u64>::new();
        let mut total = 0_u64;
        for (demand, weight) in shapes.into_iter().filter(|&(_, weight)| weight > 0) {
            total = total.saturating_add(weight);
            if total > Self::MAX_WEIGHT {
                return Err(MixError::TooHeavy { max: Self::MAX_WEIGHT });
            }
            *weights.entry(demand).or_default() += weight;
        }
        if total == 0 {
            return Err(MixError::Empty);
        }
        Ok(Self { shapes: weights.into_iter().collect(), total })
    }

    /// The shapes in ascending order, each with its weight.
    pub fn shapes(&self) -> impl ExactSizeIterator<Item = (&Demand, u64)> {
        self.shapes.iter().map(|(demand, weight)| (demand, *weight))
    }

    /// The sum of the weights: what measures over the mix are to be divided by.
    #[must_use]
    pub fn total_weight(&self) -> u64 {
        self.total
    }
}
