//! HTTPRoutes of Gateway API.

use serde_json::Value as Json;

use crate::field::Fields;
use crate::name::{Metadata, ObjectName, hostname};
use crate::parent;

mod matches;
mod rule;

/// Where HTTP requests go, whatever model they are for.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRoute {
    name: ObjectName,
    pub(crate) route: phalanx_routing::HttpRoute,
    json: Json,
}

impl HttpRoute {
    pub(crate) fn read(metadata: &Metadata, object: &mut Fields<'_>) -> Option<Self> {
        let mut spec = object.require("spec", "an HTTPRoute's spec")?.fields()?;
        let name = metadata.object_name();
        let parents = spec.get("parentRefs").map(|field| parent::read(&field)).unwrap_or_default();
        let hostnames = spec.get("hostnames").and_then(|field| field.list()).unwrap_or_default();
        let field = spec.get("rules");
        let list = field.as_ref().and_then(|field| field.list()).unwrap_or_default();
        if let Some(field) = field.filter(|_| list.is_empty() || list.len() > 16) {
            field.wrong(format!("{} rules", list.len()), "1 to 16");
        }
        let rules = list.iter().filter_map(|item| rule::read(item, name.namespace()));
        let route = phalanx_routing::HttpRoute::new(name.to_string(), rules).with_parents(parents);
        let route = hostnames.iter().filter_map(hostname).fold(route, phalanx_routing::HttpRoute::with_hostname);
        let route = metadata.created.into_iter().fold(route, phalanx_routing::HttpRoute::with_age);
        spec.not_acted_on("useDefaultGateways", "not acted on in this release");
        spec.finish();
        Some(Self { name, route, json: object.field().json() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// What it says, as the routing crate has it. Its backends are InferencePools, named `namespace/name`.
    #[must_use]
    pub fn route(&self) -> &phalanx_routing::HttpRoute {
        &self.route
    }

    /// The manifest, whole.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.json
    }
}
