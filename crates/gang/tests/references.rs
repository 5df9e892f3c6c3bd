//! Every objective on clusters of some dozens of nodes against a slow reference that follows its definition word for word.

mod reference;
mod small;

use phalanx_gang::{Budget, Gang, Group, Objective, Options, Outcome, Plan, Proof, plan};
use phalanx_topology::{Demand, Inventory, LevelId, NodeId};
use proptest::prelude::*;
use reference::{Ask, Spread, Tree};
use small::config;

/// A node: block and rack (0 is none; with neither it is outside the tree) and free devices.
#[derive(Clone)]
struct Row(usize, usize, u32);

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b{}/r{}:{}", self.0, self.1, self.2)
    }
}

fn cluster() -> impl Strategy<Value = Vec<Row>> {
    let free = prop_oneof![2 => 0..9u32, 1 => 0..3u32, 1 => Just(8)];
    let wide = (1..4usize, 1..5usize).prop_flat_map(move |(blocks, racks)| {
        let block = prop_oneof![20 => 1..=blocks, 1 => Just(0)];
        let rack = prop_oneof![20 => 1..=racks, 1 => Just(0)];
        let row = (block, rack, free.clone()).prop_map(|(block, rack, free)| Row(block, rack, free));
        prop::collection::vec(row, 2..60)
    });
    wide.boxed()
}

fn inventory(rows: &[Row]) -> Inventory {
    let mut builder = phalanx_topology::Topology::builder(["block", "rack"]);
    let name = |letter: &str, at: usize| if at == 0 { String::new() } else { format!("{letter}{at}") };
    for (at, &Row(block, rack, _)) in rows.iter().enumerate() {
        builder = builder.node(&format!("n{at:02}"), &[("block", &name("b", block)), ("rack", &name("r", rack))]);
    }
    let topology = builder.build().expect("the rows are sound");
    let mut inventory = Inventory::new(std::sync::Arc::new(topology));
    for (at, &Row(.., free)) in rows.iter().enumerate() {
        let node = inventory.topology().node(&format!("n{at:02}")).expect("the node was listed");
        inventory.set_devices(node, free, "").expect("at most 64 devices");
    }
    inventory
}

/// Equal pods: how many, of how many devices, in slices by level and size, coarse to fine, and bound to a level.
fn ask() -> impl Strategy<Value = Ask> {
    let size = prop_oneof![Just(2u64), Just(3), Just(4)];
    let slices = prop_oneof![
        2 => Just(Vec::new()),
        2 => (0..3usize, size.clone()).prop_map(|slice| vec![slice]),
        1 => (0..2usize, 1..3usize, size, Just(2u64)).prop_map(|(level, finer, size, times)| {
            vec![(level, size * times), ((level + finer).min(2), size)]
        }),
    ];
    (1..60u64, 1..3u32, slices, prop::option::weighted(0.3, 0..3usize)).prop_map(|(count, devices, slices, hard)| {
        // Sizes divide the whole.
        let size = slices.first().map_or(1, |&(_, size)| size);
        Ask { count: count.div_ceil(size) * size, devices, slices, hard }
    })
}

fn planned(inventory: &Inventory, ask: &Ask, objective: Objective) -> Result<Option<Plan>, TestCaseError> {
    let mut group = Group::pods("g", ask.count as u32, Demand::devices(ask.devices));
    for &(level, size) in &ask.slices {
        group = group.slices(LevelId::new(level as u8), size as u32);
    }
    if let Some(level) = ask.hard {
        group = group.hard(LevelId::new(level as u8));
    }
    let gang = Gang::new(group).expect("the gang is sound");
    let options = Options::new().objective(objective).budget(Budget::steps(u64::MAX / 2));
    match plan(&gang, inventory, &options).expect("levels and resources are known") {
        Outcome::Placed(plan) => Ok(Some(plan)),
        Outcome::Rejected(rejection) => {
            prop_assert!(!rejection.is_exhausted());
            Ok(None)
        }
    }
}

