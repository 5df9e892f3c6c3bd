//! AutoscalingPolicy.

use std::collections::BTreeMap;

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::pod::quantity;
use super::status::Condition;

/// How many replicas something has, by its load.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "workload.serving.volcano.sh",
    version = "v1alpha1",
    kind = "AutoscalingPolicy",
    plural = "autoscalingpolicies",
    namespaced,
    status = "AutoscalingPolicyStatus",
    derive = "PartialEq",
    doc = "How many replicas something has, by its load.",
    crates(kube_core = "::kube_core"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalingPolicySpec {
    /// How far load may be from its target before anything is changed, in percent.
    #[serde(default = "ten")]
    #[schemars(range(min = 0, max = 100))]
    pub tolerance_percent: i32,
    /// What load is, and how much of it a replica should have.
    pub metrics: Option<Vec<Metric>>,
    /// One thing that is scaled.
    pub homogeneous_target: Option<HomogeneousTarget>,
    /// Several of different cost that share one load, instead.
    pub heterogeneous_target: Option<HeterogeneousTarget>,
    /// The roles of one, each by its own load, instead.
    pub disaggregated_target: Option<DisaggregatedTarget>,
    /// How fast it goes.
    pub behavior: Option<Behavior>,
}

/// A load, and how much of it a replica should have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// How much a replica should have; above 0.
    #[schemars(schema_with = "quantity")]
    pub target_value: Json,
}

/// One thing that is scaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HomogeneousTarget {
    /// What is scaled.
    pub target: Target,
    /// The fewest replicas.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub min_replicas: i32,
    /// The most replicas.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_replicas: i32,
}

/// What is scaled, and where its load is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// What is scaled.
    pub target_ref: TargetRef,
    /// Where each metric is read.
    pub metric_sources: Option<BTreeMap<String, MetricSource>>,
}

/// An object that is scaled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// Its kind: ModelServing.
    pub kind: Option<String>,
    /// Its name.
    pub name: String,
    /// Its namespace, if it is not the policy's.
    pub namespace: Option<String>,
}

/// Where a metric is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = Rule::new("has(self.pod) != has(self.prometheus)").message("exactly one of pod and prometheus must be set"))]
#[serde(rename_all = "camelCase")]
pub struct MetricSource {
    /// At the pods.
    pub pod: Option<PodMetricSource>,
    /// At a Prometheus.
    pub prometheus: Option<PrometheusMetricSource>,
}

/// A page of metrics of each pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodMetricSource {
    /// The metric's name there, if it is another one.
    pub name: Option<String>,
    /// The path.
    #[serde(default = "metrics_path")]
    #[schemars(regex(pattern = "^/"))]
    pub uri: String,
    /// The port.
    #[serde(default = "metrics_port")]
    pub port: i32,
    /// Which pods; all when absent.
    pub label_selector: Option<LabelSelector>,
}

/// Which pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Those with these labels,
    pub match_labels: Option<BTreeMap<String, String>>,
    /// and of these ones.
    pub match_expressions: Option<Vec<LabelRequirement>>,
}

/// What a label must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelRequirement {
    /// The label.
    pub key: String,
    /// In, NotIn, Exists or DoesNotExist.
    pub operator: String,
    /// The values that are meant.
    pub values: Option<Vec<String>>,
}

/// A query of a Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusMetricSource {
    /// Where it is.
    #[serde(rename = "serverURL")]
    pub server_url: String,
    /// What it is asked.
    pub query: String,
    /// By what it knows its clients.
    pub auth: Option<PrometheusAuth>,
}

/// Nothing yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrometheusAuth {}

/// Several things of different cost that share one load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeterogeneousTarget {
    /// The things.
    #[schemars(length(min = 1))]
    pub params: Vec<HeterogeneousParam>,
    /// How much dearer a step may be than the cheapest, in percent.
    #[serde(default = "two_hundred")]
    #[schemars(range(min = 0))]
    pub cost_expansion_rate_percent: i32,
}

/// One of several things that share a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeterogeneousParam {
    /// What is scaled.
    pub target: Target,
    /// What a replica costs.
    #[schemars(range(min = 0))]
    pub cost: i64,
    /// The fewest replicas.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub min_replicas: i32,
    /// The most replicas.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_replicas: i32,
}

/// The roles of one ModelServing, each by its own load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisaggregatedTarget {
    /// The ModelServing.
    pub target_ref: TargetRef,
    /// The roles, by name.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 2))]
    pub roles: BTreeMap<String, DisaggregatedRole>,
    /// How many of one role there may be to one of the other.
    pub ratio_constraint: Option<RatioConstraint>,
}

