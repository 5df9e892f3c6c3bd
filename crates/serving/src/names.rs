//! What Kthena calls its objects, and how an object's place is read from what it is called.

use std::collections::BTreeMap;

/// Label: the ModelServing that a pod belongs to.
pub const SERVING_NAME: &str = "modelserving.volcano.sh/name";
/// Label: the ServingGroup, `<serving>-<ordinal>`.
pub const GROUP_NAME: &str = "modelserving.volcano.sh/group-name";
/// Label: the role.
pub const ROLE: &str = "modelserving.volcano.sh/role";
/// Label: the role replica, `<role>-<replica>`.
pub const ROLE_ID: &str = "modelserving.volcano.sh/role-id";
/// Label of entry pods, with the value `true`.
pub const ENTRY: &str = "modelserving.volcano.sh/entry";
/// Label: the revision that a pod was made from.
pub const REVISION: &str = "modelserving.volcano.sh/revision";
/// Label: the hash of its role alone.
pub const ROLE_TEMPLATE_HASH: &str = "modelserving.volcano.sh/role-template-hash";

/// Annotation: the PodGroup that a pod is in.
pub const POD_GROUP: &str = "scheduling.k8s.io/group-name";
/// Annotation: the task of the PodGroup that a pod is of, `<role>-<replica>`.
pub const TASK: &str = "volcano.sh/task-spec";
/// Annotation: what it costs to delete a pod, compared with others. It is a whole number, 0 without it.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Annotation that a scheduler sets on a pod before it deletes it because a gang could not be bound whole: such a deletion
/// is no failure.
pub const GANG_UNDONE: &str = "phalanx/gang-undone";
/// Annotation: how often what the pod replaces has failed before, without a calm time between.
pub const ATTEMPT: &str = "phalanx/attempt";
/// Label of the pods of a group that exists for the time of an update only.
pub const SURGE: &str = "phalanx/surge";

/// Variable: how many pods a role replica has.
pub const GROUP_SIZE: &str = "GROUP_SIZE";
/// Variable: where the entry pod of the role replica is reached.
pub const ENTRY_ADDRESS: &str = "ENTRY_ADDRESS";
/// Variable: which pod of the role replica this is, 0 for the entry.
pub const WORKER_INDEX: &str = "WORKER_INDEX";

/// Whether a label says where a pod belongs, so that a template cannot change it.
///
/// ```
/// assert!(phalanx_serving::is_reserved("modelserving.volcano.sh/role"));
/// assert!(!phalanx_serving::is_reserved("app"));
/// ```
#[must_use]
pub fn is_reserved(label: &str) -> bool {
    [SERVING_NAME, GROUP_NAME, ROLE, ROLE_ID, ENTRY, REVISION, ROLE_TEMPLATE_HASH, SURGE].contains(&label)
}

/// The place of a role replica in a ModelServing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplicaKey {
    /// The group's ordinal.
    pub group: u32,
    /// The role's name.
    pub role: String,
    /// The ordinal among the role's replicas.
    pub replica: u32,
}

/// The place of a pod in a ModelServing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodKey {
    /// The role replica.
    pub of: ReplicaKey,
    /// Which of its pods: 0 is the entry.
    pub index: u32,
}

impl ReplicaKey {
    /// A role replica of a group.
    #[must_use]
    pub fn new(group: u32, role: impl Into<String>, replica: u32) -> Self {
        Self { group, role: role.into(), replica }
    }

    /// The place that labels tell, if they are of this ModelServing: what a service has.
    #[must_use]
    pub fn of(serving: &str, labels: &BTreeMap<String, String>) -> Option<Self> {
        if labels.get(SERVING_NAME)? != serving {
            return None;
        }
        let group = number(labels.get(GROUP_NAME)?.strip_prefix(serving)?.strip_prefix('-')?)?;
        let role = labels.get(ROLE)?;
        let replica = number(labels.get(ROLE_ID)?.strip_prefix(role.as_str())?.strip_prefix('-')?)?;
        Some(Self { group, role: role.clone(), replica })
    }

    /// What the labels and Volcano's task call it: `<role>-<replica>`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.role, self.replica)
    }

    /// Its name with that of its group, which its pods' names begin with.
    #[must_use]
    pub fn name(&self, serving: &str) -> String {
        format!("{}-{}", group_name(serving, self.group), self.id())
    }

    /// The headless service by which its pods find the entry: it has the entry pod's name.
    #[must_use]
    pub fn service(&self, serving: &str) -> String {
        format!("{}-0", self.name(serving))
    }

    /// One of its pods.
    #[must_use]
    pub fn pod(&self, index: u32) -> PodKey {
        PodKey { of: self.clone(), index }
    }

    /// The labels that say where it belongs.
    #[must_use]
    pub fn labels(&self, serving: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            (SERVING_NAME.to_owned(), serving.to_owned()),
            (GROUP_NAME.to_owned(), group_name(serving, self.group)),
            (ROLE.to_owned(), self.role.clone()),
            (ROLE_ID.to_owned(), self.id()),
        ])
    }
}

impl PodKey {
    /// The place of a pod by its name and labels, if it is one of this ModelServing.
    ///
    /// ```
    /// use phalanx_serving::ReplicaKey;
    /// use phalanx_serving::PodKey;
    ///
    /// let labels = ReplicaKey::new(3, "decode", 1).labels("chat");
    /// let key = PodKey::of("chat", "chat-3-decode-1-2", &labels).unwrap();
    /// assert_eq!((key.of.group, key.of.replica, key.index), (3, 1, 2));
    /// assert_eq!(PodKey::of("chat", "chat-3-prefill-1-2", &labels), None);
    /// ```
    #[must_use]
    pub fn of(serving: &str, name: &str, labels: &BTreeMap<String, String>) -> Option<Self> {
        let of = ReplicaKey::of(serving, labels)?;
        let index = number(name.strip_prefix(&of.name(serving))?.strip_prefix('-')?)?;
        Some(Self { of, index })
    }

    /// Its name within the namespace: `<serving>-<group>-<role>-<replica>-<index>`.
    #[must_use]
    pub fn name(&self, serving: &str) -> String {
        format!("{}-{}", self.of.name(serving), self.index)
    }

    /// Whether it is the entry of its replica.
    #[must_use]
    pub fn is_entry(&self) -> bool {
        self.index == 0
    }
}

/// The name of a group: `<serving>-<ordinal>`.
#[must_use]
pub fn group_name(serving: &str, ordinal: u32) -> String {
    format!("{serving}-{ordinal}")
}

/// A number as names have it: digits, without a zero before them.
fn number(text: &str) -> Option<u32> {
    let number = text.parse().ok()?;
    (u32::to_string(&number) == text).then_some(number)
}
