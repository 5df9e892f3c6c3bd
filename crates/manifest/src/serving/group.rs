//! The groups of a ModelServing and their pods, by Kthena's names and labels.

use std::collections::BTreeMap;

use phalanx_gang::{Gang, GangError, Group, Placement, Plan, PodId};
use phalanx_topology::Inventory;
use thiserror::Error;

use super::{ModelServing, Role};
use crate::demand::demand_in;
use crate::pod::group_annotations;
use crate::policy::{Bound, LevelOf, TopologyPolicy};
use crate::template::PodTemplate;

/// One group of a ModelServing: what is placed as a gang.
///
/// ```
/// use phalanx_gang::{Options, Outcome, plan};
/// use phalanx_manifest::{Manifests, Settings};
///
/// let text = "
/// apiVersion: v1
/// kind: Node
/// metadata: {name: gpu-1, labels: {topology.kubernetes.io/rack: rack-1}}
/// status: {allocatable: {nvidia.com/gpu: 8}}
/// ---
/// apiVersion: workload.serving.volcano.sh/v1alpha1
/// kind: ModelServing
/// metadata: {name: chat}
/// spec:
///   template:
///     roles:
///     - name: decode
///       workerReplicas: 1
///       entryTemplate: &pod {spec: {containers: [{resources: {limits: {nvidia.com/gpu: 4}}}]}}
///       workerTemplate: *pod
/// ";
/// let manifests = Manifests::read([("chat.yaml", text)], &Settings::new())?;
/// let mut inventory = manifests.inventory()?;
/// let group = manifests.servings()[0].groups().next().unwrap();
/// let gang = group.gang(&mut inventory)?;
/// let Outcome::Placed(plan) = plan(&gang, &inventory, &Options::default())? else { panic!("there is room") };
/// let rows: Vec<_> = plan
///     .placements()
///     .filter_map(|place| Some(format!("{} [{}]", group.pod(&plan, &place)?.name(), place.devices())))
///     .collect();
/// assert_eq!(rows, ["chat-0-decode-0-0 [0-3]", "chat-0-decode-0-1 [4-7]"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ServingGroup<'a> {
    pub(super) serving: &'a ModelServing,
    ordinal: u32,
}

/// Why a group is no gang on a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The cluster was read with other levels than the ModelServing.
    #[error("group {group:?} names level {level:?}, which the cluster does not have: expected one of {expected}")]
    UnknownLevel {
        /// The group.
        group: String,
        /// The level.
        level: String,
        /// The levels that there are, coarse to fine.
        expected: String,
    },
    /// The groups make no gang.
    #[error(transparent)]
    Gang(#[from] GangError),
}

/// One pod of a group.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    pub(super) group: ServingGroup<'a>,
    pub(super) role: &'a Role,
    pub(super) replica: u32,
    pub(super) ordinal: u32,
}

/// The labels of a pod that say where it belongs.
pub(crate) const SERVING_NAME: &str = "modelserving.volcano.sh/name";
pub(crate) const ROLE: &str = "modelserving.volcano.sh/role";
pub(crate) const GROUP_NAME: &str = "modelserving.volcano.sh/group-name";
pub(crate) const ENTRY_LABEL: &str = "modelserving.volcano.sh/entry";
pub(crate) const ROLE_ID: &str = "modelserving.volcano.sh/role-id";

impl<'a> ServingGroup<'a> {
    pub(super) fn new(serving: &'a ModelServing, ordinal: u32) -> Self {
        Self { serving, ordinal }
    }

    /// The ModelServing.
    #[must_use]
    pub fn serving(&self) -> &'a ModelServing {
        self.serving
    }

    /// Which of its groups this is, from 0.
    #[must_use]
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// Its name within the namespace: `<serving>-<ordinal>`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.serving.name.name(), self.ordinal)
    }

    /// Its pods: role by role, replica by replica, the entry before the workers.
    pub fn pods(&self) -> impl Iterator<Item = Pod<'a>> + use<'a> {
        let group = *self;
        group.entries().flat_map(|entry| (0..entry.role.pods()).map(move |ordinal| Pod { ordinal, ..entry }))
    }

    /// Its entry pods: one for each role replica, and what requests are sent to.
    pub fn entries(&self) -> impl Iterator<Item = Pod<'a>> + use<'a> {
        let group = *self;
        group
            .serving
            .roles
            .iter()
            .flat_map(move |role| (0..role.replicas).map(move |replica| Pod { group, role, replica, ordinal: 0 }))
    }
}

impl<'a> ServingGroup<'a> {
    /// The gang that the group is: each role with its minimum and its replicas, and in a replica the entry and its workers.
    /// The group's topology policy binds the whole, the roles' policy each replica; hard ones are hard levels, soft ones
    /// preferred. Resources that the inventory has not seen are added to it, as what no node has.
    ///
    /// # Errors
    ///
    /// [`GroupError::UnknownLevel`] when the inventory was made from other [`Settings`](crate::Settings).
    pub fn gang(&self, inventory: &mut Inventory) -> Result<Gang, GroupError> {
        let each = self.bound(self.serving.role_topology(), inventory)?;
        let roles: Vec<Group> = self
            .serving
            .roles
            .iter()
            .map(|role| each.put(body(role, inventory).between(role.min_replicas, role.replicas)))
            .collect();
        let whole = self.bound(self.serving.group_topology(), inventory)?;
        Ok(Gang::new(whole.put(Group::of(self.name(), roles)))?)
    }

