//! Why there is no place: the group that fails, the reason of every node, and a change that would help.

use phalanx_topology::{Demand, DeviceSet, DomainId, Inventory, LevelId, Limit, NodeId};

use crate::budget::Steps;
use crate::capacity::Capacity;
use crate::flat::Flat;
use crate::gang::Content;
use crate::kinds::Kinds;
use crate::problem::{Found, Problem};
use crate::rejection::{BestDomain, Bound, Counterfactual, Reason, Rejection};
use crate::room::Room;
use crate::scope::{Scope, Scopes};
use crate::{Budget, Gang};

/// Steps for each question that is asked on the way; a question that takes more stays open.
const ASIDE: u64 = 20_000;

/// The most bounds that are left out by way of trial.
const CHANGES: usize = 192;

/// The most pods for which more devices are tried as a change.
const MISSING: u64 = 4096;

/// Explains why a problem has no solution. It is posed on all kinds that are accepted; changes are tried on the gang as it
/// was asked.
pub(crate) fn explain(problem: &Problem<'_>, asked: &Gang, exhausted: bool, steps: &Steps) -> Rejection {
    let case = Case::new(problem, asked);
    let (gang, topology) = (problem.gang, problem.tree.topology);
    let (reasons, eligible) = case.reasons();
    Rejection {
        group: gang.id(case.row),
        path: gang.rows()[case.row].path.clone(),
        wanted: case.wanted,
        times: case.times,
        level: case.level.map(|level| topology.level_name(level).to_owned()),
        best: case.best().map(|(domain, fits)| BestDomain { domain, path: path(problem, domain), fits }),
        reasons,
        eligible,
        nodes: topology.len() as u32,
        counterfactual: case.counterfactual(),
        exhausted,
        steps: steps.taken(),
    }
}

/// The group that fails and what it wants.
struct Case<'a> {
    problem: &'a Problem<'a>,
    asked: &'a Gang,
    row: usize,
    /// The largest demand in the group.
    demand: usize,
    /// How many pods of the demand fit where, as far as the group's bounds can be told of each node.
    caps: Capacity<'a>,
    /// The group around it or itself that binds most, if any does.
    binding: Option<usize>,
    level: Option<LevelId>,
    /// Pods of the demand that must be in one domain of the level.
    wanted: u64,
    /// How often.
    times: u64,
    /// Whether a node outside the tree is of no use.
    inside: bool,
}

impl<'a> Case<'a> {
    fn new(problem: &'a Problem<'a>, asked: &'a Gang) -> Self {
        let gang = problem.gang;
        let row = first_failing(problem);
        let alone = gang.only(row);
        let scopes = Scopes { gang: &alone, topology: problem.tree.topology, running: &problem.running };
        let whole = scopes.of_gang();
        let demands = gang.demands();
        let missing = (0..demands.len()).filter(|&demand| whole.pods()[demand] > 0);
        let demand = missing.max_by_key(|&demand| (&demands[demand], std::cmp::Reverse(demand))).unwrap_or(0);
        // Of equal levels the innermost group binds most.
        let (mut binding, mut at) = (None::<usize>, Some(row));
        let hard = |row: usize| alone.rows()[row].hard.max(alone.rows()[row].shared.map(|(level, _)| level));
        while let Some(outer) = at {
            if hard(outer) > binding.and_then(hard) {
                binding = Some(outer);
            }
            at = alone.rows()[outer].parent;
        }
        let all = whole.pods().get(demand).copied().unwrap_or(0);
        // What runs already makes one replica unlike another: then all that is missing is told.
        let replica = |row: usize| -> Scope { scopes.of_replica(row, &mut vec![u32::MAX; alone.depth(row)], None) };
        let mut wanted = binding.filter(|_| problem.running.is_empty()).map_or(all, |row| replica(row).pods()[demand]);
        let mut level = binding.and_then(hard);
        // Slices are finer than what binds the replica.
        if let Content::Pods { .. } = gang.rows()[row].content
            && let Some(&(slice, size)) = gang.rows()[row].slices.last()
            && level.is_none_or(|level| slice > level)
            && problem.room.of(demand).within(None) >= all
            && !has_slice(problem, demand, slice, u64::from(size))
        {
            (level, wanted) = (Some(slice), u64::from(size));
        }
        let times = all.checked_div(wanted).unwrap_or(0);
        let plain = problem.room.of(demand);
        let flat = Flat::of(problem, &whole).filter(|flat| !flat.shaping.is_empty() || flat.fixed.is_some());
        let caps = flat.as_ref().map_or_else(|| plain.clone(), |flat| flat.reach(problem, plain));
        let inside = level.is_some() || flat.is_some_and(|flat| flat.shaping.inside);
        Self { problem, asked, row, demand, caps, binding, level, wanted, times, inside }
    }

