//! The tree's columns against the definition, over random rows.

use phalanx_topology::{NodeId, Topology};
use proptest::prelude::*;

const LEVELS: [&str; 3] = ["zone", "block", "rack"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn domains_are_ranges_in_path_order(rows in prop::collection::vec(prop::array::uniform3(0..4usize), 0..30)) {
        // 0 is a missing level; '-' and '.' sort before '/', letters after it.
        let names = ["", "a", "a-b", "b"];
        let mut builder = Topology::builder(LEVELS);
        for (at, row) in rows.iter().enumerate() {
            let domains: Vec<_> = LEVELS.iter().zip(row).map(|(&level, &name)| (level, names[name])).collect();
            builder = builder.node(&format!("n{at}"), &domains);
        }
        let topology = builder.build().expect("the rows are sound");

        let paths: Vec<_> = topology.tree_nodes().map(|n| topology.node_path(NodeId::new(n as u32))).collect();
        prop_assert!(paths.is_sorted());
        prop_assert_eq!(topology.outside_len(), rows.iter().filter(|row| **row == [0; 3]).count());
        let mut seen = 0;
        for level in topology.levels() {
            let mut next = 0;
            for domain in topology.domains(level) {
                seen += 1;
                prop_assert_eq!(topology.level_of(domain), level);
                let range = topology.node_range(domain);
                prop_assert_eq!(range.start, next, "domains of a level follow each other");
                prop_assert!(!range.is_empty());
                next = range.end;
                for node in topology.nodes_of(domain) {
                    prop_assert_eq!(topology.domain_of(node, level), Some(domain));
                }
                let mut child_next = range.start;
                for child in topology.children(domain) {
                    prop_assert_eq!(topology.parent(child), Some(domain));
                    prop_assert_eq!(topology.node_range(child).start, child_next);
                    child_next = topology.node_range(child).end;
                }
                prop_assert_eq!(child_next, if level == topology.node_level() { range.start } else { range.end });
                if topology.domain_name(domain).is_empty() {
                    prop_assert_eq!(topology.children(domain).len(), 1, "passed through by one subtree");
                }
            }
            prop_assert_eq!(next, topology.tree_nodes().end, "every node of the tree is in a domain of every level");
        }
        prop_assert_eq!(seen, topology.domains_len());
        for node in topology.nodes() {
            prop_assert_eq!(topology.node(topology.node_name(node)), Some(node));
        }
    }

    #[test]
    fn the_order_of_rows_does_not_matter(
        rows in prop::collection::vec(prop::array::uniform3(0..3usize), 0..20),
        rotate in 0..20usize,
    ) {
        let names = ["", "a", "b"];
        let build = |order: &mut dyn Iterator<Item = usize>| {
            let mut builder = Topology::builder(LEVELS);
            for at in order {
                let domains: Vec<_> = LEVELS.iter().zip(&rows[at]).map(|(&level, &name)| (level, names[name])).collect();
                builder = builder.node(&format!("n{at}"), &domains);
            }
            builder.build().expect("the rows are sound")
        };
        let turned = build(&mut (0..rows.len()).map(|at| (at + rotate) % rows.len()));
        prop_assert_eq!(turned, build(&mut (0..rows.len())));
    }
}
