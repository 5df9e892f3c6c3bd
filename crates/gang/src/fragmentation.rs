//! Placing a pod where it does the least harm to the pods that are expected.

use std::sync::Arc;

use outlook::Outlook;
use phalanx_topology::{Demand, DeviceSet, Inventory, NodeId, ShapeMix};
use site::{Scratch, Site};

mod index;
mod outlook;
mod ranking;
mod score;
mod site;

pub use index::FragmentationIndex;
pub use score::FragmentationScore;

/// The objective *fragmentation* for one mix of expected pods: what a placement of one pod is worth. Cheap to clone.
///
/// Of two nodes the better one is, in this order:
///
/// 1. **Gradient**: where [`fragmentation`](Inventory::fragmentation) falls more, or grows less. The fall, in devices and
///    averaged over the mix, goes through the logistic function and is cut into 100 steps: near zero a step is 0.04
///    devices. Falls that differ by less count as equal; without that, differences of no weight would scatter small pods
///    over the cluster.
/// 2. **Tight fit**: where the expected pods lose less [`room`](Inventory::room), and then where less of the devices is
///    left free.
/// 3. **Path**.
///
/// On the node it takes the devices that give the best score: the lowest whole devices; of several islands or zones the
/// best, ties going to the one with fewest free devices; for a share the best device, ties going to the one with the least
/// left; then to the lowest index. All of it is computed in integers, so that it is the same on every machine.
///
/// ```
/// # use phalanx_gang::Fragmentation;
/// # use phalanx_topology::{Demand, Inventory, ShapeMix};
/// let mut inventory = Inventory::from_notation("r1{n1:8 n2:8}")?;
/// let [n1, n2] = ["n1", "n2"].map(|name| inventory.topology().node(name).unwrap());
/// let pair = Demand::devices(2);
/// let objective = Fragmentation::new(ShapeMix::new([(Demand::devices(8), 1), (pair.clone(), 9)])?);
///
/// let mut transaction = inventory.transaction();
/// transaction.reserve(n2, &pair)?;
/// drop(transaction.commit());
/// // A second pair joins the first one, rather than breaking the other eight.
/// let score = |node| objective.score(&inventory, node, &pair).unwrap().0;
/// assert!(score(n2) > score(n1));
/// assert_eq!((score(n2).gradient(), score(n1).gradient()), (54, 35));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fragmentation {
    outlook: Arc<Outlook>,
}

impl Fragmentation {
    /// The objective for this mix. The mix's kinds and resources are those of the inventories that it will be asked about.
    /// O(shapes + 1000 x different shares).
    ///
    /// ```
    /// # use phalanx_gang::Fragmentation;
    /// # use phalanx_topology::{Demand, ShapeMix};
    /// let mix = ShapeMix::new([(Demand::devices(8), 1)])?;
    /// assert_eq!(Fragmentation::new(mix.clone()).mix(), &mix);
    /// # Ok::<(), phalanx_topology::MixError>(())
    /// ```
    #[must_use]
    pub fn new(mix: ShapeMix) -> Self {
        Self { outlook: Arc::new(Outlook::new(mix)) }
    }

    /// The mix.
    #[must_use]
    pub fn mix(&self) -> &ShapeMix {
        &self.outlook.mix
    }

    /// What it is worth to place one such pod on the node, and on which of its devices; none if it does not fit there. Only
    /// scores of the same demand compare. O(shapes x different amounts left of its devices). Panics on an unknown node.
    ///
    /// It reads the ledger as it stands, what an [open transaction](phalanx_topology::Transaction::inventory) holds
    /// included. Whoever asks for the best of many nodes again and again wants a [`FragmentationIndex`].
    #[must_use]
    pub fn score(
        &self,
        inventory: &Inventory,
        node: NodeId,
        demand: &Demand,
    ) -> Option<(FragmentationScore, DeviceSet)> {
        let (mut site, mut scratch) = (Site::default(), Scratch::default());
        site.read(&self.outlook, inventory, node, &mut scratch);
        site.score(&self.outlook, inventory, node, demand, &mut scratch)
    }
}

/// Equal for equal mixes.
impl PartialEq for Fragmentation {
    fn eq(&self, other: &Self) -> bool {
        self.mix() == other.mix()
    }
}

impl Eq for Fragmentation {}

#[cfg(test)]
mod tests;
