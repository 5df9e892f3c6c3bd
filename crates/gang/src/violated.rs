//! A bound that running pods break.

use phalanx_topology::{LevelId, NodeId};

use crate::GroupId;

/// A bound that pods of one replica of a group break where they run: a node was labelled anew, say. They are left where they
/// are, and what is missing is planned for the domain that most of them are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violated {
    pub(crate) group: GroupId,
    pub(crate) ordinals: Box<[u32]>,
    pub(crate) violation: Violation,
    pub(crate) nodes: Vec<NodeId>,
}

/// Which bound is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// Not all in one domain of the level that they, or a slice of them, are bound to.
    Level {
        /// The level.
        level: LevelId,
    },
    /// Not in the domain of what else is bound to their key.
    Key {
        /// The level.
        level: LevelId,
    },
    /// In a domain with another replica that keeps to itself.
    Exclusive {
        /// The level.
        level: LevelId,
    },
    /// On a node of a kind that the group does not accept, or of another kind than most where all have to be of one.
    Kind,
    /// More on a node than are allowed.
    PerNode {
        /// How many are allowed.
        most: u32,
    },
    /// Less even than they have to be.
    Spread {
        /// The level over whose domains they are spread.
        level: LevelId,
        /// By how much two domains may differ.
        max_skew: u32,
    },
}

impl Violated {
    /// The group.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// The ordinal of the replica of each group on the path, from the root's down to this group's.
    #[must_use]
    pub fn ordinals(&self) -> &[u32] {
        &self.ordinals
    }

    /// Which bound is broken.
    #[must_use]
    pub fn violation(&self) -> Violation {
        self.violation
    }

    /// The nodes of the pods that break it: those away from where most are, where that is what breaks it. Ascending.
    #[must_use]
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }
}
