//! Roles, and the templates of their pods.

use crate::Count;

/// A pod template that somebody else holds: what it is called there, and a hash of its contents.
///
/// Two templates with equal hashes are the same template, whatever they are called. The hash decides what is rolled, so it
/// should be of a canonical form of the whole template.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TemplateRef {
    /// By which its holder finds it.
    pub id: String,
    /// Of its contents.
    pub hash: u64,
}

impl TemplateRef {
    /// A template that its holder calls `id`, with a hash of its contents.
    ///
    /// ```
    /// use phalanx_serving::TemplateRef;
    ///
    /// assert_eq!(TemplateRef::new("spec/decode/entry", 7), TemplateRef::new("revision-1/decode/entry", 7));
    /// ```
    #[must_use]
    pub fn new(id: impl Into<String>, hash: u64) -> Self {
        Self { id: id.into(), hash }
    }
}

impl PartialEq for TemplateRef {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for TemplateRef {}

/// What one part of a group does, and in how many replicas: each an entry pod and its workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// How many replicas a group has.
    pub replicas: u32,
    /// With how many of them the group may start: `gangPolicy.minRoleReplicas`; all of them without it.
    pub min_replicas: Option<u32>,
    /// What pods it is made of.
    pub body: Body,
    /// Of how many replicas less may be ready while the role is rolled, at least 1. For
    /// [`Rollout::Roles`](crate::Rollout::Roles) only.
    pub max_unavailable: Count,
    /// So many replicas, in ordinal order, keep their revision. For [`Rollout::Roles`](crate::Rollout::Roles) only.
    pub partition: Count,
}

/// The pods of one replica of a role: what a revision is of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Body {
    /// Of the entry pod.
    pub entry: TemplateRef,
    /// How many workers it has.
    pub workers: u32,
    /// Of the workers. A role that has one gets a headless service for each replica, even without workers.
    pub worker: Option<TemplateRef>,
}

impl Role {
    /// One replica of a single pod.
    ///
    /// ```
    /// use phalanx_serving::{Role, TemplateRef};
    ///
    /// let role = Role::new("decode", TemplateRef::new("entry", 1)).replicas(2).workers(3, TemplateRef::new("worker", 2));
    /// assert_eq!((role.replicas, role.body.pods()), (2, 4));
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, entry: TemplateRef) -> Self {
        Self {
            name: name.into(),
            replicas: 1,
            min_replicas: None,
            body: Body { entry, workers: 0, worker: None },
            max_unavailable: Count::Number(1),
            partition: Count::Number(0),
        }
    }

    /// So many replicas.
    #[must_use]
    pub fn replicas(self, replicas: u32) -> Self {
        Self { replicas, ..self }
    }

    /// So many workers in each replica.
    #[must_use]
    pub fn workers(mut self, workers: u32, template: TemplateRef) -> Self {
        (self.body.workers, self.body.worker) = (workers, Some(template));
        self
    }

    /// With how many replicas the group may start.
    #[must_use]
    pub fn least(&self) -> u32 {
        self.min_replicas.map_or(self.replicas, |least| least.min(self.replicas))
    }
}

impl Body {
    /// Pods of one replica: the entry and the workers.
    #[must_use]
    pub fn pods(&self) -> u32 {
        self.workers.saturating_add(1)
    }

    /// What the pod with this index is made from: 0 is the entry.
    #[must_use]
    pub fn template(&self, index: u32) -> &TemplateRef {
        match &self.worker {
            Some(worker) if index > 0 => worker,
            _ => &self.entry,
        }
    }
}
