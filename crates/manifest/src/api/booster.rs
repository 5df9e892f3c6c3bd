//! ModelBooster.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::pod::anything;
use super::route::ModelMatch;
use super::status::Condition;

/// A model, from which a ModelServing, a ModelServer and a ModelRoute are made.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "workload.serving.volcano.sh",
    version = "v1alpha1",
    kind = "ModelBooster",
    namespaced,
    status = "ModelBoosterStatus",
    derive = "PartialEq",
    doc = "A model, from which a ModelServing, a ModelServer and a ModelRoute are made.",
    crates(kube_core = "::kube_core"),
    printcolumn(name = "Active", type_ = "string", json_path = ".status.conditions[?(@.type==\"Active\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ModelBoosterSpec {
    /// The model's name for clients; the object's when absent.
    #[schemars(length(max = 64), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// Which requests it takes; all when absent.
    pub model_match: Option<ModelMatch>,
    /// How it is served.
    pub backend: Backend,
}

/// How a model is served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// Its name.
    pub name: Option<String>,
    /// In which shape.
    #[serde(rename = "type")]
    pub kind: BackendType,
    /// Where the model's files come from.
    #[serde(rename = "modelURI")]
    #[schemars(regex(pattern = "^(hf://|ms://|s3://|obs://|pvc://).+"))]
    pub model_uri: String,
    /// Where they are kept; with the pod when absent.
    #[serde(rename = "cacheURI")]
    #[schemars(regex(pattern = "^(pvc://|hostpath://).+|^$"))]
    pub cache_uri: Option<String>,
    /// Variables of the engines' environment.
    #[serde(default)]
    #[schemars(schema_with = "list_of_anything")]
    pub env: Option<Json>,
    /// Where more of them come from.
    #[serde(default)]
    #[schemars(schema_with = "list_of_anything")]
    pub env_from: Option<Json>,
    /// How many groups serve it.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub replicas: i32,
    /// Who places the pods.
    pub scheduler_name: Option<String>,
    /// The pods' runtime class.
    pub runtime_class_name: Option<String>,
    /// The pods of a group.
    #[schemars(length(min = 1, max = 1_000))]
    pub workers: Vec<Worker>,
}

/// The shape in which a model is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "a text here would make the enum a list of constants")]
pub enum BackendType {
    #[serde(rename = "vLLM")]
    Vllm,
    #[serde(rename = "vLLMDisaggregated")]
    VllmDisaggregated,
}

/// Pods of a group that do the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// What they do.
    #[serde(rename = "type", default)]
    pub kind: WorkerType,
    /// Their image.
    pub image: Option<String>,
    /// How many replicas of them there are.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub replicas: i32,
    /// Pods of a replica.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub pods: i32,
    /// What a pod asks of its node.
    #[serde(default)]
    #[schemars(schema_with = "anything")]
    pub resources: Option<Json>,
    /// Where they go.
    #[serde(default)]
    #[schemars(schema_with = "anything")]
    pub affinity: Option<Json>,
    /// What they tolerate.
    #[serde(default)]
    #[schemars(schema_with = "list_of_anything")]
    pub tolerations: Option<Json>,
    /// The engine's arguments.
    #[serde(default)]
    #[schemars(schema_with = "anything")]
    pub config: Option<Json>,
}

/// What pods do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "a text here would make the enum a list of constants")]
pub enum WorkerType {
    #[default]
    Server,
    Prefill,
    Decode,
    Controller,
    Coordinator,
}

/// What became of a ModelBooster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelBoosterStatus {
    /// The generation that the rest was seen of.
    pub observed_generation: Option<i64>,
    /// How it is.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
}

fn one() -> i32 {
    1
}

/// Objects of any shape.
fn list_of_anything(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    })
}
