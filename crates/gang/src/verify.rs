//! Whether pods stand as the bounds of their gang want it.

use std::collections::BTreeMap;

use phalanx_topology::{DomainId, LevelId, NodeId};

use crate::problem::Problem;
use crate::running::majority;
use crate::{GroupId, violated::Violated, violated::Violation};

/// A pod somewhere: its row, the ordinals down to its replica, its own, and its node.
pub(crate) type Standing<'a> = (usize, &'a [u32], u32, NodeId);

/// Every bound that these pods break, groups in pre-order.
pub(crate) fn verify(problem: &Problem<'_>, pods: &[Standing<'_>]) -> Vec<Violated> {
    let mut found = Vec::new();
    let mut owners: BTreeMap<(usize, DomainId), Vec<u32>> = BTreeMap::new();
    for (row, group) in problem.gang.rows().iter().enumerate() {
        if !group.is_bound() && group.slices.is_empty() && group.kinds.is_empty() && !group.homogeneous {
            continue;
        }
        let majority = group.homogeneous.then(|| problem.running.kind(problem.gang, problem.inventory, row)).flatten();
        let depth = problem.gang.depth(row);
        let mut replicas: BTreeMap<&[u32], Vec<Standing<'_>>> = BTreeMap::new();
        for &pod in pods.iter().filter(|&&(of, ..)| problem.gang.is_within(of, row)) {
            replicas.entry(&pod.1[..depth]).or_default().push(pod);
        }
        for (ordinals, pods) in replicas {
            let mut check = Check { problem, group: problem.gang.id(row), ordinals, found: &mut found };
            let nodes: Vec<NodeId> = pods.iter().map(|&(.., node)| node).collect();
            if let Some(level) = group.hard {
                check.together(level, &nodes);
            }
            if let Some((level, key)) = group.shared {
                let domain = problem.shared(key, level);
                let elsewhere = |&node: &NodeId| domain.is_some() && problem.tree.domain_at(node, level) != domain;
                check.together(level, &nodes);
                let away: Vec<NodeId> = nodes.iter().copied().filter(elsewhere).collect();
                check.add(Violation::Key { level }, away);
            }
            let is_other = |&node: &NodeId| {
                let kind = problem.inventory.kind_id(node);
                let accepted = group.kinds.is_empty() || kind.is_some_and(|kind| group.kinds.contains(&kind));
                !accepted || group.homogeneous && (kind.is_none() || kind != majority)
            };
            check.add(Violation::Kind, nodes.iter().copied().filter(is_other).collect());
            if let Some(most) = group.per_node {
                let mut counts = BTreeMap::<NodeId, u32>::new();
                nodes.iter().for_each(|&node| *counts.entry(node).or_default() += 1);
                let over: Vec<NodeId> =
                    counts.into_iter().filter(|&(_, count)| count > most).map(|(node, _)| node).collect();
                check.add(Violation::PerNode { most }, over);
            }
            if let Some((level, key)) = group.exclusive {
                let taken = problem.excluded(key, level);
                let mut shared = Vec::new();
                for &node in &nodes {
                    let Some(domain) = problem.tree.domain_at(node, level) else {
                        shared.push(node);
                        continue;
                    };
                    let owner = owners
                        .entry((key, domain))
                        .or_insert_with(|| [row as u32].iter().chain(ordinals).copied().collect());
                    let own = owner[0] == row as u32 && owner[1..] == *ordinals;
                    if !own || taken.contains(&domain) {
                        shared.push(node);
                    }
                }
                check.add(Violation::Exclusive { level }, shared);
            }
            if let Some((level, skew)) = group.spread {
                check.even(row, level, skew, &nodes);
            }
            for (layer, &(level, size)) in group.slices.iter().enumerate() {
                debug_assert!(layer < group.slices.len(), "a layer of the group");
                let mut slices: BTreeMap<u32, Vec<NodeId>> = BTreeMap::new();
                pods.iter().for_each(|&(_, _, ordinal, node)| slices.entry(ordinal / size).or_default().push(node));
                slices.values().for_each(|nodes| check.together(level, nodes));
            }
        }
    }
    found
}

struct Check<'a> {
    problem: &'a Problem<'a>,
    group: GroupId,
    ordinals: &'a [u32],
    found: &'a mut Vec<Violated>,
}

impl Check<'_> {
    /// All nodes in one domain; those that are not where most are break it.
    fn together(&mut self, level: LevelId, nodes: &[NodeId]) {
        let domain = majority(self.problem.tree.topology, level, nodes);
        let away = |&node: &NodeId| domain.is_none() || self.problem.tree.domain_at(node, level) != domain;
        let away: Vec<NodeId> = nodes.iter().copied().filter(away).collect();
        self.add(Violation::Level { level }, away);
    }

    fn even(&mut self, row: usize, level: LevelId, skew: u32, nodes: &[NodeId]) {
        let (problem, tree) = (self.problem, self.problem.tree);
        let mut counts = BTreeMap::<DomainId, u32>::new();
        for domain in nodes.iter().filter_map(|&node| tree.domain_at(node, level)) {
            *counts.entry(domain).or_default() += 1;
        }
        let rows = problem.gang.rows();
        let around = std::iter::successors(Some(row), |&row| rows[row].parent);
        let hard = around.filter_map(|row| rows[row].hard.max(rows[row].shared.map(|(level, _)| level))).max();
        let outside: Vec<NodeId> =
            nodes.iter().copied().filter(|&node| tree.domain_at(node, level).is_none()).collect();
        self.add(Violation::Spread { level, max_skew: skew }, outside);
        if hard.is_some_and(|hard| hard >= level) {
            // Within one domain of the level there is nothing to spread.
            return;
        }
        let holder = hard.and_then(|hard| majority(tree.topology, hard, nodes));
        let fits = problem.fits_at_first(row);
        for domain in tree.domains_in(holder, level).map(DomainId::new) {
            if fits(domain) {
                counts.entry(domain).or_default();
            }
        }
        let (least, most) =
            counts.values().fold((u32::MAX, 0), |(least, most), &count| (least.min(count), most.max(count)));
        if most.saturating_sub(least) > skew {
            self.add(Violation::Spread { level, max_skew: skew }, nodes.to_vec());
        }
    }

    fn add(&mut self, violation: Violation, mut nodes: Vec<NodeId>) {
        nodes.sort_unstable();
        nodes.dedup();
        if !nodes.is_empty() {
            self.found.push(Violated { group: self.group, ordinals: self.ordinals.into(), violation, nodes });
        }
    }
}
