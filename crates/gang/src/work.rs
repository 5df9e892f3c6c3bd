//! A copy of the inventory to try placements on, and the first way to try: the hardest first, without going back.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use phalanx_topology::{DeviceSet, DomainId, Inventory, LevelId, Mark, NodeId, Transaction};

use crate::budget::Steps;
use crate::layout::{Filled, Spot};
use crate::problem::Problem;
use crate::room::Room;
use crate::scope::Scope;
use crate::tally::Tally;
use crate::{Fragmentation, Objective};

/// What was tried so far. Scopes are numbered as they are opened, 0 being the one that is placed as a whole.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) problem: &'a Problem<'a>,
    transaction: Transaction<'a>,
    pub(crate) room: Room<'a>,
    pub(crate) opened: Vec<Opened<'a>>,
    placed: Vec<Placed>,
    pub(crate) tally: Tally,
    /// Under which numbers replicas are counted in which pods run: those come before all that are opened.
    counted: BTreeMap<(usize, Vec<u32>), usize>,
}

/// A scope that was opened in another one, as one of its class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) scope: &'a Scope,
    /// The number of the scope around it, its own for the outermost.
    pub(crate) parent: usize,
    pub(crate) class: usize,
    /// The domain in which it is filled.
    pub(crate) domain: Option<DomainId>,
    /// The number under which its pods are counted; none for a number of its own.
    pub(crate) counted: Option<usize>,
}

/// A pod of an opened scope: of one of its pools, or one that runs.
#[derive(Clone, Copy, Debug)]
struct Placed {
    scope: usize,
    pool: Option<usize>,
    node: NodeId,
    devices: DeviceSet,
}

/// A point to go back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    mark: Mark,
    opened: usize,
    placed: usize,
}

impl<'a> Work<'a> {
    /// Works on a fork of the problem's inventory, which is to be dropped afterwards.
    pub(crate) fn new(problem: &'a Problem<'a>, fork: &'a mut Inventory) -> Self {
        let mut work = Self {
            problem,
            transaction: fork.transaction(),
            room: problem.room.clone(),
            opened: Vec::new(),
            placed: Vec::new(),
            tally: problem.tally(),
            counted: BTreeMap::new(),
        };
        if problem.is_counted {
            work.count_running();
        }
        work
    }

    /// Counts all pods that run, before any is placed.
    fn count_running(&mut self) {
        let Problem { gang, tree, ref running, .. } = *self.problem;
        for (row, ordinals, _, node) in running.pods() {
            let around = std::iter::successors(Some(row), |&row| gang.rows()[row].parent);
            for (row, depth) in around.zip((1..=ordinals.len()).rev()).filter(|&(row, _)| gang.rows()[row].is_bound()) {
                let next = self.counted.len();
                let number = *self.counted.entry((row, ordinals[..depth].to_vec())).or_insert(next);
                self.tally.add(tree, &Scope::shell(gang, row), number, node);
            }
        }
    }

    /// The number under which the pods of a replica are counted in which some run.
    pub(crate) fn counted_as(&self, row: usize, ordinals: &[u32]) -> Option<usize> {
        self.counted.get(&(row, ordinals.to_vec())).copied()
    }

    fn counted_of(&self, scope: &Scope) -> Option<usize> {
        let instance = scope.instance.as_ref().filter(|_| scope.layer == 0)?;
        self.counted_as(scope.row?, instance)
    }

    /// The number under which the pods of an opened scope are counted.
    pub(crate) fn number(&self, opened: usize) -> usize {
        self.opened[opened].counted.unwrap_or(self.counted.len() + opened)
    }

    /// Fills the first of these domains that takes the gang's whole minimum without going back, preferences first.
    pub(crate) fn greedy(&mut self, domains: &[Option<DomainId>], steps: &mut Steps) -> Option<Filled> {
        for prefer in [true, false] {
            for (at, &domain) in domains.iter().enumerate() {
                if at > 0 && !steps.take(self.problem.scope.size()) {
                    break;
                }
                let start = self.point();
                self.open_root(domain);
                if self.fill_scope(0, prefer, steps) {
                    return Some(self.filled_from(0));
                }
                self.undo(start);
            }
        }
        None
    }

    /// Opens the gang as a whole in a domain.
    pub(crate) fn open_root(&mut self, domain: Option<DomainId>) {
        self.open(Opened { scope: &self.problem.scope, parent: 0, class: 0, domain, counted: None });
    }