    fn demand(&self) -> &Demand {
        &self.problem.gang.demands()[self.demand]
    }

    /// Every node under its first reason, and how many have none.
    fn reasons(&self) -> (Vec<(Reason, u32)>, u32) {
        let (inventory, tree) = (self.problem.inventory, self.problem.tree);
        let plain = self.problem.room.of(self.demand);
        let resources = self.demand().resources();
        // In the order asked: outside, removed, cordoned, kind, devices, locality, each resource, bounds, domain.
        let (bound, domain) = (resources.len() + 6, resources.len() + 7);
        let (mut counts, mut eligible) = (vec![0u32; resources.len() + 8], 0);
        for node in tree.topology.nodes() {
            let limit = match tree.domain(node) {
                None if self.inside => Some(0),
                at => {
                    // A node with room needs no second look.
                    let fits = at.map_or_else(|| plain.of_node(tree, node), |at| plain.of(at));
                    let limit = if fits > 0 { None } else { inventory.limiting(node, self.demand()) };
                    match limit {
                        Some(Limit::Removed) => Some(1),
                        Some(Limit::Cordoned) => Some(2),
                        Some(Limit::Kind) => Some(3),
                        Some(Limit::Devices) => Some(4),
                        Some(Limit::Locality) => Some(5),
                        Some(Limit::Resource(id)) => {
                            resources.iter().position(|&(asked, _)| asked == id).map(|at| at + 6)
                        }
                        None if at.is_some_and(|at| self.caps.of(at) == 0) => Some(bound),
                        None => {
                            let at = self.level.and_then(|level| tree.domain_at(node, level));
                            (at.is_some() && self.caps.within(at) < self.wanted).then_some(domain)
                        }
                    }
                }
            };
            match limit {
                Some(at) => counts[at] += 1,
                None => eligible += 1,
            }
        }
        let mut names = vec![
            Reason::OutsideTree,
            Reason::Removed,
            Reason::Cordoned,
            Reason::Kind,
            Reason::Devices,
            Reason::Locality,
        ];
        let resource = |&(id, _): &(_, u64)| Reason::Resource { name: inventory.resource_name(id).to_owned() };
        names.extend(resources.iter().map(resource));
        let level = self.level.map_or(String::new(), |level| tree.topology.level_name(level).to_owned());
        names.extend([Reason::Bound, Reason::DomainTooSmall { level }]);
        (names.into_iter().zip(counts).filter(|&(_, count)| count > 0).collect(), eligible)
    }

    /// The domain with room for most pods.
    fn best(&self) -> Option<(Option<DomainId>, u64)> {
        let caps = &self.caps;
        match self.level {
            None => Some((None, caps.within(None))),
            Some(level) => {
                let domains = self.problem.tree.domains(level).rev();
                domains.max_by_key(|&domain| caps.of(domain)).map(|domain| (Some(domain), caps.of(domain)))
            }
        }
    }

    /// The first change that helps, of those that are tried.
    fn counterfactual(&self) -> Option<Counterfactual> {
        let bounds = || self.coarser().or_else(|| self.without());
        bounds().or_else(|| self.uncordoned()).or_else(|| self.more_devices())
    }

