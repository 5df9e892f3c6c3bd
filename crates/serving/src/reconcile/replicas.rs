//! How many replicas the roles of a group have, and of which revision.

use core::cmp::Reverse;
use std::collections::BTreeMap;

use super::budget::Budget;
use super::create::Batch;
use super::view::{Group, Replica};
use super::{Context, Work};
use crate::{Cause, ReplicaKey, Revision, Role, Rollout, group_name};

/// Brings the roles of a group that stays to what is asked.
pub(super) fn reconcile(context: &Context<'_>, group: &mut Group<'_>, work: &mut Work) {
    let by_roles = context.spec.rollout == Rollout::Roles;
    if by_roles {
        remove_roles(context, group, work);
    }
    // A group that an update will replace is mended and not scaled.
    let replaced = group.is_to_be_replaced(context);
    for role in &context.spec.roles {
        if !replaced {
            scale_down(context, group, role, work);
        }
        if by_roles {
            roll(context, group, role, work);
        }
    }
    mend(context, group, work);
    for role in &context.spec.roles {
        scale_up(context, group, role, replaced, work);
    }
}

/// Roles that the spec does not name go at once.
fn remove_roles(context: &Context<'_>, group: &mut Group<'_>, work: &mut Work) {
    let gone = group.roles.iter_mut().filter(|(name, _)| context.spec.role(name).is_none());
    for (name, replicas) in gone {
        for replica in replicas.values_mut().filter(|replica| !replica.leaving) {
            slate(context, replica, Cause::Update, &format!("the spec has no role {name}"), work);
        }
    }
}

/// Which replicas of a role a partition keeps: the first in ordinal order.
fn is_protected(context: &Context<'_>, role: &Role, rank: usize) -> bool {
    context.spec.rollout == Rollout::Roles && rank < role.partition.ceil_of(role.replicas) as usize
}

/// Replicas above what is asked go: what does not run first, then what costs less, then the highest ordinal; what a
/// partition keeps last.
fn scale_down(context: &Context<'_>, group: &mut Group<'_>, role: &Role, work: &mut Work) {
    let Some(replicas) = group.roles.get_mut(role.name.as_str()) else { return };
    let mut staying: Vec<_> = replicas.values().enumerate().filter(|(_, replica)| !replica.leaving).collect();
    let many = staying.len().saturating_sub(role.replicas as usize);
    if many == 0 {
        return;
    }
    staying.sort_by_cached_key(|&(rank, replica)| {
        let kept = is_protected(context, role, rank);
        (kept, replica.is_running(), !replica.is_torn(), replica.cost(), Reverse(replica.key.replica))
    });
    let going: Vec<u32> = staying.iter().take(many).map(|(_, replica)| replica.key.replica).collect();
    for ordinal in going {
        let Some(replica) = replicas.get_mut(&ordinal) else { continue };
        slate(
            context,
            replica,
            Cause::Scale,
            &format!("{} replicas of role {} are wanted", role.replicas, role.name),
            work,
        );
    }
}

/// Replicas of another revision go, as many as the role's budget allows: what does not run first, then the highest ordinal.
fn roll(context: &Context<'_>, group: &mut Group<'_>, role: &Role, work: &mut Work) {
    let Some(replicas) = group.roles.get_mut(role.name.as_str()) else { return };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let staying: Vec<_> = replicas.values().enumerate().filter(|(_, replica)| !replica.leaving).collect();
    let old = staying.iter().filter(|(rank, replica)| replica.is_outdated && !is_protected(context, role, *rank));
    let mut old: Vec<_> = old.map(|&(_, replica)| replica).collect();
    if old.is_empty() {
        return;
    }
    let running = count(staying.iter().filter(|(_, replica)| replica.is_running()).count());
    let fresh = staying.iter().filter(|(_, replica)| !replica.is_outdated && !replica.is_running()).count();
    let unavailable = role.max_unavailable.floor_of(role.replicas).max(1);
    let least = role.replicas.saturating_sub(unavailable);
    let mut budget = Budget::new(count(staying.len()), running, count(fresh), least);
    old.sort_by_cached_key(|replica| (replica.is_running(), !replica.is_torn(), Reverse(replica.key.replica)));
    let going: Vec<u32> = old
        .into_iter()
        .filter(|replica| budget.take(replica.is_running()))
        .map(|replica| replica.key.replica)
        .collect();
    let why = format!("the spec is now revision {}", context.revisions.update.name);
    for ordinal in going {
        let Some(replica) = replicas.get_mut(&ordinal) else { continue };
        slate(context, replica, Cause::Update, &why, work);
    }
}

/// Deletes all pods of a replica.
fn slate(context: &Context<'_>, replica: &mut Replica<'_>, cause: Cause, why: &str, work: &mut Work) {
    replica.leaving = true;
    let why = format!("{why}; role replica {} goes", replica.key.name(&context.spec.name));
    replica.pods.values().for_each(|pod| work.delete(context.spec, pod, cause, &why));
    work.tell(false, "RoleDeleting", why);
}

/// Creates the pods that are missing beside others of their replica.
fn mend(context: &Context<'_>, group: &Group<'_>, work: &mut Work) {
    for replica in group.roles.values().flat_map(BTreeMap::values).filter(|replica| !replica.leaving) {
        let Some(pod) = replica.pods.values().next() else { continue };
        let Some(revision) = context.revisions.of(pod) else { continue };
        let why = format!("it is missing from role replica {}", replica.key.name(&context.spec.name));
        let batch = Batch { revision, is_surge: group.is_surge, why: &why };
        batch.pods(context, replica.key, replica.missing(), work);
    }
}

/// Creates the replicas that are missing: the lowest ordinals first.
fn scale_up(context: &Context<'_>, group: &Group<'_>, role: &Role, replaced: bool, work: &mut Work) {
    let none = BTreeMap::new();
    let replicas = group.roles.get(role.name.as_str()).unwrap_or(&none);
    let before = work.ledger.replicas_before.get(&role.name).copied();
    let wanted = if replaced { before.unwrap_or(0) } else { role.replicas };
    let missing = (wanted as usize).saturating_sub(replicas.len());
    if missing == 0 {
        return;
    }
    let name = group_name(&context.spec.name, group.ordinal);
    let why = format!("{wanted} replicas of role {} are wanted in {name}", role.name);
    let own = group.revision(context);
    let mut created = 0;
    for ordinal in (0..).filter(|ordinal| !replicas.contains_key(ordinal)).take(missing) {
        let revision: Option<&Revision> = match context.spec.rollout {
            Rollout::Roles => Some(context.revisions.for_replica(role, ordinal)),
            Rollout::Groups { .. } if group.is_protected => own.or(Some(&context.revisions.update)),
            Rollout::Groups { .. } => own,
        };
        let Some(revision) = revision else { return };
        let batch = Batch { revision, is_surge: group.is_surge, why: &why };
        let key = ReplicaKey::new(group.ordinal, &role.name, ordinal);
        created += u32::from(batch.replica(context, &key, work));
    }
    if created > 0 {
        work.tell(false, "RoleCreating", format!("{created} replicas of role {} in {name}: {why}", role.name));
    }
}
