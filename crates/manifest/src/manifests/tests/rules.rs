//! Each rule of a manifest, broken once: the line and the field that are told, and what was expected.

use crate::{Manifests, Settings};

mod http;
mod hypernodes;
mod networking;
mod podgroups;
mod pods;
mod servings;

/// Reads `text` after one empty line; the messages without the file's name.
fn read(text: &str) -> (Vec<String>, Vec<String>) {
    let strip = |message: String| message.strip_prefix("f:").map(str::to_owned).expect("messages begin with the file");
    match Manifests::read([("f", text)], &Settings::new()) {
        Ok(manifests) => (Vec::new(), manifests.warnings().iter().map(|w| strip(w.to_string())).collect()),
        Err(problems) => (problems.list().iter().map(|p| strip(p.to_string())).collect(), Vec::new()),
    }
}

const SERVING: &str = "
apiVersion: workload.serving.volcano.sh/v1alpha1
kind: ModelServing
metadata: {name: chat}
spec:
  replicas: 2
  template:
    roles:
    - name: prefill
      replicas: 2
      workerReplicas: 0
      entryTemplate: {spec: {containers: [{image: vllm}]}}
    - name: decode
      workerReplicas: 1
      entryTemplate: {spec: {containers: [{image: vllm}]}}
      workerTemplate: {spec: {containers: [{image: vllm}]}}
";

const SERVER: &str = "
apiVersion: networking.serving.volcano.sh/v1alpha1
kind: ModelServer
metadata: {name: chat}
spec:
  inferenceEngine: vLLM
  workloadSelector:
    matchLabels: {app: chat}
    pdGroup:
      groupKey: group
      prefillLabels: {role: prefill}
      decodeLabels: {role: decode}
  workloadPort:
    port: 8000
";

const ROUTE: &str = "
apiVersion: networking.serving.volcano.sh/v1alpha1
kind: ModelRoute
metadata: {name: chat}
spec:
  modelName: llama
  rules:
  - targetModels:
    - modelServerName: chat
      weight: 70
    - modelServerName: chat
---
apiVersion: networking.serving.volcano.sh/v1alpha1
kind: ModelServer
metadata: {name: chat}
spec:
  inferenceEngine: vLLM
  workloadSelector: {matchLabels: {app: chat}}
  workloadPort: {port: 8000}
";

const NODE: &str = "
apiVersion: v1
kind: Node
metadata:
  name: gpu-1
  labels: {zone: a}
spec: {unschedulable: false}
status:
  allocatable: {cpu: 8, memory: 64Gi, nvidia.com/gpu: 8}
";

/// Replaces `from` in `base` with `to` and expects exactly these problems.
#[track_caller]
fn check(base: &str, from: &str, to: &str, expected: &[&str]) {
    assert!(base.contains(from), "{from:?} is in the base");
    let text = base.replacen(from, to, 1);
    assert_eq!(read(&text).0, expected, "{text}");
}

/// Replaces `from` in `base` with `to` and expects this warning and no problem.
#[track_caller]
fn warn(base: &str, from: &str, to: &str, expected: &str) {
    let text = base.replacen(from, to, 1);
    let (problems, warnings) = read(&text);
    assert_eq!(problems, Vec::<String>::new());
    assert!(warnings.iter().any(|warning| warning.contains(expected)), "{warnings:#?}");
}

#[test]
fn the_bases_are_valid() {
    for base in [SERVING, SERVER, ROUTE, NODE] {
        assert_eq!(read(base).0, Vec::<String>::new());
    }
}

#[test]
fn objects() {
    check(NODE, "v1", "v2", &["2: Node gpu-1: apiVersion: found \"v2\", expected v1"]);
    check(NODE, "kind: Node\n", "", &["2: kind: found nothing, expected a kind"]);
    check(NODE, "apiVersion: v1\n", "", &["2: apiVersion: found nothing, expected an API group and version"]);
    check(NODE, "kind: Node", "kind: [Node]", &["3: kind: found a list, expected a string"]);
    check(NODE, "name: gpu-1", "uid: gpu-1", &["4: Node: metadata.name: found nothing, expected a name"]);
    check(NODE, "name: gpu-1", "name: 1", &["5: Node: metadata.name: found 1, expected a string: quote it"]);
    check(
        NODE,
        "gpu-1",
        "GPU",
        &[
            "5: Node GPU: metadata.name: found \"GPU\", expected a lower-case name of letters, digits, `-` and `.`, 253 at most",
        ],
    );
    check(
        NODE,
        "zone: a",
        "zone: true",
        &["6: Node gpu-1: metadata.labels.zone: found the boolean true, expected a string: quote it"],
    );
    check(
        NODE,
        "zone: a",
        "zone: a b",
        &[
            "6: Node gpu-1: metadata.labels.zone: found \"a b\", expected a label value: letters, digits, `-`, `_` and `.`, 63 at most",
        ],
    );
    check(
        NODE,
        "zone: a",
        "/zone: a",
        &[
            "6: Node gpu-1: metadata.labels./zone: found the key \"/zone\", expected a label key: a name of 63 at most, after an optional `domain/`",
        ],
    );
    check(
        SERVING,
        "{name: chat}",
        "{name: chat, namespace: A}",
        &[
            "4: ModelServing A/chat: metadata.namespace: found \"A\", expected a lower-case name of letters, digits and `-`, 63 at most",
        ],
    );
    check(
        NODE,
        "spec:",
        "spac:",
        &["7: Node gpu-1: spac: found an unknown field, expected one of apiVersion, kind, metadata, status, spec"],
    );
    assert_eq!(read("- a\n").0, ["1: found a list, expected a mapping"]);
    assert_eq!(read("just text\n").0, ["1: found \"just text\", expected a mapping"]);
    assert_eq!(read("").0, Vec::<String>::new());
    warn(
        "apiVersion: v1\nkind: Service\nanything: 1\n",
        "",
        "",
        "2: Service: kind: Service is not read in this release",
    );
}

