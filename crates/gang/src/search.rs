//! The second way to try: everything, or until the steps run out.

use std::cmp::Reverse;

use phalanx_topology::{DomainId, NodeId};

use crate::budget::Steps;
use crate::layout::Filled;
use crate::problem::Found;
use crate::work::{Opened, Work};

/// A part of the agenda.
#[derive(Clone, Debug)]
enum Task {
    /// So many more scopes of a class, none of them in these domains.
    Scopes { scope: usize, class: usize, left: u32, not: Vec<Option<DomainId>> },
    /// So many more pods of a pool, none of them on these nodes.
    Pods { scope: usize, pool: usize, left: u32, not: Vec<NodeId> },
}

/// The most pods and scopes of a gang that is searched: it bounds the depth of the recursion.
const DEEPEST: u64 = 1000;

impl Work<'_> {
    /// Tries everything in these domains, or until the steps run out.
    pub(crate) fn backtrack(&mut self, domains: &[Option<DomainId>], steps: &mut Steps) -> Found<Filled> {
        if self.problem.scope.size() > DEEPEST {
            return Found::CutShort;
        }
        for &domain in domains {
            let start = self.point();
            self.open_root(domain);
            let agenda = self.tasks(0);
            match self.search(agenda, steps) {
                None => return Found::CutShort,
                Some(true) => return Found::Placed(self.filled_from(0)),
                Some(false) => self.undo(start),
            }
        }
        Found::Nowhere
    }

    /// The tasks of an opened scope, the first to do last.
    fn tasks(&self, opened: usize) -> Vec<Task> {
        let scope = self.opened[opened].scope;
        let pods = scope.pools.iter().enumerate().rev();
        let pods = pods.map(|(pool, of)| Task::Pods { scope: opened, pool, left: of.count, not: Vec::new() });
        let scopes = scope.classes.iter().enumerate().rev();
        let scopes = scopes.map(|(class, of)| Task::Scopes { scope: opened, class, left: of.count, not: Vec::new() });
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
            None => Some((0..self.opened.len()).all(|opened| self.is_even(opened))),
            Some(Task::Scopes { left: 0, .. } | Task::Pods { left: 0, .. }) => self.search(agenda, steps),
            Some(Task::Scopes { scope, class, left, not }) => {
                self.search_scopes((scope, class, left, not), &agenda, steps)
            }
            Some(Task::Pods { scope, pool, left, not }) => {
                if agenda.is_empty() && not.is_empty() && !self.problem.is_counted {
                    // Nothing else is to come, so any way to fill is as good, and the capacity has been checked.
                    return Some(self.fill_pool(scope, pool, left, steps));
                }
                self.search_pods((scope, pool, left, not), &agenda, steps)
            }
        }
    }

    fn search_scopes(
        &mut self,
        (scope, class, left, mut not): (usize, usize, u32, Vec<Option<DomainId>>),
        agenda: &[Task],
        steps: &mut Steps,
    ) -> Option<bool> {
        let Opened { scope: around, domain, .. } = self.opened[scope];
        let of = &around.classes[class].scope;
        for (candidate, _) in self.candidates(of, domain, of.hard, u64::from(left)) {
            if not.contains(&candidate) {
                continue;
            }
            let start = self.point();
            let inner = self.open_in(scope, class, candidate);
            let mut next = agenda.to_vec();
            next.push(Task::Scopes { scope, class, left: left - 1, not: not.clone() });
            next.extend(self.tasks(inner));
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
        (scope, pool, left, mut not): (usize, usize, u32, Vec<NodeId>),
        agenda: &[Task],
        steps: &mut Steps,
    ) -> Option<bool> {
        let (tree, domain) = (self.problem.tree, self.opened[scope].domain);
        let caps = self.room.of(self.opened[scope].scope.pools[pool].demand);
        let inside = tree.domains_in(domain, tree.bottom()).map(|at| tree.node(DomainId::new(at)));
        let mut fit: Vec<NodeId> = inside.collect();
        if domain.is_none() {
            fit.extend(tree.outside());
        }
        if !steps.take(fit.len() as u64 / 64) {
            return None;
        }
        fit.retain(|&node| caps.of_node(tree, node) > 0 && !not.contains(&node) && self.allows(scope, node));
        fit.sort_by_cached_key(|&node| (Reverse(caps.of_node(tree, node)), tree.order(node)));
        for node in fit {
            let start = self.point();
            self.place(scope, pool, node);
            let mut next = agenda.to_vec();
            next.push(Task::Pods { scope, pool, left: left - 1, not: not.clone() });
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
            Task::Pods { scope, pool, left, .. } => {
                let Opened { scope, domain, .. } = self.opened[*scope];
                self.room.of(scope.pools[*pool].demand).within(domain) >= u64::from(*left)
            }
            Task::Scopes { scope, class, left, .. } => {
                let Opened { scope, domain, .. } = self.opened[*scope];
                self.room.may_hold_class(&scope.classes[*class], *left, domain)
            }
        }
    }
}
