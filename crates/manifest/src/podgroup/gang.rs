//! From a PodGroup and its Pods to a gang.

use std::collections::BTreeMap;

use phalanx_gang::{Gang, GangError, Group, Placement, PodId, Present};
use phalanx_topology::{Demand, Inventory};
use thiserror::Error;

use super::PodGroup;
use super::shape::{Shape, Unit};
use crate::demand::demand_in;
use crate::manifests::Manifests;
use crate::pod::ClusterPod;
use crate::policy::{Bound, LevelOf, TopologyPolicy};
use crate::serving::{ENTRY, ENTRY_LABEL, WORKER, level_names};

/// Why a PodGroup is no gang on a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PodGroupError {
    /// The Pods that are needed are not all there yet.
    #[error("PodGroup {group} has {found} pods, expected {wanted} at least")]
    TooFewPods {
        /// The PodGroup, or a task of it.
        group: String,
        /// How many Pods there are that can be placed.
        found: usize,
        /// How many are needed.
        wanted: u32,
    },
    /// The sub-groups that are needed are not all there yet.
    #[error("PodGroup {group} has {found} sub-groups of {size} pods by policy {policy:?}, expected {wanted} at least")]
    TooFewSubGroups {
        /// The PodGroup.
        group: String,
        /// The policy.
        policy: String,
        /// How many sub-groups there are whose Pods are all there.
        found: usize,
        /// How many are needed.
        wanted: u32,
        /// How many Pods make a sub-group.
        size: u32,
    },
    /// `minTaskMember` asks more of a task than the sub-groups, which is not planned.
    #[error(
        "PodGroup {group}: the sub-groups that are needed have {found} pods of task {task:?} and minTaskMember asks {wanted}, \
         expected the minima of tasks to follow from those of sub-groups"
    )]
    TaskBesideSubGroups {
        /// The PodGroup.
        group: String,
        /// The task.
        task: String,
        /// How many of its Pods the sub-groups need.
        found: usize,
        /// How many it needs.
        wanted: u32,
    },
    /// The cluster was read with other levels than the PodGroup.
    #[error("PodGroup {group} names level {level:?}, which the cluster does not have: expected one of {expected}")]
    UnknownLevel {
        /// The PodGroup.
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

/// A PodGroup as a gang, with the Pod that each pod of the gang is.
#[derive(Clone, Debug)]
pub struct PodGroupGang<'a> {
    gang: Gang,
    pods: BTreeMap<PodId, &'a ClusterPod>,
    left_out: Vec<&'a ClusterPod>,
}