    /// The pod that a placement of this group's [`gang`](Self::gang) is for; `None` when the plan is of another gang.
    #[must_use]
    pub fn pod(&self, plan: &Plan, placement: &Placement<'_>) -> Option<Pod<'a>> {
        let mut path = plan.group_path(placement.group()).split('/');
        let (name, role, part) = (path.next()?, path.next()?, path.next());
        let role = self.serving.roles.iter().find(|known| known.name == role).filter(|_| name == self.name())?;
        let ordinal = if part == Some(WORKER) { placement.ordinal().checked_add(1)? } else { placement.ordinal() };
        Some(Pod { group: *self, role, replica: *placement.ordinals().get(1)?, ordinal })
    }

    /// What a policy asks on an inventory.
    fn bound(&self, policy: Option<&TopologyPolicy>, inventory: &Inventory) -> Result<Bound, GroupError> {
        let Some(policy) = policy else { return Ok(Bound::default()) };
        let both = [self.serving.group_topology(), self.serving.role_topology()];
        let unknown = || GroupError::UnknownLevel {
            group: self.name(),
            level: policy.level().to_owned(),
            expected: level_names(inventory),
        };
        policy.bound_in(inventory, LevelOf::any_of_hypernodes(both.into_iter().flatten())).ok_or_else(unknown)
    }
}

/// The names of all levels, tree by tree, coarse to fine.
pub(crate) fn level_names(inventory: &Inventory) -> String {
    let topology = inventory.topology();
    let levels = topology.trees().flat_map(|tree| topology.tree_levels(tree));
    levels.map(|level| topology.level_name(level)).collect::<Vec<_>>().join(", ")
}

/// The parts of a replica whose pods differ.
pub(crate) const ENTRY: &str = "entry";
pub(crate) const WORKER: &str = "worker";

/// The pods of one replica of a role. Pods that ask the same are one group, whose best place can be proven.
fn body(role: &Role, inventory: &mut Inventory) -> Group {
    let entry = demand_in(role.entry.requests(), inventory);
    let Some((worker, count)) = role.workers() else { return Group::pods(role.name(), 1, entry) };
    let worker = demand_in(worker.requests(), inventory);
    if worker == entry {
        return Group::pods(role.name(), role.pods(), entry);
    }
    Group::of(role.name(), [Group::pods(ENTRY, 1, entry), Group::pods(WORKER, count, worker)])
}

impl<'a> Pod<'a> {
    /// The group.
    #[must_use]
    pub fn group(&self) -> ServingGroup<'a> {
        self.group
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> &'a Role {
        self.role
    }

    /// Which replica of the role it belongs to, from 0.
    #[must_use]
    pub fn replica(&self) -> u32 {
        self.replica
    }

    /// Which pod of the replica it is: 0 is the entry.
    #[must_use]
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// Whether it is the entry of its replica.
    #[must_use]
    pub fn is_entry(&self) -> bool {
        self.ordinal == 0
    }

    /// Its name in the group's [`gang`](ServingGroup::gang); `None` when the gang is another's.
    ///
    /// ```
    /// use phalanx_gang::PodId;
    /// use phalanx_manifest::{Manifests, Settings};
    ///
    /// let text = "
    /// apiVersion: workload.serving.volcano.sh/v1alpha1
    /// kind: ModelServing
    /// metadata: {name: chat}
    /// spec:
    ///   template:
    ///     roles: [{name: decode, replicas: 2, workerReplicas: 0, entryTemplate: {spec: {containers: [{}]}}}]
    /// ";
    /// let manifests = Manifests::read([("chat.yaml", text)], &Settings::new())?;
    /// let group = manifests.servings()[0].groups().next().unwrap();
    /// let gang = group.gang(&mut manifests.inventory()?)?;
    /// let second = group.pods().nth(1).unwrap();
    /// assert_eq!(second.id(&gang), Some(PodId::new(gang.group("chat-0/decode").unwrap(), [0, 1], 0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn id(&self, gang: &Gang) -> Option<PodId> {
        let role = format!("{}/{}", self.group.name(), self.role.name);
        let part = if self.is_entry() { ENTRY } else { WORKER };
        if let Some(group) = gang.group(&format!("{role}/{part}")) {
            let ordinal = if self.is_entry() { 0 } else { self.ordinal - 1 };
            return Some(PodId::new(group, [0, self.replica, 0], ordinal));
        }
        Some(PodId::new(gang.group(&role)?, [0, self.replica], self.ordinal))
    }

    /// Its name within the namespace: `<serving>-<group>-<role>-<replica>-<ordinal>`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}-{}", self.group.name(), self.role_id(), self.ordinal)
    }

    /// The name of its role replica within the group: `<role>-<replica>`.
    #[must_use]
    pub fn role_id(&self) -> String {
        format!("{}-{}", self.role.name, self.replica)
    }

    /// Its labels: where it belongs, and over them those of its template. The labels of a revision are not among them:
    /// what has not run has none.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([
            (SERVING_NAME.to_owned(), self.group.serving.name.name().to_owned()),
            (GROUP_NAME.to_owned(), self.group.name()),
            (ROLE.to_owned(), self.role.name.clone()),
            (ROLE_ID.to_owned(), self.role_id()),
        ]);
        if self.is_entry() {
            labels.insert(ENTRY_LABEL.to_owned(), "true".to_owned());
        }
        labels.extend(self.template().labels().clone());
        labels
    }

    /// The annotations by which Volcano knows its PodGroup and its task, beside those of its template.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<String, String> {
        group_annotations(self.group.name(), self.role_id())
    }

    /// What it is made from.
    #[must_use]
    pub fn template(&self) -> &'a PodTemplate {
        match (&self.role.worker, self.is_entry()) {
            (Some(worker), false) => worker,
            _ => &self.role.entry,
        }
    }
}
