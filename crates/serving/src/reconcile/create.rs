//! Pods to create.

use std::collections::BTreeMap;

use super::{Context, Work};
use crate::names::{
    ATTEMPT, ENTRY, ENTRY_ADDRESS, GROUP_SIZE, POD_GROUP, REVISION, ROLE_TEMPLATE_HASH, SURGE, TASK, WORKER_INDEX,
};
use crate::{Body, CreatePod, PodKey, ReplicaKey, Revision, Variable, group_name, role_template_hash, tweaks};

/// What is created together, and why.
pub(super) struct Batch<'a> {
    pub(super) revision: &'a Revision,
    pub(super) is_surge: bool,
    pub(super) why: &'a str,
}

impl Batch<'_> {
    /// Creates all pods of a replica; those that wait after a failure later. Returns whether any is created now.
    pub(super) fn replica(&self, context: &Context<'_>, key: &ReplicaKey, work: &mut Work) -> bool {
        let pods = self.revision.body(&key.role).map_or(0, Body::pods);
        self.pods(context, key, 0..pods, work)
    }

    /// Creates pods of a replica; those that wait after a failure later. Returns whether any is created now.
    pub(super) fn pods(
        &self,
        context: &Context<'_>,
        key: &ReplicaKey,
        indices: impl Iterator<Item = u32>,
        work: &mut Work,
    ) -> bool {
        let Some(body) = self.revision.body(&key.role) else { return false };
        let (before, mut hash) = (work.creations.len(), None);
        for index in indices {
            let hash = hash.get_or_insert_with(|| {
                work.touched.insert(key.group);
                work.wanted.insert(key.clone());
                role_template_hash(&key.role, body)
            });
            self.pod(context, key.pod(index), (body, hash), work);
        }
        work.creations.len() > before
    }

    fn pod(&self, context: &Context<'_>, key: PodKey, (body, hash): (&Body, &str), work: &mut Work) {
        let serving = &context.spec.name;
        let setback = work.ledger.setback(&key);
        if let Some(setback) = setback.filter(|setback| context.now < setback.until) {
            return work.wake_at(setback.until);
        }
        let mut labels = key.of.labels(serving);
        labels.insert(REVISION.to_owned(), self.revision.name.clone());
        labels.insert(ROLE_TEMPLATE_HASH.to_owned(), hash.to_owned());
        if key.is_entry() {
            labels.insert(ENTRY.to_owned(), "true".to_owned());
        }
        if self.is_surge {
            labels.insert(SURGE.to_owned(), "true".to_owned());
        }
        let mut annotations =
            BTreeMap::from([(POD_GROUP.to_owned(), group_name(serving, key.of.group)), (TASK.to_owned(), key.of.id())]);
        if let Some(setback) = setback {
            annotations.insert(ATTEMPT.to_owned(), setback.failures.to_string());
        }
        let env = vec![
            Variable::new(GROUP_SIZE, body.pods().to_string()),
            Variable::new(ENTRY_ADDRESS, format!("{}.{}", key.of.service(serving), context.spec.namespace)),
            Variable::new(WORKER_INDEX, key.index.to_string()),
        ];
        work.creations.push(CreatePod {
            name: key.name(serving),
            labels,
            annotations,
            env,
            template: body.template(key.index).clone(),
            tweaks: tweaks(context.spec, &key, body.pods()),
            scheduler: context.spec.scheduler.clone(),
            why: self.why.to_owned(),
            key,
        });
    }
}
