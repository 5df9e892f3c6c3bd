//! The status, what is told, and all actions in order.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use super::services::Services;
use super::view::{Group, View};
use super::{Context, Work};
use crate::names::{ENTRY, ROLE, ROLE_ID, SERVING_NAME};
use crate::{Action, ConditionKind, Part, Reconciled, Rollout, Spec, Status, group_name};

/// So many groups are named in a message; of the others it tells the number.
const NAMED: usize = 10;

/// Puts together what was decided.
pub(super) fn report(context: &Context<'_>, view: &View<'_>, mut work: Work, services: Services) -> Reconciled {
    remember(context, view, &mut work);
    let status = status(context, view, &work);
    let mut actions = Vec::new();
    if context.observed.status.as_ref() != Some(&status) {
        actions.push(Action::WriteStatus(Box::new(status.clone())));
    }
    if context.revisions.is_new {
        let revision = context.revisions.update.clone().into_owned();
        let why = "the pods of this spec are made from it".to_owned();
        actions.push(Action::CreateRevision { revision, why });
    }
    actions.extend(work.deletions.into_values().map(Action::DeletePod));
    actions.extend(services.creations);
    let order: BTreeMap<&str, usize> =
        context.spec.roles.iter().enumerate().map(|(at, role)| (role.name.as_str(), at)).collect();
    work.creations.sort_by_cached_key(|pod| {
        let of = &pod.key.of;
        (of.group, order.get(of.role.as_str()).copied(), of.replica, pod.key.index)
    });
    actions.extend(work.creations.into_iter().map(|pod| Action::CreatePod(Box::new(pod))));
    actions.extend(services.deletions);
    actions.extend(prune(context, &status));
    actions.extend(work.events.into_iter().map(Action::Event));
    Reconciled { actions, status, wake: work.wake }
}

/// Brings the ledger up to date.
fn remember(context: &Context<'_>, view: &View<'_>, work: &mut Work) {
    for group in view.groups.values().filter(|group| !group.leaving) {
        let ordinal = group.ordinal;
        let touched = work.touched.contains(&ordinal) || work.undone.contains(&ordinal);
        if !is_complete(context, group, work) && (touched || context.is_forming(ordinal)) {
            work.ledger.forming.insert(ordinal);
        }
        let starts = context.ledger.starting.contains(&ordinal);
        if group.is_running && !touched {
            if starts {
                told_running(context, group, work);
            }
        } else if touched || starts || group.is_torn() {
            work.ledger.starting.insert(ordinal);
        }
    }
    // What is being created as a whole.
    for &ordinal in work.touched.iter().filter(|ordinal| !view.groups.contains_key(ordinal)) {
        work.ledger.forming.insert(ordinal);
        work.ledger.starting.insert(ordinal);
    }
    let kept = |part: &Part| {
        let Some(group) = view.groups.get(&part.group()) else { return work.touched.contains(&part.group()) };
        match part {
            Part::Group(_) => group.leaving || !is_complete(context, group, work),
            Part::Replica(key) => match view.replica(key) {
                Some(replica) => replica.leaving || !replica.is_complete(),
                None => work.wanted.contains(key),
            },
            Part::Pod(key) => match view.replica(&key.of).and_then(|replica| replica.pods.get(&key.index)) {
                Some(pod) => pod.deleting.is_some() || work.deletions.contains_key(key),
                None => work.wanted.contains(&key.of),
            },
        }
    };
    let dropped: Vec<Part> = work.ledger.setbacks.keys().filter(|part| !kept(part)).cloned().collect();
    for part in dropped {
        work.ledger.setbacks.remove(&part);
    }
}

/// Whether a group has all pods that it should have.
fn is_complete(context: &Context<'_>, group: &Group<'_>, work: &Work) -> bool {
    !work.touched.contains(&group.ordinal)
        && group.replicas().all(|replica| !replica.leaving && replica.is_complete())
        && group.roles.iter().all(|(role, replicas)| {
            let wanted = group.wanted(context, &work.ledger, role);
            replicas.len() >= wanted as usize
        })
}

fn told_running(context: &Context<'_>, group: &Group<'_>, work: &mut Work) {
    let name = group_name(&context.spec.name, group.ordinal);
    for (role, replicas) in &group.roles {
        work.tell(false, "RoleRunning", format!("{} replicas of role {role} in {name} are running", replicas.len()));
    }
}

