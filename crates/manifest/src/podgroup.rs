//! PodGroups: Volcano's gangs.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::field::{Field, Fields};
use crate::name::{Metadata, ObjectName, is_label_key};
use crate::policy::{PolicyPlace, TopologyPolicy};
use crate::resources::{self, Amounts, Rounding};
use crate::selector::LabelSelector;

mod gang;
mod shape;

pub use gang::{PodGroupError, PodGroupGang};

/// Pods that are placed together or not at all, as Volcano has them.
#[derive(Clone, Debug, PartialEq)]
pub struct PodGroup {
    pub(crate) name: ObjectName,
    pub(crate) labels: BTreeMap<String, String>,
    min_member: u32,
    min_tasks: BTreeMap<String, u32>,
    min_resources: Amounts,
    queue: Option<String>,
    pub(crate) topology: Option<TopologyPolicy>,
    pub(crate) policies: Vec<SubGroupPolicy>,
    json: Json,
}

/// A kind of sub-groups of a PodGroup: Pods of one label, cut by others.
#[derive(Clone, Debug, PartialEq)]
pub struct SubGroupPolicy {
    name: String,
    selector: LabelSelector,
    keys: Vec<String>,
    size: u32,
    min: u32,
    pub(crate) topology: Option<TopologyPolicy>,
}

impl PodGroup {
    pub(crate) fn read(metadata: Metadata, object: &mut Fields<'_>) -> Option<(Self, Vec<PolicyPlace>)> {
        let mut spec = object.require("spec", "a PodGroup's spec")?.fields()?;
        let min_member = spec.get("minMember").map_or(Some(0), |field| field.count());
        let min_tasks = spec.get("minTaskMember").map(|field| tasks(&field)).unwrap_or_default();
        let queue = spec.get("queue").and_then(|field| {
            let queue = field.text()?;
            if !matches!(queue, "" | "default") {
                field.warn("queues are not acted on in this release");
            }
            Some(queue.to_owned())
        });
        spec.not_acted_on("priorityClassName", "priorities are not acted on in this release");
        let min_resources = spec.get("minResources").map(|field| resources::amounts(&field, Rounding::Up));
        let topology = spec.get("networkTopology").and_then(|field| TopologyPolicy::read(&field));
        let list = spec.get("subGroupPolicy").and_then(|field| field.list()).unwrap_or_default();
        spec.finish();
        let (topology, place) = topology.unzip();
        let mut places: Vec<PolicyPlace> = place.into_iter().collect();
        let mut policies: Vec<SubGroupPolicy> = Vec::new();
        for field in list {
            let Some((policy, place, name)) = SubGroupPolicy::read(&field) else { continue };
            if policies.iter().any(|other| other.name == policy.name) {
                name.wrong(format!("a second policy {:?}", policy.name), "each policy once");
            }
            places.extend(place);
            policies.push(policy);
        }
        let group = Self {
            name: metadata.object_name(),
            labels: metadata.labels,
            min_member: min_member?,
            min_tasks,
            min_resources: min_resources.unwrap_or_default(),
            queue,
            topology,
            policies,
            json: object.field().json(),
        };
        Some((group, places))
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

    /// How many of its Pods are placed at least, or none; 0 where it does not say.
    #[must_use]
    pub fn min_member(&self) -> u32 {
        self.min_member
    }

    /// How many Pods of each task are placed at least.
    #[must_use]
    pub fn min_tasks(&self) -> &BTreeMap<String, u32> {
        &self.min_tasks
    }

    /// What the minimum asks in sum, by its own account: kept, and not acted on, as the Pods say what they ask. `cpu` in
    /// thousandths, all others in units.
    #[must_use]
    pub fn min_resources(&self) -> &BTreeMap<String, u64> {
        &self.min_resources
    }

    /// Its queue.
    #[must_use]
    pub fn queue(&self) -> Option<&str> {
        self.queue.as_deref()
    }

    /// How close together all its Pods go.
    #[must_use]
    pub fn topology(&self) -> Option<&TopologyPolicy> {
        self.topology.as_ref()
    }

    /// Its kinds of sub-groups. A Pod belongs to the first that selects it.
    #[must_use]
    pub fn policies(&self) -> &[SubGroupPolicy] {
        &self.policies
    }

    /// The manifest, whole.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.json
    }

    /// Its policies, the whole's first.
    pub(crate) fn all_policies(&mut self) -> impl Iterator<Item = &mut TopologyPolicy> {
        self.topology.iter_mut().chain(self.policies.iter_mut().filter_map(|policy| policy.topology.as_mut()))
    }
}

impl SubGroupPolicy {
    /// Reads a policy; with it where it names a level, and where its name stands.
    fn read<'a>(field: &Field<'a>) -> Option<(Self, Option<PolicyPlace>, Field<'a>)> {
        let mut fields = field.fields()?;
        let name_field = fields.require("name", "a policy's name");
        let selector =
            fields.get("labelSelector").map_or(Some(LabelSelector::default()), |field| LabelSelector::read(&field));
        let keys = fields.get("matchLabelKeys").and_then(|field| field.list()).unwrap_or_default();
        let size = fields
            .get("subGroupSize")
            .map_or(Some(1), |field| field.integer(1..=i64::from(i32::MAX)).and_then(|size| u32::try_from(size).ok()));
        let min = fields.get("minSubGroups").map_or(Some(0), |field| field.count());
        let topology = fields.get("networkTopology").and_then(|field| TopologyPolicy::read(&field));
        fields.finish();
        let keys = keys.iter().filter_map(|field| {
            let key = field.text()?;
            if !is_label_key(key) {
                field.expected("a label key: a name of 63 at most, after an optional `domain/`");
            }
            Some(key.to_owned())
        });
        let keys = keys.collect();
        let (topology, place) = topology.unzip();
        let name_field = name_field?;
        let name = name_field.non_empty()?.to_owned();
        if name.contains('/') {
            name_field.expected("a name without '/'");
        }
        Some((Self { name, selector: selector?, keys, size: size?, min: min?, topology }, place, name_field))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The labels by whose values the Pods that it selects are cut into sub-groups. A Pod that lacks one is not selected;
    /// without any all are one sub-group.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// How many Pods of a sub-group are placed at least, or none of it.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// How many sub-groups are placed at least, or no Pod of the PodGroup.
    #[must_use]
    pub fn min_sub_groups(&self) -> u32 {
        self.min
    }

    /// How close together the Pods of one sub-group go.
    #[must_use]
    pub fn topology(&self) -> Option<&TopologyPolicy> {
        self.topology.as_ref()
    }

    /// The values that tell the sub-group of a Pod with these labels, if it selects the Pod.
    fn sub_group(&self, labels: &BTreeMap<String, String>) -> Option<Vec<String>> {
        if !self.selector.matches(labels) {
            return None;
        }
        self.keys.iter().map(|key| labels.get(key).filter(|value| !value.is_empty()).cloned()).collect()
    }
}

fn tasks(field: &Field<'_>) -> BTreeMap<String, u32> {
    let entries = field.entries().unwrap_or_default();
    entries.iter().filter_map(|(task, value)| Some(((*task).to_owned(), value.count()?))).collect()
}
