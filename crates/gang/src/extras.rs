//! Replicas above the minimum, added where there is room.

use std::collections::BTreeMap;

use phalanx_topology::{DomainId, LevelId, NodeId};

use crate::budget::Steps;
use crate::gang::Content;
use crate::layout::{Layout, Spot};
use crate::plan::Extras;
use crate::problem::Problem;
use crate::running::majority;
use crate::scope::{Scope, Scopes};
use crate::work::{Opened, Work};

/// Adds whole replicas above the minimum to a layout, group by group in pre-order, and tells what came of each group. A
/// replica goes as near to the gang's minimum as there is room, within the hard levels around it.
pub(crate) fn add(problem: &Problem<'_>, layout: &mut Layout, steps: &mut Steps) -> Vec<Extras> {
    let gang = problem.gang;
    let rows = gang.rows();
    if rows.iter().all(|row| row.min == row.max) {
        return Vec::new();
    }
    // One replica of each group that may have more, and what a replica asks of those in it.
    let scopes = Scopes { gang, topology: problem.tree.topology, running: &problem.running };
    let blank = |row: usize| scopes.of_replica(row, &mut vec![u32::MAX; gang.depth(row)], None);
    let wanted: Vec<Scope> =
        (0..rows.len()).map(|row| if rows[row].max > rows[row].min { blank(row) } else { Scope::default() }).collect();
    let shells: Vec<Scope> = (0..rows.len()).map(|row| Scope::shell(gang, row)).collect();
    let partly = partly(problem, scopes);

    let near = problem.tree.common(standing(problem, layout).map(|(.., node)| node));
    let mut fork = problem.inventory.fork();
    let mut work = Work::new(problem, &mut fork);
    for pod in &layout.pods {
        let demand = layout.replicas[pod.replica as usize].demand;
        work.take(demand, Spot { node: pod.node, devices: pod.devices });
    }
    let mut adding = Adding {
        problem,
        wanted: &wanted,
        shells: &shells,
        partly: &partly,
        near,
        layout,
        extras: Vec::new(),
        ordinals: Vec::new(),
        numbers: BTreeMap::new(),
    };
    if problem.is_counted {
        adding.count_placed(&mut work, 0);
    }
    adding.group(&mut work, 0, steps);
    adding.extras
}

/// What is missing of the replicas above the minimum in which some pods run.
fn partly(problem: &Problem<'_>, scopes: Scopes<'_>) -> BTreeMap<(usize, Vec<u32>), Scope> {
    let mut found = BTreeMap::new();
    for (row, ordinals, ..) in problem.running.pods() {
        let (mut at, mut depth) = (Some(row), ordinals.len());
        while let Some(row) = at {
            let key = (row, ordinals[..depth].to_vec());
            found.entry(key).or_insert_with_key(|(row, ordinals)| scopes.of_replica(*row, &mut ordinals.clone(), None));
            (at, depth) = (problem.gang.rows()[row].parent, depth.saturating_sub(1));
        }
    }
    found
}

/// All pods so far: those that run and those of the layout.
fn standing<'a>(problem: &'a Problem<'_>, layout: &'a Layout) -> impl Iterator<Item = (usize, &'a [u32], NodeId)> {
    problem.running.pods().map(|(row, ordinals, _, node)| (row, ordinals, node)).chain(placed(layout))
}

/// The pods of the layout.
fn placed(layout: &Layout) -> impl Iterator<Item = (usize, &[u32], NodeId)> {
    layout.pods.iter().map(|pod| {
        let replica = &layout.replicas[pod.replica as usize];
        (replica.group.index(), &*replica.ordinals, pod.node)
    })
}

