//! ModelServings.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::name::ObjectName;
use crate::policy::TopologyPolicy;
use crate::template::PodTemplate;

mod group;
mod member;
mod podgroup;
mod read;
mod rollout;

pub(crate) use group::{ENTRY, ENTRY_LABEL, GROUP_NAME, ROLE, ROLE_ID, SERVING_NAME, WORKER, level_names};
pub use group::{GroupError, Pod, ServingGroup};
pub(crate) use member::Member;

/// So many groups of roles, each group placed as a gang.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelServing {
    pub(crate) name: ObjectName,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) replicas: u32,
    pub(crate) roles: Vec<Role>,
    pub(crate) group_topology: Option<TopologyPolicy>,
    pub(crate) role_topology: Option<TopologyPolicy>,
    pub(crate) json: Json,
}

/// What one part of a group does, and in how many replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    pub(crate) name: String,
    pub(crate) replicas: u32,
    pub(crate) min_replicas: u32,
    pub(crate) entry: PodTemplate,
    pub(crate) workers: u32,
    pub(crate) worker: Option<PodTemplate>,
}

impl ModelServing {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// Its own labels, which its pods do not have.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// How many groups it has.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.replicas
    }

    /// The roles of each group, in order.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// How close together a whole group goes.
    #[must_use]
    pub fn group_topology(&self) -> Option<&TopologyPolicy> {
        self.group_topology.as_ref()
    }

    /// How close together the pods of one role replica go.
    #[must_use]
    pub fn role_topology(&self) -> Option<&TopologyPolicy> {
        self.role_topology.as_ref()
    }

    /// Its groups, by ordinal.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = ServingGroup<'_>> {
        (0..self.replicas).map(|ordinal| ServingGroup::new(self, ordinal))
    }

    /// The manifest, whole.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.json
    }
}

impl Role {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many replicas a group wants.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.replicas
    }

    /// With how many the group may run: `gangPolicy.minRoleReplicas`, all of them without it.
    #[must_use]
    pub fn min_replicas(&self) -> u32 {
        self.min_replicas
    }

    /// The entry pod, one a replica.
    #[must_use]
    pub fn entry(&self) -> &PodTemplate {
        &self.entry
    }

    /// The worker pods, and how many a replica.
    #[must_use]
    pub fn workers(&self) -> Option<(&PodTemplate, u32)> {
        self.worker.as_ref().filter(|_| self.workers > 0).map(|worker| (worker, self.workers))
    }

    /// Pods of one replica.
    #[must_use]
    pub fn pods(&self) -> u32 {
        self.workers.saturating_add(1)
    }
}