    /// Opens a scope of its own for one replica of a group and fills it inside a domain, within one domain of a level if it
    /// is bound so from around, the preferred levels first. Returns its pods, or changes nothing. It is inside the scope
    /// with number `parent`, if in any.
    pub(crate) fn add(
        &mut self,
        scope: &'a Scope,
        parent: Option<usize>,
        domain: Option<DomainId>,
        bound: Option<LevelId>,
        steps: &mut Steps,
    ) -> Option<Filled> {
        let number = self.opened.len();
        for target in targets(scope, bound, true) {
            for (candidate, _) in self.candidates(scope, domain, target, 1) {
                let before = self.point();
                let (parent, counted) = (parent.unwrap_or(number), self.counted_of(scope));
                self.open(Opened { scope, parent, class: usize::MAX, domain: candidate, counted });
                let even = |work: &Self| {
                    // One of its pods tells where it is.
                    let placed = work.placed[before.placed..].iter().rfind(|placed| placed.pool.is_some());
                    placed.is_none_or(|placed| work.is_even_around(number, placed.node))
                };
                if self.fill_scope(number, true, steps) && even(self) {
                    return Some(self.filled_from(number));
                }
                self.undo(before);
            }
        }
        None
    }

    /// Takes room for a pod that a plan holds already.
    pub(crate) fn take(&mut self, demand: usize, spot: Spot) {
        let claimed = self.transaction.claim(spot.node, spot.devices, &self.problem.gang.demands()[demand]);
        claimed.expect("a plan holds what is free");
        self.refresh(spot.node);
    }

    /// The domains in which to try a scope, in that order.
    pub(crate) fn candidates(
        &self,
        scope: &Scope,
        within: Option<DomainId>,
        level: Option<LevelId>,
        remaining: u64,
    ) -> Vec<(Option<DomainId>, u64)> {
        let tree = self.problem.tree;
        if scope.is_complete() {
            // All of it runs, wherever that is.
            return vec![(within, u64::MAX)];
        }
        let mut found = match scope.fixed {
            // It is where most of its pods run, or nowhere inside this domain.
            Some(fixed) if tree.is_within(fixed, within) => self.room.candidates(scope, Some(fixed), level),
            Some(fixed) if within.is_some_and(|within| tree.is_within(within, Some(fixed))) => {
                self.room.candidates(scope, within, level)
            }
            Some(_) => Vec::new(),
            None => self.room.candidates(scope, within, level),
        };
        if scope.exclusive.is_some() || scope.shared.is_some() {
            let own = self.counted_of(scope);
            found.retain(|&(domain, _)| self.tally.may_open(tree, scope, own, domain));
        }
        match self.problem.options.objective {
            Objective::LeastFree => found.sort_by_key(|&(domain, units)| (units, domain)),
            Objective::Balanced | Objective::Spread { .. } => {
                let used = self.used(&found);
                found.sort_by_key(|&(domain, units)| (used.get(&domain).copied().unwrap_or(0), Reverse(units), domain));
            }
            _ => best_fit_order(&mut found, remaining),
        }
        found
    }

    /// Pods placed in each of these domains, which are all of one level.
    fn used(&self, domains: &[(Option<DomainId>, u64)]) -> BTreeMap<Option<DomainId>, u32> {
        let mut used = BTreeMap::new();
        if let Some(&(Some(first), _)) = domains.first() {
            let level = self.problem.tree.topology.level_of(first);
            for placed in &self.placed {
                *used.entry(self.problem.tree.domain_at(placed.node, level)).or_insert(0) += 1;
            }
        }
        used
    }

    /// Fills an opened scope in its domain without going back.
    fn fill_scope(&mut self, opened: usize, prefer: bool, steps: &mut Steps) -> bool {
        let scope = self.opened[opened].scope;
        (0..scope.classes.len()).all(|class| self.fill_class(opened, class, prefer, steps))
            && (0..scope.pools.len()).all(|pool| self.fill_pool(opened, pool, scope.pools[pool].count, steps))
            && self.is_even(opened)
    }

    fn fill_class(&mut self, opened: usize, class: usize, prefer: bool, steps: &mut Steps) -> bool {
        let (scope, domain) = (self.opened[opened].scope, self.opened[opened].domain);
        let of = &scope.classes[class];
        let mut left = of.count;
        // Those that go apart, or evenly, do not share what is left of a domain.
        let one_each = of.scope.exclusive.is_some()
            || matches!(self.problem.options.objective, Objective::Balanced | Objective::Spread { .. });
        for target in targets(&of.scope, None, prefer) {
            loop {
                let before = left;
                for (candidate, _) in self.candidates(&of.scope, domain, target, u64::from(left)) {
                    while left > 0 {
                        let start = self.point();
                        let inner = self.open_in(opened, class, candidate);
                        if !self.fill_scope(inner, prefer, steps) {
                            self.undo(start);
                            break;
                        }
                        left -= 1;
                        if one_each {
                            break;
                        }
                    }
                    if left == 0 {
                        return true;
                    }
                    if left < before || !steps.take(1) {
                        break;
                    }
                }
                if left == before {
                    break;
                }
            }
        }
        left == 0
    }

