//! A copy of the inventory to try placements on, and the two ways to try: the hardest first, then with backtracking.

use phalanx_topology::{DomainId, Inventory, LevelId, Mark, NodeId, Transaction};

use crate::budget::Steps;
use crate::layout::Filled;
use crate::problem::{Found, Problem, nodes};
use crate::room::{Room, best_fit_order};
use crate::scope::Scope;
use crate::tight::Tight;

/// What was tried so far. Scopes are numbered as they are opened, 0 being the gang as a whole.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) problem: &'a Problem<'a>,
    transaction: Transaction<'a>,
    room: Room,
    opened: Vec<Opened<'a>>,
    placed: Vec<Placed>,
}

/// A scope that was opened in another one, as one of its class.
#[derive(Clone, Copy, Debug)]
struct Opened<'a> {
    scope: &'a Scope,
    parent: usize,
    class: usize,
}

/// A pod of a pool of an opened scope.
#[derive(Clone, Copy, Debug)]
struct Placed {
    scope: usize,
    pool: usize,
    node: NodeId,
}

/// A point to go back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    mark: Mark,
    opened: usize,
    placed: usize,
}

/// A part of the agenda of the search with backtracking.
#[derive(Clone, Debug)]
enum Task {
    /// So many more scopes of a class, none of them in these domains.
    Scopes { scope: usize, class: usize, left: u32, domain: Option<DomainId>, not: Vec<Option<DomainId>> },
    /// So many more pods of a pool, none of them on these nodes.
    Pods { scope: usize, pool: usize, left: u32, domain: Option<DomainId>, not: Vec<NodeId> },
}

/// The most pods and scopes of a gang that is searched with backtracking: it bounds the depth of the recursion.
const DEEPEST: u64 = 1000;

impl<'a> Work<'a> {
    /// Works on a fork of the problem's inventory, which is to be dropped afterwards.
    pub(crate) fn new(problem: &'a Problem<'a>, fork: &'a mut Inventory) -> Self {
        Self {
            problem,
            transaction: fork.transaction(),
            room: problem.room.clone(),
            opened: vec![Opened { scope: &problem.scope, parent: 0, class: 0 }],
            placed: Vec::new(),
        }
    }

    /// Fills the first of these domains that takes the whole gang without backtracking, preferences first.
    pub(crate) fn greedy(&mut self, domains: &[Option<DomainId>], steps: &mut Steps) -> Option<Filled> {
        for prefer in [true, false] {
            for (at, &domain) in domains.iter().enumerate() {
                if at > 0 && !steps.take(self.problem.scope.size()) {
                    break;
                }
                let start = self.point();
                if self.fill_scope(0, domain, prefer, steps) {
                    return Some(self.filled());
                }
                self.undo(start);
            }
        }
        None
    }

    /// Tries everything in these domains, or until the steps run out.
    pub(crate) fn backtrack(&mut self, domains: &[Option<DomainId>], steps: &mut Steps) -> Found<Filled> {
        if self.problem.scope.size() > DEEPEST {
            return Found::CutShort;
        }
        for &domain in domains {
            let start = self.point();
            let agenda = self.tasks(0, domain);
            match self.search(agenda, steps) {
                None => return Found::CutShort,
                Some(true) => return Found::Placed(self.filled()),
                Some(false) => self.undo(start),
            }
        }
        Found::Nowhere
    }

    /// Opens a scope of its own for one replica of a group and fills it inside a domain, within one domain of a level if it
    /// is bound so from around, the preferred levels first. Returns its pods, or changes nothing.
    pub(crate) fn add(
        &mut self,
        scope: &'a Scope,
        domain: Option<DomainId>,
        bound: Option<LevelId>,
        steps: &mut Steps,
    ) -> Option<Filled> {
        let start = self.point();
        let opened = self.open(Opened { scope, parent: 0, class: usize::MAX });
        for target in targets(scope, bound, true) {
            let mut candidates = self.room.candidates(self.problem.topology(), scope, domain, target);
            best_fit_order(&mut candidates, 1);
            for (candidate, _) in candidates {
                let before = self.point();
                if self.fill_scope(opened, candidate, true, steps) {
                    return Some(self.filled_from(opened));
                }
                self.undo(before);
            }
        }
        self.undo(start);
        None
    }

    /// Takes what a plan holds already.
    pub(crate) fn take_all(&mut self, pods: impl Iterator<Item = (usize, NodeId)>) {
        for (demand, node) in pods {
            self.reserve(demand, node);
        }
    }