struct Adding<'a> {
    problem: &'a Problem<'a>,
    /// A further replica of each group.
    wanted: &'a [Scope],
    /// What a replica of each group asks of the pods in it.
    shells: &'a [Scope],
    /// What is missing of replicas in which pods run.
    partly: &'a BTreeMap<(usize, Vec<u32>), Scope>,
    /// The smallest domain with the whole minimum.
    near: Option<DomainId>,
    layout: &'a mut Layout,
    extras: Vec<Extras>,
    /// Of the groups around the one at hand.
    ordinals: Vec<u32>,
    /// Under which number each replica is open whose pods are counted.
    numbers: BTreeMap<(usize, Vec<u32>), usize>,
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
        let gang = self.problem.gang;
        let group = &gang.rows()[row];
        if group.most_pods == 0 {
            return;
        }
        let mut there = self.problem.running.minimum(gang, row, &self.ordinals);
        if group.max > group.min {
            let (mut placed, mut full) = (0, false);
            let minimum = there.clone();
            for ordinal in (0..group.max).filter(|ordinal| minimum.binary_search(ordinal).is_err()) {
                self.ordinals.push(ordinal);
                let runs = self.problem.running.count(row, &self.ordinals) > 0;
                // Of equal replicas the next one has no room either.
                let added = (runs || !full) && self.replica(work, row, runs, steps);
                self.ordinals.pop();
                full |= !added && !runs;
                if added {
                    placed += 1;
                    there.push(ordinal);
                }
            }
            let (group, ordinals) = (gang.id(row), self.ordinals.as_slice().into());
            let pending = gang.rows()[row].max - gang.rows()[row].min - placed;
            self.extras.push(Extras { group, ordinals, placed, pending });
        }
        let Content::Groups(children) = &group.content else { return };
        if children.iter().any(|&child| self.has_extras(child)) {
            there.sort_unstable();
            for ordinal in there {
                self.ordinals.push(ordinal);
                children.iter().for_each(|&child| self.group(work, child, steps));
                self.ordinals.pop();
            }
        }
    }

    /// Adds what is missing of one replica of a group, if there is room; `ordinals` are those down to it.
    fn replica(&mut self, work: &mut Work<'a>, row: usize, runs: bool, steps: &mut Steps) -> bool {
        let scope = match self.partly.get(&(row, self.ordinals.clone())) {
            Some(scope) if runs => scope,
            _ => &self.wanted[row],
        };
        if runs && scope.size() == 0 {
            return true;
        }
        // Bounds are looked up among the pods placed so far; a replica without pods costs too.
        let empty = u64::from(self.problem.gang.rows()[row].pods == 0);
        if !steps.take(empty + self.layout.pods.len() as u64 / 64) {
            return false;
        }
        let bounds = self.bounds(row);
        let around = self.ordinals[..self.ordinals.len() - 1].to_vec();
        let outer = self.problem.gang.rows()[row].parent;
        let parent = if self.problem.is_counted { self.open(work, outer, &around) } else { None };
        for domain in self.domains(bounds.domain) {
            let number = work.opened.len();
            let Some(filled) = work.add(scope, parent, domain, bounds.open, steps) else { continue };
            let mut ordinals = std::mem::take(&mut self.ordinals);
            self.numbers.insert((row, ordinals.clone()), number);
            let first = self.layout.pods.len();
            self.layout.replica(self.problem, row, (scope, &filled), &mut ordinals);
            self.ordinals = ordinals;
            if self.problem.is_counted {
                // Only now it is known which replicas inside it its pods are of.
                work.uncount(number);
                self.count_placed(work, first);
            }
            return true;
        }
        false
    }

    /// Where a further replica of a group may go: from near the minimum outwards, to the domain that the hard levels around
    /// it allow.
    fn domains(&self, bound: Option<(LevelId, DomainId)>) -> Vec<Option<DomainId>> {
        let tree = self.problem.tree;
        let mut domains = vec![];
        let inside = |near: DomainId, domain: DomainId| tree.is_within(near, Some(domain));
        let mut at = match (bound, self.near) {
            // The minimum may reach further than the bound, or be in another replica's domain.
            (Some((_, bound)), near) if near.is_none_or(|near| !inside(near, bound)) => Some(bound),
            (_, near) => near,
        };
        loop {
            domains.push(at);
            match at {
                Some(domain) if bound.is_none_or(|(_, bound)| bound != domain) => at = tree.topology.parent(domain),
                _ => return domains,
            }
        }
    }

    /// What the hard levels of the groups around a group allow its replicas.
    fn bounds(&self, row: usize) -> Bounds {
        let Problem { gang, tree, ref running, .. } = *self.problem;
        let around: Vec<usize> =
            std::iter::successors(gang.rows()[row].parent, |&row| gang.rows()[row].parent).collect();
        let mut bounds = Bounds { open: None, domain: None };
        // From the outside in: pods that run may be elsewhere than most.
        for (outer, depth) in around.into_iter().rev().zip(1..) {
            let group = &gang.rows()[outer];
            let Some(level) = group.hard.max(group.shared.map(|(level, _)| level)) else { continue };
            let replica = &self.ordinals[..depth];
            let within = bounds.domain.map(|(_, domain)| domain);
            let inside = |node: NodeId| {
                within.is_none_or(|within| tree.domain_at(node, tree.topology.level_of(within)) == Some(within))
            };
            let mut there =
                if running.count(outer, replica) > 0 { running.nodes(gang, outer, replica) } else { vec![] };
            there.retain(|&node| inside(node));
            let is_in = |&(row, ordinals, _): &(usize, &[u32], NodeId)| {
                ordinals.starts_with(replica) && gang.is_within(row, outer)
            };
            let domain = majority(tree.topology, level, &there).or_else(|| {
                // Any pod of the replica tells its domain.
                placed(self.layout).find(is_in).and_then(|(.., node)| tree.domain_at(node, level))
            });
            match domain {
                Some(domain) => bounds.domain = bounds.domain.max(Some((level, domain))),
                None => bounds.open = bounds.open.max(Some(level)),
            }
        }
        bounds
    }

    /// Counts the pods of the layout from one on in the replicas that ask something, and opens those.
    fn count_placed(&mut self, work: &mut Work<'a>, from: usize) {
        let pods: Vec<(usize, Vec<u32>, NodeId)> =
            placed(self.layout).skip(from).map(|(row, ordinals, node)| (row, ordinals.to_vec(), node)).collect();
        for (row, ordinals, node) in pods {
            if let Some(number) = self.open(work, Some(row), &ordinals) {
                work.count_there(number, node);
            }
        }
    }

    /// Opens the replicas of a group and those around it that ask something, as far as they are not open yet; returns the
    /// innermost. `ordinals` are those down to the group's.
    fn open(&mut self, work: &mut Work<'a>, row: Option<usize>, ordinals: &[u32]) -> Option<usize> {
        let rows = self.problem.gang.rows();
        let path: Vec<usize> = std::iter::successors(row, |&row| rows[row].parent).collect();
        // From the outside in, so that each knows what is around it.
        path.into_iter().rev().zip(1..).filter(|&(row, _)| rows[row].is_bound()).fold(None, |outer, (row, depth)| {
            let key = (row, ordinals[..depth].to_vec());
            Some(*self.numbers.entry(key).or_insert_with(|| {
                let parent = outer.unwrap_or(work.opened.len());
                let counted = work.counted_as(row, &ordinals[..depth]);
                work.open(Opened { scope: &self.shells[row], parent, class: usize::MAX, domain: None, counted })
            }))
        })
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
