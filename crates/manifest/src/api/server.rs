//! ModelServer.

use std::collections::BTreeMap;

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The pods that serve a model, and how they are talked to.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "networking.serving.volcano.sh",
    version = "v1alpha1",
    kind = "ModelServer",
    namespaced,
    status = "ModelServerStatus",
    derive = "PartialEq",
    doc = "The pods that serve a model, and how they are talked to.",
    crates(kube_core = "::kube_core"),
    printcolumn(name = "Engine", type_ = "string", json_path = ".spec.inferenceEngine"),
    printcolumn(name = "Model", type_ = "string", json_path = ".spec.model"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ModelServerSpec {
    /// The model's name for the engines; the client's where it is absent.
    #[schemars(length(max = 256))]
    pub model: Option<String>,
    /// What the pods run.
    pub inference_engine: InferenceEngine,
    /// Which pods of the namespace serve it.
    pub workload_selector: WorkloadSelector,
    /// Where they listen.
    pub workload_port: WorkloadPort,
    /// How requests to them are treated.
    pub traffic_policy: Option<TrafficPolicy>,
    /// How KV caches go from prefill to decode.
    pub kv_connector: Option<KvConnector>,
}

/// What a pod runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(
    missing_docs,
    clippy::upper_case_acronyms,
    reason = "as in manifests; a text here would make the enum a list of constants"
)]
pub enum InferenceEngine {
    #[serde(rename = "vLLM")]
    Vllm,
    SGLang,
}

/// Which pods serve a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSelector {
    /// Labels that they all have.
    pub match_labels: BTreeMap<String, String>,
    /// Which of them compute prompts and which answer.
    pub pd_group: Option<PdGroup>,
}

/// Which pods compute prompts and which answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PdGroup {
    /// The label whose value both of a pair have.
    #[schemars(length(min = 1))]
    pub group_key: String,
    /// Labels of those that compute prompts.
    #[schemars(extend("minProperties" = 1))]
    pub prefill_labels: BTreeMap<String, String>,
    /// Labels of those that answer.
    #[schemars(extend("minProperties" = 1))]
    pub decode_labels: BTreeMap<String, String>,
}

/// Where pods listen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadPort {
    /// The port.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: i32,
    /// What is spoken there.
    #[serde(default)]
    pub protocol: WorkloadProtocol,
}

/// What is spoken at a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "a text here would make the enum a list of constants")]
pub enum WorkloadProtocol {
    #[default]
    Http,
    Https,
}

/// How requests are treated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicy {
    /// Until a response has its head, such as `30s`.
    pub timeout: Option<String>,
    /// What is done about endpoints that fail.
    pub retry: Option<Retry>,
}

/// What is done about endpoints that fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How often it is tried again.
    pub attempts: i32,
    /// The pause before.
    #[serde(default = "interval")]
    pub retry_interval: String,
}

/// How KV caches go from prefill to decode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KvConnector {
    /// The protocol.
    #[serde(rename = "type", default)]
    pub kind: KvConnectorType,
}

/// How KV caches go from prefill to decode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "a text here would make the enum a list of constants")]
pub enum KvConnectorType {
    #[default]
    Http,
    Lmcache,
    Nixl,
    Mooncake,
}

/// Nothing yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelServerStatus {}

fn interval() -> String {
    "100ms".to_owned()
}