    /// Fills a scope in a domain without backtracking.
    fn fill_scope(&mut self, opened: usize, domain: Option<DomainId>, prefer: bool, steps: &mut Steps) -> bool {
        let scope = self.opened[opened].scope;
        (0..scope.classes.len()).all(|class| self.fill_class(opened, class, domain, prefer, steps))
            && (0..scope.pools.len()).all(|pool| {
                let left = scope.pools[pool].count;
                self.fill_pool(opened, pool, domain, left, steps)
            })
    }

    fn fill_class(
        &mut self,
        opened: usize,
        class: usize,
        domain: Option<DomainId>,
        prefer: bool,
        steps: &mut Steps,
    ) -> bool {
        let scope = self.opened[opened].scope;
        let of = &scope.classes[class];
        let mut left = of.count;
        for target in targets(&of.scope, None, prefer) {
            loop {
                let mut candidates = self.room.candidates(self.problem.topology(), &of.scope, domain, target);
                best_fit_order(&mut candidates, u64::from(left));
                let before = left;
                for (candidate, _) in candidates {
                    while left > 0 {
                        let start = self.point();
                        let inner = self.open(Opened { scope: &of.scope, parent: opened, class });
                        if !self.fill_scope(inner, candidate, prefer, steps) {
                            self.undo(start);
                            break;
                        }
                        left -= 1;
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
        false
    }

    /// Fills a domain with so many pods of a pool, tightly.
    fn fill_pool(
        &mut self,
        opened: usize,
        pool: usize,
        domain: Option<DomainId>,
        left: u32,
        steps: &mut Steps,
    ) -> bool {
        let topology = self.problem.topology();
        let demand = self.opened[opened].scope.pools[pool].demand;
        let caps = self.room.of(demand);
        let mut tight = Tight::new(topology, caps.by_domain(), topology.node_level(), steps);
        let Some(choice) = tight.within(domain, Some(caps), u64::from(left)) else { return false };
        for node in nodes(topology, &choice) {
            self.place(opened, pool, node);
        }
        true
    }

    /// The tasks of a scope in a domain, the first to do last.
    fn tasks(&self, opened: usize, domain: Option<DomainId>) -> Vec<Task> {
        let scope = self.opened[opened].scope;
        let pods = scope.pools.iter().enumerate().rev().map(|(pool, of)| {
            let (left, not) = (of.count, Vec::new());
            Task::Pods { scope: opened, pool, left, domain, not }
        });
        let scopes = scope.classes.iter().enumerate().rev().map(|(class, of)| {
            let (left, not) = (of.count, Vec::new());
            Task::Scopes { scope: opened, class, left, domain, not }
        });
        pods.chain(scopes).collect()
    }

    /// Does all tasks, the last first; false if that is impossible, none if the steps ran out.
    fn search(&mut self, mut agenda: Vec<Task>, steps: &mut Steps) -> Option<bool> {
        if !steps.take(1 + agenda.len() as u64 / 8) {
            return None;
        }
        if !agenda.iter().all(|task| self.may_do(task)) {
            return Some(false);
        }
        match agenda.pop() {
            None => Some(true),
            Some(Task::Scopes { left: 0, .. } | Task::Pods { left: 0, .. }) => self.search(agenda, steps),
            Some(Task::Scopes { scope, class, left, domain, not }) => {
                self.search_scopes((scope, class, left, domain, not), &agenda, steps)
            }
            Some(Task::Pods { scope, pool, left, domain, not }) => {
                if agenda.is_empty() && not.is_empty() {
                    // Nothing else is to come, so any way to fill is as good, and the capacity has been checked.
                    return Some(self.fill_pool(scope, pool, domain, left, steps));
                }
                self.search_pods((scope, pool, left, domain, not), &agenda, steps)
            }
        }
    }

    fn search_scopes(
        &mut self,
        (scope, class, left, domain, mut not): (usize, usize, u32, Option<DomainId>, Vec<Option<DomainId>>),
        agenda: &[Task],
        steps: &mut Steps,
    ) -> Option<bool> {
        let around = self.opened[scope].scope;
        let of = &around.classes[class].scope;
        let mut candidates = self.room.candidates(self.problem.topology(), of, domain, of.hard);
        best_fit_order(&mut candidates, u64::from(left));
        for (candidate, _) in candidates {
            if not.contains(&candidate) {
                continue;
            }
            let start = self.point();
            let inner = self.open(Opened { scope: of, parent: scope, class });
            let mut next = agenda.to_vec();
            next.push(Task::Scopes { scope, class, left: left - 1, domain, not: not.clone() });
            next.extend(self.tasks(inner, candidate));
            if self.search(next, steps)? {
                return Some(true);
            }
            self.undo(start);
            // With one scope there it cannot be done, whichever of these equal scopes it is.
            not.push(candidate);
        }
        Some(false)
    }

    fn search_pods(
        &mut self,
        (scope, pool, left, domain, mut not): (usize, usize, u32, Option<DomainId>, Vec<NodeId>),
        agenda: &[Task],
        steps: &mut Steps,
    ) -> Option<bool> {
        let topology = self.problem.topology();
        let caps = self.room.of(self.opened[scope].scope.pools[pool].demand);
        let range = domain.map_or(0..topology.len(), |domain| topology.node_range(domain));
        let nodes = range.map(|node| NodeId::new(node as u32));
        let fit = nodes.map(|node| (std::cmp::Reverse(caps.of_node(topology, node)), node));
        let mut fit: Vec<_> = fit.filter(|(fits, node)| fits.0 > 0 && !not.contains(node)).collect();
        fit.sort_unstable();
        for (_, node) in fit {
            let start = self.point();
            self.place(scope, pool, node);
            let mut next = agenda.to_vec();
            next.push(Task::Pods { scope, pool, left: left - 1, domain, not: not.clone() });
            if self.search(next, steps)? {
                return Some(true);
            }
            self.undo(start);
            not.push(node);
        }
        Some(false)
    }

    /// Whether nothing speaks against a task.
    fn may_do(&self, task: &Task) -> bool {
        match task {
            Task::Pods { scope, pool, left, domain, .. } => {
                let demand = self.opened[*scope].scope.pools[*pool].demand;
                self.room.of(demand).within(*domain) >= u64::from(*left)
            }
            Task::Scopes { scope, class, left, domain, .. } => {
                let class = &self.opened[*scope].scope.classes[*class];
                self.room.may_hold_class(self.problem.topology(), class, *left, *domain)
            }
        }
    }

    fn point(&self) -> Point {
        Point { mark: self.transaction.mark(), opened: self.opened.len(), placed: self.placed.len() }
    }

    fn undo(&mut self, point: Point) {
        self.transaction.undo_to(point.mark);
        self.opened.truncate(point.opened);
        let mut last = None;
        for at in point.placed..self.placed.len() {
            let node = self.placed[at].node;
            if last.replace(node) != Some(node) {
                self.refresh(node);
            }
        }
        self.placed.truncate(point.placed);
    }

    fn open(&mut self, opened: Opened<'a>) -> usize {
        self.opened.push(opened);
        self.opened.len() - 1
    }

    fn place(&mut self, scope: usize, pool: usize, node: NodeId) {
        let demand = self.opened[scope].scope.pools[pool].demand;
        self.reserve(demand, node);
        self.placed.push(Placed { scope, pool, node });
    }

    fn reserve(&mut self, demand: usize, node: NodeId) {
        let reserved = self.transaction.reserve(node, &self.problem.gang.demands()[demand]);
        reserved.expect("a pod is placed where it fits");
        self.refresh(node);
    }

    fn refresh(&mut self, node: NodeId) {
        self.room.refresh(self.problem.gang, self.transaction.inventory(), node);
    }

    fn filled(&self) -> Filled {
        self.filled_from(0)
    }

    /// What was placed in a scope and those opened in it.
    fn filled_from(&self, root: usize) -> Filled {
        let mut all: Vec<Filled> = self.opened[root..].iter().map(|opened| Filled::of(opened.scope)).collect();
        for placed in self.placed.iter().filter(|placed| placed.scope >= root) {
            all[placed.scope - root].pools[placed.pool].push(placed.node);
        }
        // Scopes are opened after the ones around them.
        while all.len() > 1 {
            let inner = all.pop().expect("there is more than one");
            let opened = &self.opened[root + all.len()];
            all[opened.parent - root].classes[opened.class].push(inner);
        }
        let mut filled = all.pop().expect("the root is open");
        filled.sort();
        filled
    }
}

/// The levels within one domain of which to try a scope: the preferred ones that are finer than what binds it, then that.
fn targets(scope: &Scope, bound: Option<LevelId>, prefer: bool) -> Vec<Option<LevelId>> {
    let bound = bound.max(scope.hard);
    let finer = scope.preferred.iter().rev().copied().filter(|&level| prefer && Some(level) > bound);
    finer.map(Some).chain([bound]).collect()
}
