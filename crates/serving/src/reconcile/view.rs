//! Pods by group, role and replica, and how each of these does.

use std::collections::BTreeMap;

use super::Context;
use crate::{Ledger, Pod, ReplicaKey, Rollout};

/// The pods of a ModelServing by their places.
pub(super) struct View<'a> {
    /// By ordinal.
    pub(super) groups: BTreeMap<u32, Group<'a>>,
}

/// A group that has pods.
pub(super) struct Group<'a> {
    pub(super) ordinal: u32,
    /// It exists for the time of an update.
    pub(super) is_surge: bool,
    /// Some of it is of another revision than the spec.
    pub(super) is_outdated: bool,
    /// The partition keeps it as it is.
    pub(super) is_protected: bool,
    /// It goes as a whole.
    pub(super) leaving: bool,
    /// All that it should have runs.
    pub(super) is_running: bool,
    /// By name and ordinal.
    pub(super) roles: BTreeMap<&'a str, BTreeMap<u32, Replica<'a>>>,
}

/// A role replica that has pods.
pub(super) struct Replica<'a> {
    pub(super) key: &'a ReplicaKey,
    /// By index.
    pub(super) pods: BTreeMap<u32, &'a Pod>,
    /// So many it should have.
    pub(super) size: u32,
    pub(super) is_outdated: bool,
    /// It goes as a whole.
    pub(super) leaving: bool,
}

impl<'a> View<'a> {
    pub(super) fn new(context: &Context<'a>) -> Self {
        let mut groups: BTreeMap<u32, Group<'a>> = BTreeMap::new();
        for pod in &context.observed.pods {
            let of = &pod.key.of;
            let group = groups.entry(of.group).or_insert_with(|| Group {
                ordinal: of.group,
                is_surge: false,
                is_outdated: false,
                is_protected: false,
                leaving: false,
                is_running: false,
                roles: BTreeMap::new(),
            });
            group.is_surge |= pod.surge && of.group >= context.spec.replicas;
            let replica = group.roles.entry(&of.role).or_default().entry(of.replica).or_insert_with(|| Replica {
                key: of,
                pods: BTreeMap::new(),
                size: 0,
                is_outdated: false,
                leaving: false,
            });
            replica.pods.entry(pod.key.index).or_insert(pod);
        }
        for group in groups.values_mut() {
            group.mark(context);
        }
        let mut view = Self { groups };
        view.protect(context);
        view
    }

    /// Finds out which groups run, when what goes is known.
    pub(super) fn judge(&mut self, context: &Context<'_>, ledger: &Ledger) {
        for group in self.groups.values_mut() {
            group.is_running = group.runs(context, ledger);
        }
    }

    /// The first groups in ordinal order are kept by a partition.
    fn protect(&mut self, context: &Context<'_>) {
        let Rollout::Groups { partition, .. } = context.spec.rollout else { return };
        let partition = partition.ceil_of(context.spec.replicas) as usize;
        for group in self.groups.values_mut().filter(|group| !group.is_surge).take(partition) {
            group.is_protected = true;
        }
    }

    pub(super) fn home(&self) -> impl Iterator<Item = &Group<'a>> {
        self.groups.values().filter(|group| !group.is_surge)
    }

    /// Groups that are wanted and have no pods because no role has replicas: each is there, and runs, at once.
    pub(super) fn bare(&self, context: &Context<'_>) -> u32 {
        if context.spec.group_pods() > 0 {
            return 0;
        }
        context.spec.replicas.saturating_sub(u32::try_from(self.home().count()).unwrap_or(u32::MAX))
    }

    pub(super) fn surge(&self) -> impl Iterator<Item = &Group<'a>> {
        self.groups.values().filter(|group| group.is_surge)
    }

    pub(super) fn replica(&self, key: &ReplicaKey) -> Option<&Replica<'a>> {
        self.groups.get(&key.group)?.roles.get(key.role.as_str())?.get(&key.replica)
    }
}

impl<'a> Group<'a> {
    /// Finds out what is of another revision, and how large each replica should be.
    fn mark(&mut self, context: &Context<'_>) {
        let revisions = &context.revisions;
        let mut has_update = false;
        for (name, replicas) in &mut self.roles {
            for replica in replicas.values_mut() {
                replica.is_outdated = !replica.pods.values().all(|pod| revisions.is_up_to_date(pod));
                has_update |= replica.pods.values().any(|pod| pod.revision == revisions.update.name);
                // What is deleted may be of any revision; what stays says how large the replica is.
                let staying = replica.pods.values().find(|pod| pod.deleting.is_none());
                let body = staying.or_else(|| replica.pods.values().next()).and_then(|pod| revisions.of(pod));
                let body = body.and_then(|revision| revision.body(name));
                let highest = replica.pods.keys().next_back().map_or(0, |index| index.saturating_add(1));
                replica.size = body.map_or(highest, crate::Body::pods);
                replica.leaving = replica.pods.values().all(|pod| pod.deleting.is_some() && !pod.gang_undone);
            }
        }
        self.leaving = self.goes();
        let by_groups = matches!(context.spec.rollout, Rollout::Groups { .. });
        self.is_outdated = self.replicas().any(|replica| replica.is_outdated) || (by_groups && !has_update);
    }

