//! The definitions beside what is known of Kthena's.

use serde_json::Value as Json;

use super::*;

/// Every field of every kind with its type, default and rules, one a line.
const KNOWN: &str = include_str!("definitions.txt");

/// A line for a schema and one for each schema below it.
fn lines(schema: &Json, path: &str, all: &mut Vec<String>) {
    let fields = schema.as_object().expect("a schema");
    let kept = |key: &&String| {
        !["properties", "items", "additionalProperties", "description", "title"].contains(&key.as_str())
    };
    let mut said: Vec<_> = fields.keys().filter(kept).map(|key| format!("{key}={}", said(&fields[key]))).collect();
    said.sort();
    all.push(format!("{path} {}", said.join(" ")).trim_end().to_owned());
    for (name, below) in fields.get("properties").and_then(Json::as_object).into_iter().flatten() {
        lines(below, &format!("{path}.{name}"), all);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(below) = fields.get(key) {
            lines(below, &format!("{path}{mark}"), all);
        }
    }
}

fn said(value: &Json) -> String {
    match value {
        Json::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => {
            format!("{:.0}", number.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    }
}

#[test]
fn fields_defaults_and_rules_are_the_known_ones() {
    let mut all = Vec::new();
    for definition in definitions() {
        let (spec, version) = (&definition["spec"], &definition["spec"]["versions"][0]);
        let kind = spec["names"]["kind"].as_str().expect("a kind");
        all.push(format!("{kind} {} {} {}", spec["group"], version["name"], spec["scope"]));
        all.push(format!("{kind} subresources {}", version["subresources"]));
        lines(&version["schema"]["openAPIV3Schema"], kind, &mut all);
    }
    let seen = all.join("\n") + "\n";
    if seen != KNOWN {
        let (seen, known): (Vec<_>, Vec<_>) = (seen.lines().collect(), KNOWN.lines().collect());
        let new: Vec<_> = seen.iter().filter(|line| !known.contains(line)).collect();
        let old: Vec<_> = known.iter().filter(|line| !seen.contains(line)).collect();
        panic!("not known:\n{new:#?}\nnot there:\n{old:#?}");
    }
}

#[test]
fn definitions_take_what_manifests_say() {
    let serving: ModelServing = serde_json::from_value(serde_json::json!({
        "apiVersion": "workload.serving.volcano.sh/v1alpha1",
        "kind": "ModelServing",
        "metadata": {"name": "chat"},
        "spec": {"template": {"roles": [
            {"name": "decode", "workerReplicas": 0, "entryTemplate": {"spec": {"containers": [{"name": "engine"}]}}},
        ]}},
    }))
    .expect("a ModelServing");
    assert_eq!((serving.spec.replicas, serving.spec.scheduler_name.as_str()), (1, "volcano"));
    assert_eq!(serving.spec.recovery_policy, RecoveryPolicy::RoleRecreate);
    assert_eq!(serving.spec.template.roles[0].max_unavailable, 1);
}
