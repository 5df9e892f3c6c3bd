//! Link costs against their definition, over random ragged trees.

use std::sync::Arc;

use phalanx_topology::{DomainId, LinkCosts, Topology, TreeId};
use proptest::prelude::*;

const LEVELS: [&str; 3] = ["zone", "block", "rack"];

fn tree(rows: &[[usize; 3]]) -> Topology {
    let names = ["", "a", "a-b", "b"];
    let builder = rows.iter().enumerate().fold(Topology::builder(LEVELS), |builder, (at, row)| {
        let domains: Vec<_> = LEVELS.iter().zip(row).map(|(&level, &name)| (level, names[name])).collect();
        builder.node(&format!("n{at}"), &domains)
    });
    builder.build().expect("the rows are sound")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn costs_are_those_of_the_smallest_common_domain(
        rows in prop::collection::vec(prop::array::uniform2(prop::array::uniform3(0..4usize)), 1..12),
        steps in prop::array::uniform4(0..5u64),
        second in any::<bool>(),
    ) {
        let [first_rows, second_rows] = [0, 1].map(|at| rows.iter().map(|row| row[at]).collect::<Vec<_>>());
        let topology = tree(&first_rows).with_tree("second", &tree(&second_rows)).expect("the nodes are known");
        let topology = Arc::new(topology);
        let tree = if second { topology.tree("second").expect("it was added") } else { TreeId::PRIMARY };
        // From the nodes outwards; the last is beyond the tree.
        let mut sums = steps.iter().scan(0, |sum, step| { *sum += step; Some(*sum) }).collect::<Vec<_>>();
        let beyond = sums.pop().expect("there are four");
        let named = topology.tree_levels(tree).rev().skip(1).zip(sums).collect::<Vec<_>>();
        let costs = LinkCosts::new(Arc::clone(&topology), named.clone(), beyond).expect("they rise");
        let inside = |domain: Option<DomainId>| match domain.map(|domain| topology.level_of(domain)) {
            None => beyond,
            Some(level) => named.iter().find(|(given, _)| *given == level).map_or(0, |&(_, cost)| cost),
        };

        for a in topology.nodes() {
            for b in topology.nodes() {
                let expected = if a == b { 0 } else { inside(topology.common_domain_in(tree, [a, b])) };
                prop_assert_eq!(costs.cost(a, b), expected);
                if let (Some(x), Some(y)) = (topology.node_domain(tree, a), topology.node_domain(tree, b)) {
                    prop_assert_eq!(costs.between(x, y), expected);
                }
            }
        }
        for a in topology.tree_domains(tree) {
            for b in topology.tree_domains(tree) {
                // The smallest that both are in, by going up from each.
                let up = |domain| std::iter::successors(Some(domain), |&at| topology.parent(at));
                let common = up(a).find(|&domain| up(b).any(|other| other == domain));
                prop_assert_eq!(costs.between(a, b), inside(common));
            }
        }
        for level in topology.tree_levels(tree) {
            let pairs = topology.domains(level).flat_map(|a| topology.domains(level).map(move |b| (a, b)));
            let expected: Vec<u64> = pairs.map(|(a, b)| costs.between(a, b)).collect();
            prop_assert_eq!(costs.table(level), expected);
        }
    }
}