const METADATA: &str = "name, generateName, namespace, labels, annotations, uid, resourceVersion, generation, \
                        creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, finalizers, ownerReferences, \
                        managedFields, selfLink";

#[test]
fn metadata_has_the_fields_of_kubernetes_and_no_others() {
    let unknown = format!("found an unknown field, expected one of {METADATA}");
    let whole: Vec<_> = METADATA.split(", ").filter(|key| !["name", "namespace", "labels"].contains(key)).collect();
    let whole = format!("{{{}: {{}}, name: chat, namespace: default, labels: {{}}}}", whole.join(": {}, "));
    assert_eq!(read(&SERVER.replace("{name: chat}", &whole)).0, Vec::<String>::new());
    let template = whole.replace("name: chat, ", "");
    let pod = format!("entryTemplate: {{metadata: {template}, ");
    assert_eq!(read(&SERVING.replacen("entryTemplate: {", &pod, 1)).0, Vec::<String>::new());

    check(NODE, "labels:", "lables:", &[&format!("6: Node gpu-1: metadata.lables: {unknown}")]);
    let both =
        ["4: Node: metadata.name: found nothing, expected a name", &format!("5: Node: metadata.nome: {unknown}")];
    check(NODE, "name: gpu-1", "nome: gpu-1", &both);
    check(
        SERVING,
        "entryTemplate: {",
        "entryTemplate: {metadata: {lables: {app: chat}}, ",
        &[&format!("12: ModelServing default/chat: spec.template.roles[0].entryTemplate.metadata.lables: {unknown}")],
    );
}

#[test]
fn twice_is_once_too_often() {
    let text = format!("{NODE}---{NODE}");
    assert_eq!(
        read(&text).0,
        ["11: Node gpu-1: found a second Node gpu-1, expected each object once; the first is at f:2"]
    );
    let other = NODE.replace("gpu-1", "gpu-2");
    assert_eq!(read(&format!("{NODE}---{other}")).0, Vec::<String>::new());
}

#[test]
fn lists_of_objects_are_read() {
    let items = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata: {name: m}\n  status: {capacity: {cpu: x}}\n";
    assert_eq!(
        read(items).0,
        [
            "7: Node m: items[0].status.capacity.cpu: found \"x\" is no quantity, expected a number like 8, 500m, 64Gi or 1.5"
        ]
    );
}

#[test]
fn nodes() {
    check(NODE, "false", "maybe", &["7: Node gpu-1: spec.unschedulable: found \"maybe\", expected true or false"]);
    check(
        NODE,
        "unschedulable:",
        "unschedulabel:",
        &[
            "7: Node gpu-1: spec.unschedulabel: found an unknown field, expected one of podCIDR, podCIDRs, providerID, externalID, configSource, taints, unschedulable",
        ],
    );
    check(
        NODE,
        "cpu: 8",
        "cpu: -1",
        &["9: Node gpu-1: status.allocatable.cpu: found \"-1\" is negative, expected a quantity of 0 or more"],
    );
    check(
        NODE,
        "cpu: 8",
        "cpu: [8]",
        &["9: Node gpu-1: status.allocatable.cpu: found a list, expected a quantity like 8, 500m or 64Gi"],
    );
    check(
        NODE,
        "gpu: 8",
        "gpu: 1.5",
        &["9: Node gpu-1: status.allocatable[\"nvidia.com/gpu\"]: found 1.5, expected a whole number"],
    );
    check(
        NODE,
        "gpu: 8",
        "gpu: 65",
        &["9: Node gpu-1: status.allocatable: found 65 of nvidia.com/gpu, expected 64 accelerators at most on a node"],
    );
    check(
        NODE,
        "gpu: 8",
        "gpu: 8, amd.com/gpu: 1",
        &[
            "9: Node gpu-1: status.allocatable: found both amd.com/gpu and nvidia.com/gpu, expected one accelerator resource on a node",
        ],
    );
    warn(
        NODE,
        "{unschedulable: false}",
        "{taints: [{key: gpu, effect: NoSchedule}]}",
        "7: Node gpu-1: spec.taints[0]: taints do not",
    );
    warn(NODE, "allocatable", "other", "2: Node gpu-1: neither status.allocatable nor status.capacity");
}

#[test]
fn everything_wrong_is_told_at_once_in_order() {
    let broken = SERVING.replace("replicas: 2", "replicas: -2").replace("name: decode", "name: Decode");
    let sources = [("b.yaml", broken.as_str()), ("a.yaml", "x: [1\n---\napiVersion: v1\nkind: Node\nmetadata: {}\n")];
    let problems = Manifests::read(sources, &Settings::new()).expect_err("problems");
    let lines: Vec<_> = problems.list().iter().map(|p| (&*p.file, p.line)).collect();
    assert_eq!(lines, [("b.yaml", 6), ("b.yaml", 10), ("b.yaml", 13), ("a.yaml", 1), ("a.yaml", 5)]);
    assert_eq!(problems.to_string().lines().count(), 5);
}
