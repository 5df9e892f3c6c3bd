//! What comes of planning a gang.

use crate::{Plan, Rejection};

/// What comes of planning a gang: all of its minimum has a place, or none of it and there is a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an outcome says where the gang goes or why it does not"]
pub enum Outcome {
    /// Every group has at least its minimum placed.
    Placed(Plan),
    /// No pod is placed: there is no room, or none was found before the steps ran out
    /// ([`Rejection::is_exhausted`]).
    Rejected(Rejection),
}

impl Outcome {
    /// The plan, if the gang is placed.
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group, Options, plan};
    /// # use phalanx_topology::{Demand, Inventory, Topology};
    /// # use std::sync::Arc;
    /// let inventory = Inventory::new(Arc::new(Topology::builder(["rack"]).build()?));
    /// let gang = Gang::new(Group::pods("train", 1, Demand::devices(8)))?;
    /// assert!(plan(&gang, &inventory, &Options::default())?.plan().is_none(), "an empty cluster has no room");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Placed(plan) => Some(plan),
            Self::Rejected(_) => None,
        }
    }

    /// The reasons, if the gang is not placed.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Placed(_) => None,
            Self::Rejected(rejection) => Some(rejection),
        }
    }
}
