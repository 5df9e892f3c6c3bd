//! The objective tight for equal pods, by trying every split.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use phalanx_topology::{Demand, DomainId, LevelId, NodeId};

use super::definition::Case;
use super::spec::{Content, exclusive_key};

/// How fine the common domain is, and from there down level by level how many domains are used and how much they hold.
pub(crate) type Cost = (Reverse<Option<LevelId>>, Vec<(usize, u64)>);

/// How many pods of one chain of groups fit where: a domain, or a node outside the tree.
#[derive(Debug)]
pub(crate) struct Holds<'a> {
    case: &'a Case<'a>,
    demand: &'a Demand,
    per_node: u64,
    /// By level, and how many at a time.
    slices: Vec<(u8, u64)>,
    /// By level, and how many at most.
    clips: Vec<(u8, u64)>,
    excluded: BTreeSet<DomainId>,
    inside: bool,
}

impl<'a> Holds<'a> {
    pub(crate) fn new(case: &'a Case<'a>, demand: &'a Demand) -> Self {
        let (mut per_node, mut slices, mut clips) = (u64::MAX, Vec::new(), Vec::new());
        let (mut excluded, mut inside, mut bound, mut times) = (BTreeSet::new(), false, None, 1);
        for line in &case.lines {
            let of = &line.spec.bounds;
            times *= u64::from(line.spec.min);
            let level = of.hard.max(of.bind);
            // What binds all binds; what binds one of several replicas comes as a whole.
            let pods = u64::from(case.lines[0].spec.min_pods()) / times;
            if times > 1 && level > bound {
                slices.extend(level.map(|level| (level, pods)));
            }
            bound = bound.max(level);
            per_node = per_node.min(of.per_node.map_or(u64::MAX, u64::from));
            if let Some((level, keyed)) = of.exclusive {
                inside = true;
                let theirs = case.excluded.iter().filter(|(key, _)| keyed && *key == exclusive_key(level));
                excluded.extend(theirs.filter_map(|&(_, node)| case.domain(node, level)));
                if times > 1 {
                    clips.push((level, pods));
                }
            }
            let Content::Pods { count, .. } = line.spec.body else { continue };
            for &(level, size) in &of.slices {
                if Some(level) > bound && (times > 1 || size < count) {
                    slices.push((level, u64::from(size)));
                }
                bound = bound.max(Some(level));
            }
        }
        inside |= bound.is_some();
        Self { case, demand, per_node, slices, clips, excluded, inside }
    }

    pub(crate) fn node(&self, node: NodeId) -> u64 {
        let topology = self.case.inventory.topology();
        match topology.domain_of(node, topology.node_level()) {
            Some(domain) => self.domain(domain),
            None if self.inside => 0,
            None => self.fits(node),
        }
    }

    fn fits(&self, node: NodeId) -> u64 {
        u64::from(self.case.inventory.fits(node, self.demand)).min(self.per_node)
    }

    fn domain(&self, domain: DomainId) -> u64 {
        // A part holds no more than the whole.
        let parent = self.case.inventory.topology().parent(domain);
        self.sum(domain).min(parent.map_or(u64::MAX, |parent| self.domain(parent)))
    }

    fn sum(&self, domain: DomainId) -> u64 {
        let topology = self.case.inventory.topology();
        let level = topology.level_of(domain).index() as u8;
        let mut sum = match topology.node_of(domain) {
            Some(node) => self.fits(node),
            None => topology.children(domain).map(|child| self.sum(child)).sum(),
        };
        if self.excluded.contains(&domain) {
            sum = 0;
        }
        sum = self.clips.iter().filter(|&&(at, _)| at == level).fold(sum, |sum, &(_, most)| sum.min(most));
        self.slices.iter().filter(|&&(at, _)| at == level).fold(sum, |sum, &(_, size)| sum / size * size)
    }

    pub(crate) fn cost(&self, nodes: &[NodeId]) -> Cost {
        let topology = self.case.inventory.topology();
        let common = topology.common_level(nodes.iter().copied());
        let levels = topology.levels().filter(|&level| common.is_none_or(|common| level >= common));
        let costs = levels.map(|level| {
            let used: BTreeMap<_, u64> = (nodes.iter())
                .map(|&node| match topology.domain_of(node, level) {
                    Some(domain) => ((Some(domain), None), self.domain(domain)),
                    // Outside the tree a node is a domain of its own at every level.
                    None => ((None, Some(node)), self.node(node)),
                })
                .collect();
            (used.len(), used.values().sum())
        });
        (Reverse(common), costs.collect())
    }

    /// The least cost of all splits that keep to every bound; pods of equal groups go along the path.
    pub(crate) fn best(&self) -> Option<Cost> {
        let pods = self.case.missing();
        let demands = self.case.lines.iter().enumerate().map(|(row, _)| (row, self.demand.clone())).collect();
        let mut splits: Vec<Vec<NodeId>> = vec![Vec::new()];
        for node in self.case.inventory.topology().nodes() {
            let fits = self.case.inventory.fits(node, self.demand) as usize;
            let more = |split: Vec<NodeId>| {
                (0..=fits.min(pods.len() - split.len()))
                    .map(move |more| split.iter().copied().chain((0..more).map(|_| node)).collect())
            };
            splits = splits.into_iter().flat_map(more).collect();
        }
        splits.retain(|split| split.len() == pods.len());
        splits.retain(|split| {
            let placed: Vec<_> = pods.iter().cloned().zip(split.iter().copied()).collect();
            self.case.holds(&placed, &demands, true)
        });
        splits.iter().map(|split| self.cost(split)).min()
    }
}
