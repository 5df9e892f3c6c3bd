//! The rules of Pods, each broken once.

use super::{check, read, warn};

const POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: p
  annotations: {scheduling.k8s.io/group-name: g}
spec:
  nodeName: n1
  containers: [{image: vllm, resources: {limits: {nvidia.com/gpu: 8}}}]
status: {phase: Running}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {allocatable: {nvidia.com/gpu: 8}}
";

#[test]
fn pods() {
    assert_eq!(read(POD), (Vec::new(), Vec::new()));
    let at = |line: u32, rest: &str| format!("{line}: Pod default/p: {rest}");
    let check = |from, to, line, rest: &str| check(POD, from, to, &[&at(line, rest)]);
    check("nodeName: n1", "nodeName: 1", 8, "spec.nodeName: found 1, expected a string: quote it");
    check(
        "phase: Running",
        "phase: Dead",
        10,
        "status.phase: found \"Dead\", expected one of Pending, Running, Succeeded, Failed, Unknown",
    );
    check(
        "gpu: 8}}}]\n",
        "gpu: x}}}]\n",
        9,
        "spec.containers[0].resources.limits[\"nvidia.com/gpu\"]: found \"x\" is no quantity, expected a number like 8, 500m, 64Gi or 1.5",
    );
    check(
        "gpu: 8}}}]\n",
        "gpu: 8, amd.com/gpu: 1}}}]\n",
        7,
        "spec: found both amd.com/gpu and nvidia.com/gpu, expected one accelerator resource in a pod",
    );
    check(
        "  containers: [{image: vllm, resources: {limits: {nvidia.com/gpu: 8}}}]\n",
        "",
        7,
        "spec.containers: found nothing, expected a list of containers",
    );
    check(
        "spec:\n  nodeName",
        "spac: {}\nspec:\n  nodeName",
        7,
        "spac: found an unknown field, expected one of apiVersion, kind, metadata, status, spec",
    );
}

#[test]
fn what_keeps_a_pod_from_nodes_is_told_until_it_has_one() {
    let affinity =
        "  containers: [{image: vllm, resources: {limits: {nvidia.com/gpu: 8}}}]\n  affinity: {}\n  tolerations: []\n";
    let from = "  containers: [{image: vllm, resources: {limits: {nvidia.com/gpu: 8}}}]\n";
    assert_eq!(read(&POD.replace(from, affinity)), (Vec::new(), Vec::new()));
    let pending = POD.replace("  nodeName: n1\n", "").replace("Running", "Pending");
    warn(&pending, from, affinity, "9: Pod default/p: spec.affinity: not considered in placing the pod");
    assert_eq!(read(&pending.replace(from, affinity)).1.len(), 1);
}