impl PodGroup {
    /// The gang that its Pods are, of those that are given with it: Pods of its namespace that name it in an annotation
    /// (see [`ClusterPod::pod_group`]), and neither have ended nor are being deleted.
    ///
    /// The Pods of a sub-group are a replica of a group called like its policy; `minSubGroups` of them are the minimum and
    /// the others extras. Of a sub-group with more Pods than `subGroupSize` the others are extras too; one with fewer is
    /// [left out](PodGroupGang::left_out). Without sub-groups each task of `minTaskMember` is a group. Pods in neither are
    /// single. Where `minMember` asks more than these minima, Pods are added to them: further sub-groups in the order of
    /// the policies and of their labels' values, those whose Pods have nodes first, then Pods of no sub-group. Volcano
    /// would take any; which ones is settled here, so that the answer is always the same. The policies' `hard` levels are
    /// hard and the `soft` ones preferred.
    ///
    /// Resources that the inventory has not seen are added to it, as what no node has.
    ///
    /// # Errors
    ///
    /// See [`PodGroupError`]. That Pods are missing is usual: Volcano lets a PodGroup wait until they are created.
    ///
    /// ```
    /// use phalanx_gang::{Options, Outcome, plan};
    /// use phalanx_manifest::{Manifests, Settings};
    ///
    /// let text = "
    /// {apiVersion: v1, kind: Node, metadata: {name: n1}, status: {allocatable: {nvidia.com/gpu: 8}}}
    /// ---
    /// apiVersion: scheduling.volcano.sh/v1beta1
    /// kind: PodGroup
    /// metadata: {name: train}
    /// spec: {minMember: 2}
    /// ---
    /// apiVersion: v1
    /// kind: List
    /// items:
    /// - apiVersion: v1
    ///   kind: Pod
    ///   metadata: {name: train-0, annotations: &train {scheduling.k8s.io/group-name: train}}
    ///   spec: &spec {containers: [{resources: {limits: {nvidia.com/gpu: 4}}}]}
    /// - {apiVersion: v1, kind: Pod, metadata: {name: train-1, annotations: *train}, spec: *spec}
    /// - {apiVersion: v1, kind: Pod, metadata: {name: train-2, annotations: *train}, spec: *spec}
    /// ";
    /// let manifests = Manifests::read([("train.yaml", text)], &Settings::new())?;
    /// let mut inventory = manifests.inventory()?;
    /// let train = manifests.pod_groups()[0].gang(&manifests, &mut inventory)?;
    /// assert_eq!((train.gang().min_pods(), train.gang().max_pods()), (2, 3));
    /// let options = Options::new().present(train.present(&inventory));
    /// let Outcome::Placed(plan) = plan(train.gang(), &inventory, &options)? else { panic!("there is room for two") };
    /// let pods: Vec<_> = plan.placements().filter_map(|place| Some(train.pod(&place)?.name().name())).collect();
    /// assert_eq!(pods, ["train-0", "train-1"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gang<'a>(
        &self,
        manifests: &'a Manifests,
        inventory: &mut Inventory,
    ) -> Result<PodGroupGang<'a>, PodGroupError> {
        let pods = manifests.pods_of(&self.name).filter(|pod| !pod.has_ended() && !pod.is_terminating());
        let shape = Shape::new(self, pods)?;
        let mut classes: Vec<Class<'_, '_>> = Vec::new();
        for unit in &shape.units {
            let parts = parts(unit, inventory);
            let alike = |class: &&mut Class<'_, '_>| {
                class.policy.is_some() && class.policy == unit.policy && class.is_like(&parts)
            };
            match classes.iter_mut().find(alike) {
                Some(class) => class.units.push((unit, parts)),
                None => classes.push(Class { policy: unit.policy, units: vec![(unit, parts)] }),
            }
        }
        let names = unique(classes.iter().map(Class::name));
        let named = || classes.iter().zip(&names);
        let mut groups = Vec::new();
        for (class, name) in named() {
            let policy = class.policy.and_then(|at| self.policies[at].topology());
            groups.push(class.group(name, self.bound(policy, inventory)?));
        }
        let root = self.name.name();
        let gang = Gang::new(self.bound(self.topology(), inventory)?.put(Group::of(root, groups)))?;
        let pods = named().flat_map(|(class, name)| class.ids(&gang, &format!("{root}/{name}"))).collect();
        Ok(PodGroupGang { gang, pods, left_out: shape.left_out })
    }

    fn bound(&self, policy: Option<&TopologyPolicy>, inventory: &Inventory) -> Result<Bound, PodGroupError> {
        let Some(policy) = policy else { return Ok(Bound::default()) };
        let all = self.topology().into_iter().chain(self.policies.iter().filter_map(|policy| policy.topology()));
        let unknown = || PodGroupError::UnknownLevel {
            group: self.name.to_string(),
            level: policy.level().to_owned(),
            expected: level_names(inventory),
        };
        policy.bound_in(inventory, LevelOf::any_of_hypernodes(all)).ok_or_else(unknown)
    }
}

impl<'a> PodGroupGang<'a> {
    /// The gang.
    #[must_use]
    pub fn gang(&self) -> &Gang {
        &self.gang
    }

    /// The Pods of the gang, each with its name in it, in the order of the gang's groups.
    pub fn pods(&self) -> impl ExactSizeIterator<Item = (&PodId, &'a ClusterPod)> {
        self.pods.iter().map(|(id, pod)| (id, *pod))
    }

