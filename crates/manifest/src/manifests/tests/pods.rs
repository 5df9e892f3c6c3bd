//! Clusters in which pods run already.

use std::collections::BTreeMap;

use phalanx_gang::{Options, Outcome};
use proptest::collection::vec;
use proptest::prelude::*;

use super::convert::cluster;
use crate::{Manifests, PodPhase, Settings};

#[track_caller]
fn read(text: &str) -> Manifests {
    match Manifests::read([("f", text)], &Settings::new()) {
        Ok(manifests) => manifests,
        Err(problems) => panic!("{problems}"),
    }
}

/// Three decode replicas of an entry without devices and two workers with eight, each in a block.
const SERVING: &str = "
---
apiVersion: workload.serving.volcano.sh/v1alpha1
kind: ModelServing
metadata: {name: chat, namespace: team}
spec:
  template:
    gangPolicy: {minRoleReplicas: {decode: 1}}
    networkTopology: {rolePolicy: {highestTierName: block}}
    roles:
    - name: decode
      replicas: 2
      workerReplicas: 2
      entryTemplate: {spec: {containers: [{resources: {requests: {cpu: 2}}}]}}
      workerTemplate: {spec: {containers: [{resources: {limits: {nvidia.com/gpu: 8}}}]}}
";

/// A Pod of the serving as a cluster shows it.
fn pod(replica: u32, ordinal: u32, node: &str, phase: &str) -> String {
    let asks = if ordinal == 0 { "requests: {cpu: 2}" } else { "limits: {nvidia.com/gpu: 8}" };
    let node = if node.is_empty() { String::new() } else { format!("nodeName: {node}, ") };
    format!(
        "
---
apiVersion: v1
kind: Pod
metadata:
  name: chat-0-decode-{replica}-{ordinal}
  namespace: team
  labels:
    modelserving.volcano.sh/name: chat
    modelserving.volcano.sh/group-name: chat-0
    modelserving.volcano.sh/role: decode
    modelserving.volcano.sh/role-id: decode-{replica}
spec:
  {{{node}tolerations: [{{operator: Exists}}], containers: [{{image: vllm, resources: {{{asks}}}}}], restartPolicy: Always}}
status: {{phase: {phase}, podIP: 10.0.0.1, conditions: []}}
"
    )
}

/// The pods that are planned and their nodes, and what was told in reading.
#[track_caller]
fn missing(text: &str) -> (BTreeMap<String, String>, Vec<String>) {
    let manifests = read(text);
    let mut inventory = manifests.inventory().expect("an inventory");
    let group = manifests.servings()[0].groups().next().expect("a group");
    let gang = group.gang(&mut inventory).expect("a gang");
    let options = Options::new().present(manifests.present(&group, &gang, &inventory));
    let outcome = phalanx_gang::plan(&gang, &inventory, &options).expect("the pods are the gang's");
    let Outcome::Placed(plan) = outcome else { panic!("{}", outcome.rejection().expect("an answer")) };
    let node = |node| inventory.topology().node_name(node).to_owned();
    let pods = plan.placements();
    let pods = pods.map(|place| (group.pod(&plan, &place).expect("a pod").name(), node(place.node()))).collect();
    (pods, manifests.warnings().iter().map(ToString::to_string).collect())
}

#[test]
fn only_what_is_missing_is_planned_and_beside_what_runs() {
    let all = cluster() + SERVING;
    assert_eq!(missing(&all).0.len(), 6);
    // An entry and a worker run in block 1: the other worker has one node left there.
    let some = all.clone() + &pod(1, 0, "n2", "Running") + &pod(1, 2, "n3", "Pending");
    let (planned, told) = missing(&some);
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(planned["chat-0-decode-1-1"], "n2");
    assert_eq!(planned.len(), 4, "the other replica is an extra with room in block 0");
    assert!(planned.iter().all(|(pod, node)| pod.contains("-1-") == (node == "n2" || node == "n3")), "{planned:?}");
    // One without a node is planned like one that is not there.
    assert_eq!(missing(&(some + &pod(1, 1, "", "Pending"))).0, planned);
}

