//! ModelRoutes.

use serde_json::Value as Json;

use crate::field::{Field, Fields};
use crate::name::{Metadata, ObjectName};
use crate::problem::Place;

/// Which servers share the requests for a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRoute {
    pub(crate) name: ObjectName,
    pub(crate) model: String,
    pub(crate) created: Option<String>,
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

/// Where the requests go that a rule takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRule {
    pub(crate) conditional: bool,
    pub(crate) targets: Vec<RouteTarget>,
}

/// A ModelServer of the route's namespace, and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTarget {
    pub(crate) server: String,
    pub(crate) weight: u32,
}

const PASSED_OVER: &str = "not acted on in this release: the rule is passed over";

impl ModelRoute {
    pub(crate) fn read(metadata: &Metadata, object: &mut Fields<'_>) -> Option<(Self, RoutePlaces)> {
        let spec_field = object.require("spec", "a ModelRoute's spec")?;
        let mut spec = spec_field.fields()?;
        let model = spec.get("modelName").and_then(|field| field.text()).unwrap_or_default();
        let adapters = spec
            .not_acted_on("loraAdapters", "not acted on in this release: requests that name an adapter find no route");
        let adapters = adapters.map(|field| adapters_of(&field)).unwrap_or_default();
        if model.is_empty() && adapters == 0 {
            spec_field.wrong("neither modelName nor loraAdapters", "one of them at least");
        }
        if let Some(field) =
            spec.not_acted_on("parentRefs", "not acted on in this release: the route is taken on every listener")
        {
            field.list();
        }
        if let Some(field) = spec.not_acted_on("rateLimit", "not acted on in this release: requests are not limited") {
            rate_limit(&field);
        }
        let mut servers = Vec::new();
        let rules = rules(&mut spec, model, adapters > 0, &mut servers);
        spec.finish();
        let (name, json) = (metadata.object_name(), object.field().json());
        let (model, created) = (model.to_owned(), metadata.created.clone());
        let places = RoutePlaces { route: object.field().place(), servers };
        Some((Self { name, model, created, rules, json }, places))
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

    /// Its rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[RouteRule] {
        &self.rules
    }

    /// The targets that its requests go to: those of the first rule without a condition that this release does not know.
    #[must_use]
    pub fn targets(&self) -> &[RouteTarget] {
        self.rules.iter().find(|rule| !rule.conditional).map_or(&[], RouteRule::targets)
    }

    /// The manifest, whole.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.json
    }

    /// What routes of one model are ordered by: those that the cluster has first, by their time of creation (RFC 3339 in
    /// UTC, so that byte order is time order), then by name.
    pub(crate) fn age(&self) -> (bool, Option<String>, ObjectName) {
        (self.created.is_none(), self.created.clone(), self.name.clone())
    }
}

impl RouteRule {
    /// Whether it takes some requests only, by headers, path or body.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.conditional
    }

    /// The servers that share its requests, with a weight above 0 among them; empty when external providers have it all.
    #[must_use]
    pub fn targets(&self) -> &[RouteTarget] {
        &self.targets
    }
}

impl RouteTarget {
    /// The ModelServer's name.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Its weight among those of the rule, 0 to 100.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }
}

fn adapters_of(field: &Field<'_>) -> usize {
    let adapters = field.list().unwrap_or_default();
    if adapters.len() > 10 {
        field.wrong(format!("{} adapters", adapters.len()), "10 at most");
    }
    adapters.iter().filter(|adapter| adapter.non_empty().is_some()).count()
}

