//! `phalanx crds` on a real server: what Kthena's manifests say is taken as it is, and what breaks a rule is not.

use std::process::Command;

use serde_json::json;

use super::cluster::Cluster;

const SERVING: &str = "workload.serving.volcano.sh/v1alpha1";
const NETWORKING: &str = "networking.serving.volcano.sh/v1alpha1";

/// A cluster that knows the kinds.
fn prepared(test: &str) -> Option<Cluster> {
    let cluster = Cluster::start(test)?;
    let printed = Command::new(env!("CARGO_BIN_EXE_phalanx")).arg("crds").output().expect("the binary runs");
    assert!(printed.status.success());
    cluster.must_apply(&String::from_utf8(printed.stdout).expect("text"));
    let known = cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
    assert!(known.success, "{}{}", known.out, known.err);
    Some(cluster)
}

/// A role of one pod, and what else it says.
fn role(more: &str) -> String {
    format!(
        "{{name: decode, workerReplicas: 0, entryTemplate: {{spec: {{containers: [{{name: engine, image: e}}]}}}}{more}}}"
    )
}

/// A ModelServing whose spec and template say more.
fn serving(name: &str, spec: &str, template: &str, roles: &[String]) -> String {
    format!(
        "apiVersion: {SERVING}\nkind: ModelServing\nmetadata: {{name: {name}}}\n\
         spec: {{{spec} template: {{{template} roles: [{}]}}}}\n",
        roles.join(", ")
    )
}

fn route(name: &str, spec: &str) -> String {
    format!("apiVersion: {NETWORKING}\nkind: ModelRoute\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n")
}

fn server(name: &str, spec: &str) -> String {
    format!("apiVersion: {NETWORKING}\nkind: ModelServer\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n")
}

#[test]
fn manifests_apply_with_defaults_and_what_breaks_a_rule_is_refused() {
    let Some(cluster) = prepared("manifests_apply") else { return };
    takes_what_is_valid(&cluster);
    fills_in_defaults(&cluster);
    refuses_what_breaks_a_rule(&cluster);
    keeps_what_must_not_change(&cluster);
    scales(&cluster);
}

/// The quick start's objects, unchanged, under the strictest validation.
fn takes_what_is_valid(cluster: &Cluster) {
    for file in ["serving.yaml", "routes.yaml"] {
        let file = format!("{}/../../examples/quickstart/{file}", env!("CARGO_MANIFEST_DIR"));
        let said = cluster.kubectl(&["apply", "--validate=strict", "-f", &file]);
        assert!(said.success, "{file}: {}{}", said.out, said.err);
    }
}

fn fills_in_defaults(cluster: &Cluster) {
    cluster.must_apply(&serving("plain", "", "networkTopology: {groupPolicy: {highestTierAllowed: 2}},", &[role("")]));
    let spec = &cluster.get("modelserving", "plain")["spec"];
    let seen = json!({
        "replicas": spec["replicas"], "schedulerName": spec["schedulerName"], "recoveryPolicy": spec["recoveryPolicy"],
        "grace": spec["template"]["restartGracePeriodSeconds"], "role": spec["template"]["roles"][0]["replicas"],
        "mode": spec["template"]["networkTopology"]["groupPolicy"]["mode"],
        "maxUnavailable": spec["template"]["roles"][0]["maxUnavailable"], "phalanx": spec["phalanx"],
    });
    let expected = json!({
        "replicas": 1, "schedulerName": "volcano", "recoveryPolicy": "RoleRecreate", "grace": 0, "role": 1,
        "mode": "hard", "maxUnavailable": 1, "phalanx": null,
    });
    assert_eq!(seen, expected);
    // Whatever a pod's spec says is kept.
    let pod = role("").replace("image: e", "image: e, resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}]");
    cluster.must_apply(&serving("pod", "", "", &[pod]));
    let container =
        &cluster.get("modelserving", "pod")["spec"]["template"]["roles"][0]["entryTemplate"]["spec"]["containers"][0];
    assert_eq!(container["resizePolicy"][0]["resourceName"], "cpu");

    cluster.must_apply(&route(
        "plain",
        "modelName: m, rules: [{targetModels: [{modelServerName: s}]}], rateLimit: {inputTokensPerUnit: 5}",
    ));
    let spec = &cluster.get("modelroute", "plain")["spec"];
    assert_eq!(
        (&spec["rules"][0]["targetModels"][0]["weight"], &spec["rateLimit"]["unit"]),
        (&json!(100), &json!("second"))
    );
    cluster.must_apply(&server(
        "plain",
        "inferenceEngine: vLLM, workloadSelector: {matchLabels: {a: b}}, workloadPort: {port: 8000}, kvConnector: {}, \
         trafficPolicy: {retry: {attempts: 2}}",
    ));
    let spec = &cluster.get("modelserver", "plain")["spec"];
    assert_eq!(spec["workloadPort"]["protocol"], "http");
    assert_eq!(spec["kvConnector"]["type"], "http");
    assert_eq!(spec["trafficPolicy"]["retry"]["retryInterval"], "100ms");
}

