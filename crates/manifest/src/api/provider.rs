//! ExternalModelProvider.

use std::collections::BTreeMap;

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::Condition;

/// An API of somebody else that serves models.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "networking.serving.volcano.sh",
    version = "v1alpha1",
    kind = "ExternalModelProvider",
    namespaced,
    status = "ExternalModelProviderStatus",
    derive = "PartialEq",
    doc = "An API of somebody else that serves models.",
    crates(kube_core = "::kube_core"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.providerType"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ExternalModelProviderSpec {
    /// Whose API it speaks.
    #[serde(default)]
    pub provider_type: ProviderType,
    /// The model's name there; the client's where it is absent.
    #[schemars(length(max = 256))]
    pub model: Option<String>,
    /// Where it is.
    #[serde(rename = "baseURL")]
    #[schemars(regex(pattern = "^https://"))]
    pub base_url: String,
    /// Whether any certificate will do.
    #[serde(default)]
    pub insecure_skip_verify: bool,
    /// By what it knows its clients.
    pub auth: Option<ProviderAuth>,
    /// Headers that every request gets.
    pub headers: Option<BTreeMap<String, String>>,
}

/// Whose API it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "a text here would make the enum a list of constants")]
pub enum ProviderType {
    #[default]
    OpenAI,
    Anthropic,
}

/// By what a provider knows its clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderAuth {
    /// How the secret is told: Bearer for OpenAI and APIKey for Anthropic when absent.
    pub scheme: Option<AuthScheme>,
    /// The secret.
    pub secret_ref: SecretKey,
}

/// How a secret is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "a text here would make the enum a list of constants")]
pub enum AuthScheme {
    Bearer,
    APIKey,
}

/// A key of a Secret of the namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret's name.
    pub name: String,
    /// The key.
    pub key: String,
    /// Whether it may be missing; it may not.
    pub optional: Option<bool>,
}

/// What became of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalModelProviderStatus {
    /// The generation that the rest was seen of.
    pub observed_generation: Option<i64>,
    /// How it is.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
}
