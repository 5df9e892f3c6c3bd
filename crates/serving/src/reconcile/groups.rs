//! How many groups there are, and of which revision.

use core::cmp::Reverse;

use super::budget::Budget;
use super::create::Batch;
use super::view::{Group, View};
use super::{Context, Work};
use crate::{Cause, ReplicaKey, Rollout, group_name};

/// Limits of an update by groups.
struct Limits {
    /// So many groups have to serve.
    least: u32,
    /// So many may exist above what is wanted.
    surge: u32,
}

impl Limits {
    fn of(context: &Context<'_>) -> Self {
        let replicas = context.spec.replicas;
        let Rollout::Groups { max_unavailable, max_surge, .. } = context.spec.rollout else {
            return Self { least: replicas, surge: 0 };
        };
        let surge = max_surge.ceil_of(replicas);
        // Without any room an update could never begin.
        let unavailable = max_unavailable.floor_of(replicas).max(u32::from(surge == 0));
        // Groups without any pod run as soon as they are wanted: nothing has to be kept for them.
        let is_bare = context.spec.group_pods() == 0;
        Self { least: if is_bare { 0 } else { replicas.saturating_sub(unavailable) }, surge }
    }
}

/// Slates groups that are too many, then those that an update replaces. Returns how many groups there should be above what is
/// wanted.
pub(super) fn remove(context: &Context<'_>, view: &mut View<'_>, work: &mut Work) -> u32 {
    let limits = Limits::of(context);
    scale_down(context, view, work);
    let surge = surge(context, view, limits.surge);
    surge_down(context, view, surge, limits.least, work);
    if matches!(context.spec.rollout, Rollout::Groups { .. }) {
        roll(context, view, limits.least, work);
    }
    surge
}

/// Those above `replicas` go: what does not run first, then what costs less, then the highest ordinal; what a partition keeps
/// last.
fn scale_down(context: &Context<'_>, view: &mut View<'_>, work: &mut Work) {
    let wanted = context.spec.replicas;
    let mut staying: Vec<_> = view.home().filter(|group| !group.leaving).collect();
    let many = staying.len().saturating_sub(wanted as usize);
    if many == 0 {
        return;
    }
    staying.sort_by_cached_key(|group| {
        (group.is_protected, group.is_running, !group.is_torn(), group.cost(), Reverse(group.ordinal))
    });
    let going: Vec<u32> = staying.iter().take(many).map(|group| group.ordinal).collect();
    for ordinal in going {
        slate(context, view, ordinal, (Cause::Scale, "GroupDeleting"), &format!("{wanted} groups are wanted"), work);
    }
}

/// How many groups there should be above what is wanted: as many as have to be replaced, within the limit, until all that
/// are wanted run.
fn surge(context: &Context<'_>, view: &View<'_>, limit: u32) -> u32 {
    let replaced = view.home().any(|group| group.is_to_be_replaced(context));
    let serves = |group: &&Group<'_>| !group.leaving && group.is_running && !group.is_to_be_replaced(context);
    let serving = u32::try_from(view.home().filter(serves).count()).unwrap_or(u32::MAX);
    let serving = serving.saturating_add(view.bare(context));
    let open = context.spec.replicas.saturating_sub(serving);
    let there = u32::try_from(view.surge().filter(|group| !group.leaving).count()).unwrap_or(u32::MAX);
    if replaced { limit.min(open) } else { limit.min(open).min(there) }
}

/// Groups that existed for an update go when it no longer needs them, as far as enough others run.
fn surge_down(context: &Context<'_>, view: &mut View<'_>, wanted: u32, least: u32, work: &mut Work) {
    let mut staying: Vec<_> = view.surge().filter(|group| !group.leaving).collect();
    let many = staying.len().saturating_sub(wanted as usize);
    staying.sort_by_key(|group| (group.is_running, !group.is_outdated, Reverse(group.ordinal)));
    let mut spare = running(view).saturating_sub(least);
    let mut going = Vec::new();
    for group in staying.into_iter().take(many) {
        if group.is_running {
            if spare == 0 {
                break;
            }
            spare -= 1;
        }
        going.push(group.ordinal);
    }
    for ordinal in going {
        let why = "the update that it made room for needs it no longer";
        slate(context, view, ordinal, (Cause::Scale, "GroupDeleting"), why, work);
    }
}

