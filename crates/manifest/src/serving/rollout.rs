//! The parts of a ModelServing that concern its life after placement: valid or not, and not acted on yet.

use crate::field::{Field, Fields, IntOrPercent};

const LATER: &str = "not acted on in this release: replicas start once and are not rolled";

/// How a ModelServing is updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    Group,
    Role,
}

/// Reads `rolloutStrategy` and `recoveryPolicy`, for a ModelServing of so many groups.
pub(super) fn strategy(spec: &mut Fields<'_>, groups: u32) -> Strategy {
    let strategy = spec.not_acted_on("rolloutStrategy", LATER).and_then(|field| {
        let mut fields = field.fields()?;
        let choices = ["ServingGroupRollingUpdate", "RoleRollingUpdate"];
        let chosen = fields.get("type").map_or(Some(0), |field| field.choice(&choices));
        let strategy = if chosen == Some(1) { Strategy::Role } else { Strategy::Group };
        if let Some(field) = fields.get("rollingUpdateConfiguration") {
            if strategy == Strategy::Role {
                field.expected("nothing under RoleRollingUpdate: each role has its own maxUnavailable and partition");
            }
            if let Some(mut fields) = field.fields() {
                max_unavailable(&mut fields, groups);
                partition(&mut fields);
                fields.finish();
            }
        }
        fields.finish();
        Some(strategy)
    });
    let strategy = strategy.unwrap_or(Strategy::Group);
    if let Some(field) =
        spec.not_acted_on("recoveryPolicy", "not acted on in this release: replicas that fail are not replaced")
    {
        let chosen = field.choice(&["ServingGroupRecreate", "RoleRecreate", "None"]);
        if chosen == Some(0) && strategy == Strategy::Role {
            field.expected("RoleRecreate or None under RoleRollingUpdate");
        }
    }
    strategy
}

/// Reads the rollout fields of a role with so many replicas.
pub(super) fn role(fields: &mut Fields<'_>, replicas: u32, strategy: Strategy) {
    if let Some((field, value)) = max_unavailable(fields, replicas) {
        field.warn(LATER);
        if let IntOrPercent::Int(count) = value
            && count > replicas
        {
            field.expected(format!("at most the role's {replicas} replicas"));
        }
    }
    if let Some(field) = partition(fields) {
        field.warn(LATER);
        if strategy != Strategy::Role {
            field.expected("nothing unless rolloutStrategy.type is RoleRollingUpdate");
        }
    }
}

/// Reads `plugins`, for a ModelServing with these roles.
pub(super) fn plugins(spec: &mut Fields<'_>, roles: &[&str]) {
    let Some(list) = spec.not_acted_on("plugins", "pods are not changed by plugins in this release") else { return };
    for plugin in list.list().unwrap_or_default() {
        let Some(mut fields) = plugin.fields() else { continue };
        if let Some(name) = fields.require("name", "a plugin's name") {
            name.choice(&["demo-pod-tweaks", "lws-standard-labels"]);
        }
        if let Some(kind) = fields.require("type", "BuiltIn") {
            kind.choice(&["BuiltIn"]);
        }
        fields.get("config");
        if let Some(mut scope) = fields.get("scope").and_then(|field| field.fields()) {
            for role in scope.get("roles").and_then(|field| field.list()).unwrap_or_default() {
                role.choice(roles);
            }
            if let Some(target) = scope.get("target") {
                target.choice(&["All", "Entry", "Worker"]);
            }
            scope.finish();
        }
        fields.finish();
    }
}

/// `maxUnavailable` of a total: rounded down it must leave room to move.
fn max_unavailable<'a>(fields: &mut Fields<'a>, total: u32) -> Option<(Field<'a>, IntOrPercent)> {
    let field = fields.get("maxUnavailable")?;
    let value = field.int_or_percent()?;
    let none = match value {
        IntOrPercent::Int(count) => count == 0,
        IntOrPercent::Percent(percent) => percent == 0 || total > 0 && value.of_floor(total) == 0,
    };
    if none {
        field.expected(format!("at least 1 of {total}, rounded down"));
    }
    Some((field, value))
}

fn partition<'a>(fields: &mut Fields<'a>) -> Option<Field<'a>> {
    let field = fields.get("partition")?;
    field.int_or_percent();
    Some(field)
}
