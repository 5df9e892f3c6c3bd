//! ModelServing.

use std::collections::BTreeMap;

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::pod::{PodTemplate, anything, int_or_percent, object};
use super::status::Condition;

/// So many groups of roles, each placed as a gang.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, KubeSchema)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    group = "workload.serving.volcano.sh",
    version = "v1alpha1",
    kind = "ModelServing",
    namespaced,
    status = "ModelServingStatus",
    derive = "PartialEq",
    doc = "So many groups of roles, each placed as a gang.",
    crates(kube_core = "::kube_core"),
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.labelSelector"
    ),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".spec.replicas"),
    printcolumn(name = "Available", type_ = "integer", json_path = ".status.availableReplicas"),
    printcolumn(name = "Updated", type_ = "integer", json_path = ".status.updatedReplicas"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.conditions[?(@.status==\"True\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ModelServingSpec {
    /// How many groups there are.
    #[serde(default = "one")]
    #[schemars(range(min = 0))]
    pub replicas: i32,
    /// Who places the pods.
    #[serde(default = "scheduler")]
    pub scheduler_name: String,
    /// What changes pods before they are made, in turn.
    pub plugins: Option<Vec<Plugin>>,
    /// What each group consists of.
    #[x_kube(validation = Rule::new("!has(oldSelf.gangPolicy) || has(self.gangPolicy)").message("gangPolicy cannot be removed"))]
    pub template: ServingGroup,
    /// How a change of the template reaches the groups.
    pub rollout_strategy: Option<RolloutStrategy>,
    /// What is made anew when a pod fails.
    #[serde(default)]
    pub recovery_policy: RecoveryPolicy,
    /// What Phalanx does beyond Kthena; nothing when absent.
    pub phalanx: Option<ServingAdditions>,
}

/// What Phalanx does for a ModelServing beyond Kthena.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServingAdditions {
    /// Groups beyond `replicas` during a rollout, as a count or a share of `replicas` that rounds up; 0 when absent.
    #[serde(default)]
    #[schemars(schema_with = "int_or_percent")]
    pub max_surge: Option<Json>,
    /// Former revisions that are kept to roll back to; 2 when absent.
    #[schemars(range(min = 0, max = 100))]
    pub revision_history_limit: Option<i32>,
}

/// What changes pods before they are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    #[serde(rename = "type")]
    pub kind: PluginType,
    /// What it is told.
    #[serde(default)]
    #[schemars(schema_with = "anything")]
    pub config: Option<Json>,
    /// Which pods it changes; all when absent.
    pub scope: Option<PluginScope>,
}

/// Where a plugin comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PluginType {
    #[default]
    #[allow(missing_docs, reason = "a text here would make the enum a list of constants")]
    BuiltIn,
}

/// Which pods a plugin changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginScope {
    /// Those of these roles; of all when absent.
    pub roles: Option<Vec<String>>,
    /// Which of a replica's.
    pub target: Option<PluginTarget>,
}

/// Pods of a role replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "a text here would make the enum a list of constants")]
pub enum PluginTarget {
    #[default]
    All,
    Entry,
    Worker,
}

/// What a group consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct ServingGroup {
    /// Seconds from a pod's failure until it is deleted.
    #[serde(default)]
    pub restart_grace_period_seconds: i64,
    /// With how much of it a group may run.
    pub gang_policy: Option<GangPolicy>,
    /// How close together its pods go.
    pub network_topology: Option<NetworkTopology>,
    /// Its roles, each with a name of its own.
    #[schemars(length(min = 1, max = 4))]
    #[x_kube(validation = Rule::new("self.all(x, self.exists_one(y, y.name == x.name))").message("roles name must be unique"))]
    pub roles: Vec<Role>,
}

/// With how much of it a group may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct GangPolicy {
    /// The replicas of each role that are placed together or not at all; all of them when absent.
    #[x_kube(validation = Rule::new("self == oldSelf").message("minRoleReplicas is immutable"))]
    pub min_role_replicas: Option<BTreeMap<String, i32>>,
}

