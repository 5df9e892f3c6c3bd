//! Replicas above the minimum, added where there is room.

use phalanx_topology::{DomainId, LevelId, NodeId};

use crate::budget::Steps;
use crate::gang::Content;
use crate::layout::Layout;
use crate::plan::{Extras, Pod};
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

/// What the hard levels around a group allow its replicas.
struct Bounds {
    /// The finest level that binds a replica without a pod so far: its first pods choose the domain.
    open: Option<LevelId>,
    /// The smallest domain that a replica around it is in.
    domain: Option<(LevelId, DomainId)>,
}

impl<'a> Adding<'a> {
    fn group(&mut self, work: &mut Work<'a>, row: usize, steps: &mut Steps) {
        let group = &self.problem.gang.rows()[row];
        let mut placed = 0;
        if group.most_pods == 0 {
            return;
        }
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
        // Bounds are looked up among the pods placed so far; a replica without pods costs too.
        let empty = u64::from(self.problem.gang.rows()[row].pods == 0);
        if !steps.take(empty + self.layout.pods.len() as u64 / 64) {
            return false;
        }
        let bounds = self.bounds(row);
        for domain in self.domains(bounds.domain) {
            let Some(filled) = work.add(scope, domain, bounds.open, steps) else { continue };
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
    fn domains(&self, bound: Option<(LevelId, DomainId)>) -> Vec<Option<DomainId>> {
        let topology = self.problem.topology();
        let mut domains = vec![];
        let inside = |near: DomainId, (level, domain): (LevelId, DomainId)| {
            let first = NodeId::new(topology.node_range(near).start as u32);
            topology.level_of(near) >= level && topology.domain_of(first, level) == Some(domain)
        };
        let mut at = match (bound, self.near) {
            // The minimum may reach further than the bound, or be in another replica's domain.
            (Some(bound), near) if near.is_none_or(|near| !inside(near, bound)) => Some(bound.1),
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

    /// What the hard levels of the groups around a group allow its replicas.
    fn bounds(&self, row: usize) -> Bounds {
        let (rows, topology) = (self.problem.gang.rows(), self.problem.topology());
        let (mut at, mut depth) = (rows[row].parent, self.ordinals.len());
        let mut bounds = Bounds { open: None, domain: None };
        while let Some(outer) = at {
            if let Some(level) = rows[outer].hard {
                let replica = &self.ordinals[..depth];
                match self.layout.pods.iter().find(|pod| self.is_in(pod, outer, replica)) {
                    // Any pod of the replica tells its domain.
                    Some(pod) => {
                        let domain = topology.domain_of(pod.node, level).map(|domain| (level, domain));
                        bounds.domain = bounds.domain.max(domain);
                    }
                    None => bounds.open = bounds.open.max(Some(level)),
                }
            }
            (at, depth) = (rows[outer].parent, depth - 1);
        }
        bounds
    }

    /// Whether a pod is in the replica of group `outer` with these ordinals.
    fn is_in(&self, pod: &Pod, outer: usize, ordinals: &[u32]) -> bool {
        let replica = &self.layout.replicas[pod.replica as usize];
        if !replica.ordinals.starts_with(ordinals) {
            return false;
        }
        let mut at = Some(replica.group.index());
        while let Some(row) = at.filter(|&row| row > outer) {
            at = self.problem.gang.rows()[row].parent;
        }
        at == Some(outer)
    }

    /// Whether there may be pods above the minimum in a group.
    fn has_extras(&self, row: usize) -> bool {
        let group = &self.problem.gang.rows()[row];
        group.most_pods > 0
            && (group.max > group.min
                || match &group.content {
                    Content::Groups(children) => children.iter().any(|&child| self.has_extras(child)),
                    Content::Pods { .. } => false,
                })
    }
}
