//! What bounds make of how many pods fit where.

use std::borrow::Cow;

use phalanx_topology::{DomainId, LevelId, NodeId};

use crate::capacity::{Capacity, sum_up};
use crate::tree::Tree;

/// Bounds on equal pods that a column of capacities can tell: caps a node and a domain, whole slices, domains to keep to or
/// out of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shaping {
    pub(crate) per_node: Option<u64>,
    /// So many of the pods that a node may have are there.
    pub(crate) on_node: Vec<(NodeId, u64)>,
    /// A domain of the level holds at most so many; one that is listed, so many.
    pub(crate) clips: Vec<(LevelId, u64)>,
    pub(crate) most: Vec<(DomainId, u64)>,
    /// A domain of the level holds a multiple of the size.
    pub(crate) slices: Vec<(LevelId, u64)>,
    /// No pod goes outside the tree.
    pub(crate) inside: bool,
}

impl Shaping {
    /// Whether it leaves all capacities as they are.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { per_node, on_node: _, clips, most, slices, inside } = self;
        per_node.is_none() && clips.is_empty() && most.is_empty() && slices.is_empty() && !inside
    }

    /// How many pods a domain of each level takes at a time: the size of the coarsest slices that must lie within it.
    pub(crate) fn granules(&self, tree: Tree<'_>) -> Vec<u64> {
        let size = |level: LevelId| self.slices.iter().filter(|&&(at, _)| at >= level).map(|&(_, size)| size).max();
        tree.levels().map(|level| size(level).unwrap_or(1)).collect()
    }

    /// The capacities under these bounds. O(domains).
    pub(crate) fn apply<'a>(&self, tree: Tree<'_>, caps: &'a Capacity<'_>) -> Capacity<'a> {
        if (Self { inside: false, ..self.clone() }).is_empty() {
            return if self.inside { caps.inside() } else { caps.borrowed() };
        }
        let mut column = caps.by_domain().to_vec();
        let mut outside = caps.outside().to_vec();
        if let Some(most) = self.per_node {
            tree.domains(tree.bottom()).for_each(|node| column[node.index()] = column[node.index()].min(most));
            outside.iter_mut().for_each(|(_, fits)| *fits = (*fits).min(most));
            for &(node, there) in &self.on_node {
                let left = most.saturating_sub(there);
                match tree.domain(node) {
                    Some(domain) => column[domain.index()] = column[domain.index()].min(left),
                    None => {
                        outside.iter_mut().filter(|(at, _)| *at == node).for_each(|(_, fits)| *fits = left.min(*fits))
                    }
                }
            }
        }
        if self.inside {
            outside.iter_mut().for_each(|(_, fits)| *fits = 0);
        }
        let of_level = |list: &[(LevelId, u64)], level: LevelId| {
            list.iter().filter(|&&(at, _)| at == level).map(|&(_, value)| value).min()
        };
        let rules: Vec<(Option<u64>, Option<u64>)> =
            tree.levels().map(|level| (of_level(&self.clips, level), of_level(&self.slices, level))).collect();
        let mut listed = self.most.clone();
        listed.sort_unstable();
        let bound = |domain: DomainId, sum: u64| {
            let (clip, slice) = rules[tree.depth(tree.topology.level_of(domain))];
            let mut cap = clip.map_or(sum, |clip| sum.min(clip));
            let from = listed.partition_point(|&(at, _)| at < domain);
            if let Some(&(_, most)) = listed.get(from).filter(|&&(at, _)| at == domain) {
                cap = cap.min(most);
            }
            slice.map_or(cap, |size| cap / size * size)
        };
        for node in tree.domains(tree.bottom()) {
            column[node.index()] = bound(node, column[node.index()]);
        }
        sum_up(tree, &mut column, bound);
        // No part of a domain can take more than the whole.
        for level in tree.levels().skip(1) {
            for domain in tree.domains(level) {
                if let Some(parent) = tree.topology.parent(domain) {
                    column[domain.index()] = column[domain.index()].min(column[parent.index()]);
                }
            }
        }
        let is_sum = self.clips.is_empty() && self.most.is_empty() && self.slices.is_empty();
        let mut shaped = Capacity::of_column(tree, Cow::Owned(column), outside);
        shaped.is_sum = is_sum;
        shaped
    }
}
