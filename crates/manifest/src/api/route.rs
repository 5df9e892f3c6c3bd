//! ModelRoute.

use std::collections::BTreeMap;

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parent::ParentReference;

/// Which servers have a model.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, KubeSchema)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    group = "networking.serving.volcano.sh",
    version = "v1alpha1",
    kind = "ModelRoute",
    namespaced,
    status = "ModelRouteStatus",
    derive = "PartialEq",
    doc = "Which servers have a model.",
    crates(kube_core = "::kube_core"),
    printcolumn(name = "Model", type_ = "string", json_path = ".spec.modelName"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("(has(self.modelName) && size(self.modelName) > 0) || (has(self.loraAdapters) && size(self.loraAdapters) > 0)").message("modelName and loraAdapters cannot both be empty"))]
#[serde(rename_all = "camelCase")]
pub struct ModelRouteSpec {
    /// The model's name for clients.
    #[x_kube(validation = Rule::new("self == oldSelf").message("modelName is immutable"))]
    pub model_name: Option<String>,
    /// Adapters that are asked for by these names.
    #[schemars(length(max = 10))]
    pub lora_adapters: Option<Vec<String>>,
    /// The Gateways where the route is; all when absent.
    pub parent_refs: Option<Vec<ParentReference>>,
    /// Where requests go: the first that matches counts.
    #[schemars(length(max = 16))]
    pub rules: Vec<RouteRule>,
    /// How many tokens pass.
    pub rate_limit: Option<RateLimit>,
}

/// Where some requests go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteRule {
    /// Its name, for people.
    pub name: Option<String>,
    /// Which requests; all when absent.
    pub model_match: Option<ModelMatch>,
    /// Where they go, by weight.
    #[schemars(length(min = 1, max = 16))]
    pub target_models: Vec<TargetModel>,
}

/// Which requests a rule takes: those that match in everything it names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelMatch {
    /// By headers.
    pub headers: Option<BTreeMap<String, StringMatch>>,
    /// By the path.
    pub uri: Option<StringMatch>,
    /// By what the body says.
    pub body: Option<BodyMatch>,
}

/// Which texts match; the first of the three that is there counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StringMatch {
    /// This one.
    pub exact: Option<String>,
    /// Those that begin so.
    pub prefix: Option<String>,
    /// Those in which this regular expression is found.
    pub regex: Option<String>,
}

/// What a body says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BodyMatch {
    /// The model that it names.
    pub model: Option<String>,
}

/// One of the places where requests go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = Rule::new("(has(self.modelServerName) && size(self.modelServerName) > 0) != (has(self.externalModelProviderName) && size(self.externalModelProviderName) > 0)").message("exactly one of modelServerName and externalModelProviderName must be set"))]
#[serde(rename_all = "camelCase")]
pub struct TargetModel {
    /// A ModelServer of the namespace.
    pub model_server_name: Option<String>,
    /// An ExternalModelProvider of the namespace, instead.
    pub external_model_provider_name: Option<String>,
    /// Its share, beside those of the others.
    #[serde(default = "weight")]
    #[schemars(range(min = 0, max = 100))]
    pub weight: i32,
}

/// How many tokens pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Of prompts, in a unit of time; any number when absent.
    #[schemars(range(min = 1))]
    pub input_tokens_per_unit: Option<i32>,
    /// Of answers, in a unit of time; any number when absent.
    #[schemars(range(min = 1))]
    pub output_tokens_per_unit: Option<i32>,
    /// The unit of time.
    #[serde(default)]
    pub unit: RateLimitUnit,
    /// Where all gateways count together; each counts alone when absent.
    pub global: Option<GlobalRateLimit>,
}

/// A unit of time; a month has 30 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "a text here would make the enum a list of constants")]
pub enum RateLimitUnit {
    #[default]
    Second,
    Minute,
    Hour,
    Day,
    Month,
}

/// Where all gateways count together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GlobalRateLimit {
    /// In a Redis.
    pub redis: Option<RedisConfig>,
}

/// A Redis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisConfig {
    /// Its host and port.
    pub address: String,
}

/// Nothing yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelRouteStatus {}

fn weight() -> i32 {
    100
}