/// How many pods on each node, in path order.
fn counts(inventory: &Inventory, plan: &Plan) -> Vec<u64> {
    let mut counts = vec![0; inventory.topology().len()];
    plan.placements().for_each(|pod| counts[pod.node().index()] += 1);
    counts
}

/// Whether an objective's plan is the reference's, pod by pod.
fn equals(
    rows: &[Row],
    ask: &Ask,
    objective: Objective,
    reference: impl Fn(&Tree, &Ask) -> Option<Vec<u64>>,
) -> Result<(), TestCaseError> {
    let inventory = inventory(rows);
    let plain = &ask.plain();
    let tree = Tree::new(&inventory, plain);
    let plan = planned(&inventory, ask, objective)?;
    let found = plan.as_ref().map(|plan| counts(&inventory, plan));
    let expected = reference(&tree, plain);
    prop_assert_eq!(found, expected);
    if let Some(plan) = plan {
        prop_assert_eq!(plan.proof(), Proof::Optimal);
        let nodes: Vec<NodeId> = plan.placements().map(|pod| pod.node()).collect();
        prop_assert!(nodes.is_sorted(), "ranks run along the path");
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn tight_is_the_best_of_all_splits(rows in cluster(), ask in ask()) {
        let inventory = inventory(&rows);
        let plain = ask.plain();
        let tree = Tree::new(&inventory, &plain);
        let plan = planned(&inventory, &ask, Objective::Tight)?;
        let expected = reference::tight(&tree, &plain);
        match (&plan, &expected) {
            (None, None) => {}
            (Some(plan), Some(best)) => {
                let found = counts(&inventory, plan);
                prop_assert_eq!(plan.proof(), Proof::Optimal);
                prop_assert_eq!(tree.cost(&found, best.from), best.cost.clone(), "{:?}", found);
                let used: Vec<usize> = (0..found.len()).filter(|&at| found[at] > 0).collect();
                prop_assert_eq!(&used, &best.nodes, "the first of those that are as good");
                if ask.slices.is_empty() {
                    // In descending capacity, so that at most one node, the smallest, is left partly filled.
                    prop_assert_eq!(found, tree.filled(&used, ask.count));
                }
            }
            (found, expected) => prop_assert!(false, "{found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn greedy_best_fit_is_its_definition(rows in cluster(), ask in ask()) {
        equals(&rows, &ask, Objective::GreedyBestFit, |tree, ask| reference::top_down(tree, ask, reference::best_fit))?;
    }

    #[test]
    fn least_free_is_its_definition(rows in cluster(), ask in ask()) {
        equals(&rows, &ask, Objective::LeastFree, |tree, ask| reference::top_down(tree, ask, reference::least_free))?;
    }

    #[test]
    fn balanced_is_its_definition(rows in cluster(), ask in ask()) {
        equals(&rows, &ask, Objective::Balanced, |tree, ask| reference::top_down(tree, ask, reference::balanced))?;
    }

    #[test]
    fn spread_is_its_definition(rows in cluster(), ask in ask(), level in 0..3usize) {
        // Slices that stay together in a coarser domain cannot be spread over a finer level.
        prop_assume!(ask.plain().slices.iter().all(|&(slice, _)| slice >= level));
        let inventory = inventory(&rows);
        let plain = ask.plain();
        let tree = Tree::new(&inventory, &plain);
        let plan = planned(&inventory, &ask, Objective::Spread { level: LevelId::new(level as u8) })?;
        let found = plan.as_ref().map(|plan| counts(&inventory, plan));
        match (found, reference::spread(&tree, &plain, level)) {
            (None, None) => {}
            (Some(found), Some(Spread { root, units })) => {
                prop_assert!(root.is_none_or(|root| tree.sum_in(&found, root) == ask.count));
                for (domain, units, nodes) in units {
                    prop_assert_eq!(tree.sum_in(&found, domain), units);
                    let used: Vec<usize> = tree.nodes_in(domain).into_iter().filter(|&at| found[at] > 0).collect();
                    prop_assert_eq!(used, nodes, "inside a domain tight");
                }
            }
            (found, expected) => prop_assert!(false, "{found:?}, expected {expected:?}"),
        }
    }
}
