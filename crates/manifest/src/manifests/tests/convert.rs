//! From manifests to what the pure crates work on.

use phalanx_topology::LevelLabel;

use super::examples::KTHENA;
use crate::{InventoryError, Manifests, Settings};

fn read(text: &str) -> Manifests {
    Manifests::read([("f", text)], &Settings::new()).expect("valid")
}

/// A route of `model` to one server, and that server.
fn route(namespace: &str, name: &str, model: &str, created: &str) -> String {
    format!(
        "---
apiVersion: networking.serving.volcano.sh/v1alpha1
kind: ModelRoute
metadata: {{name: {name}, namespace: {namespace}{created}}}
spec: {{modelName: {model}, rules: [{{targetModels: [{{modelServerName: {name}}}]}}]}}
---
apiVersion: networking.serving.volcano.sh/v1alpha1
kind: ModelServer
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{inferenceEngine: vLLM, workloadSelector: {{matchLabels: {{a: b}}}}, workloadPort: {{port: 1}}}}
"
    )
}

#[test]
fn routes_name_servers_of_their_own_namespace() {
    let table =
        read(&[route("one", "a", "m", ""), route("two", "a", "k", "")].concat()).route_table().expect("a table");
    assert_eq!(table.resolve("m", 1).map(|target| target.server().to_owned()), Ok("one/a".to_owned()));
    assert_eq!(table.resolve("k", 1).map(|target| target.server().to_owned()), Ok("two/a".to_owned()));
    assert_eq!(table.models().collect::<Vec<_>>(), ["k", "m"]);
}

#[test]
fn the_oldest_route_has_a_model_and_what_exists_is_older_than_what_does_not() {
    let young = route("d", "young", "m", ", creationTimestamp: \"2026-02-01T00:00:00Z\"");
    let old = route("d", "zz-old", "m", ", creationTimestamp: \"2025-02-01T00:00:00Z\"");
    let none = route("d", "a-none", "m", "");
    let manifests = read(&[none, young, old].concat());
    let table = manifests.route_table().expect("a table");
    let order: Vec<_> = table.routes().iter().map(|route| route.name()).collect();
    assert_eq!(order, ["d/zz-old", "d/young", "d/a-none"]);
    assert_eq!(table.resolve("m", 1).map(|target| target.server().to_owned()), Ok("d/zz-old".to_owned()));
    let shadowed = manifests.warnings().iter().filter(|warning| warning.message.contains("d/zz-old has the model"));
    assert_eq!(shadowed.count(), 2);
}

#[test]
fn a_conditional_rule_is_passed_over_and_weights_are_kept() {
    let manifests = read(KTHENA);
    let table = manifests.route_table().expect("a table");
    let targets: Vec<_> = table.routes()[0].targets().iter().map(|t| (t.server(), t.weight())).collect();
    assert_eq!(targets, [("serving/llama", 90)]);
    assert!(manifests.server(targets[0].0).is_some());
}

#[test]
fn levels_are_the_callers() {
    let text = "
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {example.com/switch: s1}}
status: {capacity: {cpu: 4}}
";
    let switches = Settings::new().with_levels([LevelLabel::new("switch", "example.com/switch")]);
    let inventory = Manifests::read([("f", text)], &switches).expect("valid").inventory().expect("an inventory");
    let topology = inventory.topology();
    assert_eq!(topology.node_path(topology.node("n1").expect("the node")), "s1/n1");
    let none = Settings::new().with_levels([]);
    let refused = Manifests::read([("f", text)], &none).expect("valid").inventory();
    assert!(matches!(refused, Err(InventoryError::Topology(_))), "{refused:?}");
}

#[test]
fn resources_without_end_are_refused() {
    let many: String = (0..2000).map(|n| format!("r{n}: 1, ")).collect();
    let text = format!("{{apiVersion: v1, kind: Node, metadata: {{name: n1}}, status: {{capacity: {{{many}}}}}}}");
    let refused = read(&text).inventory().map(|_| ());
    assert_eq!(refused, Err(InventoryError::TooManyResources { found: 2001, max: 1000 }));
}
