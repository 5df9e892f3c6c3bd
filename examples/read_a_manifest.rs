//! Reads manifests, finds what is wrong with them, and turns what is right into a cluster, gangs and routes.
//!
//! Paste it into a controller of your own: it needs `phalanx-manifest`, `phalanx-gang` and the standard library. The texts
//! may come from files or from a watch.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use phalanx_gang::{Options, Outcome, plan};
use phalanx_manifest::{Manifests, Settings};

const NODES: &str = "
apiVersion: v1
kind: Node
metadata: {name: gpu-1, labels: {topology.kubernetes.io/block: b1, topology.kubernetes.io/rack: r1}}
status: {allocatable: {cpu: 96, nvidia.com/gpu: 8}}
---
apiVersion: v1
kind: Node
metadata: {name: gpu-2, labels: {topology.kubernetes.io/block: b1, topology.kubernetes.io/rack: r2}}
status: {allocatable: {cpu: 96, nvidia.com/gpu: 4}}
";

const SERVING: &str = "
apiVersion: workload.serving.volcano.sh/v1alpha1
kind: ModelServing
metadata: {name: chat}
spec:
  template:
    gangPolicy: {minRoleReplicas: {prefill: 1, decode: 1}}
    networkTopology:
      groupPolicy: {mode: hard, highestTierName: block}
      rolePolicy: {mode: hard, highestTierName: rack}
    roles:
    - name: prefill
      replicas: 2
      workerReplicas: 0
      entryTemplate: &pod
        spec:
          containers:
          - name: engine
            resources: {limits: {cpu: 16, nvidia.com/gpu: 4}}
    - name: decode
      replicas: 1
      workerReplicas: 1
      entryTemplate: *pod
      workerTemplate: *pod
---
apiVersion: networking.serving.volcano.sh/v1alpha1
kind: ModelServer
metadata: {name: chat}
spec:
  inferenceEngine: vLLM
  workloadPort: {port: 8000}
  workloadSelector:
    matchLabels: {modelserving.volcano.sh/name: chat}
    pdGroup:
      groupKey: modelserving.volcano.sh/group-name
      prefillLabels: {modelserving.volcano.sh/role: prefill}
      decodeLabels: {modelserving.volcano.sh/role: decode}
---
apiVersion: networking.serving.volcano.sh/v1alpha1
kind: ModelRoute
metadata: {name: chat}
spec:
  modelName: llama-70b
  rules:
  - targetModels:
    - modelServerName: chat
  rateLimit: {inputTokensPerUnit: 1000}
";

/// Reads a broken manifest and a sound one.
///
/// # Panics
///
/// When it does not find what it says.
pub fn main() {
    // Everything that is wrong is told at once, with its place.
    let broken =
        SERVING.replace("replicas: 2", "replicas: -2").replace("highestTierName: rack", "highestTierName: row");
    let problems = Manifests::read([("nodes.yaml", NODES), ("chat.yaml", &broken)], &Settings::new());
    let problems = problems.expect_err("two faults");
    println!("{problems}");
    assert_eq!(
        problems.to_string(),
        "chat.yaml:10: ModelServing default/chat: spec.template.networkTopology.rolePolicy.highestTierName: \
         found \"row\", expected one of zone, block, rack, node\n\
         chat.yaml:13: ModelServing default/chat: spec.template.roles[0].replicas: \
         found -2, expected a whole number from 0 to 2147483647"
    );

    // What is valid but not acted on is told too.
    let manifests = Manifests::read([("nodes.yaml", NODES), ("chat.yaml", SERVING)], &Settings::new());
    let manifests = manifests.expect("the manifests are sound");
    let warnings: Vec<_> = manifests.warnings().iter().map(ToString::to_string).collect();
    println!("{}", warnings.join("\n"));
    assert_eq!(
        warnings,
        [
            "chat.yaml:47: ModelRoute default/chat: spec.rateLimit: not acted on in this release: requests are not limited"
        ]
    );

    // Place each group, and see which pods the server sends requests to.
    let mut inventory = manifests.inventory().expect("the nodes make a cluster");
    let server = manifests.server("default/chat").expect("the server is there");
    let mut lines = Vec::new();
    for group in manifests.servings().iter().flat_map(|serving| serving.groups()) {
        let gang = group.gang(&mut inventory).expect("the group is a gang");
        let plan = match plan(&gang, &inventory, &Options::default()).expect("the gang is sound") {
            Outcome::Placed(plan) => plan,
            rejected => panic!("{rejected:?}"),
        };
        for placement in plan.placements() {
            let pod = group.pod(&plan, &placement).expect("the plan is of this group");
            let node = inventory.topology().node_path(placement.node());
            let part = server.selector().matches(&pod.labels()).filter(|_| pod.is_entry());
            let serves = part.map_or(String::new(), |part| format!(", {:?} of {}", part.phase, part.group));
            lines.push(format!("{} on {node} devices {}{serves}", pod.name(), placement.devices()));
        }
        let waiting: u32 = plan.extras().iter().map(|extras| extras.pending()).sum();
        lines.push(format!("{}: {waiting} replica above the minimum waits for room", group.name()));
        let _receipt = plan.commit(&mut inventory).expect("nothing changed in between");
    }
    println!("{}", lines.join("\n"));
    assert_eq!(
        lines,
        [
            "chat-0-prefill-0-0 on /b1/r2/gpu-2 devices 0-3, Prefill of chat-0",
            "chat-0-decode-0-0 on /b1/r1/gpu-1 devices 0-3, Decode of chat-0",
            "chat-0-decode-0-1 on /b1/r1/gpu-1 devices 4-7",
            "chat-0: 1 replica above the minimum waits for room",
        ]
    );

    let routes = manifests.route_table().expect("the routes make a table");
    assert_eq!(routes.resolve("llama-70b", 1).map(|target| target.server()), Ok(Some("default/chat")));
}
