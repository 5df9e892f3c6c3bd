//! A tree as a table of names, and every query answered from its definition.

use std::collections::BTreeMap;

use phalanx_topology::{DomainId, LevelId, NodeId, Topology, TreeId};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// A node's domain names from the coarsest level on; empty where it passes through.
pub(crate) type Names = Vec<String>;

pub(crate) struct Model {
    /// How many there are above the nodes.
    pub(crate) levels: usize,
    /// All nodes that the tree was built with, those with no name at all being outside it.
    pub(crate) nodes: BTreeMap<String, Names>,
}

impl Model {
    pub(crate) fn inside(&self, node: &str) -> bool {
        self.nodes.get(node).is_some_and(|names| names.iter().any(|name| !name.is_empty()))
    }

    /// Whether two nodes share the domain of a level, `levels` being that of the nodes. One without a name is shared where
    /// the next named one below it is.
    pub(crate) fn share(&self, a: &str, b: &str, level: usize) -> bool {
        if !self.inside(a) || !self.inside(b) {
            return false;
        }
        let (x, y) = (&self.nodes[a], &self.nodes[b]);
        let named = (level..self.levels).find(|&below| !x[below].is_empty());
        a == b || named.is_some_and(|below| x[..=below] == y[..=below])
    }

    /// The nodes of the tree by full path.
    pub(crate) fn order(&self) -> Vec<&str> {
        let mut order: Vec<&str> = self.nodes.keys().map(String::as_str).filter(|node| self.inside(node)).collect();
        order.sort_by_key(|node| format!("{}/{node}", self.nodes[*node].join("/")));
        order
    }

    /// Asks the topology everything about one tree.
    pub(crate) fn check(&self, topology: &Topology, tree: TreeId) -> Result<(), TestCaseError> {
        let order = self.order();
        let ids: Vec<NodeId> = order.iter().map(|node| topology.node(node).expect("the node is known")).collect();
        let levels: Vec<LevelId> = topology.tree_levels(tree).collect();
        prop_assert_eq!(levels.len(), self.levels + 1);
        prop_assert_eq!(levels.last(), Some(&topology.tree_node_level(tree)));
        prop_assert_eq!(topology.tree_len(tree), ids.len());
        for (position, &id) in ids.iter().enumerate() {
            prop_assert_eq!(topology.node_at(tree, position), id);
        }
        for node in topology.nodes() {
            prop_assert_eq!(topology.position(tree, node), ids.iter().position(|&id| id == node));
            prop_assert_eq!(
                topology.node_domain(tree, node).and_then(|domain| topology.node_of(domain)).is_some(),
                ids.contains(&node)
            );
        }
        for (depth, &level) in levels.iter().enumerate() {
            prop_assert_eq!(topology.tree_of(level), tree);
            prop_assert_eq!(topology.level_in(tree, topology.level_name(level)), Some(level));
            let mut next = 0;
            for domain in topology.domains(level) {
                prop_assert_eq!(topology.node_range(domain).start, next, "domains of a level follow each other");
                next = topology.node_range(domain).end;
                self.check_domain(topology, &order, &ids, (depth, level), domain)?;
            }
            prop_assert_eq!(next, ids.len(), "every node of the tree is in a domain of every level");
        }
        self.check_pairs(topology, tree, &levels)
    }

    fn check_domain(
        &self,
        topology: &Topology,
        order: &[&str],
        ids: &[NodeId],
        (depth, level): (usize, LevelId),
        domain: DomainId,
    ) -> Result<(), TestCaseError> {
        let range = topology.node_range(domain);
        prop_assert!(!range.is_empty());
        let first = order[range.start];
        for (position, node) in order.iter().enumerate() {
            prop_assert_eq!(range.contains(&position), self.share(first, node, depth));
        }
        prop_assert!(topology.nodes_of(domain).eq(range.clone().map(|position| ids[position])));
        prop_assert!(topology.nodes_of(domain).rev().eq(range.clone().rev().map(|position| ids[position])));
        prop_assert_eq!(topology.level_of(domain), level);
        let is_node = depth == self.levels;
        prop_assert_eq!(topology.node_of(domain), is_node.then(|| ids[range.start]));
        let mut names = self.nodes[first].clone();
        names.push(first.to_owned());
        prop_assert_eq!(topology.domain_name(domain), &names[depth]);
        prop_assert_eq!(topology.domain_path(domain), names[..=depth].join("/"));
        prop_assert_eq!(topology.parent(domain).is_some(), depth > 0);
        let mut at = range.start;
        for child in topology.children(domain) {
            prop_assert_eq!(topology.parent(child), Some(domain));
            prop_assert_eq!(topology.node_range(child).start, at);
            at = topology.node_range(child).end;
        }
        prop_assert_eq!(at, if is_node { range.start } else { range.end });
        Ok(())
    }

    fn check_pairs(&self, topology: &Topology, tree: TreeId, levels: &[LevelId]) -> Result<(), TestCaseError> {
        for a in topology.nodes() {
            for b in topology.nodes() {
                let names = [topology.node_name(a), topology.node_name(b)];
                let mut finest = None;
                for (depth, &level) in levels.iter().enumerate() {
                    let shared = self.share(names[0], names[1], depth);
                    let domain = topology.domain_of(a, level);
                    prop_assert_eq!(domain.is_some() && domain == topology.domain_of(b, level), shared);
                    if shared {
                        finest = domain;
                    }
                }
                prop_assert_eq!(topology.common_domain_in(tree, [a, b]), finest);
                if tree == TreeId::PRIMARY {
                    prop_assert_eq!(topology.common_domain([a, b]), finest);
                }
            }
        }
        Ok(())
    }
}