    /// Fills an opened scope's domain with so many pods of a pool, as the objective wants it.
    pub(crate) fn fill_pool(&mut self, opened: usize, pool: usize, left: u32, steps: &mut Steps) -> bool {
        let (scope, domain) = (self.opened[opened].scope, self.opened[opened].domain);
        if let Objective::Fragmentation(objective) = &self.problem.options.objective
            && self.chain(opened).all(|(_, scope)| scope.spread.is_none())
        {
            return self.fill_by_score(opened, pool, left, objective);
        }
        let caps = self.room.of(scope.pools[pool].demand);
        let want = u64::from(left);
        if !self.problem.is_counted {
            if caps.within(domain) < want {
                return false;
            }
            let Some(choice) = self.problem.fill(caps, self.problem.ones(), domain, want, steps) else { return false };
            for node in choice.nodes(self.problem.tree) {
                self.place(opened, pool, node);
            }
            return true;
        }
        let mut left = want;
        // What must come to a domain first, then the rest.
        let Some((needs, clips)) = self.spread(opened, pool, want) else { return false };
        for (at, need) in needs.into_iter().chain([(domain, u64::MAX)]) {
            let need = need.min(left);
            let shaped = self.shaped(opened, pool, &clips);
            if shaped.within(at) < need {
                return false;
            }
            let Some(choice) = self.problem.fill(&shaped, self.problem.ones(), at, need, steps) else { return false };
            for node in choice.nodes(self.problem.tree) {
                self.place(opened, pool, node);
            }
            left -= need;
        }
        left == 0
    }

    /// Fills an opened scope's domain with so many pods of a pool, each where it does the least harm.
    fn fill_by_score(&mut self, opened: usize, pool: usize, left: u32, objective: &Fragmentation) -> bool {
        let (scope, domain, tree) = (self.opened[opened].scope, self.opened[opened].domain, self.problem.tree);
        let pod = scope.pools[pool].demand;
        let demand = &self.problem.gang.demands()[pod];
        if self.room.of(pod).within(domain) < u64::from(left) {
            return false;
        }
        let inside = tree.domains_in(domain, tree.bottom()).map(|at| tree.node(DomainId::new(at)));
        let mut nodes: Vec<NodeId> = inside.collect();
        if domain.is_none() {
            nodes.extend(tree.outside());
        }
        nodes.retain(|&node| self.room.of(pod).of_node(tree, node) > 0);
        let score = |work: &Self, node: NodeId| {
            let (score, devices) = objective.score(work.transaction.inventory(), node, demand)?;
            Some((score, Reverse(tree.order(node)), node, devices))
        };
        let mut ranked: BinaryHeap<_> = nodes.into_iter().filter_map(|node| score(self, node)).collect();
        let mut left = left;
        while left > 0 {
            let Some((_, _, node, devices)) = ranked.pop() else { return false };
            // What was placed since may keep others off.
            if !self.allows(opened, node) {
                continue;
            }
            self.place_on(opened, pool, Spot { node, devices });
            left -= 1;
            ranked.extend(score(self, node));
        }
        true
    }

    pub(crate) fn point(&self) -> Point {
        Point { mark: self.transaction.mark(), opened: self.opened.len(), placed: self.placed.len() }
    }

    pub(crate) fn undo(&mut self, point: Point) {
        self.transaction.undo_to(point.mark);
        let mut last = None;
        for at in (point.placed..self.placed.len()).rev() {
            let Placed { scope, pool, node, .. } = self.placed[at];
            if pool.is_some() {
                self.count(scope, node, false);
            }
            if pool.is_some() && last.replace(node) != Some(node) {
                self.refresh(node);
            }
        }
        self.placed.truncate(point.placed);
        self.opened.truncate(point.opened);
    }

    /// Opens one more scope of a class of an opened scope, in a domain.
    pub(crate) fn open_in(&mut self, parent: usize, class: usize, domain: Option<DomainId>) -> usize {
        let scope = &self.opened[parent].scope.classes[class].scope;
        self.open(Opened { scope, parent, class, domain, counted: self.counted_of(scope) })
    }

