//! The objects of Kthena's API as Rust types, and the custom resource definitions that follow from them.
//!
//! Fields, defaults and rules are those of Kthena's own definitions, so that its manifests apply unchanged; what Phalanx
//! adds stands in one optional object, `spec.phalanx`. The types are for clients that write objects by field, with
//! `kube::Api` for instance. Whoever acts on objects reads them as [`Manifests`](crate::Manifests), which says what is
//! wrong with one, and where.

#![allow(unreachable_pub, unnameable_types, reason = "what derives schemas repeats the types inside of blocks")]
#![allow(clippy::duplicated_attributes, reason = "several columns have the same type")]

mod autoscaling;
mod booster;
mod parent;
mod pod;
mod provider;
mod route;
mod server;
mod serving;
mod status;

use kube_core::CustomResourceExt as _;
use serde_json::Value as Json;

pub use self::autoscaling::*;
pub use self::booster::*;
pub use self::parent::ParentReference;
pub use self::pod::{PodMetadata, PodTemplate};
pub use self::provider::*;
pub use self::route::*;
pub use self::server::*;
pub use self::serving::*;
pub use self::status::Condition;

/// The custom resource definitions of all six kinds, in the order of their names, as `kubectl apply` takes them.
///
/// ```
/// let definitions = phalanx_manifest::api::definitions();
/// let names: Vec<_> = definitions.iter().filter_map(|crd| crd["metadata"]["name"].as_str()).collect();
/// assert!(names.contains(&"modelservings.workload.serving.volcano.sh"));
/// ```
#[must_use]
pub fn definitions() -> Vec<Json> {
    let all = [
        AutoscalingPolicy::crd(),
        ExternalModelProvider::crd(),
        ModelBooster::crd(),
        ModelRoute::crd(),
        ModelServer::crd(),
        ModelServing::crd(),
    ];
    let mut all: Vec<Json> = all.iter().filter_map(|crd| serde_json::to_value(crd).ok()).collect();
    all.iter_mut().for_each(plain);
    all
}

/// Takes out what is there for nulls: an absent field and a null are the same to whoever reads these objects, and the server
/// drops a null that the schema does not ask for, and then fills in the default.
fn plain(schema: &mut Json) {
    match schema {
        Json::Object(fields) => {
            fields.retain(|key, value| match key.as_str() {
                "nullable" => false,
                "default" => !value.is_null(),
                _ => true,
            });
            if let Some(Json::Array(values)) = fields.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            fields.values_mut().for_each(plain);
        }
        Json::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
