//! Which pod of a ModelServing a Pod of the cluster is.

use super::{GROUP_NAME, ModelServing, Pod, ROLE, ROLE_ID, ServingGroup};
use crate::pod::ClusterPod;

/// The place of a Pod in its ModelServing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) group: u32,
    role: usize,
    replica: u32,
    ordinal: u32,
}

impl Member {
    /// The place of a Pod by its labels and its name, if the ModelServing makes such a pod.
    pub(crate) fn of(serving: &ModelServing, pod: &ClusterPod) -> Option<Self> {
        let label = |key: &str| pod.labels().get(key).map(String::as_str);
        let [group_name, role, role_id] = [label(GROUP_NAME)?, label(ROLE)?, label(ROLE_ID)?];
        let group = number(group_name.strip_prefix(serving.name.name())?.strip_prefix('-')?)?;
        let replica = number(role_id.strip_prefix(role)?.strip_prefix('-')?)?;
        let rest = pod.name().name().strip_prefix(group_name)?.strip_prefix('-')?;
        let ordinal = number(rest.strip_prefix(role_id)?.strip_prefix('-')?)?;
        let role = serving.roles.iter().position(|known| known.name == role)?;
        let of = &serving.roles[role];
        let made = group < serving.replicas && replica < of.replicas && ordinal < of.pods();
        made.then_some(Self { group, role, replica, ordinal })
    }

    /// The pod of its group that it is.
    pub(crate) fn pod(self, group: ServingGroup<'_>) -> Option<Pod<'_>> {
        let role = group.serving.roles.get(self.role)?;
        Some(Pod { group, role, replica: self.replica, ordinal: self.ordinal })
    }
}

/// A number as names have it: digits, without a zero before them.
fn number(text: &str) -> Option<u32> {
    let number = text.parse().ok()?;
    (u32::to_string(&number) == text).then_some(number)
}