#[test]
fn nothing_is_planned_where_all_runs() {
    let nodes = ["n0", "n0", "n1", "n2", "n2", "n3"];
    let pods: String = (0..6).map(|at| pod(at / 3, at % 3, nodes[at as usize], "Running")).collect();
    let text = cluster() + SERVING + &pods;
    assert_eq!(missing(&text), (BTreeMap::new(), Vec::new()));
    assert_eq!(read(&text).inventory().expect("an inventory").free_devices_total(), 0);
}

#[test]
fn what_ended_holds_nothing_and_goes_back() {
    let all = cluster() + SERVING;
    let fresh = missing(&all).0["chat-0-decode-0-1"].clone();
    assert_eq!(fresh, "n0");
    let failed = all + &pod(0, 1, "n3", "Failed") + &pod(0, 2, "n2", "Succeeded");
    let manifests = read(&failed);
    assert_eq!(manifests.inventory().expect("an inventory").free_devices_total(), 32);
    let planned = missing(&failed).0;
    assert_eq!((&*planned["chat-0-decode-0-1"], &*planned["chat-0-decode-0-2"]), ("n3", "n2"));
}

#[test]
fn what_is_being_deleted_holds_its_room_and_is_replaced() {
    let gone =
        pod(0, 1, "n0", "Running").replace("  labels:", "  deletionTimestamp: \"2026-01-01T00:00:00Z\"\n  labels:");
    let text = cluster() + SERVING + &gone;
    let manifests = read(&text);
    let pod = &manifests.pods()[0];
    assert_eq!(
        (pod.holds(), pod.stays(), pod.phase(), pod.is_terminating()),
        (Some("n0"), None, PodPhase::Running, true)
    );
    let planned = missing(&text).0;
    assert!(
        planned.contains_key("chat-0-decode-0-1")
            && !planned.iter().any(|(pod, node)| node == "n0" && !pod.ends_with("-0"))
    );
}

#[test]
fn the_pods_of_others_hold_room_on_cordoned_nodes_too() {
    let other = "
---
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: kube-system}
spec: {nodeName: n0, containers: [{resources: {limits: {nvidia.com/gpu: 3, cpu: 500m}}}]}
";
    let text = cluster() + other;
    let cordoned = text.replacen("status:", "spec: {unschedulable: true}\nstatus:", 1);
    for text in [text, cordoned] {
        let inventory = read(&text).inventory().expect("an inventory");
        let node = inventory.topology().node("n0").expect("the node");
        let free = |name| inventory.free(node, inventory.find_resource(name).expect("a resource"));
        assert_eq!((inventory.free_devices(node).len(), free("cpu"), free("pods")), (5, 63_500, 109));
        assert_eq!(inventory.is_cordoned(node), text.contains("unschedulable"));
    }
}

#[test]
fn more_than_a_node_has_is_told_and_counts_as_all() {
    let greedy = |n: u32| {
        format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p{n}}}, spec: {{nodeName: n0, containers: \
             [{{resources: {{limits: {{nvidia.com/gpu: 5, amd.com/gpu: 0, example.com/x: 1, cpu: 40}}}}}}]}}}}\n"
        )
    };
    let manifests = read(&(cluster() + &greedy(0) + &greedy(1)));
    let told: Vec<_> = manifests.warnings().iter().map(ToString::to_string).collect();
    let at = "f:24: Pod default/p1: spec.nodeName: the pods on Node n0 ask";
    let expected = [
        format!("{at} 80000 thousandths of cpu and it has 64000: all of it counts as held"),
        format!("{at} 2 of example.com/x and it has 0: all of it counts as held"),
        format!("{at} 10 of nvidia.com/gpu and it has 8: all of them count as held"),
    ];
    assert_eq!(told, expected);
    let inventory = manifests.inventory().expect("an inventory");
    let node = inventory.topology().node("n0").expect("the node");
    let cpu = inventory.find_resource("cpu").expect("a resource");
    assert_eq!((inventory.free_devices(node).len(), inventory.free(node, cpu)), (0, 0));
}

