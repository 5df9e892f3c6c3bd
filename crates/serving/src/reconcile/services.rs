//! The headless services by which the pods of a role replica find their entry.

use std::collections::{BTreeMap, BTreeSet};

use super::view::View;
use super::{Context, Work};
use crate::names::{ENTRY, GROUP_NAME, ROLE, ROLE_ID};
use crate::{Action, CreateService, ReplicaKey, SERVING_NAME, plugin};

/// Services to create and services to delete.
#[derive(Default)]
pub(super) struct Services {
    pub(super) creations: Vec<Action>,
    pub(super) deletions: Vec<Action>,
}

/// Every role replica that there is or will be has one, if its role has workers' pods.
pub(super) fn reconcile(context: &Context<'_>, view: &View<'_>, work: &Work) -> Services {
    let mut services = Services::default();
    let there: BTreeSet<&ReplicaKey> =
        context.observed.services.iter().filter_map(|service| service.of.as_ref()).collect();
    let staying = view.groups.values().flat_map(|group| group.replicas()).filter(|replica| !replica.leaving);
    let wanted = staying.map(|replica| replica.key).chain(&work.wanted).filter(|key| has_service(context, view, key));
    let wanted: BTreeSet<&ReplicaKey> = wanted.collect();
    for &key in wanted.iter().filter(|key| !there.contains(*key)) {
        services.creations.push(Action::CreateService(of_replica(context, key)));
    }
    for service in context.observed.services.iter().filter(|service| !service.deleting) {
        let Some(key) = &service.of else { continue };
        // What is on its way out keeps it until it is gone.
        if !wanted.contains(key) && view.replica(key).is_none_or(|replica| !replica.leaving) {
            let (name, uid) = (service.name.clone(), service.uid.clone());
            let why = format!("role replica {} is gone or needs none", key.name(&context.spec.name));
            services.deletions.push(Action::DeleteService { name, uid, why });
        }
    }
    of_set(context, &mut services);
    services.deletions.sort_by(|a, b| name(a).cmp(name(b)));
    services
}

fn name(action: &Action) -> &str {
    if let Action::DeleteService { name, .. } = action { name } else { "" }
}

fn has_service(context: &Context<'_>, view: &View<'_>, key: &ReplicaKey) -> bool {
    let there = view.replica(key).and_then(|replica| replica.pods.values().next());
    let revision = there.and_then(|pod| context.revisions.of(pod)).unwrap_or(&context.revisions.update);
    revision.body(&key.role).is_some_and(|body| body.worker.is_some())
}

fn of_replica(context: &Context<'_>, key: &ReplicaKey) -> CreateService {
    let labels = key.labels(&context.spec.name);
    let selected = [GROUP_NAME, ROLE, ROLE_ID];
    let mut selector = labels.clone();
    selector.retain(|label, _| selected.contains(&label.as_str()));
    selector.insert(ENTRY.to_owned(), "true".to_owned());
    let why = format!("the pods of role replica {} find their entry by it", key.name(&context.spec.name));
    CreateService { of: Some(key.clone()), name: key.service(&context.spec.name), labels, selector, why }
}

/// One service for all pods of a LeaderWorkerSet: their subdomain.
fn of_set(context: &Context<'_>, services: &mut Services) {
    let set = context.spec.looks_like();
    let mut there = false;
    for service in context.observed.services.iter().filter(|service| service.of.is_none()) {
        if set == Some(service.name.as_str()) {
            there = true;
        } else if !service.deleting {
            let (name, uid) = (service.name.clone(), service.uid.clone());
            let why = "no LeaderWorkerSet of that name is served".to_owned();
            services.deletions.push(Action::DeleteService { name, uid, why });
        }
    }
    if let Some(set) = set.filter(|_| !there) {
        let labels = BTreeMap::from([(SERVING_NAME.to_owned(), context.spec.name.clone())]);
        let selector = BTreeMap::from([(plugin::LWS_NAME.to_owned(), set.to_owned())]);
        let why = format!("the pods of LeaderWorkerSet {set} have their host names in it");
        services.creations.push(Action::CreateService(CreateService {
            of: None,
            name: set.to_owned(),
            labels,
            selector,
            why,
        }));
    }
}