fn rules(spec: &mut Fields<'_>, model: &str, lora: bool, servers: &mut Vec<(String, Place)>) -> Vec<RouteRule> {
    let Some(field) = spec.require("rules", "a list of 1 to 16 rules") else { return Vec::new() };
    let list = field.list().unwrap_or_default();
    if list.is_empty() || list.len() > 16 {
        field.wrong(format!("{} rules", list.len()), "1 to 16");
    }
    let mut rules: Vec<RouteRule> = Vec::new();
    for item in list {
        let Some(mut fields) = item.fields() else { continue };
        if let Some(name) = fields.get("name") {
            name.text();
        }
        let conditional = fields.get("modelMatch").is_some_and(|field| condition(&field, model));
        if rules.iter().any(|rule| !rule.conditional) {
            item.warn("never reached: a rule above takes every request");
        }
        let targets = targets(&mut fields, lora, servers);
        fields.finish();
        rules.push(RouteRule { conditional, targets });
    }
    rules
}

/// Whether a `modelMatch` asks for more than the route's own model.
fn condition(field: &Field<'_>, model: &str) -> bool {
    let Some(mut fields) = field.fields() else { return false };
    let mut conditional = false;
    if let Some(headers) = fields.not_acted_on("headers", PASSED_OVER) {
        conditional = true;
        for (_, value) in headers.entries().unwrap_or_default() {
            string_match(&value);
        }
    }
    if let Some(uri) = fields.not_acted_on("uri", PASSED_OVER) {
        conditional = true;
        string_match(&uri);
    }
    if let Some(mut body) = fields.get("body").and_then(|field| field.fields()) {
        if let Some(field) = body.get("model")
            && field.text().is_some_and(|text| text != model)
        {
            conditional = true;
            field.warn("never true here: requests come by modelName");
        }
        body.finish();
    }
    fields.finish();
    conditional
}

fn string_match(field: &Field<'_>) {
    let Some(mut fields) = field.fields() else { return };
    for key in ["exact", "prefix", "regex"] {
        if let Some(field) = fields.get(key) {
            field.text();
        }
    }
    fields.finish();
}

fn targets(rule: &mut Fields<'_>, lora: bool, servers: &mut Vec<(String, Place)>) -> Vec<RouteTarget> {
    let Some(field) = rule.require("targetModels", "a list of 1 to 16 targets") else { return Vec::new() };
    let list = field.list().unwrap_or_default();
    if list.is_empty() || list.len() > 16 {
        field.wrong(format!("{} targets", list.len()), "1 to 16");
    }
    let (mut targets, mut sum, mut readable) = (Vec::new(), 0, true);
    for item in &list {
        let Some(mut fields) = item.fields() else { continue };
        let server = fields.get("modelServerName").and_then(|field| Some((field.text()?, field)));
        let external = fields.get("externalModelProviderName").and_then(|field| Some((field.text()?, field)));
        let weight = fields.get("weight").map_or(Some(100), |field| field.integer(0..=100));
        fields.finish();
        let weight = weight.and_then(|weight| u32::try_from(weight).ok());
        readable &= weight.is_some();
        sum += weight.unwrap_or(0);
        let present = |name: &Option<(&str, Field<'_>)>| name.as_ref().is_some_and(|(text, _)| !text.is_empty());
        match (server, external) {
            (server, external) if present(&server) == present(&external) => {
                let found = if present(&server) { "two targets in one" } else { "no target" };
                item.wrong(found, "exactly one of modelServerName and externalModelProviderName");
            }
            (Some((name, field)), _) if !name.is_empty() => {
                servers.push((name.to_owned(), field.place()));
                targets.extend(weight.map(|weight| RouteTarget { server: name.to_owned(), weight }));
            }
            (_, Some((_, field))) if lora => {
                field.expected("a modelServerName: adapters are not for external providers")
            }
            (_, Some((_, field))) => {
                field.warn("not acted on in this release: its share goes to the rule's other targets");
            }
            _ => {}
        }
    }
    if readable && sum == 0 && !list.is_empty() {
        field.wrong("weights that add up to 0", "one above 0");
    }
    if readable && sum > 0 && targets.iter().all(|target| target.weight == 0) {
        field.warn("all weight is with external providers: the rule has no target in this release");
        targets.clear();
    }
    targets
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
