//! Why there is no place: the group that fails, the reason of every node, and a change that would help.

use phalanx_topology::{Demand, DomainId, Inventory, LevelId, Limit, NodeId};

use crate::budget::Steps;
use crate::gang::Content;
use crate::problem::{Found, Problem};
use crate::rejection::{BestDomain, Counterfactual, Reason, Rejection};
use crate::scope::Scope;
use crate::{Budget, Gang};

/// Steps for each question that is asked on the way; a question that takes more stays open.
const ASIDE: u64 = 20_000;

/// The most pods for which more devices are tried as a change.
const MISSING: u64 = 4096;

pub(crate) fn explain(problem: &Problem<'_>, exhausted: bool, steps: &Steps) -> Rejection {
    let case = Case::new(problem);
    let (gang, topology) = (problem.gang, problem.topology());
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
    row: usize,
    /// The largest demand in the group.
    demand: usize,
    /// The group around it or itself that binds most, if any does.
    binding: Option<usize>,
    level: Option<LevelId>,
    /// Pods of the demand that must be in one domain of the level.
    wanted: u64,
    /// How often.
    times: u64,
}

impl<'a> Case<'a> {
    fn new(problem: &'a Problem<'a>) -> Self {
        let gang = problem.gang;
        let row = first_failing(problem);
        let alone = gang.only(row);
        let whole = Scope::of_gang(&alone);
        let demands = gang.demands();
        let asked = (0..demands.len()).filter(|&demand| whole.pods()[demand] > 0);
        let demand = asked.max_by_key(|&demand| (&demands[demand], std::cmp::Reverse(demand))).unwrap_or(0);
        // Of equal levels the innermost group binds most.
        let (mut binding, mut at) = (None::<usize>, Some(row));
        while let Some(outer) = at {
            if alone.rows()[outer].hard > binding.and_then(|row| alone.rows()[row].hard) {
                binding = Some(outer);
            }
            at = alone.rows()[outer].parent;
        }
        let wanted = binding.map_or(whole.pods()[demand], |row| Scope::of_replica(&alone, row).pods()[demand]);
        let times = whole.pods()[demand].checked_div(wanted).unwrap_or(0);
        let level = binding.and_then(|row| gang.rows()[row].hard);
        Self { problem, row, demand, binding, level, wanted, times }
    }

    fn demand(&self) -> &Demand {
        &self.problem.gang.demands()[self.demand]
    }

    /// Every node under its first reason, and how many have none.
    fn reasons(&self) -> (Vec<(Reason, u32)>, u32) {
        let (inventory, topology) = (self.problem.inventory, self.problem.topology());
        let caps = self.problem.room.of(self.demand);
        let resources = self.demand().resources();
        // In the order asked: outside, cordoned, devices, each resource, domain.
        let (mut counts, mut eligible) = (vec![0u32; resources.len() + 4], 0);
        for node in topology.nodes() {
            let limit = if self.level.is_some() && !topology.in_tree(node) {
                Some(0)
            } else {
                match inventory.limiting(node, self.demand()) {
                    Some(Limit::Removed | Limit::Cordoned) => Some(1),
                    Some(Limit::Kind | Limit::Devices | Limit::Locality) => Some(2),
                    Some(Limit::Resource(id)) => resources.iter().position(|&(asked, _)| asked == id).map(|at| at + 3),
                    None => {
                        let domain = self.level.and_then(|level| topology.domain_of(node, level));
                        (domain.is_some() && caps.within(domain) < self.wanted).then_some(resources.len() + 3)
                    }
                }
            };
            match limit {
                Some(at) => counts[at] += 1,
                None => eligible += 1,
            }
        }
        let mut names = vec![Reason::OutsideTree, Reason::Cordoned, Reason::Devices];
        let resource = |&(id, _): &(_, u64)| Reason::Resource { name: inventory.resource_name(id).to_owned() };
        names.extend(resources.iter().map(resource));
        let level = self.level.map_or(String::new(), |level| topology.level_name(level).to_owned());
        names.push(Reason::DomainTooSmall { level });
        (names.into_iter().zip(counts).filter(|&(_, count)| count > 0).collect(), eligible)
    }

    /// The domain with room for most pods.
    fn best(&self) -> Option<(Option<DomainId>, u64)> {
        let caps = self.problem.room.of(self.demand);
        match self.level {
            None => Some((None, caps.within(None))),
            Some(level) => {
                let domains = self.problem.topology().domains(level).rev();
                domains.max_by_key(|&domain| caps.of(domain)).map(|domain| (Some(domain), caps.of(domain)))
            }
        }
    }

