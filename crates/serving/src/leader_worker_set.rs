//! LeaderWorkerSets: served as ModelServings.

use crate::plugin::{LWS_NAME, LWS_WORKER_INDEX};
use crate::{Condition, Count, Plugin, Recovery, Role, Rollout, Spec, Status, TemplateRef};

/// What a LeaderWorkerSet asks for: groups of a leader and its workers.
///
/// ```
/// use phalanx_serving::{LeaderWorkerSet, Recovery, TemplateRef};
///
/// let set = LeaderWorkerSet { replicas: 3, size: 4, ..LeaderWorkerSet::new("default", "chat", TemplateRef::new("worker", 2)) };
/// let spec = set.spec();
/// assert_eq!((spec.replicas, spec.group_pods(), spec.recovery), (3, 4, Recovery::ServingGroup));
/// assert_eq!(spec.check(), Ok(()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderWorkerSet {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which edition of the spec this is.
    pub generation: i64,
    /// How many groups.
    pub replicas: u32,
    /// How many pods in a group, the leader included; 0 counts as 1.
    pub size: u32,
    /// Of the leader; that of the workers without it.
    pub leader: Option<TemplateRef>,
    /// Of the workers.
    pub worker: TemplateRef,
    /// What is made anew when a pod fails.
    pub restart: RestartPolicy,
    /// Of how many groups less may be ready during an update.
    pub max_unavailable: Count,
    /// So many groups may exist above `replicas` during an update.
    pub max_surge: Count,
    /// So many groups, in ordinal order, keep their revision.
    pub partition: Count,
    /// Who places its pods.
    pub scheduler: String,
}

/// What a LeaderWorkerSet makes anew when a pod fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// The whole group: `RecreateGroupOnPodRestart`, and `RecreateGroupAfterStart`.
    #[default]
    RecreateGroup,
    /// The pod alone: `None`.
    None,
}

/// What a LeaderWorkerSet says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderWorkerSetStatus {
    /// Groups that exist.
    pub replicas: u32,
    /// Groups that run.
    pub ready_replicas: u32,
    /// Groups of the newest revision.
    pub updated_replicas: u32,
    /// A selector that matches the leaders: `hpaPodSelector`.
    pub selector: String,
    /// The conditions, whose kinds have the same names.
    pub conditions: Vec<Condition>,
}

impl LeaderWorkerSet {
    /// One group of one pod, with the defaults of a LeaderWorkerSet for all else.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, worker: TemplateRef) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            generation: 1,
            replicas: 1,
            size: 1,
            leader: None,
            worker,
            restart: RestartPolicy::default(),
            max_unavailable: Count::Number(1),
            max_surge: Count::Number(0),
            partition: Count::Number(0),
            scheduler: "volcano".to_owned(),
        }
    }

    /// The ModelServing that serves it: of the same name, with one replica of one role `default` in each group.
    #[must_use]
    pub fn spec(&self) -> Spec {
        let leader = self.leader.clone().unwrap_or_else(|| self.worker.clone());
        let workers = self.size.saturating_sub(1);
        let role = Role::new("default", leader).workers(workers, self.worker.clone());
        let mut spec = Spec::new(&self.namespace, &self.name, [role]).replicas(self.replicas);
        spec.generation = self.generation;
        spec.rollout = Rollout::Groups {
            max_unavailable: self.max_unavailable,
            partition: self.partition,
            max_surge: self.max_surge,
        };
        spec.recovery = match self.restart {
            RestartPolicy::RecreateGroup => Recovery::ServingGroup,
            RestartPolicy::None => Recovery::Pod,
        };
        spec.plugins.push(Plugin::new("lws-standard-labels"));
        spec.scheduler.clone_from(&self.scheduler);
        spec.leader_worker_set = Some(self.name.clone());
        spec
    }

    /// Its status, from that of the ModelServing that serves it.
    #[must_use]
    pub fn status(&self, serving: &Status) -> LeaderWorkerSetStatus {
        LeaderWorkerSetStatus {
            replicas: serving.replicas,
            ready_replicas: serving.available_replicas,
            updated_replicas: serving.updated_replicas,
            selector: format!("{LWS_NAME}={},{LWS_WORKER_INDEX}=0", self.name),
            conditions: serving.conditions.clone(),
        }
    }
}