/// What the status should be.
fn status(context: &Context<'_>, view: &View<'_>, work: &Work) -> Status {
    let spec = context.spec;
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let update = context.revisions.update.name.clone();
    let groups = || view.groups.values();
    let bare = view.bare(context);
    let replicas = count(view.groups.len()).saturating_add(bare);
    let outdated = count(groups().filter(|group| group.is_outdated).count());
    let updated = replicas - outdated.min(replicas);
    let available = count(groups().filter(|group| group.is_running && !group.leaving).count()).saturating_add(bare);

    let waiting = groups().filter(|group| group.leaving || !group.is_running).map(|group| group.ordinal);
    let mut waiting: BTreeSet<u32> = waiting.collect();
    waiting.extend(work.touched.iter());
    let complete = outdated == 0 && available >= spec.replicas && waiting.is_empty() && !has_partition(spec);
    let current = if complete { update.clone() } else { context.revisions.current.clone() };

    let mut status = Status {
        observed_generation: spec.generation,
        replicas,
        current_replicas: if complete { updated } else { outdated },
        updated_replicas: updated,
        available_replicas: available,
        current_revision: current,
        update_revision: update,
        label_selector: selector(spec),
        conditions: context.observed.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default(),
        ledger: work.ledger.clone(),
    };
    let partition = match spec.rollout {
        Rollout::Groups { partition, .. } => partition.ceil_of(spec.replicas),
        Rollout::Roles => 0,
    };
    let (kind, message) = if waiting.is_empty() {
        (ConditionKind::Available, format!("All {available} groups run"))
    } else {
        let waits = waiting_told(&waiting, work, context.now);
        if outdated > partition {
            (ConditionKind::UpdateInProgress, format!("{waits}; {updated} of {} groups are updated", spec.replicas))
        } else {
            (ConditionKind::Progressing, waits)
        }
    };
    status.set(kind, &message, context.now);
    status
}

/// Which groups do not run, and how much of that waits after failures.
fn waiting_told(waiting: &BTreeSet<u32>, work: &Work, now: Duration) -> String {
    let named: Vec<String> = waiting.iter().take(NAMED).map(u32::to_string).collect();
    let mut text = format!("Groups that do not run: {}", named.join(", "));
    if waiting.len() > NAMED {
        text.push_str(&format!(" and {} more", waiting.len() - NAMED));
    }
    let held = work.ledger.setbacks.values().filter(|setback| now < setback.until).count();
    if held > 0 {
        text.push_str(&format!("; {held} parts wait before they are created again after failures"));
    }
    text
}

fn has_partition(spec: &Spec) -> bool {
    match spec.rollout {
        Rollout::Groups { partition, .. } => partition.ceil_of(spec.replicas) > 0,
        Rollout::Roles => spec.roles.iter().any(|role| role.partition.ceil_of(role.replicas) > 0),
    }
}

/// The entry pod of the first replica of the first role: one pod of each group.
fn selector(spec: &Spec) -> String {
    let role = spec.roles.first().map_or("", |role| role.name.as_str());
    format!("{SERVING_NAME}={},{ROLE}={role},{ROLE_ID}={role}-0,{ENTRY}=true", spec.name)
}

/// Revisions that nothing is of go, the oldest first, when there are more than the history may have.
fn prune(context: &Context<'_>, status: &Status) -> Vec<Action> {
    let mut used: BTreeSet<&str> = context.observed.pods.iter().map(|pod| pod.revision.as_str()).collect();
    used.extend([status.update_revision.as_str(), status.current_revision.as_str()]);
    used.insert(&context.revisions.current);
    let unused = context.observed.revisions.iter().filter(|revision| !used.contains(revision.name.as_str()));
    let mut unused: Vec<_> = unused.map(|revision| (revision.number, revision.name.as_str())).collect();
    unused.sort_unstable();
    let many = unused.len().saturating_sub(context.options.history);
    let why = format!("nothing is of it, and {} older revisions are kept", context.options.history);
    let delete = |&(_, name): &(i64, &str)| Action::DeleteRevision { revision: name.to_owned(), why: why.clone() };
    unused.iter().take(many).map(delete).collect()
}
