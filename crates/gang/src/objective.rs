//! What makes one place better than another.

use phalanx_topology::LevelId;

use crate::Fragmentation;

/// What makes one place better than another, once all hard bounds hold.
///
/// All share how the ancestor is found, the smallest domain for the whole minimum, except [`Spread`](Self::Spread) and
/// [`Fragmentation`](Self::Fragmentation); they
/// differ in how the pods are dealt out inside it. Capacity is counted in pods of the gang, in whole slices where it is cut
/// into slices. Ties go to the first in path order.
///
/// ```
/// use phalanx_gang::{Gang, Group, Objective, Outcome, Options, plan};
/// use phalanx_topology::{Demand, Inventory};
///
/// let inventory = Inventory::from_notation("r1{n1:5 n2:4 n3:3}")?;
/// let gang = Gang::new(Group::pods("w", 7, Demand::devices(1)))?;
/// let counts = |objective: Objective| {
///     let options = Options::new().objective(objective);
///     let Outcome::Placed(plan) = plan(&gang, &inventory, &options).unwrap() else { panic!("there is room") };
///     ["n1", "n2", "n3"].map(|name| {
///         let node = inventory.topology().node(name).unwrap();
///         plan.placements().filter(|pod| pod.node() == node).count()
///     })
/// };
/// assert_eq!(counts(Objective::Tight), [0, 4, 3], "two nodes with the least room that is enough");
/// assert_eq!(counts(Objective::GreedyBestFit), [5, 0, 2], "the roomiest, then the smallest for the rest");
/// assert_eq!(counts(Objective::LeastFree), [0, 4, 3], "the fullest first");
/// assert_eq!(counts(Objective::Balanced), [0, 4, 3], "even on as few as can be");
/// let node = inventory.topology().node_level();
/// assert_eq!(counts(Objective::Spread { level: node }), [3, 2, 2], "as few as can be on each");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Objective {
    /// Level by level below the ancestor: the fewest domains, of those the ones with the least capacity in sum. Within what
    /// is chosen the roomiest are filled first.
    #[default]
    Tight,
    /// In each domain the children by capacity, the roomiest first, all that each holds; once one child holds the rest, the
    /// smallest that does. Fast, and not always the tightest.
    GreedyBestFit,
    /// In each domain the children by capacity, the fullest first, all that each holds.
    LeastFree,
    /// In each domain even parts, which differ by one at most, on the fewest children that can take them; of those the ones
    /// with the least capacity. Where no even parts fit, as greedy-best-fit.
    Balanced,
    /// Over all domains of a level within the hard bound (or the cluster): the least number of pods on the fullest. Inside
    /// each domain as tight.
    Spread {
        /// The level over whose domains the pods are spread.
        level: LevelId,
    },
    /// Pod by pod where it does the least harm to the pods that are expected. The ancestor is the domain, of the finest level
    /// that has one for all, in which the first pod does best. Where the pods are to be spread, as tight.
    Fragmentation(Fragmentation),
}

impl Objective {
    /// Its name: `tight`, `greedy-best-fit`, `least-free`, `balanced`, `spread` or `fragmentation`.
    ///
    /// ```
    /// # use phalanx_gang::Objective;
    /// assert_eq!(Objective::GreedyBestFit.name(), "greedy-best-fit");
    /// ```
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tight => "tight",
            Self::GreedyBestFit => "greedy-best-fit",
            Self::LeastFree => "least-free",
            Self::Balanced => "balanced",
            Self::Spread { .. } => "spread",
            Self::Fragmentation(_) => "fragmentation",
        }
    }
}