/// Groups of another revision go, as many as the budget allows: what does not run first, then the highest ordinal.
fn roll(context: &Context<'_>, view: &mut View<'_>, least: u32, work: &mut Work) {
    let staying = || view.groups.values().filter(|group| !group.leaving);
    let mut old: Vec<_> = staying().filter(|group| group.is_to_be_replaced(context)).collect();
    if old.is_empty() {
        return;
    }
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let fresh = count(staying().filter(|group| !group.is_outdated && !group.is_running).count());
    let mut budget = Budget::new(count(staying().count()), running(view), fresh, least);
    old.sort_by_cached_key(|group| (group.is_running, !group.is_torn(), Reverse(group.ordinal)));
    let going: Vec<_> = old.iter().filter(|group| budget.take(group.is_running)).map(|group| group.ordinal).collect();
    for ordinal in going {
        let why = format!("the spec is now revision {}", context.revisions.update.name);
        slate(context, view, ordinal, (Cause::Update, "GroupUpdating"), &why, work);
    }
}

fn running(view: &View<'_>) -> u32 {
    let running = view.groups.values().filter(|group| group.is_running && !group.leaving);
    u32::try_from(running.count()).unwrap_or(u32::MAX)
}

/// Deletes all pods of a group.
fn slate(
    context: &Context<'_>,
    view: &mut View<'_>,
    ordinal: u32,
    (cause, reason): (Cause, &'static str),
    why: &str,
    work: &mut Work,
) {
    let Some(group) = view.groups.get_mut(&ordinal) else { return };
    group.leaving = true;
    let why = format!("{why}; ServingGroup {} goes", group_name(&context.spec.name, ordinal));
    group.pods().for_each(|pod| work.delete(context.spec, pod, cause, &why));
    work.tell(false, reason, why);
}

/// Creates the groups that are missing: the lowest ordinals first. A partition's ordinals are made from the revision before
/// the update.
pub(super) fn create(context: &Context<'_>, view: &View<'_>, surge: u32, work: &mut Work) {
    let wanted = context.spec.replicas;
    let missing = (wanted as usize).saturating_sub(view.home().count());
    let free = |ordinal: &u32| !view.groups.contains_key(ordinal);
    for ordinal in (0..).filter(free).take(missing) {
        let revision = context.revisions.for_group(context.spec, ordinal);
        let why = format!("{wanted} groups are wanted and {} does not exist", group_name(&context.spec.name, ordinal));
        group(context, ordinal, &Batch { revision, is_surge: false, why: &why }, work);
    }
    let missing = (surge as usize).saturating_sub(view.surge().count());
    let revision = &*context.revisions.update;
    for ordinal in (wanted..).filter(free).take(missing) {
        let name = group_name(&context.spec.name, ordinal);
        let why =
            format!("an update may have {surge} groups above the {wanted} that are wanted, of which {name} is one");
        group(context, ordinal, &Batch { revision, is_surge: true, why: &why }, work);
    }
}

fn group(context: &Context<'_>, ordinal: u32, batch: &Batch<'_>, work: &mut Work) {
    // Roles that the revision has and the spec has not are part of it no more.
    for role in &context.spec.roles {
        let revision = match context.spec.rollout {
            Rollout::Roles => None,
            Rollout::Groups { .. } => Some(batch.revision),
        };
        let mut created = 0;
        for replica in 0..role.replicas {
            let key = ReplicaKey::new(ordinal, &role.name, replica);
            let revision = revision.unwrap_or_else(|| context.revisions.for_replica(role, replica));
            created += u32::from(Batch { revision, ..*batch }.replica(context, &key, work));
        }
        if created > 0 {
            let name = group_name(&context.spec.name, ordinal);
            work.tell(
                false,
                "RoleCreating",
                format!("{created} replicas of role {} in {name}: {}", role.name, batch.why),
            );
        }
    }
}
