//! Manifests as Kthena's users write them.

use serde_json::json;

use crate::{InferenceEngine, Manifests, Phase, Settings, TopologyMode};

/// Every field of the three kinds at once.
pub(super) const KTHENA: &str = r#"
apiVersion: workload.serving.volcano.sh/v1alpha1
kind: ModelServing
metadata:
  name: llama
  namespace: serving
  labels: {team: chat}
  annotations: {scheduling.volcano.sh/queue-name: gold}
  generation: 3
spec:
  replicas: 2
  schedulerName: volcano
  recoveryPolicy: RoleRecreate
  rolloutStrategy:
    type: ServingGroupRollingUpdate
    rollingUpdateConfiguration: {maxUnavailable: 50%, partition: 1}
  plugins:
  - name: demo-pod-tweaks
    type: BuiltIn
    config: {runtimeClassName: nvidia}
    scope: {roles: [prefill], target: Entry}
  template:
    restartGracePeriodSeconds: 60
    gangPolicy:
      minRoleReplicas: {prefill: 2, decode: 1}
    networkTopology:
      groupPolicy: {mode: hard, highestTierAllowed: 2}
      rolePolicy: {mode: soft, highestTierName: rack}
    roles:
    - name: prefill
      replicas: 2
      workerReplicas: 1
      entryTemplate: &prefill
        metadata: {labels: {app: llama}, annotations: {a: b}}
        spec:
          containers:
          - name: engine
            image: vllm/vllm-openai:v0.11
            args: ["--tensor-parallel-size", "4"]
            env: [{name: X, value: "1"}]
            resources:
              limits: {nvidia.com/gpu: 4, cpu: "16", memory: 64Gi}
              requests: {cpu: 500m}
      workerTemplate: *prefill
    - name: decode
      replicas: 2
      workerReplicas: 0
      entryTemplate:
        spec: {containers: [{name: engine, image: vllm, resources: {limits: {nvidia.com/gpu: 8}}}]}
status: {replicas: 2, anything: [goes]}
---
apiVersion: networking.serving.volcano.sh/v1alpha1
kind: ModelServer
metadata: {name: llama, namespace: serving}
spec:
  model: meta-llama/Llama-3.1-70B
  inferenceEngine: vLLM
  workloadSelector:
    matchLabels: {modelserving.volcano.sh/name: llama}
    pdGroup:
      groupKey: modelserving.volcano.sh/group-name
      prefillLabels: {modelserving.volcano.sh/role: prefill}
      decodeLabels: {modelserving.volcano.sh/role: decode}
  workloadPort: {port: 8000, protocol: http}
  trafficPolicy:
    timeout: 1m30s
    retry: {attempts: 3, retryInterval: 200ms}
  kvConnector: {type: nixl}
---
apiVersion: networking.serving.volcano.sh/v1alpha1
kind: ModelRoute
metadata: {name: llama, namespace: serving, creationTimestamp: "2026-01-02T03:04:05Z"}
spec:
  modelName: llama-70b
  loraAdapters: [sql, poetry]
  parentRefs: [{name: gateway, sectionName: http}]
  rules:
  - name: beta
    modelMatch:
      headers: {x-user: {regex: "^beta-"}}
      uri: {prefix: /v1/chat}
    targetModels: [{modelServerName: llama}]
  - name: all
    modelMatch: {body: {model: llama-70b}}
    targetModels:
    - {modelServerName: llama, weight: 90}
  rateLimit:
    inputTokensPerUnit: 1000
    outputTokensPerUnit: 2000
    unit: minute
    global: {redis: {address: "redis:6379"}}
"#;

/// Nodes as `kubectl get nodes -o yaml` shows them, in short.
pub(super) const NODES: &str = r#"
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Node
  metadata:
    name: gpu-1
    uid: 5b0d9f3e
    labels:
      topology.kubernetes.io/zone: a
      topology.kubernetes.io/rack: r1
      nvidia.com/gpu.product: NVIDIA-H100-80GB-HBM3
  spec:
    podCIDR: 10.0.0.0/24
    providerID: x://1
    unschedulable: true
    taints: [{key: node.kubernetes.io/unschedulable, effect: NoSchedule}]
  status:
    allocatable: {cpu: 95500m, memory: "1056204348Ki", nvidia.com/gpu: "8", pods: "250", ephemeral-storage: "94911679842"}
    capacity: {cpu: "96", memory: 1Ti, nvidia.com/gpu: "8"}
    conditions: [{type: Ready, status: "True"}]
