//! Which revisions there are, and what is made from which.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::{Observed, Pod, Revision, Role, Rollout, Spec, role_template_hash};

/// The revisions of a ModelServing.
pub(super) struct Revisions<'a> {
    /// That of the spec.
    pub(super) update: Cow<'a, Revision>,
    /// Whether that has no object yet.
    pub(super) is_new: bool,
    /// The name of the one before it, until the update is complete; that of the update without one.
    pub(super) current: String,
    /// By name, those that have an object.
    known: BTreeMap<&'a str, &'a Revision>,
    /// The hash of each role of the spec.
    hashes: BTreeMap<&'a str, (String, &'a Role)>,
}

impl<'a> Revisions<'a> {
    pub(super) fn new(spec: &'a Spec, observed: &'a Observed) -> Self {
        let known: BTreeMap<_, _> =
            observed.revisions.iter().map(|revision| (revision.name.as_str(), revision)).collect();
        let status = observed.status.as_ref();
        let told = status.map(|status| status.update_revision.as_str());
        // A spec that was there before has its name from then, whoever gave it.
        let same = known.values().copied().filter(|revision| revision.is_of(&spec.roles));
        let same = same.max_by_key(|revision| (Some(revision.name.as_str()) == told, revision.number));
        let update = same.map_or_else(
            || {
                let number = known.values().map(|revision| revision.number).max().unwrap_or(0).saturating_add(1);
                Cow::Owned(Revision::among(&spec.roles, &observed.revisions, number))
            },
            Cow::Borrowed,
        );
        let current = status.map(|status| status.current_revision.clone()).filter(|name| !name.is_empty());
        let current = current.unwrap_or_else(|| {
            let others = observed.pods.iter().filter(|pod| pod.revision != update.name);
            let others = others.filter_map(|pod| known.get(pod.revision.as_str()));
            others
                .max_by_key(|revision| (revision.number, &revision.name))
                .map_or_else(|| update.name.clone(), |one| one.name.clone())
        });
        let hash = |role: &'a Role| (role.name.as_str(), (role_template_hash(&role.name, &role.body), role));
        Self { is_new: same.is_none(), update, current, known, hashes: spec.roles.iter().map(hash).collect() }
    }

    /// Whether an update is not complete.
    pub(super) fn is_rolling(&self) -> bool {
        self.current != self.update.name
    }

    /// A revision by name.
    pub(super) fn get(&self, name: &str) -> Option<&Revision> {
        if name == self.update.name { Some(&self.update) } else { self.known.get(name).copied() }
    }

    /// The revision before the update, if it is known and not the same.
    pub(super) fn before(&self) -> Option<&Revision> {
        self.get(&self.current).filter(|_| self.is_rolling())
    }

    /// Whether a pod is as the spec asks, though it may have come with another revision.
    pub(super) fn is_up_to_date(&self, pod: &Pod) -> bool {
        let role = pod.key.of.role.as_str();
        let Some((hash, of)) = self.hashes.get(role) else { return false };
        pod.revision == self.update.name
            || pod.role_hash == *hash
            || self.known.get(pod.revision.as_str()).is_some_and(|revision| revision.body(role) == Some(&of.body))
    }

    /// The revision that a pod is of, as far as its role goes: the update if it is up to date.
    pub(super) fn of(&self, pod: &Pod) -> Option<&Revision> {
        if self.is_up_to_date(pod) { Some(&self.update) } else { self.get(&pod.revision) }
    }

    /// What a new group with this ordinal is made from: the update, or under a partition what was there before.
    pub(super) fn for_group(&self, spec: &Spec, ordinal: u32) -> &Revision {
        let partition = match spec.rollout {
            Rollout::Groups { partition, .. } => partition.ceil_of(spec.replicas),
            Rollout::Roles => 0,
        };
        self.before().filter(|_| ordinal < partition).unwrap_or(&self.update)
    }

    /// What a new replica of a role is made from when roles are rolled.
    pub(super) fn for_replica(&self, role: &Role, replica: u32) -> &Revision {
        let partition = role.partition.ceil_of(role.replicas);
        let before = self.before().filter(|before| replica < partition && before.body(&role.name).is_some());
        before.unwrap_or(&self.update)
    }
}