    pub(super) fn replicas(&self) -> impl Iterator<Item = &Replica<'a>> {
        self.roles.values().flat_map(BTreeMap::values)
    }

    pub(super) fn pods(&self) -> impl Iterator<Item = &'a Pod> {
        self.replicas().flat_map(|replica| replica.pods.values().copied())
    }

    /// Whether all of it goes.
    pub(super) fn goes(&self) -> bool {
        self.replicas().all(|replica| replica.leaving)
    }

    /// Whether an update will replace it.
    pub(super) fn is_to_be_replaced(&self, context: &Context<'_>) -> bool {
        self.is_outdated && !self.is_protected && matches!(context.spec.rollout, Rollout::Groups { .. })
    }

    /// How many replicas of a role it should have: of what will be replaced, as many as before the update.
    pub(super) fn wanted(&self, context: &Context<'_>, ledger: &Ledger, role: &str) -> u32 {
        if self.is_to_be_replaced(context) || context.spec.role(role).is_none() {
            let exist = self.roles.get(role).map_or(0, BTreeMap::len);
            let exist = u32::try_from(exist).unwrap_or(u32::MAX);
            return ledger.replicas_before.get(role).map_or(exist, |&before| before.min(exist));
        }
        context.spec.role(role).map_or(0, |role| role.replicas)
    }

    /// Its revision, as the pods that stay have it, if it is known.
    pub(super) fn revision<'r>(&self, context: &'r Context<'_>) -> Option<&'r crate::Revision> {
        if !self.is_outdated {
            return Some(&context.revisions.update);
        }
        let outdated = self.pods().find(|pod| !context.revisions.is_up_to_date(pod));
        let pod = outdated.or_else(|| self.pods().next())?;
        context.revisions.get(&pod.revision)
    }

    pub(super) fn cost(&self) -> i64 {
        self.pods().map(|pod| pod.deletion_cost).fold(0, i64::saturating_add)
    }

    /// Whether some of it goes already.
    pub(super) fn is_torn(&self) -> bool {
        self.pods().any(|pod| pod.deleting.is_some()) || self.replicas().any(|replica| replica.leaving)
    }

    fn runs(&self, context: &Context<'_>, ledger: &Ledger) -> bool {
        if self.leaving {
            return false;
        }
        let role_runs = |role: &str| {
            let staying = self.roles.get(role).into_iter().flat_map(BTreeMap::values);
            let staying = staying.filter(|replica| !replica.leaving);
            let mut running = 0;
            for replica in staying {
                if !replica.is_running() {
                    return false;
                }
                running += 1;
            }
            running >= self.wanted(context, ledger, role)
        };
        let by_groups = matches!(context.spec.rollout, Rollout::Groups { .. });
        let mut asked = context.spec.roles.iter().map(|role| role.name.as_str());
        if !by_groups || !self.is_outdated {
            return asked.all(role_runs);
        }
        // It has the roles of its revision. If it is kept, those of the spec among them are scaled.
        let own = self.revision(context);
        let mut scaled = asked.filter(|role| own.is_none_or(|revision| revision.body(role).is_some()));
        self.roles.keys().all(|role| role_runs(role)) && (!self.is_protected || scaled.all(role_runs))
    }
}

impl Replica<'_> {
    /// Whether all its pods are there and serve.
    pub(super) fn is_running(&self) -> bool {
        self.is_complete() && self.pods.values().all(|pod| pod.is_running())
    }

    /// Whether all its pods are there, and not on their way out.
    pub(super) fn is_complete(&self) -> bool {
        let there = |index| self.pods.get(&index).is_some_and(|pod| pod.deleting.is_none());
        self.pods.len() >= self.size as usize && (0..self.size).all(there)
    }

    pub(super) fn missing(&self) -> impl Iterator<Item = u32> {
        (0..self.size).filter(|index| !self.pods.contains_key(index))
    }

    pub(super) fn cost(&self) -> i64 {
        self.pods.values().map(|pod| pod.deletion_cost).fold(0, i64::saturating_add)
    }

    pub(super) fn is_torn(&self) -> bool {
        self.leaving || self.pods.values().any(|pod| pod.deleting.is_some())
    }
}
