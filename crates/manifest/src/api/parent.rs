//! References to Gateways.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Gateway that a route attaches to, as in Gateway API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// The group of its kind.
    #[serde(default = "group")]
    #[schemars(length(max = 253))]
    pub group: String,
    /// Its kind.
    #[serde(default = "kind")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its namespace, if it is not the route's.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// One of its listeners, by name.
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
    /// Its listeners on this port.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<i32>,
}

fn group() -> String {
    "gateway.networking.k8s.io".to_owned()
}

fn kind() -> String {
    "Gateway".to_owned()
}
