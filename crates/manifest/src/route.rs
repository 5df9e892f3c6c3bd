//! ModelRoutes.

use core::time::Duration;

use phalanx_routing::ParentRef;
use serde_json::Value as Json;

use crate::field::{Field, Fields};
use crate::name::{Metadata, ObjectName};
use crate::parent;
use crate::problem::Place;

mod condition;
mod rule;

pub use rule::{RouteRule, RouteTarget};

/// Which servers share the requests for a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRoute {
    pub(crate) name: ObjectName,
    pub(crate) model: String,
    pub(crate) adapters: Vec<String>,
    pub(crate) parents: Vec<ParentRef>,
    pub(crate) created: Option<Duration>,
    pub(crate) version: u64,
    pub(crate) rules: Vec<RouteRule>,
    pub(crate) json: Json,
}

/// Where a route and the names in it stand.
#[derive(Debug)]
pub(crate) struct RoutePlaces {
    pub(crate) route: Place,
    /// The ModelServers named, each with its place.
    pub(crate) servers: Vec<(String, Place)>,
}

impl ModelRoute {
    pub(crate) fn read(metadata: &Metadata, object: &mut Fields<'_>) -> Option<(Self, RoutePlaces)> {
        let spec_field = object.require("spec", "a ModelRoute's spec")?;
        let mut spec = spec_field.fields()?;
        let model = spec.get("modelName").and_then(|field| field.text()).unwrap_or_default();
        let adapters = spec.get("loraAdapters").map(|field| adapters(&field)).unwrap_or_default();
        if model.is_empty() && adapters.is_empty() {
            spec_field.wrong("neither modelName nor loraAdapters", "one of them at least");
        }
        let parents = spec.get("parentRefs").map(|field| parent::read(&field)).unwrap_or_default();
        if let Some(field) = spec.not_acted_on("rateLimit", "not acted on in this release: requests are not limited") {
            rate_limit(&field);
        }
        let mut all = adapters.clone();
        all.extend([model].iter().filter(|model| !model.is_empty()));
        let mut servers = Vec::new();
        let names = rule::Names { all: &all, has_adapters: !adapters.is_empty() };
        let rules = rule::read(&mut spec, names, &mut servers);
        spec.finish();
        let route = Self {
            name: metadata.object_name(),
            model: model.to_owned(),
            adapters: adapters.into_iter().map(str::to_owned).collect(),
            parents,
            created: metadata.created,
            version: metadata.version,
            rules,
            json: object.field().json(),
        };
        Some((route, RoutePlaces { route: object.field().place(), servers }))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// The model that clients ask for; empty for a route of adapters only.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The LoRA adapters that lead here where no route names the model.
    #[must_use]
    pub fn adapters(&self) -> &[String] {
        &self.adapters
    }

    /// The Gateways that it is taken on; see [`phalanx_routing::ModelRoute::with_parents`].
    #[must_use]
    pub fn parents(&self) -> &[ParentRef] {
        &self.parents
    }

    /// Its rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[RouteRule] {
        &self.rules
    }

    /// The manifest, whole.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.json
    }

    /// What routes of one model are ordered by: those that the cluster has first, by their time of creation and version,
    /// then by name.
    pub(crate) fn age(&self) -> (bool, Option<Duration>, u64, String) {
        (self.created.is_none(), self.created, self.version, self.name.to_string())
    }

    /// Whether every request for its model is taken by a rule of it.
    pub(crate) fn takes_every_request(&self) -> bool {
        self.rules.iter().any(|rule| !rule.is_conditional())
    }
}

fn adapters<'a>(field: &Field<'a>) -> Vec<&'a str> {
    let adapters = field.list().unwrap_or_default();
    if adapters.len() > 10 {
        field.wrong(format!("{} adapters", adapters.len()), "10 at most");
    }
    adapters.iter().filter_map(Field::non_empty).collect()
}

fn rate_limit(field: &Field<'_>) {
    let Some(mut fields) = field.fields() else { return };
    for key in ["inputTokensPerUnit", "outputTokensPerUnit"] {
        if let Some(field) = fields.get(key) {
            field.integer(1..=i64::from(u32::MAX));
        }
    }
    if let Some(unit) = fields.get("unit") {
        unit.choice(&["second", "minute", "hour", "day", "month"]);
    }
    if let Some(mut global) = fields.get("global").and_then(|field| field.fields()) {
        if let Some(mut redis) = global.get("redis").and_then(|field| field.fields()) {
            if let Some(address) = redis.require("address", "the address of a Redis server") {
                address.non_empty();
            }
            redis.finish();
        }
        global.finish();
    }
    fields.finish();
}
