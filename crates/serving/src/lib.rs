//! The life of a ModelServing: what is asked and what exists, in; what is to be done, out.
//!
//! A ModelServing is so many groups of roles; each role has replicas, and each replica an entry pod and workers. [`reconcile`]
//! compares a [`Spec`] with what was [`Observed`] at a time, and answers with [`Action`]s in order, the [`Status`], and when
//! to look again. It is one function: whoever calls it watches objects, does what it asks, and calls it again.
//!
//! It is not a controller: it knows no client, no clock and no pod spec. A template is a [`TemplateRef`], by which its holder
//! finds the JSON; a pod is its place, its labels' values and how it does. Names, labels, variables, services, revisions,
//! conditions and policies are Kthena's, so that what selects its pods selects these.
//!
//! ```
//! use core::time::Duration;
//! use phalanx_serving::{Action, Observed, Options, Phase, Pod, REVISION, ROLE_TEMPLATE_HASH, Role, Spec, TemplateRef, reconcile};
//!
//! // Two groups of one decode pod each. The hash is of the template that the caller holds.
//! let mut spec = Spec::new("default", "chat", [Role::new("decode", TemplateRef::new("decode/entry", 7))]).replicas(2);
//! let (mut observed, mut now, options) = (Observed::default(), Duration::from_secs(1_764_000_000), Options::default());
//! let done = reconcile(&spec, &observed, now, &options)?;
//! for action in &done.actions {
//!     match action {
//!         Action::WriteStatus(status) => observed.status = Some((**status).clone()),
//!         Action::CreateRevision { revision, .. } => observed.revisions.push(revision.clone()),
//!         Action::CreatePod(pod) => {
//!             let label = |key: &str| pod.labels[key].clone();
//!             let mut pod = Pod::new(pod.key.clone(), pod.name.clone(), label(REVISION), label(ROLE_TEMPLATE_HASH), now);
//!             (pod.phase, pod.ready) = (Phase::Running, true);
//!             observed.pods.push(pod);
//!         }
//!         _ => {}
//!     }
//! }
//!
//! // All is there: the status says so, and then there is nothing to do.
//! observed.status = Some(reconcile(&spec, &observed, now, &options)?.status);
//! assert_eq!(observed.status.as_ref().map(|status| status.available_replicas), Some(2));
//! assert_eq!(reconcile(&spec, &observed, now, &options)?.actions, []);
//!
//! // Another image: one group goes, the other stays until it is back.
//! spec.roles[0].body.entry = TemplateRef::new("decode/entry", 8);
//! spec.generation += 1;
//! now += Duration::from_secs(60);
//! let done = reconcile(&spec, &observed, now, &options)?;
//! let gone = done.actions.iter().filter_map(|action| if let Action::DeletePod(pod) = action { Some(pod.why.as_str()) } else { None });
//! assert_eq!(gone.collect::<Vec<_>>(), ["the spec is now revision 5ace5e29; ServingGroup chat-1 goes"]);
//! # Ok::<(), phalanx_serving::SpecError>(())
//! ```
//!
//! | what happens | what is done |
//! |---|---|
//! | [`Spec::replicas`], [`Role::replicas`] change | the lowest free ordinals are filled; what does not run goes first, then what is cheapest to delete, then the highest ordinal |
//! | a template, a role or its workers change | [`Rollout`]: group by group, with a partition and a surge, or role replica by role replica; failures count against the budget first |
//! | the spec is what it was | it has the revision's name from then |
//! | a pod fails, or is lost with its node, a device or by deletion | [`Recovery`]: its group, its role replica or itself is made anew, after a grace; what fails again and again waits longer each time |
//! | a pod should be gone and its node is lost | it is removed by force |
//! | a scheduler undid a gang ([`GANG_UNDONE`]) | its pods are created again; nothing has failed |
//! | a service is missing | it is created |
//!
//! What always holds, each with a property test: reconciling twice does nothing the second time; no action exceeds the
//! budget; a decision depends on the spec, the observed objects and `now` alone, so that a controller may be killed at any
//! moment. What has to be remembered is in the status: [`Ledger`].
//!
//! Feature, not on by default: `serde`, the status and what it holds as data.

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
