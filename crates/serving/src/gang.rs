//! The gang that a group is, as numbers.

use crate::{Spec, group_name};

/// What a scheduler has to know of a group: how many of its pods have to be placed together. These are the contents of its
/// PodGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gang {
    /// Its name, which is the group's.
    pub name: String,
    /// So many pods are placed, or none: `minMember`.
    pub min_pods: u64,
    /// Its queue, if one is named.
    pub queue: Option<String>,
    /// Its roles, in order: `subGroupPolicy`.
    pub roles: Vec<GangRole>,
}

/// What a scheduler has to know of a role of a gang. Its pods have the role's name in the label [`ROLE`](crate::ROLE), and
/// those of one replica are alike in the label [`ROLE_ID`](crate::ROLE_ID).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GangRole {
    /// Its name.
    pub name: String,
    /// Pods of one replica, which are placed together: `subGroupSize`.
    pub size: u32,
    /// So many replicas are placed with the gang: `minSubGroups`.
    pub min_replicas: u32,
    /// So many there are.
    pub replicas: u32,
}

impl Gang {
    /// The gang of the group with this ordinal.
    ///
    /// ```
    /// use phalanx_serving::{Gang, Role, Spec, TemplateRef};
    ///
    /// let role = |name, least| {
    ///     let role = Role::new(name, TemplateRef::new("entry", 1)).workers(1, TemplateRef::new("worker", 2)).replicas(2);
    ///     Role { min_replicas: Some(least), ..role }
    /// };
    /// let gang = Gang::of(&Spec::new("default", "chat", [role("prefill", 2), role("decode", 1)]), 3);
    /// assert_eq!((gang.name.as_str(), gang.min_pods), ("chat-3", 6));
    /// ```
    #[must_use]
    pub fn of(spec: &Spec, ordinal: u32) -> Self {
        let roles: Vec<_> = spec
            .roles
            .iter()
            .map(|role| GangRole {
                name: role.name.clone(),
                size: role.body.pods(),
                min_replicas: role.least(),
                replicas: role.replicas,
            })
            .collect();
        let pods = roles.iter().map(|role| u64::from(role.size).saturating_mul(role.min_replicas.into()));
        Self { name: group_name(&spec.name, ordinal), min_pods: pods.sum(), queue: spec.queue.clone(), roles }
    }
}
