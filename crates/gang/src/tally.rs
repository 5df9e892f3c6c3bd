//! Counts of what is placed where, for bounds that a column of capacities cannot tell.

use std::collections::BTreeMap;

use phalanx_topology::{DomainId, NodeId};

use crate::scope::Scope;
use crate::tree::Tree;

/// Where the pods of opened scopes are, as far as their bounds ask. Scopes go by the number under which they were opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Pods of a scope on a node, for caps.
    on_node: BTreeMap<(usize, NodeId), u32>,
    /// Pods of a scope in a domain, for spreads.
    in_domain: BTreeMap<(usize, DomainId), u32>,
    /// Which scope has a domain for itself under a key, and how many pods it has there.
    owners: BTreeMap<(usize, DomainId), (Owner, u32)>,
    /// Where what is bound to a key is, and how many pods of it are there.
    shared: BTreeMap<usize, (DomainId, u32)>,
}

/// Who has a domain for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Scope(usize),
    OtherGang,
}

impl Tally {
    /// What other gangs have: domains under keys that keep apart, and where what is bound to a key is.
    pub(crate) fn new(
        apart: impl IntoIterator<Item = (usize, DomainId)>,
        shared: impl IntoIterator<Item = (usize, DomainId)>,
    ) -> Self {
        Self {
            owners: apart.into_iter().map(|at| (at, (Owner::OtherGang, 1))).collect(),
            shared: shared.into_iter().map(|(key, domain)| (key, (domain, 1))).collect(),
            ..Self::default()
        }
    }

    /// Whether the bounds of one opened scope let one more of its pods onto a node.
    pub(crate) fn allows(&self, tree: Tree<'_>, scope: &Scope, opened: usize, node: NodeId) -> bool {
        self.room(tree, scope, opened, node) > 0
    }

    /// How many more pods of one opened scope its bounds let onto a node; spreads are not asked.
    pub(crate) fn room(&self, tree: Tree<'_>, scope: &Scope, opened: usize, node: NodeId) -> u32 {
        if let Some((level, _)) = scope.spread
            && tree.domain_at(node, level).is_none()
        {
            return 0;
        }
        if let Some((level, key)) = scope.exclusive {
            let Some(domain) = tree.domain_at(node, level) else { return 0 };
            if self.owners.get(&(key, domain)).is_some_and(|&(owner, _)| owner != Owner::Scope(opened)) {
                return 0;
            }
        }
        if let Some((level, key)) = scope.shared {
            let Some(domain) = tree.domain_at(node, level) else { return 0 };
            if self.shared.get(&key).is_some_and(|&(at, _)| at != domain) {
                return 0;
            }
        }
        match scope.per_node {
            Some(most) => most.saturating_sub(self.on_node.get(&(opened, node)).copied().unwrap_or(0)),
            None => u32::MAX,
        }
    }

    /// Whether a scope may be opened in a domain, as far as its keys tell; `own` is its number if some of its pods run.
    pub(crate) fn may_open(&self, tree: Tree<'_>, scope: &Scope, own: Option<usize>, domain: Option<DomainId>) -> bool {
        let Some(domain) = domain else { return true };
        let at = tree.topology.level_of(domain);
        let around = |level| tree.topology.nodes_of(domain).next().and_then(|node| tree.domain_at(node, level));
        let apart = scope.exclusive.filter(|&(level, _)| level <= at);
        let is_other = |&(owner, _): &(Owner, u32)| own.is_none_or(|own| owner != Owner::Scope(own));
        let taken =
            |(level, key)| around(level).is_none_or(|domain| self.owners.get(&(key, domain)).is_some_and(is_other));
        let bound = scope.shared.filter(|&(level, _)| level <= at);
        let elsewhere = |(level, key)| self.shared.get(&key).is_some_and(|&(there, _)| around(level) != Some(there));
        !apart.is_some_and(taken) && !bound.is_some_and(elsewhere)
    }

    pub(crate) fn add(&mut self, tree: Tree<'_>, scope: &Scope, opened: usize, node: NodeId) {
        if scope.per_node.is_some() {
            *self.on_node.entry((opened, node)).or_default() += 1;
        }
        if let Some(domain) = scope.spread.and_then(|(level, _)| tree.domain_at(node, level)) {
            *self.in_domain.entry((opened, domain)).or_default() += 1;
        }
        if let Some((level, key)) = scope.exclusive
            && let Some(domain) = tree.domain_at(node, level)
        {
            // Of running pods that share a domain already the first one counts.
            let owner = self.owners.entry((key, domain)).or_insert((Owner::Scope(opened), 0));
            owner.1 += u32::from(owner.0 == Owner::Scope(opened));
        }
        if let Some((level, key)) = scope.shared
            && let Some(domain) = tree.domain_at(node, level)
        {
            let shared = self.shared.entry(key).or_insert((domain, 0));
            shared.1 += u32::from(shared.0 == domain);
        }
    }

    pub(crate) fn remove(&mut self, tree: Tree<'_>, scope: &Scope, opened: usize, node: NodeId) {
        if scope.per_node.is_some() {
            less(&mut self.on_node, (opened, node));
        }
        if let Some(domain) = scope.spread.and_then(|(level, _)| tree.domain_at(node, level)) {
            less(&mut self.in_domain, (opened, domain));
        }
        if let Some((level, key)) = scope.exclusive
            && let Some(domain) = tree.domain_at(node, level)
            && let Some((owner, count)) = self.owners.get_mut(&(key, domain))
            && *owner == Owner::Scope(opened)
        {
            *count -= 1;
            if *count == 0 {
                self.owners.remove(&(key, domain));
            }
        }
        if let Some((level, key)) = scope.shared
            && let Some(domain) = tree.domain_at(node, level)
            && let Some((at, count)) = self.shared.get_mut(&key)
            && *at == domain
        {
            *count -= 1;
            if *count == 0 {
                self.shared.remove(&key);
            }
        }
    }

    /// How many pods of an opened scope with a spread are in a domain.
    pub(crate) fn in_domain(&self, opened: usize, domain: DomainId) -> u64 {
        self.in_domain.get(&(opened, domain)).map_or(0, |&count| u64::from(count))
    }
}

fn less<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}
