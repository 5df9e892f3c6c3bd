//! A gang on an inventory, and the search for a place level by level.

use phalanx_topology::{DomainId, Inventory, LevelId, NodeId, Topology};

use crate::Gang;
use crate::budget::Steps;
use crate::layout::Filled;
use crate::room::Room;
use crate::scope::{Pool, Scope};
use crate::tight::{Choice, Place, Tight};
use crate::work::Work;

/// A gang on an inventory, with how often each of its demands fits where.
#[derive(Debug)]
pub(crate) struct Problem<'a> {
    pub(crate) gang: &'a Gang,
    pub(crate) inventory: &'a Inventory,
    pub(crate) scope: Scope,
    pub(crate) room: Room,
}

/// A place for the gang's minimum.
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
    pub(crate) fn new(gang: &'a Gang, inventory: &'a Inventory) -> Self {
        Self { gang, inventory, scope: Scope::of_gang(gang), room: Room::new(gang, inventory) }
    }

    pub(crate) fn topology(&self) -> &'a Topology {
        self.inventory.topology()
    }

    /// Finds a place for the minimum, on the finest level that has one.
    pub(crate) fn solve(&self, steps: &mut Steps) -> Found {
        match self.scope.flat() {
            Some((hard, pool)) => self.solve_flat(hard, pool, steps),
            None => self.solve_tree(steps),
        }
    }

    /// Equal pods under one bound: exact.
    fn solve_flat(&self, hard: Option<LevelId>, pool: Pool, steps: &mut Steps) -> Found {
        let (topology, caps, want) = (self.topology(), self.room.of(pool.demand), u64::from(pool.count));
        let mut tight = Tight::new(topology, caps.by_domain(), topology.node_level(), steps);
        let choice = attempts(topology, hard).find_map(|level| match level {
            Some(level) => tight.in_one(topology.domains(level), level, want),
            None => tight.within(None, Some(caps), want),
        });
        let Some(choice) = choice else { return Found::Nowhere };
        let optimal = choice.optimal;
        let filled = wrap(&self.scope, nodes(topology, &choice));
        Found::Placed(Solution { filled, level_proven: true, optimal })
    }

    /// Anything else: the hardest first, then with backtracking.
    fn solve_tree(&self, steps: &mut Steps) -> Found {
        let topology = self.topology();
        let bound = match (&self.scope.pools[..], &self.scope.classes[..]) {
            ([], [class]) if class.count == 1 => class.scope.hard,
            _ => None,
        };
        let levels: Vec<_> = attempts(topology, bound).collect();
        let mut cut = false;
        for (at, &level) in levels.iter().enumerate() {
            let mut part = steps.split(1, (levels.len() - at) as u64);
            let found = self.solve_level(level, &mut part);
            steps.join(&part);
            match found {
                Found::Placed(filled) => {
                    // Without pods there is nothing to improve.
                    let optimal = filled.bounds().is_none();
                    return Found::Placed(Solution { filled, level_proven: !cut, optimal });
                }
                Found::Nowhere => {}
                Found::CutShort => cut = true,
            }
        }
        if cut { Found::CutShort } else { Found::Nowhere }
    }

    /// The minimum within one domain of a level, or anywhere.
    fn solve_level(&self, level: Option<LevelId>, steps: &mut Steps) -> Found<Filled> {
        let mut domains: Vec<Option<DomainId>> = match level {
            Some(level) => self.topology().domains(level).map(Some).collect(),
            None => vec![None],
        };
        domains.retain(|&domain| self.room.may_hold(self.topology(), &self.scope, domain));
        domains.sort_by_cached_key(|&domain| (self.room.free_devices(domain), domain));
        if domains.is_empty() {
            return Found::Nowhere;
        }
        let mut fork = self.inventory.fork();
        let mut work = Work::new(self, &mut fork);
        match work.greedy(&domains, steps) {
            Some(filled) => Found::Placed(filled),
            None => work.backtrack(&domains, steps),
        }
    }
}

/// The levels to try, from the finest to the bound; none stands for the whole cluster.
fn attempts(topology: &Topology, bound: Option<LevelId>) -> impl Iterator<Item = Option<LevelId>> + use<> {
    let levels = topology.levels().rev().filter(move |&level| bound.is_none_or(|bound| level >= bound));
    levels.map(Some).chain(bound.is_none().then_some(None))
}

/// The nodes of a choice at the node level, one for each unit, in path order.
pub(crate) fn nodes(topology: &Topology, choice: &Choice) -> Vec<NodeId> {
    let mut nodes = Vec::new();
    for &(place, units) in &choice.units {
        let node = match place {
            Place::Domain(domain) => NodeId::new(topology.node_range(domain).start as u32),
            Place::Outside(node) => node,
        };
        nodes.extend((0..units).map(|_| node));
    }
    nodes.sort_unstable();
    nodes
}

/// Equal pods as the scopes around them want them.
fn wrap(scope: &Scope, nodes: Vec<NodeId>) -> Filled {
    match &scope.classes[..] {
        [class] => Filled { pools: Vec::new(), classes: vec![vec![wrap(&class.scope, nodes)]] },
        _ => Filled { pools: vec![nodes], classes: Vec::new() },
    }
}
