//! From a manifest to a ModelServing.

use super::rollout::{self, Strategy};
use super::{ModelServing, Role};
use crate::field::{Field, Fields};
use crate::name::{Metadata, is_dns_1035_label};
use crate::policy::{PolicyPlace, TopologyPolicy};
use crate::template::PodTemplate;
use crate::tree::Value;

/// More pods than this in one ModelServing are taken for a mistake, and so are more groups: each is walked, even without
/// pods.
const MAX_PODS: u128 = 1_000_000;

impl ModelServing {
    pub(crate) fn read(metadata: Metadata, object: &mut Fields<'_>) -> Option<(Self, Vec<PolicyPlace>)> {
        let spec_field = object.require("spec", "a ModelServing's spec")?;
        let mut spec = spec_field.fields()?;
        let replicas_field = spec.get("replicas");
        let replicas = replicas_field.as_ref().map_or(Some(1), Field::count);
        if let Some(field) = spec.get("schedulerName")
            && field.text().is_some_and(|name| name != "phalanx" && name != "volcano")
        {
            field.warn("not acted on: Phalanx places every ModelServing it is given");
        }
        let strategy = rollout::strategy(&mut spec, replicas.unwrap_or(1));
        let template = spec.require("template", "a ServingGroup's template").and_then(|field| field.fields());
        let mut template = template?;
        if let Some(field) =
            template.not_acted_on("restartGracePeriodSeconds", "not acted on: failed pods are not replaced")
        {
            field.integer(0..=i64::MAX);
        }
        let (mut roles, names) = roles(&mut template, &metadata.name, replicas.unwrap_or(1), strategy);
        gang_policy(&mut template, &mut roles, &names);
        let (group_topology, role_topology, places) = network_topology(&mut template);
        template.finish();
        rollout::plugins(&mut spec, &names);
        spec.finish();

        let replicas = replicas?;
        let group: u128 = roles.iter().map(|role| u128::from(role.replicas) * u128::from(role.pods())).sum();
        let pods = group.saturating_mul(replicas.into());
        if pods > MAX_PODS {
            spec_field.wrong(format!("{pods} pods in all"), format!("at most {MAX_PODS} in one ModelServing"));
            return None;
        }
        if let Some(field) = replicas_field
            && u128::from(replicas) > MAX_PODS
        {
            field.expected(format!("at most {MAX_PODS} groups in one ModelServing"));
            return None;
        }
        let (name, json) = (metadata.object_name(), object.field().json());
        let serving = Self { name, labels: metadata.labels, replicas, roles, group_topology, role_topology, json };
        Some((serving, places))
    }
}

/// The roles that can be read, and the names of all that are there.
fn roles<'a>(template: &mut Fields<'a>, serving: &str, groups: u32, strategy: Strategy) -> (Vec<Role>, Vec<&'a str>) {
    let (mut roles, mut names) = (Vec::new(), Vec::new());
    let Some(field) = template.require("roles", "a list of 1 to 4 roles") else { return (roles, names) };
    let Some(list) = field.list() else { return (roles, names) };
    if list.is_empty() || list.len() > 4 {
        field.wrong(format!("{} roles", list.len()), "1 to 4");
    }
    for item in list {
        let Some(mut fields) = item.fields() else { continue };
        if let Some(name) = fields.get("name")
            && let Value::Text(text) = &name.tree.value
        {
            if names.contains(&text.as_str()) {
                name.wrong(format!("a second role {text:?}"), "each role once");
            }
            names.push(text.as_str());
        }
        roles.extend(role(&mut fields, serving, groups, strategy));
        fields.finish();
    }
    (roles, names)
}

fn role(fields: &mut Fields<'_>, serving: &str, groups: u32, strategy: Strategy) -> Option<Role> {
    let name_field = fields.require("name", "a role's name");
    let name = name_field.as_ref().and_then(Field::text);
    let sound = name.is_some_and(|name| name.len() <= 12 && is_dns_1035_label(name));
    if let (Some(field), Some(_), false) = (&name_field, name, sound) {
        field.expected("at most 12 lower-case letters, digits and `-`, beginning with a letter");
    }
    let replicas = fields.get("replicas").map_or(Some(1), |field| field.count());
    let entry = fields.require("entryTemplate", "the template of the entry pod");
    let entry = entry.and_then(|field| PodTemplate::read(&field));
    let workers =
        fields.require("workerReplicas", "how many workers a replica has, 0 or more").and_then(|field| field.count());
    let worker = match workers {
        Some(1..) => fields.require("workerTemplate", "the template of the workers"),
        _ => fields.get("workerTemplate"),
    };
    let worker = worker.and_then(|field| {
        if workers == Some(0) {
            field.warn("not used: workerReplicas is 0");
        }
        PodTemplate::read(&field)
    });
    rollout::role(fields, replicas.unwrap_or(1), strategy);
    let (name, replicas, workers) = (name?, replicas?, workers?);
    let generated = format!("{serving}-{groups}-{name}-{replicas}-{workers}");
    if let Some(field) = name_field
        && sound
        && !is_dns_1035_label(&generated)
    {
        field.wrong(
            format!("the longest pod name {generated:?}"),
            "a name of 63 at most that begins with a letter, without dots: a shorter name for the ModelServing or the role",
        );
    }
    Some(Role { name: name.to_owned(), replicas, min_replicas: replicas, entry: entry?, workers, worker })
}

fn gang_policy(template: &mut Fields<'_>, roles: &mut [Role], names: &[&str]) {
    let Some(mut policy) = template.get("gangPolicy").and_then(|field| field.fields()) else { return };
    if let Some(field) = policy.get("minRoleReplicas") {
        for (name, field) in field.entries().unwrap_or_default() {
            let minimum = field.count();
            if !names.contains(&name) {
                field.wrong(format!("an unknown role {name:?}"), format!("one of {}", names.join(", ")));
            }
            let Some(role) = roles.iter_mut().find(|role| role.name == name) else { continue };
            match minimum {
                Some(minimum) if minimum > role.replicas => {
                    field.expected(format!("at most the role's {} replicas", role.replicas));
                }
                Some(minimum) => role.min_replicas = minimum,
                None => {}
            }
        }
    }
    policy.finish();
}

/// The group's policy and the roles', and where they stand in that order.
fn network_topology(template: &mut Fields<'_>) -> (Option<TopologyPolicy>, Option<TopologyPolicy>, Vec<PolicyPlace>) {
    let Some(mut topology) = template.get("networkTopology").and_then(|field| field.fields()) else {
        return (None, None, Vec::new());
    };
    let mut read = |key| topology.get(key).and_then(|field| TopologyPolicy::read(&field)).unzip();
    let ((group, group_place), (role, role_place)) = (read("groupPolicy"), read("rolePolicy"));
    topology.finish();
    (group, role, [group_place, role_place].into_iter().flatten().collect())
}