    fn coarser(&self) -> Option<Counterfactual> {
        let (gang, tree) = (self.asked, self.problem.tree);
        let row = self.binding?;
        let bound = gang.rows()[row].hard?;
        let coarser = tree.levels().rev().filter(|&level| level < bound).map(Some).chain([None]);
        let found = coarser.into_iter().find(|&level| {
            let relaxed = gang.with_hard(row, level);
            self.has_place(&relaxed, self.problem.inventory)
        })?;
        let (group, path) = (gang.id(row), gang.rows()[row].path.clone());
        let level = found.map(|level| tree.topology.level_name(level).to_owned());
        Some(Counterfactual::Level { group, path, level })
    }

    /// Without one bound of the group that fails, of one in it or of one around it.
    fn without(&self) -> Option<Counterfactual> {
        let gang = self.asked;
        let near = |&row: &usize| gang.is_within(row, self.row) || gang.is_within(self.row, row);
        let all = [
            Bound::Slices,
            Bound::Spread,
            Bound::Exclusive,
            Bound::Key,
            Bound::PerNode,
            Bound::Homogeneous,
            Bound::Kinds,
        ];
        let changes = (0..gang.rows().len()).filter(near).flat_map(|row| all.map(|bound| (row, bound)));
        let helps = |&(row, bound): &(usize, Bound)| {
            let relaxed = gang.without(row, bound);
            relaxed.is_some_and(|relaxed| self.has_place(&relaxed, self.problem.inventory))
        };
        let (row, bound) = changes.take(CHANGES).find(helps)?;
        Some(Counterfactual::Without { group: gang.id(row), path: gang.rows()[row].path.clone(), bound })
    }

    fn uncordoned(&self) -> Option<Counterfactual> {
        let mut fork = self.problem.inventory.fork();
        let nodes = self.problem.tree.topology.nodes();
        let cordoned: Vec<NodeId> = nodes.filter(|&node| self.problem.inventory.is_cordoned(node)).collect();
        cordoned.iter().for_each(|&node| fork.set_cordoned(node, false));
        let helps = !cordoned.is_empty() && self.has_place(self.asked, &fork);
        helps.then_some(Counterfactual::Uncordon { nodes: cordoned.len() as u32 })
    }

    /// Whether another gang has a place on an inventory, on one of its choices of kinds.
    fn has_place(&self, gang: &Gang, inventory: &Inventory) -> bool {
        let Problem { tree, options, ref running, ref room, .. } = *self.problem;
        let mut steps = Steps::new(Budget::steps(ASIDE));
        let kinds = Kinds::new(gang, inventory, running);
        if kinds.is_empty() {
            let same = std::ptr::eq(inventory, self.problem.inventory) && gang.demands() == self.problem.gang.demands();
            let room = if same { room.clone() } else { Room::new(gang, inventory, tree) };
            let problem = Problem::with_room(gang, inventory, tree, options, (running.clone(), room));
            return matches!(problem.solve(&mut steps), Found::Placed(_));
        }
        for choice in kinds.choices() {
            if !steps.take(1) {
                return false;
            }
            let Some(gang) = gang.on_kinds(&choice) else { continue };
            let problem = Problem::new(&gang, inventory, tree, options, running.clone());
            if matches!(problem.solve(&mut steps), Found::Placed(_)) {
                return true;
            }
        }
        false
    }