/// How many replicas a role has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisaggregatedRole {
    /// The fewest replicas.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub min_replicas: i32,
    /// The most replicas.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_replicas: i32,
    /// Its load; the policy's when absent.
    pub metrics: Option<Vec<Metric>>,
    /// Where each metric is read.
    pub metric_sources: Option<BTreeMap<String, MetricSource>>,
}

/// How many of one role there may be to one of the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RatioConstraint {
    /// The role above.
    pub numerator_role: String,
    /// The role below.
    pub denominator_role: String,
    /// The least ratio.
    #[serde(default)]
    #[schemars(schema_with = "quantity")]
    pub min_ratio: Option<Json>,
    /// The greatest ratio.
    #[serde(default)]
    #[schemars(schema_with = "quantity")]
    pub max_ratio: Option<Json>,
}

/// How fast it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// Upwards.
    pub scale_up: Option<ScaleUp>,
    /// Downwards.
    pub scale_down: Option<StablePolicy>,
}

/// How fast it goes upwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleUp {
    /// Usually.
    pub stable_policy: Option<StablePolicy>,
    /// When load is far above its target.
    pub panic_policy: Option<PanicPolicy>,
}

/// A pace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StablePolicy {
    /// Replicas a period.
    #[serde(default = "one")]
    #[schemars(range(min = 0))]
    pub instances: i32,
    /// Replicas a period, in percent of what there are.
    #[serde(default = "hundred")]
    #[schemars(range(min = 0))]
    pub percent: i32,
    /// The period.
    #[serde(default = "quarter_minute")]
    pub period: String,
    /// Whether the greater of the two counts, or the smaller.
    #[serde(default)]
    pub select_policy: SelectPolicy,
    /// For how long it must have been so.
    pub stabilization_window: Option<String>,
}

/// Whether the greater of two limits counts (Or), or the smaller (And).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "a text here would make the enum a list of constants")]
pub enum SelectPolicy {
    #[default]
    Or,
    And,
}

/// The pace when load is far above its target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PanicPolicy {
    /// Replicas a period, in percent of what there are.
    #[serde(default = "thousand")]
    #[schemars(range(min = 0, max = 1_000))]
    pub percent: i32,
    /// The period.
    pub period: Option<String>,
    /// How far above its target load must be, in percent.
    #[serde(default = "two_hundred")]
    #[schemars(range(min = 110, max = 1_000))]
    pub panic_threshold_percent: i32,
    /// For how long it goes on.
    #[serde(default = "minute")]
    pub panic_mode_hold: String,
}

/// What became of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalingPolicyStatus {
    /// How it is.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
    /// Of a disaggregated target.
    pub disaggregated_status: Option<DisaggregatedStatus>,
}

/// What became of a disaggregated target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisaggregatedStatus {
    /// Its roles.
    pub roles: Option<Vec<RoleStatus>>,
    /// The ratio of the two.
    pub ratio_status: Option<RatioStatus>,
    /// Whether the ratio changed what load alone would have asked for.
    pub ratio_adjusted: Option<bool>,
}

/// What became of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleStatus {
    /// Its name.
    pub name: Option<String>,
    /// Replicas that there are.
    pub current_replicas: Option<i32>,
    /// Replicas that there should be.
    pub desired_replicas: Option<i32>,
    /// How it is scaled.
    pub mode: Option<String>,
    /// When its replicas changed last.
    #[schemars(extend("format" = "date-time"))]
    pub last_scale_time: Option<String>,
}

/// The ratio of two roles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RatioStatus {
    /// The role above.
    pub numerator_role: Option<String>,
    /// The role below.
    pub denominator_role: Option<String>,
    /// How many of the one there are to one of the other.
    #[serde(default)]
    #[schemars(schema_with = "quantity")]
    pub current_ratio: Option<Json>,
}

fn one() -> i32 {
    1
}

fn ten() -> i32 {
    10
}

fn hundred() -> i32 {
    100
}

fn two_hundred() -> i32 {
    200
}

fn thousand() -> i32 {
    1_000
}

fn quarter_minute() -> String {
    "15s".to_owned()
}

fn minute() -> String {
    "60s".to_owned()
}

fn metrics_path() -> String {
    "/metrics".to_owned()
}

fn metrics_port() -> i32 {
    8_100
}
