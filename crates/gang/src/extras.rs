//! Replicas above the minimum, added where there is room.

use phalanx_topology::{DomainId, LevelId};

use crate::budget::Steps;
use crate::gang::Content;
use crate::layout::Layout;
use crate::plan::Extras;
use crate::problem::Problem;
use crate::scope::Scope;
use crate::work::Work;

/// Adds whole replicas above the minimum to a layout, group by group in pre-order, and tells what came of each group. A
/// replica goes as near to the gang's minimum as there is room, within the hard levels around it.
pub(crate) fn add(problem: &Problem<'_>, layout: &mut Layout, steps: &mut Steps) -> Vec<Extras> {
    let rows = problem.gang.rows();
    if rows.iter().all(|row| row.min == row.max) {
        return Vec::new();
    }
    // One replica of each group that may have more.
    let scopes: Vec<Scope> = (0..rows.len())
        .map(|row| if rows[row].max > rows[row].min { Scope::of_replica(problem.gang, row) } else { Scope::default() })
        .collect();
    let taken: Vec<_> =
        layout.pods.iter().map(|pod| (layout.replicas[pod.replica as usize].demand, pod.node)).collect();
    let near = problem.topology().common_domain(taken.iter().map(|&(_, node)| node));
    let mut fork = problem.inventory.fork();
    let mut work = Work::new(problem, &mut fork);
    work.take_all(taken.into_iter());
    let mut adding = Adding { problem, scopes: &scopes, near, layout, extras: Vec::new(), ordinals: Vec::new() };
    adding.group(&mut work, 0, steps);
    adding.extras
}

struct Adding<'a> {
    problem: &'a Problem<'a>,
    scopes: &'a [Scope],
    /// The smallest domain with the whole minimum.
    near: Option<DomainId>,
    layout: &'a mut Layout,
    extras: Vec<Extras>,
    /// Of the groups around the one at hand.
    ordinals: Vec<u32>,
}

impl<'a> Adding<'a> {
    fn group(&mut self, work: &mut Work<'a>, row: usize, steps: &mut Steps) {
        let group = &self.problem.gang.rows()[row];
        let mut placed = 0;
        if group.max > group.min {
            while placed < group.max - group.min && self.replica(work, row, group.min + placed, steps) {
                placed += 1;
            }
            self.extras.push(Extras {
                group: self.problem.gang.id(row),
                ordinals: self.ordinals.as_slice().into(),
                placed,
                pending: group.max - group.min - placed,
            });
        }
        let Content::Groups(children) = &group.content else { return };
        if children.iter().any(|&child| self.has_extras(child)) {
            for ordinal in 0..group.min + placed {
                self.ordinals.push(ordinal);
                children.iter().for_each(|&child| self.group(work, child, steps));
                self.ordinals.pop();
            }
        }
    }

    /// Adds one replica of a group, if there is room.
    fn replica(&mut self, work: &mut Work<'a>, row: usize, ordinal: u32, steps: &mut Steps) -> bool {
        let scope = &self.scopes[row];
        for domain in self.domains(row) {
            let Some(filled) = work.add(scope, domain, steps) else { continue };
            self.ordinals.push(ordinal);
            let mut ordinals = std::mem::take(&mut self.ordinals);
            let (gang, inventory) = (self.problem.gang, self.problem.inventory);
            self.layout.replica(gang, inventory, row, (scope, &filled), &mut ordinals);
            self.ordinals = ordinals;
            self.ordinals.pop();
            return true;
        }
        false
    }

    /// Where a further replica of a group may go: from near the minimum outwards, to the domain that the hard levels around
    /// it allow.
    fn domains(&self, row: usize) -> Vec<Option<DomainId>> {
        let topology = self.problem.topology();
        let bound = self.bound(row);
        let mut domains = vec![];
        let mut at = match (bound, self.near) {
            // The minimum may reach further than the bound, or less far.
            (Some((level, domain)), Some(near)) if topology.level_of(near) <= level => Some(domain),
            (Some((_, domain)), None) => Some(domain),
            (_, near) => near,
        };
        loop {
            domains.push(at);
            match at {
                Some(domain) if bound.is_none_or(|(_, bound)| bound != domain) => at = topology.parent(domain),
                _ => return domains,
            }
        }
    }

    /// The finest hard level of the groups around this one, and the domain of it that their replica at hand is in.
    fn bound(&self, row: usize) -> Option<(LevelId, DomainId)> {
        let (rows, topology) = (self.problem.gang.rows(), self.problem.topology());
        let (mut at, mut depth, mut best) = (rows[row].parent, self.ordinals.len(), None::<(LevelId, usize)>);
        while let Some(outer) = at {
            if let Some(level) = rows[outer].hard
                && best.is_none_or(|(finest, _)| level > finest)
            {
                best = Some((level, depth));
            }
            (at, depth) = (rows[outer].parent, depth - 1);
        }
        let (level, depth) = best?;
        // Any pod of that replica tells its domain.
        let around = &self.ordinals[..depth];
        let pod = self.layout.pods.iter().find(|pod| {
            let replica = &self.layout.replicas[pod.replica as usize];
            replica.ordinals.starts_with(around) && self.is_below(replica.group.index(), row, depth)
        })?;
        Some((level, topology.domain_of(pod.node, level)?))
    }

    /// Whether a group shares the first `depth` groups of its path with `row`.
    fn is_below(&self, group: usize, row: usize, depth: usize) -> bool {
        let ancestors = |mut at: usize| {
            let mut path = vec![at];
            while let Some(outer) = self.problem.gang.rows()[at].parent {
                path.push(outer);
                at = outer;
            }
            path.reverse();
            path
        };
        ancestors(group).iter().take(depth).eq(ancestors(row).iter().take(depth))
    }

    fn has_extras(&self, row: usize) -> bool {
        let group = &self.problem.gang.rows()[row];
        group.max > group.min
            || match &group.content {
                Content::Groups(children) => children.iter().any(|&child| self.has_extras(child)),
                Content::Pods { .. } => false,
            }
    }
}