- apiVersion: v1
  kind: Node
  metadata: {name: cpu-1}
  status: {capacity: {cpu: 8}}
"#;

/// A cluster of Volcano's, with a pod that runs.
pub(super) const VOLCANO: &str = r#"
apiVersion: topology.volcano.sh/v1alpha1
kind: HyperNode
metadata: {name: leaf-1}
spec:
  tier: 1
  tierName: rack
  members:
  - {type: Node, selector: {exactMatch: {name: gpu-1}}}
  - {type: Node, selector: {regexMatch: {pattern: "^cpu-[0-9]+$"}}}
  - type: Node
    selector:
      labelMatch: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d]}, {key: e, operator: Exists}]}
status: {nodeCount: 2, conditions: []}
---
apiVersion: topology.volcano.sh/v1alpha1
kind: HyperNode
metadata: {name: spine}
spec: {tier: 2, members: [{type: HyperNode, selector: {regexMatch: {pattern: leaf}}}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: llama-0-decode-0-0
  namespace: serving
  labels:
    modelserving.volcano.sh/name: llama
    modelserving.volcano.sh/group-name: llama-0
    modelserving.volcano.sh/role: decode
    modelserving.volcano.sh/role-id: decode-0
  annotations: {scheduling.k8s.io/group-name: llama-0, volcano.sh/task-spec: decode-0}
spec: {nodeName: gpu-1, containers: [{name: engine, resources: {limits: {nvidia.com/gpu: 8}}}]}
status: {phase: Running}
---
apiVersion: scheduling.volcano.sh/v1beta1
kind: PodGroup
metadata:
  name: llama-0
  namespace: serving
  labels: {modelserving.volcano.sh/name: llama, modelserving.volcano.sh/group-name: llama-0}
spec:
  minMember: 1
  minTaskMember: {decode-0: 1}
  minResources: {nvidia.com/gpu: 8}
  networkTopology: {mode: hard, highestTierAllowed: 2}
  subGroupPolicy:
  - name: decode
    labelSelector: {matchLabels: {modelserving.volcano.sh/role: decode}}
    matchLabelKeys: [modelserving.volcano.sh/role-id]
    subGroupSize: 1
    minSubGroups: 1
    networkTopology: {mode: soft, highestTierName: rack}
status: {phase: Running, running: 1}
"#;

#[test]
fn a_cluster_of_volcanos_is_read_whole() {
    let sources = [("llama.yaml", KTHENA), ("nodes.yaml", NODES), ("volcano.yaml", VOLCANO)];
    let manifests = Manifests::read(sources, &Settings::new()).expect("valid");
    let serving = &manifests.servings()[0];
    let levels = [serving.group_topology(), serving.role_topology()].map(|policy| policy.map(|policy| policy.level()));
    assert_eq!(levels, [Some("tier-2"), Some("rack")]);
    let inventory = manifests.inventory().expect("an inventory");
    assert_eq!(
        inventory.topology().node_path(inventory.topology().node("cpu-1").expect("a node")),
        "spine/leaf-1/cpu-1"
    );
    assert_eq!(inventory.free_devices_total(), 0, "the pod holds them");
    assert!(manifests.is_of_serving(&manifests.pod_groups()[0]));
    let group = serving.groups().next().expect("a group");
    let members: Vec<_> = manifests.members(&group).map(|(pod, there)| (pod.name(), there.node())).collect();
    assert_eq!(members, [("llama-0-decode-0-0".to_owned(), Some("gpu-1"))]);
}

#[test]
fn every_field_is_read_or_listed() {
    let manifests = Manifests::read([("llama.yaml", KTHENA)], &Settings::new()).expect("valid");
    let serving = &manifests.servings()[0];
    assert_eq!(serving.name().to_string(), "serving/llama");
    let roles: Vec<_> = serving.roles().iter().map(|r| (r.name(), r.replicas(), r.min_replicas(), r.pods())).collect();
    assert_eq!(roles, [("prefill", 2, 2, 2), ("decode", 2, 1, 1)]);
    let group = serving.group_topology().expect("a group policy");
    assert_eq!((group.mode(), group.level()), (TopologyMode::Hard, "block"));
    let role = serving.role_topology().expect("a role policy");
    assert_eq!((role.mode(), role.level()), (TopologyMode::Soft, "rack"));
    let prefill = &serving.roles()[0];
    assert_eq!(prefill.workers(), Some((prefill.entry(), 1)));
    assert_eq!(prefill.entry().accelerators(), Some(("nvidia.com/gpu", 4)));
    assert_eq!((prefill.entry().requests()["cpu"], prefill.entry().requests()["memory"]), (500, 64 << 30));

    let server = manifests.server("serving/llama").expect("a server");
    assert_eq!((server.port(), server.engine()), (8000, InferenceEngine::Vllm));
    assert_eq!(server.model(), Some("meta-llama/Llama-3.1-70B"));
    assert_eq!(server.timeout().map(|timeout| timeout.as_secs()), Some(90));
    assert_eq!(server.kv_connector(), Some(crate::KvConnector::Nixl));

    let route = &manifests.routes()[0];
    assert_eq!(route.rules().iter().map(|rule| rule.is_conditional()).collect::<Vec<_>>(), [true, true]);
    assert_eq!((route.rules()[1].name(), route.rules()[1].targets()[0].weight()), ("all", 90));

    let fields: Vec<_> = manifests.warnings().iter().map(|warning| warning.field.as_str()).collect();
    let expected = [
        "spec.recoveryPolicy",
        "spec.rolloutStrategy",
        "spec.plugins",
        "spec.template.restartGracePeriodSeconds",
        "spec.trafficPolicy.retry",
        "spec.rateLimit",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn what_is_not_acted_on_is_kept() {
    let manifests = Manifests::read([("llama.yaml", KTHENA)], &Settings::new()).expect("valid");
    let serving = manifests.servings()[0].json();
    assert_eq!(serving["spec"]["plugins"][0]["config"], json!({"runtimeClassName": "nvidia"}));
    assert_eq!(serving["status"]["anything"], json!(["goes"]));
    let worker = manifests.servings()[0].roles()[0].workers().expect("workers").0;
    assert_eq!(worker.json()["spec"]["containers"][0]["args"][1], "4");
    assert_eq!(manifests.routes()[0].json()["spec"]["rateLimit"]["unit"], "minute");
    assert_eq!(manifests.servers()[0].json()["spec"]["trafficPolicy"]["retry"]["attempts"], 3);
}

#[test]
fn a_manifest_written_back_reads_the_same() {
    let first = Manifests::read([("f", KTHENA), ("n", NODES)], &Settings::new()).expect("valid");
    let objects = first.servings().iter().map(|s| s.json()).chain(first.servers().iter().map(|s| s.json()));
    let objects = objects.chain(first.routes().iter().map(|r| r.json())).chain(first.nodes().iter().map(|n| n.json()));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects.collect::<Vec<_>>()}).to_string();
    let second = Manifests::read([("f", list.as_str())], &Settings::new()).expect("valid");
    assert_eq!(
        (first.servings(), first.servers(), first.nodes()),
        (second.servings(), second.servers(), second.nodes())
    );
    assert_eq!(first.route_table(), second.route_table());
    assert_eq!(first.warnings().len(), second.warnings().len());
}

#[test]
fn pods_are_named_and_labelled_as_by_kthena() {
    let manifests = Manifests::read([("llama.yaml", KTHENA)], &Settings::new()).expect("valid");
    let groups: Vec<_> = manifests.servings()[0].groups().collect();
    let names: Vec<_> = groups[1].pods().map(|pod| pod.name()).collect();
    let expected = ["prefill-0-0", "prefill-0-1", "prefill-1-0", "prefill-1-1", "decode-0-0", "decode-1-0"];
    assert_eq!(names, expected.map(|pod| format!("llama-1-{pod}")));
    let pod = groups[1].pods().nth(2).expect("an entry");
    let expected = json!({
        "app": "llama",
        "modelserving.volcano.sh/name": "llama",
        "modelserving.volcano.sh/group-name": "llama-1",
        "modelserving.volcano.sh/role": "prefill",
        "modelserving.volcano.sh/role-id": "prefill-1",
        "modelserving.volcano.sh/entry": "true",
    });
    assert_eq!(json!(pod.labels()), expected);
    let worker = groups[1].pods().nth(3).expect("a worker");
    assert!(!worker.is_entry() && !worker.labels().contains_key("modelserving.volcano.sh/entry"));
    let server = &manifests.servers()[0];
    let parts: Vec<_> = groups[0].entries().filter_map(|pod| server.selector().matches(&pod.labels())).collect();
    assert_eq!(
        parts.iter().map(|part| part.phase).collect::<Vec<_>>(),
        [Phase::Prefill, Phase::Prefill, Phase::Decode, Phase::Decode]
    );
    assert!(parts.iter().all(|part| part.group == "llama-0"));
}

#[test]
fn the_kind_of_devices_is_what_labels_say() {
    let kind = |resource: &str, labels: &str| {
        let node = format!(
            "{{apiVersion: v1, kind: Node, metadata: {{name: n1, labels: {{{labels}}}}}, status: {{capacity: {{{resource}: 2}}}}}}"
        );
        let manifests = Manifests::read([("n", node.as_str())], &Settings::new()).expect("valid");
        let inventory = manifests.inventory().expect("an inventory");
        let of = inventory.topology().node("n1").and_then(|node| inventory.kind(node).map(str::to_owned));
        (manifests.nodes()[0].kind().map(str::to_owned), of)
    };
    let both = |kind: &str| (Some(kind.to_owned()), Some(kind.to_owned()));
    assert_eq!(kind("nvidia.com/gpu", "nvidia.com/gpu.product: H100"), both("H100"));
    assert_eq!(
        kind("nvidia.com/gpu", "nvidia.com/gpu.product: '', cloud.google.com/gke-accelerator: nvidia-l4"),
        both("nvidia-l4")
    );
    assert_eq!(kind("amd.com/gpu", "amd.com/gpu.product-name: MI300X"), both("MI300X"));
    assert_eq!(kind("google.com/tpu", "cloud.google.com/gke-tpu-accelerator: v5e"), both("v5e"));
    assert_eq!(kind("nvidia.com/gpu", "amd.com/gpu.product-name: MI300X"), (None, Some("nvidia.com/gpu".to_owned())));
    assert_eq!(kind("cpu", "nvidia.com/gpu.product: H100"), (None, None));
}

#[test]
fn nodes_offer_what_is_allocatable() {
    let manifests = Manifests::read([("nodes.yaml", NODES)], &Settings::new()).expect("valid");
    let [gpu, cpu] = manifests.nodes() else { panic!("two nodes") };
    assert!(gpu.is_unschedulable() && !cpu.is_unschedulable());
    assert_eq!(
        (gpu.amounts()["cpu"], gpu.amounts()["memory"], gpu.amounts()["pods"]),
        (95_500, 1_056_204_348 << 10, 250)
    );
    assert_eq!((cpu.amounts()["cpu"], cpu.amounts()["pods"], cpu.accelerators()), (8000, 110, None));
    assert_eq!(manifests.warnings(), []);
    let inventory = manifests.inventory().expect("an inventory");
    let topology = inventory.topology().clone();
    let id = topology.node("gpu-1").expect("the node");
    assert_eq!(topology.node_path(id), "a//r1/gpu-1");
    assert_eq!((inventory.kind(id), inventory.devices(id).len()), (Some("NVIDIA-H100-80GB-HBM3"), 8));
    assert!(inventory.is_cordoned(id));
    assert_eq!(topology.outside_len(), 1);
}
