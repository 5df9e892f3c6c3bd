//! What exists of a ModelServing.

use core::time::Duration;

use crate::{PodKey, ReplicaKey, Revision, Status};

/// What exists of a ModelServing, as its watcher saw it.
///
/// Of what was seen nothing may be older than the last actions that were carried out: a watcher that may be late waits for
/// its own writes. What is late all the same is harmless, since a pod is created under a name that it can have once, and
/// deleted by its UID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Its pods, also those that are being deleted, in any order.
    pub pods: Vec<Pod>,
    /// Its headless services, in any order.
    pub services: Vec<Service>,
    /// Its ControllerRevisions, in any order.
    pub revisions: Vec<Revision>,
    /// The status that it has; `None` before the first was written.
    pub status: Option<Status>,
}

/// A pod that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Which pod of the ModelServing it is.
    pub key: PodKey,
    /// Its UID.
    pub uid: String,
    /// The revision that it was made from, by the label [`REVISION`](crate::REVISION).
    pub revision: String,
    /// The hash of its role, by the label [`ROLE_TEMPLATE_HASH`](crate::ROLE_TEMPLATE_HASH).
    pub role_hash: String,
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether its condition `Ready` is true.
    pub ready: bool,
    /// Whether a container or init container of it was restarted.
    pub restarted: bool,
    /// When it was created.
    pub created: Duration,
    /// Since when it is in error, where this is known: since it failed, or since a container of it ended and it was not
    /// ready after that. Without it, since it was created.
    pub failing_since: Option<Duration>,
    /// When it should be gone, if it is being deleted: `metadata.deletionTimestamp`.
    pub deleting: Option<Duration>,
    /// What it costs to delete it, by the annotation [`DELETION_COST`](crate::DELETION_COST).
    pub deletion_cost: i64,
    /// Whether it has a node.
    pub scheduled: bool,
    /// Since when its node is not ready or not reachable, if it is not.
    pub node_lost_since: Option<Duration>,
    /// Whether a device that it uses has failed.
    pub device_failed: bool,
    /// Whether a scheduler marked it with [`GANG_UNDONE`](crate::GANG_UNDONE).
    pub gang_undone: bool,
    /// How often what it replaced has failed, by the annotation [`ATTEMPT`](crate::ATTEMPT).
    pub attempt: u32,
    /// Whether it has the label [`SURGE`](crate::SURGE).
    pub surge: bool,
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Not started, or not known.
    #[default]
    Pending,
    /// Containers run.
    Running,
    /// It ended by itself.
    Succeeded,
    /// It ended with an error.
    Failed,
}

/// A headless service that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The role replica that it is of; `None` for the one of the LeaderWorkerSet.
    pub of: Option<ReplicaKey>,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Whether it is being deleted.
    pub deleting: bool,
}

impl Pod {
    /// A pod that was created just now and waits for a node.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_serving::ReplicaKey;
    /// use phalanx_serving::{Phase, Pod};
    ///
    /// let pod = Pod::new(ReplicaKey::new(0, "decode", 0).pod(0), "8a3c", "5f0e1d2c", "99aa00ff", Duration::ZERO);
    /// assert_eq!((pod.phase, pod.scheduled), (Phase::Pending, false));
    /// ```
    #[must_use]
    pub fn new(
        key: PodKey,
        uid: impl Into<String>,
        revision: impl Into<String>,
        role_hash: impl Into<String>,
        created: Duration,
    ) -> Self {
        Self {
            key,
            uid: uid.into(),
            revision: revision.into(),
            role_hash: role_hash.into(),
            phase: Phase::Pending,
            ready: false,
            restarted: false,
            created,
            failing_since: None,
            deleting: None,
            deletion_cost: 0,
            scheduled: false,
            node_lost_since: None,
            device_failed: false,
            gang_undone: false,
            attempt: 0,
            surge: false,
        }
    }

    /// Whether it serves: it runs, is ready, is not being deleted, and node and devices are sound.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let sound = self.node_lost_since.is_none() && !self.device_failed;
        self.phase == Phase::Running && self.ready && self.deleting.is_none() && sound
    }

    /// Whether it is in error by itself: it ended, or it is not ready after a restart.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        let ended = matches!(self.phase, Phase::Failed | Phase::Succeeded);
        ended || (!self.ready && self.restarted)
    }

    /// Whether anything of it may have run already.
    pub(crate) fn has_started(&self) -> bool {
        self.phase != Phase::Pending || self.restarted
    }
}
