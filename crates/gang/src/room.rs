//! How much room there is, for each demand and for devices, and which domains may hold a scope.

use phalanx_topology::{Demand, DomainId, Inventory, LevelId, NodeId};

use crate::Gang;
use crate::capacity::Capacity;
use crate::scope::{Class, Scope};
use crate::tree::Tree;

/// How often each demand of a gang fits where, and the free devices.
#[derive(Clone, Debug)]
pub(crate) struct Room<'a> {
    pub(crate) tree: Tree<'a>,
    /// By demand of the gang.
    caps: Vec<Capacity<'a>>,
    /// Free devices that pods can get.
    free: Capacity<'a>,
}

impl<'a> Room<'a> {
    pub(crate) fn new(gang: &Gang, inventory: &'a Inventory, tree: Tree<'a>) -> Self {
        let mut buffer = Vec::new();
        let caps = gang.demands().iter().map(|demand| Capacity::new(inventory, tree, demand, &mut buffer)).collect();
        let free = if gang.demands().len() == 1 {
            // Equal pods are compared by how many fit.
            Capacity::none()
        } else {
            Capacity::new(inventory, tree, &Demand::devices(1), &mut buffer)
        };
        Self { tree, caps, free }
    }

    /// Counts anew what fits on a node.
    pub(crate) fn refresh(&mut self, gang: &Gang, inventory: &Inventory, node: NodeId) {
        for (caps, demand) in self.caps.iter_mut().zip(gang.demands()) {
            caps.set(self.tree, node, inventory.fits(node, demand));
        }
        if !self.free.is_none() {
            let free = if inventory.is_cordoned(node) { 0 } else { inventory.free_devices(node).len() };
            self.free.set(self.tree, node, free);
        }
    }

    pub(crate) fn of(&self, demand: usize) -> &Capacity<'a> {
        &self.caps[demand]
    }

    /// Free devices in a domain, or pods that fit where all are equal.
    pub(crate) fn free(&self, domain: Option<DomainId>) -> u64 {
        let caps = if self.free.is_none() { self.caps.first().unwrap_or(&self.free) } else { &self.free };
        caps.within(domain)
    }

    /// How many of a scope fit in a domain at most: as far as each of its demands by itself and the devices tell.
    pub(crate) fn units(&self, scope: &Scope, domain: Option<DomainId>) -> u64 {
        let by_pods =
            self.caps.iter().zip(scope.pods()).filter_map(|(caps, &pods)| caps.within(domain).checked_div(pods));
        let devices = if self.free.is_none() { 0 } else { scope.devices() };
        let by_devices = self.free.within(domain).checked_div(devices);
        by_pods.chain(by_devices).min().unwrap_or(u64::MAX)
    }

    /// The domains of a level within a domain that may hold a scope, and how many of it. Without a level, or with one that
    /// is no finer than the domain's, that domain itself.
    pub(crate) fn candidates(
        &self,
        scope: &Scope,
        within: Option<DomainId>,
        level: Option<LevelId>,
    ) -> Vec<(Option<DomainId>, u64)> {
        let Some(level) = level else {
            let units = self.units(scope, within);
            return if units > 0 { vec![(within, units)] } else { Vec::new() };
        };
        let domains = self.tree.domains_in(within, level).map(|domain| Some(DomainId::new(domain)));
        domains.map(|domain| (domain, self.units(scope, domain))).filter(|&(_, units)| units > 0).collect()
    }

    /// Whether nothing speaks against `count` scopes of a class in a domain.
    pub(crate) fn may_hold_class(&self, class: &Class, count: u32, domain: Option<DomainId>) -> bool {
        let count = u64::from(count);
        if class.scope.is_complete() {
            return true;
        }
        if self.units(&class.scope, domain) < count {
            return false;
        }
        let mut sum = 0u64;
        match class.scope.hard {
            None => true,
            Some(level) => self.tree.domains_in(domain, level).any(|inner| {
                sum = sum.saturating_add(self.units(&class.scope, Some(DomainId::new(inner))));
                sum >= count
            }),
        }
    }

    /// Whether nothing speaks against all of a scope in a domain.
    pub(crate) fn may_hold(&self, scope: &Scope, domain: Option<DomainId>) -> bool {
        self.units(scope, domain) > 0
            && scope.classes.iter().all(|class| self.may_hold_class(class, class.count, domain))
    }
}