#[test]
fn a_pod_that_its_serving_would_not_make_is_told() {
    let all = cluster() + SERVING;
    for (from, to) in [
        ("name: chat-0-decode-0-1", "name: chat-0-decode-0-3"),
        ("name: chat-0-decode-0-1", "name: chat-0-decode-0-01"),
        ("name: chat-0-decode-0-1", "name: other"),
        ("group-name: chat-0", "group-name: chat-7"),
        ("role: decode", "role: prefill"),
        ("role-id: decode-0", "role-id: decode-2"),
        ("    modelserving.volcano.sh/role: decode\n", ""),
    ] {
        let text = all.clone() + &pod(0, 1, "n0", "Running").replacen(from, to, 1);
        let (planned, told) = missing(&text);
        assert!(planned.contains_key("chat-0-decode-0-1"), "{to}");
        assert!(
            told.iter().any(|told| told.contains("not one of the pods that its ModelServing makes")),
            "{to}: {told:?}"
        );
    }
    // Of another namespace's, nothing is said.
    let text = all + &pod(0, 1, "n0", "Running").replacen("namespace: team", "namespace: other", 1);
    assert_eq!(
        (missing(&text).0.len(), missing(&text).1.len()),
        (3, 0),
        "its room is held: one replica fits beside it"
    );
}

#[test]
fn nodes_of_pods_are_given_too() {
    let text = cluster() + SERVING + &pod(0, 1, "n9", "Running");
    let problems = Manifests::read([("f", text.as_str())], &Settings::new()).expect_err("no such node").to_string();
    assert_eq!(
        problems,
        "f:49: Pod team/chat-0-decode-0-1: spec.nodeName: found \"n9\", which is not there, expected a Node that is given too"
    );
    let ended = cluster() + SERVING + &pod(0, 1, "n9", "Failed");
    assert_eq!(missing(&ended).0.len(), 6);
    let other = text.replacen("sh/name: chat", "sh/name: other", 1);
    assert_eq!(missing(&other).1.len(), 1);
}

proptest! {
    /// Whatever runs where, the rest is planned without moving it, and no room is given twice.
    #[test]
    fn pods_that_run_are_never_planned(
        nodes in vec((0..6_usize, 0..4_usize), 6),
    ) {
        let mut text = cluster() + SERVING;
        let mut running = Vec::new();
        for (at, (state, node)) in (0..6_u32).zip(nodes) {
            let (phase, node) = match state {
                0 => continue,
                1 => ("Failed", format!("n{node}")),
                2 => ("Pending", String::new()),
                _ => ("Running", format!("n{node}")),
            };
            text += &pod(at / 3, at % 3, &node, phase);
            if state > 2 {
                running.push(format!("chat-0-decode-{}-{}", at / 3, at % 3));
            }
        }
        let manifests = read(&text);
        let mut inventory = manifests.inventory().expect("an inventory");
        let group = manifests.servings()[0].groups().next().expect("a group");
        let gang = group.gang(&mut inventory).expect("a gang");
        let options = Options::new().present(manifests.present(&group, &gang, &inventory));
        if let Outcome::Placed(plan) = phalanx_gang::plan(&gang, &inventory, &options).expect("the gang's pods") {
            let planned = plan.placements().map(|place| group.pod(&plan, &place).expect("a pod").name());
            prop_assert!(planned.into_iter().all(|pod| !running.contains(&pod)));
            let receipt = plan.commit(&mut inventory);
            prop_assert!(receipt.is_ok());
        }
    }
}
