//! The rules of a route and their targets.

use phalanx_routing::{Condition, Target};

use super::condition;
use crate::field::{Field, Fields};
use crate::problem::Place;

/// Where the requests go that a rule takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRule {
    name: String,
    condition: Condition,
    targets: Vec<RouteTarget>,
}

/// A ModelServer or ExternalModelProvider of the route's namespace, and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTarget {
    name: String,
    is_external: bool,
    weight: u32,
}

/// What a route is for, as far as its rules must know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    /// Its model, if it has one, and its adapters.
    pub(super) all: &'a [&'a str],
    pub(super) has_adapters: bool,
}

impl RouteRule {
    /// Its name; empty when it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What has to hold for a request to be taken.
    #[must_use]
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Whether it takes some requests only, by headers, path or body.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        !self.condition.is_empty()
    }

    /// The servers and external providers that share its requests, with a weight above 0 among them.
    #[must_use]
    pub fn targets(&self) -> &[RouteTarget] {
        &self.targets
    }
}

impl RouteTarget {
    /// The ModelServer's name; `None` when it is an external provider.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        (!self.is_external).then_some(&self.name)
    }

    /// The ExternalModelProvider's name; `None` when it is a server.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.is_external.then_some(&self.name)
    }

    /// Its weight among those of the rule, 0 to 100.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }
}

/// Reads `rules`; adds the ModelServers named, each with its place, to `servers`.
pub(super) fn read(spec: &mut Fields<'_>, names: Names<'_>, servers: &mut Vec<(String, Place)>) -> Vec<RouteRule> {
    let Some(field) = spec.require("rules", "a list of 1 to 16 rules") else { return Vec::new() };
    let list = field.list().unwrap_or_default();
    if list.is_empty() || list.len() > 16 {
        field.wrong(format!("{} rules", list.len()), "1 to 16");
    }
    let mut rules: Vec<RouteRule> = Vec::new();
    for item in list {
        let Some(mut fields) = item.fields() else { continue };
        let name = fields.get("name").and_then(|field| field.text()).unwrap_or_default().to_owned();
        let condition = fields.get("modelMatch").map(|field| condition::read(&field, names.all)).unwrap_or_default();
        if rules.iter().any(|rule| !rule.is_conditional()) {
            item.warn("never reached: a rule above takes every request");
        }
        let targets = targets(&mut fields, names, servers);
        fields.finish();
        rules.push(RouteRule { name, condition, targets });
    }
    rules
}

fn targets(rule: &mut Fields<'_>, names: Names<'_>, servers: &mut Vec<(String, Place)>) -> Vec<RouteTarget> {
    let Some(field) = rule.require("targetModels", "a list of 1 to 16 targets") else { return Vec::new() };
    let list = field.list().unwrap_or_default();
    if list.is_empty() || list.len() > 16 {
        field.wrong(format!("{} targets", list.len()), "1 to 16");
    }
    let (mut targets, mut unweighted, mut sum, mut readable) = (Vec::new(), Vec::new(), 0, true);
    for item in &list {
        let Some(mut fields) = item.fields() else { continue };
        let server = fields.get("modelServerName").and_then(|field| Some((field.text()?, field)));
        let external = fields.get("externalModelProviderName").and_then(|field| Some((field.text()?, field)));
        let weight = fields.get("weight");
        if weight.is_none() {
            unweighted.push(item);
        }
        let weight = weight.map_or(Some(Target::DEFAULT_WEIGHT), |field| {
            field.integer(0..=i64::from(Target::MAX_WEIGHT)).and_then(|weight| u32::try_from(weight).ok())
        });
        fields.finish();
        readable &= weight.is_some();
        sum += weight.unwrap_or(0);
        let target =
            |name: &str, is_external| weight.map(|weight| RouteTarget { name: name.to_owned(), is_external, weight });
        let present = |name: &Option<(&str, Field<'_>)>| name.as_ref().is_some_and(|(text, _)| !text.is_empty());
        match (server, external) {
            (server, external) if present(&server) == present(&external) => {
                let found = if present(&server) { "two targets in one" } else { "no target" };
                item.wrong(found, "exactly one of modelServerName and externalModelProviderName");
            }
            (Some((name, field)), _) if !name.is_empty() => {
                servers.push((name.to_owned(), field.place()));
                targets.extend(target(name, false));
            }
            (_, Some((_, field))) if names.has_adapters => {
                field.expected("a modelServerName: adapters are not for external providers")
            }
            (_, Some((name, field))) => {
                field.warn("not asked in this release: the requests of its share are answered with an error");
                targets.extend(target(name, true));
            }
            _ => {}
        }
    }
    if unweighted.len() < list.len() {
        let message = format!("has weight {}, as other targets of the rule give one", Target::DEFAULT_WEIGHT);
        unweighted.iter().for_each(|item| item.warn(message.clone()));
    }
    if readable && sum == 0 && !list.is_empty() {
        field.wrong("weights that add up to 0", "one above 0");
    }
    targets
}
