//! What is given up because some of it failed or was lost, as the recovery policy says.

use std::collections::BTreeMap;

use super::fault::Fault;
use super::view::{Group, Replica, View};
use super::{Context, Work};
use crate::{Cause, DeletePod, Part, Pod, Recovery, group_name};

/// What went wrong in a part.
#[derive(Default)]
struct Loss {
    /// What happened first, with the pod's name.
    what: Option<String>,
    /// How often it has failed by itself; 0 when it did not.
    failures: u32,
}

impl Loss {
    fn add(&mut self, what: impl FnOnce() -> String, failures: u32) {
        self.what.get_or_insert_with(what);
        self.failures = self.failures.max(failures);
    }
}

/// Slates what is given up.
pub(super) fn recover(context: &Context<'_>, view: &mut View<'_>, work: &mut Work) {
    for group in view.groups.values_mut() {
        if group.pods().any(|pod| pod.gang_undone && pod.deleting.is_some()) {
            work.undone.insert(group.ordinal);
        }
        group.pods().for_each(|pod| force(context, pod, work));
        match context.spec.recovery {
            Recovery::Pod => pods(context, group, work),
            Recovery::Role => {
                let forming = is_forming(context, group, work);
                for replica in group.roles.values_mut().flat_map(BTreeMap::values_mut) {
                    let loss = loss(context, replica, forming, work);
                    give_up_replica(context, replica, loss, work);
                }
            }
            Recovery::ServingGroup => whole(context, group, work),
        }
        group.leaving = group.goes();
    }
}

fn is_forming(context: &Context<'_>, group: &Group<'_>, work: &Work) -> bool {
    context.is_forming(group.ordinal) || work.undone.contains(&group.ordinal)
}

/// What went wrong in a replica: a pod in error, one that somebody deletes, or one that is missing beside others that have
/// started with it.
fn loss(context: &Context<'_>, replica: &Replica<'_>, forming: bool, work: &mut Work) -> Loss {
    let mut loss = Loss::default();
    let name = |pod: &Pod| pod.key.name(&context.spec.name);
    for pod in replica.pods.values() {
        match context.fault(pod) {
            Fault::None if pod.deleting.is_some() && !pod.gang_undone => {
                loss.add(|| format!("pod {} is being deleted", name(pod)), 0);
            }
            Fault::None => {}
            Fault::Until(time) => work.wake_at(time),
            Fault::Lost { what, by_itself } => {
                let failures = if by_itself { context.failures(pod) } else { 0 };
                loss.add(|| format!("pod {} {what}", name(pod)), failures);
            }
        }
    }
    let started = replica.pods.values().any(|pod| pod.deleting.is_none() && pod.has_started());
    if let Some(index) = replica.missing().next().filter(|_| !forming && started) {
        loss.add(|| format!("pod {} is gone", replica.key.pod(index).name(&context.spec.name)), 0);
    }
    loss
}

fn give_up_replica(context: &Context<'_>, replica: &mut Replica<'_>, loss: Loss, work: &mut Work) {
    let Some(what) = loss.what else { return };
    let name = replica.key.name(&context.spec.name);
    if loss.failures > 0 {
        work.set_back(context, Part::Replica(replica.key.clone()), loss.failures, &format!("role replica {name}"));
    }
    replica.leaving = true;
    let why = format!("{what}; recoveryPolicy RoleRecreate replaces role replica {name}");
    let before = work.deletions.len();
    replica.pods.values().for_each(|pod| work.delete(context.spec, pod, Cause::Recovery, &why));
    if work.deletions.len() > before {
        work.tell(true, "RoleDeleting", why);
    }
}

/// Gives up a whole group if any of it is lost. Replicas above what is wanted may go without the rest.
fn whole(context: &Context<'_>, group: &mut Group<'_>, work: &mut Work) {
    let mut forming = is_forming(context, group, work);
    let mut whole = Loss::default();
    let roles: Vec<&str> = group.roles.keys().copied().collect();
    for role in roles {
        let wanted = group.wanted(context, &work.ledger, role);
        let Some(replicas) = group.roles.get_mut(role) else { continue };
        let goes = |replica: &Replica<'_>| {
            replica.leaving || replica.pods.values().any(|pod| pod.deleting.is_some() && !pod.gang_undone)
        };
        let staying = replicas.values().filter(|replica| !goes(replica)).count();
        let spare = staying >= wanted as usize;
        for replica in replicas.values_mut() {
            if spare && goes(replica) {
                replica.leaving = true;
                let why =
                    format!("role {role} of {} wants {wanted} replicas", group_name(&context.spec.name, group.ordinal));
                replica.pods.values().for_each(|pod| work.delete(context.spec, pod, Cause::Scale, &why));
                continue;
            }
            let loss = loss(context, replica, forming, work);
            if let Some(what) = loss.what {
                whole.add(|| what, loss.failures);
            }
        }
    }
    forming |= group.is_to_be_replaced(context) || !group.pods().any(Pod::has_started);
    if !forming && whole.what.is_none() {
        let own = group.revision(context);
        let roles = context.spec.roles.iter().filter(|role| own.is_some_and(|own| own.body(&role.name).is_some()));
        for role in roles {
            let exist = group.roles.get(role.name.as_str()).map_or(0, BTreeMap::len);
            if exist < role.replicas as usize {
                whole.add(|| format!("{} of {} replicas of role {} are there", exist, role.replicas, role.name), 0);
            }
        }
    }
    let Some(what) = whole.what else { return };
    let name = group_name(&context.spec.name, group.ordinal);
    if whole.failures > 0 {
        work.set_back(context, Part::Group(group.ordinal), whole.failures, &format!("ServingGroup {name}"));
    }
    let why = format!("{what}; recoveryPolicy ServingGroupRecreate replaces ServingGroup {name}");
    let before = work.deletions.len();
    group.pods().for_each(|pod| work.delete(context.spec, pod, Cause::Recovery, &why));
    group.roles.values_mut().flat_map(BTreeMap::values_mut).for_each(|replica| replica.leaving = true);
    if work.deletions.len() > before {
        work.tell(true, "GroupDeleting", why);
    }
}

/// Gives up the pods that are in error, each alone.
fn pods(context: &Context<'_>, group: &Group<'_>, work: &mut Work) {
    for pod in group.pods() {
        match context.fault(pod) {
            Fault::None => {}
            Fault::Until(time) => work.wake_at(time),
            Fault::Lost { what, by_itself } => {
                let name = pod.key.name(&context.spec.name);
                if by_itself {
                    work.set_back(context, Part::Pod(pod.key.clone()), context.failures(pod), &format!("pod {name}"));
                }
                let why = format!("pod {name} {what}; recoveryPolicy None replaces it alone");
                work.delete(context.spec, pod, Cause::Recovery, &why);
                work.tell(true, "PodDeleting", why);
            }
        }
    }
}

/// Removes a pod by force that should be gone from a node that cannot say so.
fn force(context: &Context<'_>, pod: &Pod, work: &mut Work) {
    let (Some(deleting), Some(_)) = (pod.deleting, pod.node_lost_since) else { return };
    let at = deleting.saturating_add(context.options.force_after);
    if context.now < at {
        return work.wake_at(at);
    }
    let name = pod.key.name(&context.spec.name);
    let late = super::told(context.now.saturating_sub(deleting));
    let why = format!("pod {name} should have been gone for {late}, and its node is lost");
    work.tell(true, "PodForceDeleting", why.clone());
    let (key, uid) = (pod.key.clone(), pod.uid.clone());
    work.deletions.insert(key.clone(), DeletePod { key, name, uid, force: true, cause: Cause::Stuck, why });
}
