//! The groups of a ModelServing and their pods, by Kthena's names and labels.

use std::collections::BTreeMap;

use super::{ModelServing, Role};
use crate::template::PodTemplate;

/// One group of a ModelServing: what is placed as a gang.
#[derive(Clone, Copy, Debug)]
pub struct ServingGroup<'a> {
    pub(super) serving: &'a ModelServing,
    ordinal: u32,
}

/// One pod of a group.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    group: ServingGroup<'a>,
    role: &'a Role,
    replica: u32,
    ordinal: u32,
}

/// The labels that tell the replicas of one role apart.
pub(crate) const GROUP_NAME: &str = "modelserving.volcano.sh/group-name";
pub(crate) const ROLE_ID: &str = "modelserving.volcano.sh/role-id";

impl<'a> ServingGroup<'a> {
    pub(super) fn new(serving: &'a ModelServing, ordinal: u32) -> Self {
        Self { serving, ordinal }
    }

    /// The ModelServing.
    #[must_use]
    pub fn serving(&self) -> &'a ModelServing {
        self.serving
    }

    /// Which of its groups this is, from 0.
    #[must_use]
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// Its name within the namespace: `<serving>-<ordinal>`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.serving.name.name(), self.ordinal)
    }

    /// Its pods: role by role, replica by replica, the entry before the workers.
    pub fn pods(&self) -> impl Iterator<Item = Pod<'a>> + use<'a> {
        let group = *self;
        group.entries().flat_map(|entry| (0..entry.role.pods()).map(move |ordinal| Pod { ordinal, ..entry }))
    }

    /// Its entry pods: one for each role replica, and what requests are sent to.
    pub fn entries(&self) -> impl Iterator<Item = Pod<'a>> + use<'a> {
        let group = *self;
        group
            .serving
            .roles
            .iter()
            .flat_map(move |role| (0..role.replicas).map(move |replica| Pod { group, role, replica, ordinal: 0 }))
    }
}

impl<'a> Pod<'a> {
    /// The group.
    #[must_use]
    pub fn group(&self) -> ServingGroup<'a> {
        self.group
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> &'a Role {
        self.role
    }

    /// Which replica of the role it belongs to, from 0.
    #[must_use]
    pub fn replica(&self) -> u32 {
        self.replica
    }

    /// Which pod of the replica it is: 0 is the entry.
    #[must_use]
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// Whether it is the entry of its replica.
    #[must_use]
    pub fn is_entry(&self) -> bool {
        self.ordinal == 0
    }

    /// Its name within the namespace: `<serving>-<group>-<role>-<replica>-<ordinal>`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}-{}", self.group.name(), self.role_id(), self.ordinal)
    }

    /// The name of its role replica within the group: `<role>-<replica>`.
    #[must_use]
    pub fn role_id(&self) -> String {
        format!("{}-{}", self.role.name, self.replica)
    }

    /// Its labels: where it belongs, and over them those of its template. The labels of a revision are not among them:
    /// what has not run has none.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([
            ("modelserving.volcano.sh/name".to_owned(), self.group.serving.name.name().to_owned()),
            (GROUP_NAME.to_owned(), self.group.name()),
            ("modelserving.volcano.sh/role".to_owned(), self.role.name.clone()),
            (ROLE_ID.to_owned(), self.role_id()),
        ]);
        if self.is_entry() {
            labels.insert("modelserving.volcano.sh/entry".to_owned(), "true".to_owned());
        }
        labels.extend(self.template().labels().clone());
        labels
    }

    /// What it is made from.
    #[must_use]
    pub fn template(&self) -> &'a PodTemplate {
        match (&self.role.worker, self.is_entry()) {
            (Some(worker), false) => worker,
            _ => &self.role.entry,
        }
    }
}
