//! Where every pod goes.

use phalanx_topology::{Demand, DeviceSet, Inventory, LevelId, NodeId, Receipt, ReserveError};

use crate::{GroupId, PodId, Violated};

/// How good a plan is known to be. Hard levels hold either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// No placement of the minimum is better under the objective.
    Optimal,
    /// It may be possible to do better: the gang is not of equal pods alone, or the steps ran out.
    Feasible,
}

/// A gang placed: a node and devices for every pod of its minimum, and for what extras there was room for.
///
/// It holds nothing yet: [`commit`](Self::commit) does that. Its inventory may change in between; the commit then checks
/// what the plan touches.
///
/// ```
/// use phalanx_gang::{Gang, Group, Outcome, Options, plan};
/// use phalanx_topology::{Demand, Inventory, Topology};
/// use std::sync::Arc;
///
/// let topology = Topology::builder(["rack"])
///     .node("n1", &[("rack", "r1")])
///     .node("n2", &[("rack", "r1")])
///     .build()?;
/// let mut inventory = Inventory::new(Arc::new(topology));
/// inventory.set_devices_everywhere(8, "H100")?;
/// let gang = Gang::new(Group::pods("train", 3, Demand::devices(4)))?;
///
/// let Outcome::Placed(plan) = plan(&gang, &inventory, &Options::default())? else { panic!("there is room") };
/// let rows: Vec<String> = plan
///     .placements()
///     .map(|pod| format!("{}-{} {} [{}]", plan.group_path(pod.group()), pod.ordinal(), pod.node(), pod.devices()))
///     .collect();
/// assert_eq!(rows, ["train-0 0 [0-3]", "train-1 0 [4-7]", "train-2 1 [0-3]"]);
///
/// let receipt = plan.commit(&mut inventory)?;
/// assert_eq!(inventory.free_devices_total(), 4);
/// inventory.release(receipt)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a plan holds nothing until it is committed"]
pub struct Plan {
    pub(crate) groups: Vec<String>,
    pub(crate) demands: Vec<Demand>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) pods: Vec<Pod>,
    /// How many of the pods, from the first on, are the minimum.
    pub(crate) min_pods: usize,
    pub(crate) level: Option<LevelId>,
    pub(crate) level_proven: bool,
    pub(crate) proof: Proof,
    pub(crate) unmet: Vec<Unmet>,
    pub(crate) extras: Vec<Extras>,
    pub(crate) violated: Vec<Violated>,
    pub(crate) version: u64,
    pub(crate) steps: u64,
}

/// One replica of a group of pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replica {
    pub(crate) group: GroupId,
    pub(crate) demand: usize,
    pub(crate) ordinals: Box<[u32]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) replica: u32,
    pub(crate) ordinal: u32,
    pub(crate) node: NodeId,
    pub(crate) devices: DeviceSet,
}

/// A preference that one replica of a group does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    pub(crate) group: GroupId,
    pub(crate) ordinals: Box<[u32]>,
    pub(crate) level: LevelId,
}

impl Unmet {
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

    /// The level within one domain of which its pods are not.
    #[must_use]
    pub fn level(&self) -> LevelId {
        self.level
    }
}

/// The extras of one group inside one replica of the group around it: replicas above the minimum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extras {
    pub(crate) group: GroupId,
    pub(crate) ordinals: Box<[u32]>,
    pub(crate) placed: u32,
    pub(crate) pending: u32,
}

impl Extras {
    /// The group.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// The ordinal of the replica of each group around it, from the root's down; empty for the root's own extras.
    #[must_use]
    pub fn ordinals(&self) -> &[u32] {
        &self.ordinals
    }

    /// How many replicas above the minimum are placed.
    #[must_use]
    pub fn placed(&self) -> u32 {
        self.placed
    }

    /// How many replicas up to the maximum there was no room for, or no steps left to look for it.
    #[must_use]
    pub fn pending(&self) -> u32 {
        self.pending
    }
}

/// One pod of a [`Plan`].
#[derive(Clone, Copy, Debug)]
pub struct Placement<'a> {
    plan: &'a Plan,
    pod: &'a Pod,
}

impl<'a> Placement<'a> {
    /// The group of pods that it belongs to.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.replica().group
    }

    /// The ordinal of the replica of each group on the path, from the root's down to its own group's: `[0, 2, 0]` is
    /// replica 0 of the root, replica 2 of the role in it and replica 0 of the workers in that.
    #[must_use]
    pub fn ordinals(&self) -> &'a [u32] {
        &self.replica().ordinals
    }

    /// Its own ordinal in that replica.
    #[must_use]
    pub fn ordinal(&self) -> u32 {
        self.pod.ordinal
    }

    /// Its name, as [`Present`](crate::Present) takes it once the pod runs.
    #[must_use]
    pub fn id(&self) -> PodId {
        PodId::new(self.group(), self.ordinals(), self.ordinal())
    }

    /// The node where it goes.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.pod.node
    }

    /// The devices that it gets.
    #[must_use]
    pub fn devices(&self) -> DeviceSet {
        self.pod.devices
    }

    /// What it asks.
    #[must_use]
    pub fn demand(&self) -> &'a Demand {
        &self.plan.demands[self.replica().demand]
    }

    fn replica(&self) -> &'a Replica {
        &self.plan.replicas[self.pod.replica as usize]
    }
}

