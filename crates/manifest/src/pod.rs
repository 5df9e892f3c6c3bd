//! Pods as a cluster has them.

use std::collections::BTreeMap;

use phalanx_topology::{Demand, NodeId, Transaction};

use crate::demand::demand;
use crate::field::{Field, Fields};
use crate::name::{Metadata, ObjectName};
use crate::problem::Place;
use crate::resources::{self, Amounts};
use crate::template::{self, Told};

/// A Pod that exists: what it asks, and where it is if it has a place.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterPod {
    name: ObjectName,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    requests: Amounts,
    node: Option<String>,
    phase: PodPhase,
    terminating: bool,
}

/// How far a Pod has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PodPhase {
    /// It has no node yet, or its containers do not all run.
    Pending,
    /// It runs.
    Running,
    /// It ran to its end.
    Succeeded,
    /// It failed for good.
    Failed,
    /// Its node does not answer.
    Unknown,
}

/// Where a Pod and its node's name stand.
#[derive(Clone, Debug)]
pub(crate) struct PodPlaces {
    pub(crate) pod: Place,
    pub(crate) node: Option<Place>,
}

/// The annotations that name a Pod's PodGroup, and its task in it.
pub(crate) const GROUP_ANNOTATION: &str = "scheduling.k8s.io/group-name";
const GROUP_ANNOTATIONS: [&str; 2] = [GROUP_ANNOTATION, "scheduling.volcano.sh/group-name"];
const TASK_ANNOTATION: &str = "volcano.sh/task-spec";

impl ClusterPod {
    pub(crate) fn read(metadata: &Metadata, object: &mut Fields<'_>) -> Option<(Self, PodPlaces)> {
        const PHASES: [(&str, PodPhase); 5] = [
            ("Pending", PodPhase::Pending),
            ("Running", PodPhase::Running),
            ("Succeeded", PodPhase::Succeeded),
            ("Failed", PodPhase::Failed),
            ("Unknown", PodPhase::Unknown),
        ];
        let spec_field = object.require("spec", "a pod spec")?;
        let mut spec = spec_field.fields()?;
        let node_field = spec.get("nodeName");
        let node = node_field.as_ref().and_then(Field::text).filter(|name| !name.is_empty());
        // Where a Pod with a node may go is settled.
        let requests = template::pod(&mut spec, if node.is_some() { Told::Nothing } else { Told::Constraints });
        if let Some((first, second)) = template::two_makes(&requests) {
            spec_field.wrong(format!("both {first} and {second}"), "one accelerator resource in a pod");
        }
        let status = object.get("status").and_then(|field| field.fields());
        let phase = status.and_then(|mut status| status.get("phase"));
        let phase = phase.map_or(Some(0), |field| field.choice(&PHASES.map(|(name, _)| name)))?;
        let places = PodPlaces { pod: object.field().place(), node: node_field.as_ref().map(Field::place) };
        let pod = Self {
            name: metadata.object_name(),
            labels: metadata.labels.clone(),
            annotations: metadata.annotations.clone(),
            requests,
            node: node.map(str::to_owned),
            phase: PHASES[phase].1,
            terminating: metadata.terminating,
        };
        Some((pod, places))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// What it asks, as [`PodTemplate::requests`](crate::PodTemplate::requests) counts it.
    #[must_use]
    pub fn requests(&self) -> &BTreeMap<String, u64> {
        &self.requests
    }

    /// Its node, once it has one.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// How far it has come.
    #[must_use]
    pub fn phase(&self) -> PodPhase {
        self.phase
    }

    /// Whether it is being deleted.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.terminating
    }

    /// The node whose room it holds: its own, until it ends.
    #[must_use]
    pub fn holds(&self) -> Option<&str> {
        self.node().filter(|_| !self.has_ended())
    }

    /// The node on which it counts as there: the one that it [holds](Self::holds), unless it is being deleted. It need not
    /// run yet: what has a node will not get another.
    #[must_use]
    pub fn stays(&self) -> Option<&str> {
        self.holds().filter(|_| !self.terminating)
    }

    /// Whether it is over.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// The name of the PodGroup in its namespace that it belongs to, by its annotation `scheduling.k8s.io/group-name` or
    /// Volcano's own, `scheduling.volcano.sh/group-name`.
    #[must_use]
    pub fn pod_group(&self) -> Option<&str> {
        let mut names = GROUP_ANNOTATIONS.iter().filter_map(|key| self.annotations.get(*key));
        names.find(|name| !name.is_empty()).map(String::as_str)
    }

    /// Its task in the PodGroup, by the annotation `volcano.sh/task-spec`, or the label.
    #[must_use]
    pub fn task(&self) -> Option<&str> {
        self.annotations.get(TASK_ANNOTATION).or_else(|| self.labels.get(TASK_ANNOTATION)).map(String::as_str)
    }

    /// Takes its room on a node; where the node has less than it asks, all that is left.
    pub(crate) fn hold(&self, node: NodeId, transaction: &mut Transaction<'_>) {
        let inventory = transaction.inventory();
        let asked = demand(&self.requests, |name| inventory.find_resource(name));
        let make = resources::accelerators(&self.requests).next().and_then(|(make, _)| inventory.find_resource(make));
        // Devices of another make are not what it holds.
        let has_make = make.is_some_and(|make| inventory.capacity(node, make) > 0);
        let devices = if has_make { asked.device_count().min(inventory.free_devices(node).len()) } else { 0 };
        let held = asked.resources().iter().fold(Demand::devices(devices), |held, &(resource, amount)| {
            held.with(resource, amount.min(inventory.free(node, resource)))
        });
        transaction.reserve(node, &held).expect("no more is asked than is free");
    }
}

/// The annotations of a Pod of a PodGroup, as Kthena sets them.
pub(crate) fn group_annotations(group: String, task: String) -> BTreeMap<String, String> {
    BTreeMap::from([(GROUP_ANNOTATION.to_owned(), group), (TASK_ANNOTATION.to_owned(), task)])
}
