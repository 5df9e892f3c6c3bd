//! The life of a ModelServing: what is asked and what exists, in; what is to be done, out.
mod action;
mod count;
mod gang;
mod leader_worker_set;
mod ledger;
mod names;
mod observed;
mod options;
mod plugin;
mod reconcile;
mod revision;
mod role;
mod spec;
mod status;

pub use action::{Action, Cause, CreatePod, CreateService, DeletePod, Event, Reconciled};
pub use count::Count;
pub use gang::{Gang, GangRole};
pub use leader_worker_set::{LeaderWorkerSet, LeaderWorkerSetStatus, RestartPolicy};
pub use ledger::{Ledger, Part, PartError, Setback};
pub use names::{
    ATTEMPT, DELETION_COST, ENTRY, ENTRY_ADDRESS, GANG_UNDONE, GROUP_NAME, GROUP_SIZE, POD_GROUP, PodKey, REVISION,
    ROLE, ROLE_ID, ROLE_TEMPLATE_HASH, ReplicaKey, SERVING_NAME, SURGE, TASK, WORKER_INDEX, group_name, is_reserved,
};
pub use observed::{Observed, Phase, Pod, Service};
pub use options::Options;
pub use plugin::{Plugin, PluginError, Target, Tweaks, Value, Variable, tweaks};
pub use reconcile::reconcile;
pub use revision::{Revision, role_template_hash};
pub use role::{Body, Role, TemplateRef};
pub use spec::{Recovery, Rollout, Spec, SpecError};
pub use status::{Condition, ConditionKind, Status};
