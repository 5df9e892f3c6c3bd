//! Pods to be.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// What pods are made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// Labels and annotations of the pods, beside those of their place in the group.
    pub metadata: Option<PodMetadata>,
    /// The pods' spec. The server keeps all of it and checks it where pods are made, so that fields of a newer Kubernetes
    /// than this definition pass.
    #[schemars(schema_with = "pod_spec")]
    pub spec: Json,
}

/// Labels and annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodMetadata {
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// A pod's spec: its containers, each with an image without spaces, and whatever else Kubernetes knows.
fn pod_spec(_: &mut SchemaGenerator) -> Schema {
    let container = serde_json::json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "image": {"type": "string", "pattern": "^\\S*$"},
        },
        "x-kubernetes-preserve-unknown-fields": true,
    });
    json_schema!({
        "type": "object",
        "description": "A pod's spec. Checked in full where pods are made.",
        "required": ["containers"],
        "properties": {
            "containers": {"type": "array", "items": container},
            "initContainers": {"type": "array", "items": container},
        },
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// JSON of any shape.
pub(super) fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

/// An object of any shape.
pub(super) fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// A whole number or a share such as `25%`.
pub(super) fn int_or_percent(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-int-or-string": true})
}

/// An amount such as `500m` or `0.8`.
pub(super) fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$",
    })
}
