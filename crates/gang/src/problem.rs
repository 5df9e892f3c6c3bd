//! A gang on an inventory, and the search for a place level by level.

use std::cmp::Reverse;

use phalanx_topology::{DomainId, Inventory, LevelId, NodeId};

use crate::budget::Steps;
use crate::capacity::Capacity;
use crate::choice::{Choice, Item, cluster};
use crate::deal::Deal;
use crate::flat::Flat;
use crate::layout::Filled;
use crate::room::Room;
use crate::running::{Running, majority};
use crate::scope::{Scope, Scopes};
use crate::tally::Tally;
use crate::tight::Tight;
use crate::tree::Tree;
use crate::work::Work;
use crate::{Fragmentation, FragmentationScore, Gang, Objective, Options};

/// A gang on an inventory, with how often each of its demands fits where.
#[derive(Debug)]
pub(crate) struct Problem<'a> {
    pub(crate) gang: &'a Gang,
    pub(crate) inventory: &'a Inventory,
    pub(crate) tree: Tree<'a>,
    pub(crate) options: &'a Options,
    pub(crate) running: Running,
    pub(crate) scope: Scope,
    pub(crate) room: Room<'a>,
    /// Whether a scope asks what has to be counted pod by pod.
    pub(crate) is_counted: bool,
    /// A domain takes units one at a time, whatever its level.
    ones: Vec<u64>,
}

/// A place for what is missing of the gang's minimum.
#[derive(Debug)]
pub(crate) struct Solution {
    pub(crate) filled: Filled,
    /// No finer level has a place.
    pub(crate) level_proven: bool,
    /// No place is better under the whole objective.
    pub(crate) optimal: bool,
}

/// What came of a search.
#[derive(Debug)]
pub(crate) enum Found<T = Solution> {
    Placed(T),
    /// There is no place.
    Nowhere,
    /// The steps ran out before one was found.
    CutShort,
}

impl<'a> Problem<'a> {
    pub(crate) fn new(
        gang: &'a Gang,
        inventory: &'a Inventory,
        tree: Tree<'a>,
        options: &'a Options,
        running: Running,
    ) -> Self {
        let room = Room::new(gang, inventory, tree);
        Self::with_room(gang, inventory, tree, options, (running, room))
    }