    /// Opens a scope, with those of its pods that run; they are counted already.
    pub(crate) fn open(&mut self, opened: Opened<'a>) -> usize {
        let number = self.opened.len();
        self.opened.push(opened);
        for &node in &opened.scope.running {
            self.placed.push(Placed { scope: number, pool: None, node, devices: DeviceSet::default() });
        }
        number
    }

    /// Takes back the count of all pods placed in a scope and those opened in it; they stay where they are.
    pub(crate) fn uncount(&mut self, root: usize) {
        // The root is the last that was opened outside, so its pods are the last.
        for at in (0..self.placed.len()).rev() {
            let Placed { scope, pool, node, .. } = self.placed[at];
            if scope < root {
                break;
            }
            if pool.is_some() {
                self.count(scope, node, false);
            }
        }
    }

    /// Counts a pod that is there already in an opened scope.
    pub(crate) fn count_there(&mut self, opened: usize, node: NodeId) {
        self.count(opened, node, true);
    }

    pub(crate) fn place(&mut self, scope: usize, pool: usize, node: NodeId) {
        let demand = self.opened[scope].scope.pools[pool].demand;
        let reserved = self.transaction.reserve(node, &self.problem.gang.demands()[demand]);
        let devices = reserved.expect("a pod is placed where it fits");
        self.note(scope, pool, Spot { node, devices });
    }

    /// Places a pod on certain devices, which are free.
    fn place_on(&mut self, scope: usize, pool: usize, spot: Spot) {
        let demand = &self.problem.gang.demands()[self.opened[scope].scope.pools[pool].demand];
        let claimed = self.transaction.claim(spot.node, spot.devices, demand);
        claimed.expect("a pod is placed where it fits");
        self.note(scope, pool, spot);
    }

    fn note(&mut self, scope: usize, pool: usize, Spot { node, devices }: Spot) {
        self.refresh(node);
        self.count(scope, node, true);
        self.placed.push(Placed { scope, pool: Some(pool), node, devices });
    }

    /// Counts a pod of an opened scope in, or out.
    fn count(&mut self, opened: usize, node: NodeId, come: bool) {
        if !self.problem.is_counted {
            return;
        }
        let tree = self.problem.tree;
        let mut at = opened;
        loop {
            let Opened { scope, parent, .. } = self.opened[at];
            let number = self.number(at);
            if come {
                self.tally.add(tree, scope, number, node)
            } else {
                self.tally.remove(tree, scope, number, node)
            }
            if parent == at {
                break;
            }
            at = parent;
        }
    }

    fn refresh(&mut self, node: NodeId) {
        self.room.refresh(self.problem.gang, self.transaction.inventory(), node);
    }

    /// What was placed in a scope and those opened in it.
    pub(crate) fn filled_from(&self, root: usize) -> Filled {
        let mut all: Vec<Filled> = self.opened[root..].iter().map(|opened| Filled::of(opened.scope)).collect();
        for placed in self.placed.iter().filter(|placed| placed.scope >= root) {
            if let Some(pool) = placed.pool {
                let spot = Spot { node: placed.node, devices: placed.devices };
                all[placed.scope - root].pools[pool].push(spot);
            }
        }
        // Scopes are opened after the ones around them.
        while all.len() > 1 {
            let inner = all.pop().expect("there is more than one");
            let opened = &self.opened[root + all.len()];
            all[opened.parent - root].classes[opened.class].push(inner);
        }
        let mut filled = all.pop().expect("the root is open");
        filled.sort(self.problem.tree);
        filled
    }
}

/// Puts domains in the order in which to try them for `remaining` equal scopes, of which so many may fit in each: the
/// smallest that holds them all, then the largest; the earliest in path order among equals.
fn best_fit_order(domains: &mut [(Option<DomainId>, u64)], remaining: u64) {
    domains.sort_by_key(|&(domain, units)| match units >= remaining {
        true => (0, units, Reverse(0), domain),
        false => (1, 0, Reverse(units), domain),
    });
}

/// The levels within one domain of which to try a scope: the preferred ones that are finer than what binds it, then that.
fn targets(scope: &Scope, bound: Option<LevelId>, prefer: bool) -> Vec<Option<LevelId>> {
    let bound = bound.max(scope.hard);
    let finer = scope.preferred.iter().rev().copied().filter(|&level| prefer && Some(level) > bound);
    finer.map(Some).chain([bound]).collect()
}
