//! Which pod of a gang, and where it is.

use phalanx_topology::NodeId;

use crate::GroupId;

/// A pod of a gang by name: its group, the ordinals of the replicas that it is in, and its own ordinal.
///
/// ```
/// # use phalanx_gang::{Gang, Group, PodId};
/// # use phalanx_topology::Demand;
/// let gang = Gang::new(Group::of("serving", [Group::pods("decode", 2, Demand::devices(1)).replicas(3)]))?;
/// let decode = gang.group("serving/decode").unwrap();
/// // Pod 1 of replica 2 of the role, in replica 0 of the whole.
/// let pod = PodId::new(decode, [0, 2], 1);
/// assert_eq!((pod.ordinals(), pod.ordinal()), (&[0, 2][..], 1));
/// # Ok::<(), phalanx_gang::GangError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId {
    group: GroupId,
    ordinals: Box<[u32]>,
    ordinal: u32,
}

impl PodId {
    /// Pod `ordinal` of the group of pods; `ordinals` are those of the replica of each group on the path, from the root's
    /// down to the group's own.
    #[must_use]
    pub fn new(group: GroupId, ordinals: impl Into<Box<[u32]>>, ordinal: u32) -> Self {
        Self { group, ordinals: ordinals.into(), ordinal }
    }

    /// The group of pods.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// The ordinal of the replica of each group on the path, from the root's down to the group's own.
    #[must_use]
    pub fn ordinals(&self) -> &[u32] {
        &self.ordinals
    }

    /// Its own ordinal in that replica.
    #[must_use]
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }
}

/// A pod and its node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Located {
    pub(crate) pod: PodId,
    pub(crate) node: NodeId,
}