    /// The same with what is known of the room already.
    pub(crate) fn with_room(
        gang: &'a Gang,
        inventory: &'a Inventory,
        tree: Tree<'a>,
        options: &'a Options,
        (running, room): (Running, Room<'a>),
    ) -> Self {
        let scope = Scopes { gang, topology: tree.topology, running: &running }.of_gang();
        let is_counted = gang.is_counted();
        Self { gang, inventory, tree, options, running, scope, room, is_counted, ones: vec![1; tree.levels().len()] }
    }

    /// Finds a place for what is missing of the minimum, on the finest level that has one.
    pub(crate) fn solve(&self, steps: &mut Steps) -> Found {
        if self.scope.is_complete() {
            // Nothing is missing, wherever the others are.
            let filled = Filled::of_equal(&self.scope, &mut Vec::new().into_iter());
            return Found::Placed(Solution { filled, level_proven: true, optimal: true });
        }
        if matches!(self.options.objective, Objective::Fragmentation(_)) {
            return self.solve_tree(steps);
        }
        match Flat::of(self, &self.scope) {
            Some(flat) => self.solve_flat(&flat, steps),
            None => self.solve_tree(steps),
        }
    }

    fn solve_flat(&self, flat: &Flat, steps: &mut Steps) -> Found {
        let Some(choice) = flat.solve(self, steps) else { return Found::Nowhere };
        let (optimal, level_proven) = (choice.optimal, flat.is_level_proven(self));
        let filled = Filled::of_equal(&self.scope, &mut choice.nodes(self.tree).into_iter());
        Found::Placed(Solution { filled, level_proven, optimal })
    }

    /// Anything else: the hardest first, then with backtracking.
    fn solve_tree(&self, steps: &mut Steps) -> Found {
        let (bound, fixed) = match (&self.scope.pools[..], &self.scope.classes[..]) {
            ([], [class]) if class.count == 1 && self.scope.running.is_empty() => (class.scope.hard, class.scope.fixed),
            _ => (None, None),
        };
        let mut running = self.scope.all_running();
        if bound.is_some() && fixed.is_none() {
            // All that run are outside the tree: none of them says where the others have to be.
            running.clear();
        }
        let spread = matches!(self.options.objective, Objective::Spread { .. });
        let levels = self.tree.levels().rev().filter(|&level| bound.is_none_or(|bound| level >= bound));
        let levels = levels.filter(|&level| !spread || Some(level) == bound);
        let levels: Vec<_> = levels.map(Some).chain(bound.is_none().then_some(None)).collect();
        let mut cut = false;
        for (at, &level) in levels.iter().enumerate() {
            let mut part = steps.split(1, (levels.len() - at) as u64);
            let found = self.solve_level(level, fixed, &running, &mut part);
            steps.join(&part);
            match found {
                Found::Placed(filled) => {
                    // Without pods there is nothing to improve.
                    let optimal = filled.is_empty();
                    return Found::Placed(Solution { filled, level_proven: !cut && !spread, optimal });
                }
                Found::Nowhere => {}
                Found::CutShort => cut = true,
            }
        }
        if cut { Found::CutShort } else { Found::Nowhere }
    }

    /// What is missing within one domain of a level together with what runs, or anywhere.
    fn solve_level(
        &self,
        level: Option<LevelId>,
        fixed: Option<DomainId>,
        running: &[NodeId],
        steps: &mut Steps,
    ) -> Found<Filled> {
        let tree = self.tree;
        let mut domains: Vec<Option<DomainId>> = match level {
            Some(level) => tree.domains_in(None, level).map(|at| Some(DomainId::new(at))).collect(),
            None => vec![None],
        };
        if let (Some(level), Some(fixed)) = (level, fixed) {
            // Those that run outside it do so already.
            domains.retain(|&domain| domain.is_some_and(|domain| tree.is_within(domain, Some(fixed))));
            if level > tree.topology.level_of(fixed) {
                let inside: Vec<NodeId> = running.iter().copied().filter(|&node| self.is_on(node, fixed)).collect();
                domains
                    .retain(|&domain| inside.iter().all(|&node| domain.is_some_and(|domain| self.is_on(node, domain))));
            }
        } else if level.is_some() {
            domains.retain(|&domain| running.iter().all(|&node| domain.is_some_and(|domain| self.is_on(node, domain))));
        }
        domains.retain(|&domain| self.room.may_hold(&self.scope, domain));
        match &self.options.objective {
            Objective::Fragmentation(objective) => {
                domains.sort_by_cached_key(|&domain| (Reverse(self.best_score(objective, domain)), domain));
            }
            _ => domains.sort_by_cached_key(|&domain| (self.room.free(domain), domain)),
        }
        if domains.is_empty() {
            return Found::Nowhere;
        }
        let mut fork = self.inventory.fork();
        let mut work = Work::new(self, &mut fork);
        match work.greedy(&domains, steps) {
            Some(filled) => Found::Placed(filled),
            // Which devices of a node a pod gets is not searched.
            None => match work.backtrack(&domains, steps) {
                Found::Nowhere if self.gang.mixes_devices() => Found::CutShort,
                found => found,
            },
        }
    }

    /// So many units anywhere in a domain that holds them, or in the cluster, as the objective wants it.
    pub(crate) fn fill(
        &self,
        caps: &Capacity<'_>,
        granules: &[u64],
        within: Option<DomainId>,
        want: u64,
        steps: &mut Steps,
    ) -> Option<Choice> {
        if caps.within(within) < want {
            return None;
        }
        let (items, depth) = match within {
            Some(domain) => {
                let place = crate::choice::Place::Domain(domain);
                let depth = self.tree.depth(self.tree.topology.level_of(domain));
                (vec![Item { place, cap: caps.of(domain) }], depth)
            }
            None => (cluster(self.tree, caps), 0),
        };
        Some(self.deal(caps, granules, &items, depth, want, steps))
    }

    /// So many units on items of the level at `depth`, which hold them, as the objective wants it.
    pub(crate) fn deal(
        &self,
        caps: &Capacity<'_>,
        granules: &[u64],
        items: &[Item],
        depth: usize,
        want: u64,
        steps: &mut Steps,
    ) -> Choice {
        let (tree, objective) = (self.tree, &self.options.objective);
        match objective {
            Objective::Tight => Tight::new(tree, caps, granules, steps).solve(items, depth, want),
            Objective::Spread { level } => {
                let level = tree.depth(*level);
                crate::even::spread(tree, (caps, granules), items, (depth, level), want, steps)
            }
            // Single pods are placed by score; what comes here is to be spread.
            Objective::Fragmentation(_) => Tight::new(tree, caps, granules, steps).solve(items, depth, want),
            _ => {
                let mut units = Vec::new();
                Deal { tree, caps, granules, objective }.deal(items, depth, want, &mut units);
                Choice { units, optimal: true }
            }
        }
    }

    pub(crate) fn ones(&self) -> &[u64] {
        &self.ones
    }

    /// What other gangs have of the keys of this one.
    pub(crate) fn tally(&self) -> Tally {
        let rows = self.gang.rows();
        let apart = rows.iter().filter_map(|row| row.exclusive);
        let apart = apart.flat_map(|(level, key)| self.excluded(key, level).into_iter().map(move |at| (key, at)));
        let shared = rows.iter().filter_map(|row| row.shared);
        let shared = shared.filter_map(|(level, key)| Some((key, self.shared(key, level)?)));
        Tally::new(apart, shared)
    }

    /// The domains of a level that other gangs have for themselves under a key.
    pub(crate) fn excluded(&self, key: usize, level: LevelId) -> Vec<DomainId> {
        let Some(key) = &self.gang.apart_keys()[key] else { return Vec::new() };
        let nodes = self.options.present.excluded.iter().filter(|(of, _)| of == key).map(|&(_, node)| node);
        let mut domains: Vec<DomainId> = nodes.filter_map(|node| self.tree.domain_at(node, level)).collect();
        domains.sort_unstable();
        domains.dedup();
        domains
    }

    /// The domain of a level where other gangs have what is bound to a key.
    pub(crate) fn shared(&self, key: usize, level: LevelId) -> Option<DomainId> {
        let key = &self.gang.shared_keys()[key];
        let nodes = self.options.present.bound.iter().filter(|(of, _)| of == key).map(|&(_, node)| node);
        majority(self.tree.topology, level, &nodes.collect::<Vec<_>>())
    }

    /// What it is worth to place the first pod in a domain.
    fn best_score(&self, objective: &Fragmentation, domain: Option<DomainId>) -> Option<FragmentationScore> {
        let mut scope = &self.scope;
        while let Some(class) = scope.classes.first() {
            scope = &class.scope;
        }
        let demand = scope.pools.first()?.demand;
        let nodes = self.tree.domains_in(domain, self.tree.bottom()).map(DomainId::new);
        let fit = nodes.filter(|&node| self.room.of(demand).of(node) > 0).map(|node| self.tree.node(node));
        fit.filter_map(|node| objective.score(self.inventory, node, &self.gang.demands()[demand]))
            .map(|(score, _)| score)
            .max()
    }

    /// In which domains a pod of a group fits before any is placed.
    pub(crate) fn fits_at_first(&self, row: usize) -> impl Fn(DomainId) -> bool {
        let demands = self.gang.demands_in(row);
        move |domain| demands.iter().any(|&demand| self.room.of(demand).of(domain) > 0)
    }

    fn is_on(&self, node: NodeId, domain: DomainId) -> bool {
        self.tree.domain_at(node, self.tree.topology.level_of(domain)) == Some(domain)
    }
}
