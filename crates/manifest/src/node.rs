//! Nodes.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::field::{Field, Fields};
use crate::name::Metadata;
use crate::resources::{self, Amounts, Rounding};

/// A machine: what it is labelled with and what it offers.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) unschedulable: bool,
    pub(crate) amounts: Amounts,
    pub(crate) json: Json,
}

/// The pods that a kubelet takes when its node does not say.
const DEFAULT_PODS: u64 = 110;

impl Node {
    pub(crate) fn read(metadata: Metadata, object: &mut Fields<'_>) -> Self {
        let unschedulable = object.get("spec").and_then(|field| spec(&field)).unwrap_or(false);
        let status = object.get("status").and_then(|field| field.fields());
        let offered = status.and_then(|mut status| {
            let (capacity, allocatable) = (status.get("capacity"), status.get("allocatable"));
            allocatable.or(capacity)
        });
        let mut amounts = match &offered {
            Some(field) => resources::amounts(field, Rounding::Down),
            None => {
                object.field().warn("neither status.allocatable nor status.capacity is given: nothing fits on it");
                Amounts::new()
            }
        };
        amounts.entry("pods".to_owned()).or_insert(DEFAULT_PODS);
        let kinds: Vec<_> = resources::accelerators(&amounts).collect();
        if let Some(field) = &offered {
            if let [(first, _), (second, _), ..] = kinds[..] {
                field.wrong(format!("both {first} and {second}"), "one accelerator resource on a node");
            }
            if let [(name, count @ 65..)] = kinds[..] {
                field.wrong(format!("{count} of {name}"), "64 accelerators at most on a node");
            }
        }
        let json = object.field().json();
        Self { name: metadata.name, labels: metadata.labels, unschedulable, amounts, json }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// Whether it is cordoned.
    #[must_use]
    pub fn is_unschedulable(&self) -> bool {
        self.unschedulable
    }

    /// What it offers: `status.allocatable`, else `status.capacity`. `cpu` in thousandths, all others in units; 110 pods
    /// where it does not say.
    #[must_use]
    pub fn amounts(&self) -> &BTreeMap<String, u64> {
        &self.amounts
    }

    /// Its accelerators: the resource that counts them, and how many, 64 at most.
    #[must_use]
    pub fn accelerators(&self) -> Option<(&str, u32)> {
        let (name, count) = resources::accelerators(&self.amounts).next()?;
        Some((name, u32::try_from(count).ok()?))
    }

    /// What kind its accelerators are, as the vendor's or the cloud's labels have it: the label `<resource>.product` that
    /// NVIDIA's feature discovery sets (`nvidia.com/gpu.product`), AMD's `amd.com/gpu.product-name`, or one of those that
    /// clouds set for machines with accelerators, `cloud.google.com/gke-accelerator`, `cloud.google.com/gke-tpu-accelerator`,
    /// `k8s.amazonaws.com/accelerator`, `kubernetes.azure.com/accelerator`. The first that is not empty counts; `None` for
    /// a node without accelerators.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        const CLOUDS: [&str; 4] = [
            "cloud.google.com/gke-accelerator",
            "cloud.google.com/gke-tpu-accelerator",
            "k8s.amazonaws.com/accelerator",
            "kubernetes.azure.com/accelerator",
        ];
        let (resource, _) = self.accelerators()?;
        let product = [
            format!("{resource}.product"),
            format!("{resource}.product-name"),
            format!("beta.{resource}.product-name"),
        ];
        let keys = product.iter().map(String::as_str).chain(CLOUDS);
        keys.filter_map(|key| self.labels.get(key)).map(String::as_str).find(|value| !value.is_empty())
    }

    /// The manifest, whole.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.json
    }
}

/// Whether the node is cordoned.
fn spec(field: &Field<'_>) -> Option<bool> {
    let mut fields = field.fields()?;
    // What names the machine to others says nothing of what fits on it.
    for key in ["podCIDR", "podCIDRs", "providerID", "externalID", "configSource"] {
        fields.get(key);
    }
    if let Some(taints) = fields.get("taints") {
        for taint in taints.list().unwrap_or_default() {
            let key = taint.fields().and_then(|mut taint| taint.get("key")?.text());
            // The shadow of `unschedulable`.
            if key != Some("node.kubernetes.io/unschedulable") {
                taint.warn("taints do not keep pods off a node in this release");
            }
        }
    }
    let unschedulable = fields.get("unschedulable");
    fields.finish();
    unschedulable?.boolean()
}