    fn more_devices(&self) -> Option<Counterfactual> {
        let (inventory, tree) = (self.problem.inventory, self.problem.tree);
        let (domain, fits) = self.best()?;
        let each = self.demand().device_count();
        let missing = self.wanted.checked_sub(fits).filter(|&missing| (1..=MISSING).contains(&missing))?;
        if each == 0 {
            return None;
        }
        let all: Vec<NodeId> = match domain {
            Some(domain) => tree.topology.nodes_of(domain).collect(),
            None => tree.topology.nodes().collect(),
        };
        let kinds = self.demand().kinds();
        let is_of_kind = |node| kinds.is_empty() || inventory.kind_id(node).is_some_and(|kind| kinds.contains(kind));
        let takes = |&node: &NodeId| !inventory.is_cordoned(node) && !inventory.is_removed(node) && is_of_kind(node);
        let nodes: Vec<NodeId> = all.into_iter().filter(takes).collect();
        let most = |node: &NodeId| inventory.devices(*node).len();
        let largest = nodes.iter().map(most).max().unwrap_or(0);
        // Rather what is held than more than the node has; never more than the largest of these nodes has.
        let limits: [&dyn Fn(NodeId) -> u32; 2] = [&|node| most(&node), &|_| largest];
        limits.into_iter().find_map(|limit| {
            let nodes = self.offers(&nodes, limit, missing)?;
            let mut fork = inventory.fork();
            for &(node, more) in &nodes {
                let kind = inventory.kind(node).unwrap_or("").to_owned();
                fork.set_devices(node, inventory.devices(node).len() + more, &kind).ok()?;
            }
            let path = path(self.problem, domain);
            self.has_place(self.asked, &fork).then_some(Counterfactual::Devices { domain, path, nodes })
        })
    }

    /// How many more free devices on which nodes make room for so many pods, the fewest first, no node having more free than
    /// its limit; none if they cannot.
    fn offers(&self, nodes: &[NodeId], limit: &dyn Fn(NodeId) -> u32, missing: u64) -> Option<Vec<(NodeId, u32)>> {
        let (inventory, each) = (self.problem.inventory, self.demand().device_count());
        let mut offers = Vec::new();
        for &node in nodes {
            let (all, free) = (inventory.devices(node).len(), inventory.free_devices(node).len());
            let mut devices = each - free % each;
            let (mut more, mut further) = (devices, 0u32);
            while free + more <= limit(node) && all + more <= DeviceSet::MAX && offers.len() < 4 * MISSING as usize {
                offers.push((devices, further, node));
                devices = each;
                (more, further) = (more + each, further + 1);
            }
        }
        offers.sort_unstable();
        let mut nodes: Vec<(NodeId, u32)> = Vec::new();
        for &(devices, _, node) in offers.get(..missing as usize)? {
            match nodes.iter_mut().find(|(known, _)| *known == node) {
                Some((_, more)) => *more += devices,
                None => nodes.push((node, devices)),
            }
        }
        nodes.sort_unstable();
        Some(nodes)
    }
}

/// The first group in pre-order whose minimum alone has no place, then the first inside it, and so on.
fn first_failing(problem: &Problem<'_>) -> usize {
    let gang = problem.gang;
    let mut row = 0;
    while let Content::Groups(children) = &gang.rows()[row].content {
        let fails = |&&child: &&usize| {
            let alone = gang.only(child);
            let (running, room) = (problem.running.clone(), problem.room.clone());
            let Problem { inventory, tree, options, .. } = *problem;
            let alone = Problem::with_room(&alone, inventory, tree, options, (running, room));
            matches!(alone.solve(&mut Steps::new(Budget::steps(ASIDE))), Found::Nowhere)
        };
        match children.iter().find(fails) {
            Some(&child) => row = child,
            None => break,
        }
    }
    row
}

/// Whether some domain of the level has room for a slice.
fn has_slice(problem: &Problem<'_>, demand: usize, level: LevelId, size: u64) -> bool {
    let caps = problem.room.of(demand);
    problem.tree.domains(level).any(|domain| caps.of(domain) >= size)
}

/// The path of a domain; of one that is passed through, that of what it holds.
fn path(problem: &Problem<'_>, domain: Option<DomainId>) -> String {
    let topology = problem.tree.topology;
    let Some(mut domain) = domain else { return "cluster".to_owned() };
    while let ("", Some(child)) = (topology.domain_name(domain), topology.children(domain).next()) {
        domain = child;
    }
    topology.domain_path(domain)
}