/// How close together pods go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkTopology {
    /// All of a group.
    pub group_policy: Option<TopologyPolicy>,
    /// Those of one role replica.
    pub role_policy: Option<TopologyPolicy>,
}

/// The widest domain that pods may share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopologyPolicy {
    /// Whether the domain must hold, or is preferred.
    #[serde(default)]
    pub mode: TopologyMode,
    /// Its tier, counted from the closest, which is 1.
    #[schemars(range(min = 0))]
    pub highest_tier_allowed: Option<i32>,
    /// Its tier by name, instead.
    #[schemars(length(max = 253))]
    pub highest_tier_name: Option<String>,
}

/// Whether a domain must hold, or is preferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "a text here would make the enum a list of constants")]
pub enum TopologyMode {
    #[default]
    Hard,
    Soft,
}

/// What one part of a group does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Its name.
    #[schemars(length(min = 1, max = 12), regex(pattern = "^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"))]
    pub name: String,
    /// How many replicas a group has.
    #[serde(default = "one")]
    #[schemars(range(min = 0))]
    pub replicas: i32,
    /// The pod that leads a replica.
    pub entry_template: PodTemplate,
    /// How many workers follow it.
    #[schemars(range(min = 0))]
    pub worker_replicas: i32,
    /// The pods of the workers.
    pub worker_template: Option<PodTemplate>,
    /// Replicas that a RoleRollingUpdate may have down, as a count or a share that rounds down.
    #[serde(default = "one_or_percent")]
    #[schemars(schema_with = "int_or_percent")]
    pub max_unavailable: Json,
    /// Replicas that a RoleRollingUpdate leaves alone, the first ones.
    #[serde(default)]
    #[schemars(schema_with = "int_or_percent")]
    pub partition: Option<Json>,
}

/// How a change reaches the groups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStrategy {
    /// What is replaced at a time.
    #[serde(rename = "type", default)]
    pub kind: RolloutStrategyType,
    /// How much at a time, of a ServingGroupRollingUpdate.
    pub rolling_update_configuration: Option<RollingUpdateConfiguration>,
}

/// What a rollout replaces at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "a text here would make the enum a list of constants")]
pub enum RolloutStrategyType {
    #[default]
    ServingGroupRollingUpdate,
    RoleRollingUpdate,
}

/// How much a rollout replaces at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdateConfiguration {
    /// Groups that may be down, as a count or a share that rounds down.
    #[serde(default = "one_or_percent")]
    #[schemars(schema_with = "int_or_percent")]
    pub max_unavailable: Json,
    /// Groups that are left alone, the first ones, as a count or a share that rounds up.
    #[serde(default = "zero_or_percent")]
    #[schemars(schema_with = "int_or_percent")]
    pub partition: Json,
}

/// What is made anew when a pod fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "a text here would make the enum a list of constants")]
pub enum RecoveryPolicy {
    ServingGroupRecreate,
    #[default]
    RoleRecreate,
    None,
}

/// What became of a ModelServing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelServingStatus {
    /// The generation that the rest was seen of.
    pub observed_generation: Option<i64>,
    /// Groups that exist.
    pub replicas: Option<i32>,
    /// Groups of the current revision.
    pub current_replicas: Option<i32>,
    /// Groups of the revision that the spec asks for.
    pub updated_replicas: Option<i32>,
    /// Groups that run, whole.
    pub available_replicas: Option<i32>,
    /// The revision that was rolled out last.
    pub current_revision: Option<String>,
    /// The revision that the spec asks for.
    pub update_revision: Option<String>,
    /// Selects one pod a group, for autoscalers.
    pub label_selector: Option<String>,
    /// How it is.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
    /// What Phalanx remembers beyond Kthena: parts that are being formed, or wait after a failure.
    #[serde(default)]
    #[schemars(schema_with = "object")]
    pub phalanx: Option<Json>,
}

fn one() -> i32 {
    1
}

fn scheduler() -> String {
    "volcano".to_owned()
}

fn one_or_percent() -> Json {
    Json::from(1)
}

fn zero_or_percent() -> Json {
    Json::from(0)
}