fn refuses_what_breaks_a_rule(cluster: &Cluster) {
    let two = [role(""), role("")];
    let target = |target: &str| route("bad", &format!("modelName: m, rules: [{{targetModels: [{{{target}}}]}}]"));
    let engine = |rest: &str| server("bad", &format!("workloadSelector: {{matchLabels: {{a: b}}}}, {rest}"));
    let cases = [
        (serving("bad", "replicas: -1,", "", &[role("")]), "spec.replicas"),
        (serving("bad", "recoveryPolicy: Sometimes,", "", &[role("")]), "spec.recoveryPolicy"),
        (serving("bad", "", "", &two), "roles name must be unique"),
        (serving("bad", "", "", &[]), "spec.template.roles"),
        (serving("bad", "", "", &[role("").replace("decode", "a-name-that-is-long")]), "spec.template.roles[0].name"),
        (serving("bad", "", "", &[role("").replace("image: e", "image: \"e e\"")]), "image"),
        (serving("bad", "replica: 1,", "", &[role("")]), "unknown field \"spec.replica\""),
        (serving("bad", "phalanx: {maxSurge: [1]},", "", &[role("")]), "spec.phalanx.maxSurge"),
        (route("bad", "rules: []"), "modelName and loraAdapters cannot both be empty"),
        (target("modelServerName: a, externalModelProviderName: b"), "exactly one of modelServerName"),
        (target("weight: 1"), "exactly one of modelServerName"),
        (target("modelServerName: a, weight: 101"), "weight"),
        (route("bad", "modelName: m, rules: [], rateLimit: {unit: fortnight}"), "spec.rateLimit.unit"),
        (engine("inferenceEngine: TGI, workloadPort: {port: 80}"), "spec.inferenceEngine"),
        (engine("inferenceEngine: vLLM, workloadPort: {port: 65536}"), "spec.workloadPort.port"),
    ];
    for (manifest, word) in cases {
        let said = cluster.kubectl_with(&["apply", "--validate=strict", "-f", "-"], &manifest);
        assert!(!said.success && said.err.contains(word), "should say {word:?}: {}{}\n{manifest}", said.out, said.err);
    }
}

fn keeps_what_must_not_change(cluster: &Cluster) {
    let gang = |minimum: &str| {
        serving("gang", "", &format!("gangPolicy: {{minRoleReplicas: {{decode: {minimum}}}}},"), &[role("")])
    };
    cluster.must_apply(&gang("1"));
    let said = cluster.apply(&gang("0"));
    assert!(!said.success && said.err.contains("minRoleReplicas is immutable"), "{}", said.err);
    let said = cluster.apply(&serving("gang", "", "", &[role("")]));
    assert!(!said.success && said.err.contains("gangPolicy cannot be removed"), "{}", said.err);
    let said = cluster.apply(&route("plain", "modelName: other, rules: []"));
    assert!(!said.success && said.err.contains("modelName is immutable"), "{}", said.err);
}

/// As an autoscaler does.
fn scales(cluster: &Cluster) {
    let said = cluster.kubectl(&["scale", "modelserving", "plain", "--replicas=3"]);
    assert!(said.success, "{}", said.err);
    assert_eq!(cluster.get("modelserving", "plain")["spec"]["replicas"], 3);
    let row = cluster.kubectl(&["get", "modelserving", "plain"]).out;
    let head: Vec<_> = row.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(head, ["NAME", "REPLICAS", "AVAILABLE", "UPDATED", "STATUS", "AGE"]);
}