/// Why a plan cannot be committed: the inventory is not the one that was planned on, or has changed where the plan goes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// A pod does not fit any more where it was to go.
    #[error("pod {ordinal} of group {group:?} cannot go where it was planned: {reason}")]
    Refused {
        /// The path of the pod's group.
        group: String,
        /// The pod's ordinal in its replica.
        ordinal: u32,
        /// What the inventory says.
        reason: ReserveError,
    },
}

impl Plan {
    /// Reserves every pod where the plan says, all or none, on the inventory that it was made on or a fork of that. Only the
    /// room that the plan touches is checked, so plans that were made on the same version and do not collide can all be
    /// committed. What gangs share under a key is not room: plan those one after the other, as
    /// [`plan_many`](crate::plan_many) does.
    ///
    /// # Errors
    ///
    /// A device or resource that the plan counts on is gone; nothing is changed then. O(pods).
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group, Outcome, Options, plan};
    /// # use phalanx_topology::{Demand, Inventory, Topology};
    /// # use std::sync::Arc;
    /// # let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// # let mut inventory = Inventory::new(Arc::new(topology));
    /// # inventory.set_devices_everywhere(8, "H100")?;
    /// let gang = Gang::new(Group::pods("train", 1, Demand::devices(8)))?;
    /// let Outcome::Placed(plan) = plan(&gang, &inventory, &Options::default())? else { panic!("there is room") };
    /// let receipt = plan.commit(&mut inventory)?;
    /// assert!(plan.commit(&mut inventory).is_err(), "the devices are held");
    /// inventory.release(receipt)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn commit(&self, inventory: &mut Inventory) -> Result<Receipt, CommitError> {
        let mut transaction = inventory.transaction();
        for pod in self.placements() {
            if let Err(reason) = transaction.claim(pod.node(), pod.devices(), pod.demand()) {
                let group = self.group_path(pod.group()).to_owned();
                return Err(CommitError::Refused { group, ordinal: pod.ordinal(), reason });
            }
        }
        Ok(transaction.commit())
    }

    /// The same plan, where something better may have been missed.
    pub(crate) fn unproven(self) -> Self {
        Self { proof: Proof::Feasible, level_proven: false, ..self }
    }

    /// Every pod by rank: groups in pre-order, replicas and pods by ordinal, the minimum before the extras. Within a
    /// replica ordinals run along the path order of the nodes, so neighbours in rank are near.
    pub fn placements(&self) -> impl DoubleEndedIterator<Item = Placement<'_>> + ExactSizeIterator {
        self.pods.iter().map(|pod| Placement { plan: self, pod })
    }

    /// How many pods, from the first on, are the gang's minimum; the others are extras.
    #[must_use]
    pub fn min_pods(&self) -> usize {
        self.min_pods
    }

    /// A group's path, as in [`Gang::group_path`](crate::Gang::group_path).
    #[must_use]
    pub fn group_path(&self, group: GroupId) -> &str {
        &self.groups[group.index()]
    }

    /// The level of the smallest domain that holds the whole minimum; none if only the cluster does (or there is no pod).
    #[must_use]
    pub fn level(&self) -> Option<LevelId> {
        self.level
    }

    /// Whether it is proven that no finer level has a domain for the minimum. An [`Optimal`](Proof::Optimal) plan always has
    /// this, unless it was made to [spread](crate::Objective::Spread), which is not to look for a fine level; a
    /// [`Feasible`](Proof::Feasible) one often.
    #[must_use]
    pub fn is_level_proven(&self) -> bool {
        self.level_proven
    }

    /// How good the plan is known to be.
    #[must_use]
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// The preferences that replicas do not get, coarse levels first, groups in pre-order.
    #[must_use]
    pub fn unmet(&self) -> &[Unmet] {
        &self.unmet
    }

    /// The replicas above the minimum, for each group with pods that may have some, in the order in which they were tried.
    #[must_use]
    pub fn extras(&self) -> &[Extras] {
        &self.extras
    }

    /// The bounds that pods break where they run already, groups in pre-order.
    #[must_use]
    pub fn violated(&self) -> &[Violated] {
        &self.violated
    }

    /// The inventory's version that was planned on.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many steps of the budget were taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }
}