    /// The Pod that a placement of the gang is for; `None` when the plan is of another gang.
    #[must_use]
    pub fn pod(&self, placement: &Placement<'_>) -> Option<&'a ClusterPod> {
        let id = PodId::new(placement.group(), placement.ordinals(), placement.ordinal());
        self.pods.get(&id).copied()
    }

    /// Pods that belong to the PodGroup and are not planned: those of sub-groups that lack some of their Pods.
    #[must_use]
    pub fn left_out(&self) -> &[&'a ClusterPod] {
        &self.left_out
    }

    /// What is there already: the Pods that [stay](ClusterPod::stays) on nodes of the inventory.
    #[must_use]
    pub fn present(&self, inventory: &Inventory) -> Present {
        self.pods.iter().fold(Present::new(), |present, (id, pod)| {
            match pod.stays().and_then(|name| inventory.topology().node(name)) {
                Some(node) => present.running(id.clone(), node),
                None => present,
            }
        })
    }
}

/// Units that ask the same, as the replicas of one group.
#[derive(Clone, Debug)]
struct Class<'u, 'a> {
    policy: Option<usize>,
    units: Vec<(&'u Unit<'a>, Vec<Part>)>,
}

/// Pods of a unit that ask the same.
#[derive(Clone, Debug)]
struct Part {
    name: String,
    demand: Demand,
    /// How many of them are needed.
    least: usize,
    /// Positions in the unit.
    pods: Vec<usize>,
}

fn parts(unit: &Unit<'_>, inventory: &mut Inventory) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut needed = vec![false; unit.pods.len()];
    unit.first().into_iter().for_each(|at| needed[at] = true);
    for (at, pod) in unit.pods.iter().enumerate() {
        let demand = demand_in(pod.requests(), inventory);
        let index = parts.iter().position(|part| part.demand == demand).unwrap_or_else(|| {
            parts.push(Part { name: String::new(), demand, least: 0, pods: Vec::new() });
            parts.len() - 1
        });
        parts[index].least += usize::from(needed[at]);
        parts[index].pods.push(at);
    }
    parts.iter_mut().zip(0..).for_each(|(part, at)| part.name = format!("part-{at}"));
    // The parts of a role of Kthena's are called as in its ModelServing.
    if let [first, second] = &mut parts[..]
        && first.pods[..] == [0]
        && unit.pods[0].labels().contains_key(ENTRY_LABEL)
    {
        (first.name, second.name) = (ENTRY.to_owned(), WORKER.to_owned());
    }
    parts
}

impl<'a> Class<'_, 'a> {
    fn name(&self) -> &str {
        &self.units[0].0.name
    }

    fn parts(&self) -> &[Part] {
        &self.units[0].1
    }

    fn is_like(&self, parts: &[Part]) -> bool {
        fn ask(part: &Part) -> (&str, &Demand, usize, usize) {
            (&part.name, &part.demand, part.least, part.pods.len())
        }
        self.parts().iter().map(ask).eq(parts.iter().map(ask))
    }

    /// Its only part, where that is the group itself and not within it.
    fn only(&self) -> Option<&Part> {
        match self.parts() {
            [part] if part.is_whole() || self.policy.is_none() => Some(part),
            _ => None,
        }
    }

    fn group(&self, name: &str, bound: Bound) -> Group {
        let body = match self.only() {
            Some(part) if !part.is_whole() => return part.group(name),
            Some(part) => part.group(name),
            None => Group::of(name, self.parts().iter().map(|part| part.group(&part.name))),
        };
        let needed = self.units.iter().filter(|(unit, _)| unit.needed).count();
        bound.put(body).between(count(needed), count(self.units.len()))
    }

    /// The names in the gang of its Pods; `path` is that of its group.
    fn ids(&self, gang: &Gang, path: &str) -> Vec<(PodId, &'a ClusterPod)> {
        let mut ids = Vec::new();
        let only = self.only().is_some();
        for (replica, (unit, parts)) in (0_u32..).zip(&self.units) {
            for part in parts {
                let path = if only { path.to_owned() } else { format!("{path}/{}", part.name) };
                let group = gang.group(&path).expect("the gang has every part");
                for (ordinal, at) in (0_u32..).zip(&part.pods) {
                    let id = match (only, part.is_whole()) {
                        (true, true) => PodId::new(group, [0, replica], ordinal),
                        (true, false) => PodId::new(group, [0, ordinal], 0),
                        (false, true) => PodId::new(group, [0, replica, 0], ordinal),
                        (false, false) => PodId::new(group, [0, replica, ordinal], 0),
                    };
                    ids.push((id, unit.pods[*at]));
                }
            }
        }
        ids
    }
}

impl Part {
    /// Whether all its Pods are needed, where any of the unit is.
    fn is_whole(&self) -> bool {
        self.least == self.pods.len()
    }

    fn group(&self, name: &str) -> Group {
        if self.is_whole() {
            return Group::pods(name, count(self.pods.len()), self.demand.clone());
        }
        Group::pods(name, 1, self.demand.clone()).between(count(self.least), count(self.pods.len()))
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The names, each made unlike those before it.
fn unique<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for name in names {
        let numbered = (2_u32..).map(|number| format!("{name}.{number}"));
        let free = core::iter::once(name.to_owned()).chain(numbered).find(|name| !known.contains(name));
        known.extend(free);
    }
    known
}
