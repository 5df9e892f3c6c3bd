//! The plan of a gang: level by level from the finest, the first that has a place.

use phalanx_topology::Inventory;

use crate::budget::Steps;
use crate::problem::{Found, Problem};
use crate::{Budget, Gang, GangError, Outcome, explain, finish};

/// Plans a gang on an inventory: where every pod of its minimum goes, or why none does. Extras above the minimum are added
/// where there is room and change nothing for the minimum.
///
/// The objective is *tight*: after all hard levels, the finest level with one domain for the whole minimum; then preferred
/// levels; then, from that domain down and level by level, the fewest domains and of those the ones with the least free
/// capacity; then path order.
///
/// Equal pods under one bound (or groups that come to that) are planned exactly, while the steps last. For anything else
/// the largest goes first, with backtracking: whether there is a place is exact while the steps last, and so is the level;
/// what follows in the objective is approached. [`Plan::proof`](crate::Plan::proof) and [`Rejection::is_exhausted`](crate::Rejection::is_exhausted)
/// say which.
///
/// The cost is some ten nanoseconds a node and demand, plus the steps.
///
/// # Errors
///
/// The gang names a level that the topology lacks, or a resource that the inventory has not interned.
///
/// ```
/// use phalanx_gang::{Budget, Gang, Group, Outcome, Proof, plan};
/// use phalanx_topology::{Demand, Inventory, Topology};
/// use std::sync::Arc;
///
/// let mut builder = Topology::builder(["rack"]);
/// for (node, rack) in [("n1", "r1"), ("n2", "r1"), ("n3", "r2"), ("n4", "r2"), ("n5", "r2")] {
///     builder = builder.node(node, &[("rack", rack)]);
/// }
/// let topology = Arc::new(builder.build()?);
/// let mut inventory = Inventory::new(topology.clone());
/// inventory.set_devices_everywhere(8, "H100")?;
///
/// // Both racks have room; the smaller one is left with less.
/// let gang = Gang::new(Group::pods("train", 2, Demand::devices(8)).prefer(topology.level("rack").unwrap()))?;
/// let Outcome::Placed(plan) = plan(&gang, &inventory, Budget::default())? else { panic!("there is room") };
/// let nodes: Vec<_> = plan.placements().map(|pod| topology.node_path(pod.node())).collect();
/// assert_eq!(nodes, ["r1/n1", "r1/n2"]);
/// assert_eq!((plan.proof(), plan.unmet()), (Proof::Optimal, &[][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan(gang: &Gang, inventory: &Inventory, budget: Budget) -> Result<Outcome, GangError> {
    gang.check(inventory)?;
    let mut steps = Steps::new(budget);
    let problem = Problem::new(gang, inventory);
    Ok(match problem.solve(&mut steps) {
        Found::Placed(solution) => Outcome::Placed(finish::finish(&problem, solution, &steps)),
        Found::Nowhere => Outcome::Rejected(explain::explain(&problem, false, &steps)),
        Found::CutShort => Outcome::Rejected(explain::explain(&problem, true, &steps)),
    })
}
