//! How much room there is, for each demand and for devices, and which domains may hold a scope.

use std::cmp::Reverse;

use phalanx_topology::{Demand, DomainId, Inventory, LevelId, NodeId, Topology};

use crate::Gang;
use crate::capacity::Capacity;
use crate::scope::{Class, Scope};

/// How often each demand of a gang fits where, and the free devices.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    /// By demand of the gang.
    caps: Vec<Capacity>,
    /// Free devices that pods can get.
    free: Capacity,
}

impl Room {
    pub(crate) fn new(gang: &Gang, inventory: &Inventory) -> Self {
        let mut buffer = Vec::new();
        let caps = gang.demands().iter().map(|demand| Capacity::new(inventory, demand, &mut buffer)).collect();
        Self { caps, free: Capacity::new(inventory, &Demand::devices(1), &mut buffer) }
    }

    /// Counts anew what fits on a node.
    pub(crate) fn refresh(&mut self, gang: &Gang, inventory: &Inventory, node: NodeId) {
        let topology = inventory.topology();
        for (caps, demand) in self.caps.iter_mut().zip(gang.demands()) {
            caps.set(topology, node, inventory.fits(node, demand));
        }
        let free = if inventory.is_cordoned(node) { 0 } else { inventory.free_devices(node).len() };
        self.free.set(topology, node, free);
    }

    pub(crate) fn of(&self, demand: usize) -> &Capacity {
        &self.caps[demand]
    }

    pub(crate) fn free_devices(&self, domain: Option<DomainId>) -> u64 {
        self.free.within(domain)
    }

    /// How many of a scope fit in a domain at most: as far as each of its demands by itself and the devices tell.
    pub(crate) fn units(&self, scope: &Scope, domain: Option<DomainId>) -> u64 {
        let by_pods =
            self.caps.iter().zip(scope.pods()).filter_map(|(caps, &pods)| caps.within(domain).checked_div(pods));
        let by_devices = self.free.within(domain).checked_div(scope.devices());
        by_pods.chain(by_devices).min().unwrap_or(u64::MAX)
    }

    /// The domains of a level within a domain that may hold a scope, and how many of it. Without a level, or with one that
    /// is no finer than the domain's, that domain itself.
    pub(crate) fn candidates(
        &self,
        topology: &Topology,
        scope: &Scope,
        within: Option<DomainId>,
        level: Option<LevelId>,
    ) -> Vec<(Option<DomainId>, u64)> {
        let inside = |level: LevelId| within.is_none_or(|within| topology.level_of(within) < level);
        let mut found = Vec::new();
        let mut add = |domain| {
            let units = self.units(scope, domain);
            if units > 0 {
                found.push((domain, units));
            }
        };
        match (level.filter(|&level| inside(level)), within) {
            (None, _) => add(within),
            (Some(level), None) => topology.domains(level).for_each(|domain| add(Some(domain))),
            (Some(level), Some(within)) => {
                let range = topology.node_range(within);
                let domain_of = |node: usize| topology.domain_of(NodeId::new(node as u32), level);
                let ends = domain_of(range.start).zip(domain_of(range.end - 1));
                let (first, last) = ends.expect("the nodes of a domain are in the tree");
                (first.index()..=last.index()).for_each(|at| add(Some(DomainId::new(at as u32))));
            }
        }
        found
    }

    /// Whether nothing speaks against `count` scopes of a class in a domain.
    pub(crate) fn may_hold_class(
        &self,
        topology: &Topology,
        class: &Class,
        count: u32,
        domain: Option<DomainId>,
    ) -> bool {
        let count = u64::from(count);
        if self.units(&class.scope, domain) < count {
            return false;
        }
        let candidates = self.candidates(topology, &class.scope, domain, class.scope.hard);
        candidates.iter().fold(0u64, |sum, &(_, units)| sum.saturating_add(units)) >= count
    }

    /// Whether nothing speaks against all of a scope in a domain.
    pub(crate) fn may_hold(&self, topology: &Topology, scope: &Scope, domain: Option<DomainId>) -> bool {
        self.units(scope, domain) > 0
            && scope.classes.iter().all(|class| self.may_hold_class(topology, class, class.count, domain))
    }
}

/// Puts domains in the order in which to try them for `remaining` equal scopes, of which so many may fit in each: the
/// smallest that holds them all, then the largest; the earliest in path order among equals.
pub(crate) fn best_fit_order(domains: &mut [(Option<DomainId>, u64)], remaining: u64) {
    domains.sort_by_key(|&(domain, units)| match units >= remaining {
        true => (0, units, Reverse(0), domain),
        false => (1, 0, Reverse(units), domain),
    });
}
