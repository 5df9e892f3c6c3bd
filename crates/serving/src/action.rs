//! What is to be done.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::{PodKey, ReplicaKey, Revision, Status, TemplateRef, Tweaks, Variable, is_reserved};

/// What comes of looking at a ModelServing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing was done yet"]
pub struct Reconciled {
    /// What is to be done, in this order. What has failed may be left: the next look finds it again.
    pub actions: Vec<Action>,
    /// The status that the ModelServing should have. It is among the actions when it does not have it.
    pub status: Status,
    /// When to look again even if nothing changes; `None` when only a change matters.
    pub wake: Option<Duration>,
}

/// One thing to do, and why.
///
/// The status comes first: what has to be remembered is written before the first deed. Then revisions, deletions, services
/// and pods to create, what is not needed any more, and what to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Write the status.
    WriteStatus(Box<Status>),
    /// Create a ControllerRevision.
    CreateRevision {
        /// What it holds.
        revision: Revision,
        /// Why, for a person.
        why: String,
    },
    /// Delete a pod.
    DeletePod(DeletePod),
    /// Create a headless service.
    CreateService(CreateService),
    /// Create a pod.
    CreatePod(Box<CreatePod>),
    /// Delete a headless service.
    DeleteService {
        /// Its name.
        name: String,
        /// Its UID: another that has got its name since is not meant.
        uid: String,
        /// Why, for a person.
        why: String,
    },
    /// Delete a ControllerRevision.
    DeleteRevision {
        /// The revision's name.
        revision: String,
        /// Why, for a person.
        why: String,
    },
    /// Record an Event on the ModelServing.
    Event(Event),
}

/// A pod to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletePod {
    /// Which pod.
    pub key: PodKey,
    /// Its name.
    pub name: String,
    /// Its UID: another that has got its name since is not meant.
    pub uid: String,
    /// Without waiting for its node, which is lost.
    pub force: bool,
    /// What for.
    pub cause: Cause,
    /// Why, for a person.
    pub why: String,
}

/// What a pod is deleted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// It, or what it is part of, has failed or was lost.
    Recovery,
    /// There are more than are wanted.
    Scale,
    /// It is of another revision than the spec.
    Update,
    /// It should be gone, and its node does not say so.
    Stuck,
}

/// A pod to create. The caller owns it: owner references are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatePod {
    /// Which pod.
    pub key: PodKey,
    /// Its name.
    pub name: String,
    /// Labels that say where it belongs; see [`labels_over`](Self::labels_over).
    pub labels: BTreeMap<String, String>,
    /// Annotations under those of its template.
    pub annotations: BTreeMap<String, String>,
    /// Variables for every container and init container, in place of their own of the same name.
    pub env: Vec<Variable>,
    /// What it is made from.
    pub template: TemplateRef,
    /// What plugins put over the template.
    pub tweaks: Tweaks,
    /// `spec.schedulerName`.
    pub scheduler: String,
    /// Why, for a person.
    pub why: String,
}

/// A headless service to create: no cluster IP and no ports, and addresses are published before pods are ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateService {
    /// The role replica that it is of; `None` for the one of the LeaderWorkerSet.
    pub of: Option<ReplicaKey>,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The labels of the pods that it names.
    pub selector: BTreeMap<String, String>,
    /// Why, for a person.
    pub why: String,
}

/// An Event to record on the ModelServing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether something went wrong: type `Warning`.
    pub is_warning: bool,
    /// The reason, in one word.
    pub reason: &'static str,
    /// What happened, for a person.
    pub text: String,
}

impl CreatePod {
    /// All labels of the pod, given those of its template: its place, the template's over it, the plugins' over these. What
    /// says where the pod belongs cannot be changed.
    ///
    /// ```
    /// use core::time::Duration;
    /// use std::collections::BTreeMap;
    /// use phalanx_serving::{Action, Observed, Options, ROLE, Role, Spec, TemplateRef, reconcile};
    ///
    /// let spec = Spec::new("default", "chat", [Role::new("decode", TemplateRef::new("entry", 1))]);
    /// let done = reconcile(&spec, &Observed::default(), Duration::ZERO, &Options::default())?;
    /// let pod = done.actions.iter().find_map(|action| match action { Action::CreatePod(pod) => Some(pod), _ => None }).unwrap();
    /// let own = BTreeMap::from([("app".to_owned(), "chat".to_owned()), (ROLE.to_owned(), "other".to_owned())]);
    /// let labels = pod.labels_over(&own);
    /// assert_eq!((labels["app"].as_str(), labels[ROLE].as_str()), ("chat", "decode"));
    /// # Ok::<(), phalanx_serving::SpecError>(())
    /// ```
    #[must_use]
    pub fn labels_over(&self, template: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        for (key, value) in template.iter().chain(&self.tweaks.labels) {
            if !is_reserved(key) {
                labels.insert(key.clone(), value.clone());
            }
        }
        labels
    }
}
