//! What a ModelServing asks for.

use core::time::Duration;
use std::collections::BTreeSet;

use thiserror::Error;

use crate::{Count, Plugin, PluginError, Role};

/// More pods than this in one ModelServing are taken for a mistake, and so are more groups.
const MOST: u64 = 1_000_000;

/// What a ModelServing asks for, as plain values.
///
/// ```
/// use phalanx_serving::{Count, Recovery, Role, Rollout, Spec, TemplateRef};
///
/// let mut spec = Spec::new("default", "chat", [Role::new("decode", TemplateRef::new("entry", 1))]).replicas(4);
/// spec.recovery = Recovery::ServingGroup;
/// spec.rollout = Rollout::Groups { max_unavailable: Count::Percent(25), partition: Count::Number(0), max_surge: Count::Number(1) };
/// assert_eq!(spec.check(), Ok(()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `metadata.generation`: which edition of the spec this is.
    pub generation: i64,
    /// How many groups.
    pub replicas: u32,
    /// What each group is made of, in order.
    pub roles: Vec<Role>,
    /// How a change of the roles reaches the pods.
    pub rollout: Rollout,
    /// What is made anew when a pod fails.
    pub recovery: Recovery,
    /// How long a pod may be in error before it is deleted.
    pub restart_grace: Duration,
    /// What changes pods before they are created, in order.
    pub plugins: Vec<Plugin>,
    /// Who places its pods: `schedulerName`.
    pub scheduler: String,
    /// The queue of its PodGroups, if one is named.
    pub queue: Option<String>,
    /// The LeaderWorkerSet that it was made from, if it was.
    pub leader_worker_set: Option<String>,
}

/// How a change of the roles reaches the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Group by group: `ServingGroupRollingUpdate`.
    Groups {
        /// Of how many groups less may be ready during an update. What is rounded down to 0 counts as 1, unless there is a
        /// surge.
        max_unavailable: Count,
        /// So many groups, in ordinal order, keep their revision.
        partition: Count,
        /// So many groups may exist above `replicas` during an update.
        max_surge: Count,
    },
    /// Role replica by role replica in every group at once: `RoleRollingUpdate`. Each role has its own limits.
    Roles,
}

/// What is made anew when a pod fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// The whole group: `ServingGroupRecreate`.
    ServingGroup,
    /// The role replica: `RoleRecreate`.
    #[default]
    Role,
    /// The pod alone: `None`.
    Pod,
}

/// Why a spec cannot be acted on: where, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A role without a template for its workers.
    #[error("spec.template.roles[{role}].workerTemplate: missing, but there are {workers} workers")]
    NoWorkerTemplate {
        /// Which role, from 0.
        role: usize,
        /// How many workers it has.
        workers: u32,
    },
    /// No role, or two of one name.
    #[error("spec.template.roles[{role}].name: {name:?} names a second role")]
    SecondRole {
        /// Which role, from 0.
        role: usize,
        /// The name.
        name: String,
    },
    /// There is nothing to run.
    #[error("spec.template.roles: there is none")]
    NoRole,
    /// A minimum that cannot be met.
    #[error("spec.template.gangPolicy.minRoleReplicas[{role:?}]: {least} of {replicas} replicas")]
    MinReplicas {
        /// The role's name.
        role: String,
        /// The minimum.
        least: u32,
        /// How many there are.
        replicas: u32,
    },
    /// Two settings that exclude each other.
    #[error("spec.recoveryPolicy: ServingGroupRecreate would undo what RoleRollingUpdate does")]
    GroupRecoveryOfRoles,
    /// More pods than anybody means.
    #[error("spec.replicas: {pods} pods in all, where at most {MOST} are taken for meant")]
    TooMany {
        /// How many.
        pods: u64,
    },
    /// A plugin that is not known, or is given what it does not take.
    #[error("spec.plugins[{plugin}].{source}")]
    Plugin {
        /// Which plugin, from 0.
        plugin: usize,
        /// What is wrong with it.
        source: PluginError,
    },
}

impl Spec {
    /// One group of these roles, with Kthena's defaults for all else.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, roles: impl IntoIterator<Item = Role>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            generation: 1,
            replicas: 1,
            roles: roles.into_iter().collect(),
            rollout: Rollout::default(),
            recovery: Recovery::default(),
            restart_grace: Duration::ZERO,
            plugins: Vec::new(),
            scheduler: "volcano".to_owned(),
            queue: None,
            leader_worker_set: None,
        }
    }

    /// So many groups.
    #[must_use]
    pub fn replicas(self, replicas: u32) -> Self {
        Self { replicas, ..self }
    }

    /// Its pods in one group.
    #[must_use]
    pub fn group_pods(&self) -> u64 {
        self.roles.iter().map(|role| u64::from(role.replicas).saturating_mul(role.body.pods().into())).sum()
    }

    /// Whether it can be acted on. [`reconcile`](crate::reconcile) asks this first.
    ///
    /// # Errors
    ///
    /// [`SpecError`] names the first field that is wrong.
    ///
    /// ```
    /// use phalanx_serving::{Plugin, Role, Spec, TemplateRef};
    ///
    /// let mut spec = Spec::new("default", "chat", [Role::new("decode", TemplateRef::new("entry", 1))]);
    /// spec.plugins.push(Plugin::new("sidecars"));
    /// let told = spec.check().unwrap_err().to_string();
    /// assert!(told.starts_with("spec.plugins[0].name: \"sidecars\" is not known"), "{told}");
    /// ```
    pub fn check(&self) -> Result<(), SpecError> {
        if self.roles.is_empty() {
            return Err(SpecError::NoRole);
        }
        let mut names = BTreeSet::new();
        for (at, role) in self.roles.iter().enumerate() {
            if !names.insert(role.name.as_str()) {
                return Err(SpecError::SecondRole { role: at, name: role.name.clone() });
            }
            if role.body.workers > 0 && role.body.worker.is_none() {
                return Err(SpecError::NoWorkerTemplate { role: at, workers: role.body.workers });
            }
        }
        if self.recovery == Recovery::ServingGroup && self.rollout == Rollout::Roles {
            return Err(SpecError::GroupRecoveryOfRoles);
        }
        let pods = self.group_pods().saturating_mul(self.replicas.into());
        if pods.max(self.replicas.into()) > MOST {
            return Err(SpecError::TooMany { pods });
        }
        for (at, plugin) in self.plugins.iter().enumerate() {
            plugin.check(&names).map_err(|source| SpecError::Plugin { plugin: at, source })?;
        }
        Ok(())
    }

    /// What a person may have meant otherwise, though it can be acted on: a minimum of the gang above a role's replicas.
    ///
    /// It is no error for [`reconcile`](crate::reconcile), since the scale of a role may change without the policy.
    #[must_use]
    pub fn doubts(&self) -> Vec<SpecError> {
        let above = self.roles.iter().filter_map(|role| {
            let least = role.min_replicas.filter(|&least| least > role.replicas)?;
            Some(SpecError::MinReplicas { role: role.name.clone(), least, replicas: role.replicas })
        });
        above.collect()
    }

    pub(crate) fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }
}

impl Default for Rollout {
    /// Group by group, one at a time, all of them, without a surge.
    fn default() -> Self {
        Self::Groups { max_unavailable: Count::Number(1), partition: Count::Number(0), max_surge: Count::Number(0) }
    }
}