    /// The first change that helps, of those that are tried.
    fn counterfactual(&self) -> Option<Counterfactual> {
        self.coarser().or_else(|| self.uncordoned()).or_else(|| self.more_devices())
    }

    fn coarser(&self) -> Option<Counterfactual> {
        let (gang, topology) = (self.problem.gang, self.problem.topology());
        let row = self.binding?;
        let bound = gang.rows()[row].hard?;
        let coarser = topology.levels().rev().filter(|&level| level < bound).map(Some).chain([None]);
        let found =
            coarser.into_iter().find(|&level| has_place(&gang.with_hard(row, level), self.problem.inventory))?;
        let (group, path) = (gang.id(row), gang.rows()[row].path.clone());
        Some(Counterfactual::Level { group, path, level: found.map(|level| topology.level_name(level).to_owned()) })
    }

    fn uncordoned(&self) -> Option<Counterfactual> {
        let mut fork = self.problem.inventory.fork();
        let cordoned: Vec<NodeId> =
            self.problem.topology().nodes().filter(|&node| self.problem.inventory.is_cordoned(node)).collect();
        cordoned.iter().for_each(|&node| fork.set_cordoned(node, false));
        let helps = !cordoned.is_empty() && has_place(self.problem.gang, &fork);
        helps.then_some(Counterfactual::Uncordon { nodes: cordoned.len() as u32 })
    }

    fn more_devices(&self) -> Option<Counterfactual> {
        let (inventory, topology) = (self.problem.inventory, self.problem.topology());
        let (domain, fits) = self.best()?;
        let each = self.demand().device_count();
        let missing = self.wanted.checked_sub(fits).filter(|&missing| (1..=MISSING).contains(&missing))?;
        if each == 0 {
            return None;
        }
        // What each further pod on a node costs there, cheapest first.
        let range = domain.map_or(0..topology.len(), |domain| topology.node_range(domain));
        let nodes = range.map(|node| NodeId::new(node as u32)).filter(|&node| !inventory.is_cordoned(node));
        let mut offers = Vec::new();
        for node in nodes {
            let (all, free) = (inventory.devices(node).len(), inventory.free_devices(node).len());
            let mut devices = each - free % each;
            let mut more = devices;
            while all + more <= phalanx_topology::DeviceSet::MAX && offers.len() < 4 * MISSING as usize {
                offers.push((devices, node));
                devices = each;
                more += each;
            }
        }
        offers.sort_unstable();
        let mut nodes: Vec<(NodeId, u32)> = Vec::new();
        for &(devices, node) in offers.get(..missing as usize)? {
            match nodes.iter_mut().find(|(known, _)| *known == node) {
                Some((_, more)) => *more += devices,
                None => nodes.push((node, devices)),
            }
        }
        nodes.sort_unstable();
        let mut fork = inventory.fork();
        for &(node, more) in &nodes {
            let kind = inventory.kind(node).unwrap_or("").to_owned();
            fork.set_devices(node, inventory.devices(node).len() + more, &kind).ok()?;
        }
        let path = path(self.problem, domain);
        has_place(self.problem.gang, &fork).then_some(Counterfactual::Devices { domain, path, nodes })
    }
}

/// The first group in pre-order whose minimum alone has no place, then the first inside it, and so on.
fn first_failing(problem: &Problem<'_>) -> usize {
    let gang = problem.gang;
    let mut row = 0;
    while let Content::Groups(children) = &gang.rows()[row].content {
        let fails = |&&child: &&usize| {
            let alone = gang.only(child);
            matches!(
                Problem::new(&alone, problem.inventory).solve(&mut Steps::new(Budget::steps(ASIDE))),
                Found::Nowhere
            )
        };
        match children.iter().find(fails) {
            Some(&child) => row = child,
            None => break,
        }
    }
    row
}

fn has_place(gang: &Gang, inventory: &Inventory) -> bool {
    matches!(Problem::new(gang, inventory).solve(&mut Steps::new(Budget::steps(ASIDE))), Found::Placed(_))
}

fn path(problem: &Problem<'_>, domain: Option<DomainId>) -> String {
    domain.map_or_else(|| "cluster".to_owned(), |domain| problem.topology().domain_path(domain))
}
