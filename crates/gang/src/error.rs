//! Why a gang is not one, or cannot be planned on this topology.

/// A mistake in a gang. That there is no room for it is no mistake but an [`Outcome`](crate::Outcome).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GangError {
    /// A group has an empty name.
    #[error("a group in {parent:?} has an empty name")]
    EmptyName {
        /// The path of the group that holds it; empty for the root.
        parent: String,
    },
    /// A name contains the separator of paths.
    #[error("group {group:?}: '/' separates the parts of a path and cannot be in a name")]
    SlashInName {
        /// The group's path.
        group: String,
    },
    /// Two groups side by side have the same name.
    #[error("group {group:?} is listed twice")]
    DuplicateGroup {
        /// The group's path.
        group: String,
    },
    /// The minimum is above the maximum.
    #[error("group {group:?}: min {min} exceeds max {max}")]
    MinAboveMax {
        /// The group's path.
        group: String,
        /// Its minimum.
        min: u32,
        /// Its maximum.
        max: u32,
    },
    /// The tree is too deep.
    #[error("groups in {group:?} are nested {depth} deep, at most {max} is possible")]
    TooDeep {
        /// The group's path.
        group: String,
        /// How deep, from the root, which is 1.
        depth: usize,
        /// The greatest depth.
        max: usize,
    },
    /// The gang has too many groups or, with all replicas, too many pods.
    #[error("group {group:?}: the gang has more than {max} groups or pods with it")]
    TooLarge {
        /// The path of the group that exceeds the limit.
        group: String,
        /// The limit.
        max: u32,
    },
    /// A level that the topology does not have. It is never ignored.
    #[error("group {group:?} names level {level}, the topology's last level is {last}")]
    UnknownLevel {
        /// The group's path.
        group: String,
        /// The level's position.
        level: usize,
        /// The position of the last level, the nodes'.
        last: usize,
    },
    /// A resource that the inventory has not interned.
    #[error("group {group:?} asks resource {resource}, the inventory knows {known}")]
    UnknownResource {
        /// The group's path.
        group: String,
        /// The resource's position.
        resource: usize,
        /// How many the inventory knows.
        known: usize,
    },
    /// Slices are asked of a group of groups.
    #[error("group {group:?}: only a group of pods can be cut into slices")]
    SlicesOfGroups {
        /// The group's path.
        group: String,
    },
    /// A size of slices does not divide what it cuts.
    #[error("group {group:?}: slices of {size} do not divide {of} pods")]
    SlicesDoNotDivide {
        /// The group's path.
        group: String,
        /// The size.
        size: u32,
        /// The pods of a replica, or the size of the next coarser slices.
        of: u32,
    },
    /// Two layers of slices name one level.
    #[error("group {group:?}: level {level} has two sizes of slices")]
    DuplicateSlices {
        /// The group's path.
        group: String,
        /// The level's position.
        level: usize,
    },
    /// A key that binds or keeps apart is empty.
    #[error("group {group:?}: a key is empty")]
    EmptyKey {
        /// The group's path.
        group: String,
    },
    /// The gang names levels of two topologies.
    #[error("group {group:?} names level {level}, which is of another topology than the gang's other levels")]
    TwoTopologies {
        /// The group's path.
        group: String,
        /// The level's position.
        level: usize,
    },
    /// A pod that is said to run, or to have run, is none of the gang's.
    #[error("pod {pod} is none of the gang's")]
    NoSuchPod {
        /// The pod: its group's path, ordinals and ordinal.
        pod: String,
    },
    /// A pod is said to run twice, or to have run on two nodes.
    #[error("pod {pod} is listed twice")]
    DuplicatePod {
        /// The pod: its group's path, ordinals and ordinal.
        pod: String,
    },
    /// A node that the topology does not have.
    #[error("node {node} does not exist, the topology has {len} nodes")]
    UnknownNode {
        /// The node's position.
        node: usize,
        /// How many there are.
        len: usize,
    },
    /// Two groups that are bound to one key name two levels.
    #[error("group {group:?} is bound to its key on another level than group {other:?}")]
    TwoLevelsOfKey {
        /// The group's path.
        group: String,
        /// The path of the group before it.
        other: String,
    },
    /// A kind that the inventory has not interned.
    #[error("group {group:?} names kind {kind}, the inventory knows {known}")]
    UnknownKind {
        /// The group's path.
        group: String,
        /// The kind's position.
        kind: usize,
        /// How many the inventory knows.
        known: usize,
    },
    /// A group keeps to itself under the key of one that it is in: the two would share every domain.
    #[error("group {group:?} keeps to itself under the key of group {outer:?}, which it is in")]
    KeyInsideItself {
        /// The group's path.
        group: String,
        /// The path of the group around it.
        outer: String,
    },
}
