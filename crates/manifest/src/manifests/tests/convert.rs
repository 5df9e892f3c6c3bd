//! From manifests to what the pure crates work on.

use phalanx_gang::{Gang, Options, Outcome};
use phalanx_routing::{GatewayListener, Listener, RequestHead, RouteRequest, Target};
use phalanx_topology::{Inventory, LevelLabel};

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
    assert_eq!(table.resolve("m", 1).map(Target::server), Ok(Some("one/a")));
    assert_eq!(table.resolve("k", 1).map(Target::server), Ok(Some("two/a")));
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
    assert_eq!(table.resolve("m", 1).map(Target::server), Ok(Some("d/zz-old")));
    let shadowed = manifests.warnings().iter().filter(|warning| warning.message.contains("d/zz-old has the model"));
    assert_eq!(shadowed.count(), 2);
}

#[test]
fn conditions_adapters_parents_and_weights_are_taken_over() {
    let manifests = read(KTHENA);
    let table = manifests.route_table().expect("a table");
    let route = &table.routes()[0];
    assert_eq!((route.model(), route.adapters()), ("llama-70b", &["sql".to_owned(), "poetry".to_owned()][..]));
    let targets: Vec<_> = route.rules()[1].targets().iter().map(|t| (t.server(), t.weight())).collect();
    assert_eq!(targets, [(Some("serving/llama"), 90)]);
    assert!(manifests.server("serving/llama").is_some());

    // The Gateway of the route's own namespace, and its listener `http` only.
    let listener = |name| GatewayListener::new("serving", "gateway", name, 80);
    let (http, admin) = (listener("http"), listener("admin"));
    let headers = [("X-User", "beta-1")];
    let head = RequestHead { path: "/v1/chat/completions", headers: &headers, ..RequestHead::default() };
    let beta = |model| RouteRequest { head, listener: Listener::Gateway(&http), ..RouteRequest::new(model, 1) };
    let rule = |request: &RouteRequest<'_>| table.find(request).map(|found| found.rule().name().to_owned()).ok();
    assert_eq!(rule(&beta("llama-70b")).as_deref(), Some("beta"));
    assert_eq!(rule(&beta("sql")).as_deref(), Some("beta"));
    let plain = |model| RouteRequest { head: RequestHead::default(), ..beta(model) };
    assert_eq!(rule(&plain("llama-70b")).as_deref(), Some("all"));
    assert_eq!(rule(&plain("sql")), None, "the rule asks for the model's own name");
    assert_eq!(rule(&RouteRequest { listener: Listener::Gateway(&admin), ..beta("llama-70b") }), None);
    assert_eq!(rule(&RouteRequest { listener: Listener::Default, ..beta("llama-70b") }), None);
}

#[test]
fn the_servers_name_of_the_model_takes_the_place_of_the_routes_but_not_of_an_adapters() {
    let text = route("d", "a", "m", "").replace("modelName: m", "modelName: m, loraAdapters: [sql]");
    let manifests = read(&text.replace("inferenceEngine", "model: meta/m, inferenceEngine"));
    let table = manifests.route_table().expect("a table");
    let served = |model| table.find(&RouteRequest::new(model, 1)).map(|found| found.served_model());
    assert_eq!((served("m"), served("sql")), (Ok(Some("meta/m")), Ok(None)));
}

#[test]
fn versions_settle_what_times_do_not_and_times_may_have_offsets() {
    let made = |name, created: &str, version: &str| {
        route("d", name, "m", &format!(", creationTimestamp: \"{created}\", resourceVersion: \"{version}\""))
    };
    let texts = [
        made("c", "2026-01-01T01:00:00Z", "9"),
        made("b", "2026-01-01T02:00:00+01:00", "10"),
        made("a", "2026-01-01T02:00:00Z", "1"),
    ];
    let table = read(&texts.concat()).route_table().expect("a table");
    let order: Vec<_> = table.routes().iter().map(|route| route.name()).collect();
    assert_eq!(order, ["d/c", "d/b", "d/a"]);
}

#[test]
fn external_providers_keep_their_share() {
    let external = "targetModels: [{externalModelProviderName: x, weight: 1}]";
    let text = route("d", "a", "m", "").replace("targetModels: [{modelServerName: a}]", external);
    let table = read(&text).route_table().expect("a table");
    assert_eq!(table.resolve("m", 1).map(|target| (target.server(), target.provider())), Ok((None, Some("d/x"))));
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
fn levels_that_make_no_tree_are_named_with_what_was_expected() {
    let check = |names: &[&str], found: &str| {
        let levels = names.iter().map(|name| LevelLabel::new(*name, format!("example.com/{name}")));
        let settings = Settings::new().with_levels(levels);
        let refused = Manifests::read([], &settings).expect("nothing").inventory().expect_err("no tree");
        let expected = "expected 1 to 32 different names without '/', none of them \"node\"";
        assert_eq!(refused.to_string(), format!("levels of the settings: {found}; {expected}"));
    };
    check(&["rack", "zone", "rack"], "level \"rack\" is named twice");
    check(&["zone", "node"], "level \"node\" is always there, below the last named one: leave it out");
    check(&["zone", ""], "level 1 has an empty name");
    check(&["a/b"], "\"a/b\" contains '/', which separates the parts of a path");
    check(&[], "a topology needs at least one level above its nodes");
    let names: Vec<_> = (0..33).map(|level| format!("l{level}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    check(&names, "33 levels are named, at most 32 are possible");
}

#[test]
fn resources_without_end_are_refused() {
    let many: String = (0..2000).map(|n| format!("r{n}: 1, ")).collect();
    let text = format!("{{apiVersion: v1, kind: Node, metadata: {{name: n1}}, status: {{capacity: {{{many}}}}}}}");
    let refused = read(&text).inventory().map(|_| ());
    assert_eq!(refused, Err(InventoryError::TooManyResources { found: 2001, max: 1000 }));
}

/// A cluster of two blocks of two racks of one node with eight devices each.
pub(super) fn cluster() -> String {
    let place = |n: u32| format!("topology.kubernetes.io/block: b{}, topology.kubernetes.io/rack: r{n}", n / 2);
    (0..4)
        .map(|n| {
            format!(
                "---\napiVersion: v1\nkind: Node\nmetadata: {{name: n{n}, labels: {{{}}}}}\n\
                 status: {{allocatable: {{cpu: 64, memory: 1Ti, nvidia.com/gpu: 8}}}}\n",
                place(n)
            )
        })
        .collect()
}

/// Plans a gang with what is usual.
pub(super) fn planned(gang: &Gang, inventory: &Inventory) -> Outcome {
    phalanx_gang::plan(gang, inventory, &Options::default()).expect("a sound gang")
}

fn outcome(text: &str) -> (Manifests, Outcome) {
    let manifests = read(text);
    let mut inventory = manifests.inventory().expect("an inventory");
    let group = manifests.servings()[0].groups().next().expect("a group");
    let gang = group.gang(&mut inventory).expect("a gang");
    let outcome = planned(&gang, &inventory);
    (manifests, outcome)
}

#[test]
fn a_group_is_a_gang_of_roles_of_replicas_of_pods() {
    let text = format!("{}---{KTHENA}", cluster());
    let manifests = read(&text);
    let mut inventory = manifests.inventory().expect("an inventory");
    let groups: Vec<_> = manifests.servings()[0].groups().collect();
    let gang = groups[0].gang(&mut inventory).expect("a gang");
    let paths: Vec<_> = gang.groups().map(|group| gang.group_path(group)).collect();
    assert_eq!(paths, ["llama-0", "llama-0/prefill", "llama-0/decode"]);
    // Two prefill replicas of two pods and one decode replica are the minimum, as Kthena counts minMember.
    assert_eq!((gang.min_pods(), gang.max_pods()), (5, 6));

    // 24 devices are the minimum of a group and a block has 16: the hard group policy says no.
    let outcome = planned(&gang, &inventory);
    assert!(outcome.rejection().is_some());
    // In one zone of three tiers it would be free to span blocks, but these nodes name no zone: they share the root.
    let wide = text.replace(
        "groupPolicy: {mode: hard, highestTierAllowed: 2}",
        "groupPolicy: {mode: soft, highestTierAllowed: 2}",
    );
    let (manifests, outcome) = self::outcome(&wide);
    let plan = outcome.plan().expect("there is room");
    let group = manifests.servings()[0].groups().next().expect("a group");
    let pods: Vec<_> = plan.placements().filter_map(|place| group.pod(plan, &place)).collect();
    let mut names: Vec<_> = pods.iter().map(|pod| pod.name()).collect();
    names.sort();
    let all: Vec<_> = group.pods().map(|pod| pod.name()).collect();
    assert_eq!(names.len(), plan.placements().len(), "every placement is a pod");
    assert!(names.iter().all(|name| all.contains(name)));
    assert_eq!(pods.iter().filter(|pod| pod.role().name() == "prefill").count(), 4);
    names.dedup();
    assert_eq!(names.len(), pods.len(), "no pod has two places");
    assert!(!plan.unmet().is_empty(), "the soft group policy cannot be met");
}

#[test]
fn entries_and_workers_that_differ_are_told_apart() {
    let serving = "
---
apiVersion: workload.serving.volcano.sh/v1alpha1
kind: ModelServing
metadata: {name: chat}
spec:
  template:
    networkTopology: {rolePolicy: {highestTierName: rack}}
    roles:
    - name: decode
      replicas: 2
      workerReplicas: 2
      entryTemplate: {spec: {containers: [{resources: {requests: {cpu: 2}}}]}}
      workerTemplate: {spec: {containers: [{resources: {limits: {nvidia.com/gpu: 4}}}]}}
";
    let (manifests, outcome) = outcome(&format!("{}{serving}", cluster()));
    let plan = outcome.plan().expect("there is room");
    let group = manifests.servings()[0].groups().next().expect("a group");
    let pods: Vec<_> = plan.placements().map(|place| (place, group.pod(plan, &place).expect("a pod"))).collect();
    let mut names: Vec<_> = pods.iter().map(|(_, pod)| pod.name()).collect();
    names.sort();
    let replicas = [0, 1].map(|replica| [0, 1, 2].map(|ordinal| format!("chat-0-decode-{replica}-{ordinal}")));
    assert_eq!(names, replicas.concat());
    for (place, pod) in &pods {
        assert_eq!(place.devices().len(), if pod.is_entry() { 0 } else { 4 });
        assert_eq!(pod.template().accelerators().is_none(), pod.is_entry());
        let first = pods.iter().find(|(_, other)| other.replica() == pod.replica()).expect("a pod");
        assert_eq!(place.node(), first.0.node(), "a rack has one node here, and a replica stays in its rack");
    }
}

#[test]
fn a_pod_finds_devices_of_its_own_make_only() {
    let serving = "
---
apiVersion: workload.serving.volcano.sh/v1alpha1
kind: ModelServing
metadata: {name: chat}
spec:
  template:
    roles:
    - name: decode
      workerReplicas: 0
      entryTemplate: {spec: {containers: [{resources: {limits: {amd.com/gpu: 1}}}]}}
";
    let text = format!("{}{serving}", cluster());
    assert!(outcome(&text).1.rejection().is_some());
    assert!(outcome(&text.replacen("nvidia.com/gpu: 8", "amd.com/gpu: 8", 1)).1.plan().is_some());
}

/// A ModelServing of `replicas` pods that ask this many GPUs each.
fn gpus(replicas: u32, each: u32) -> String {
    format!(
        "
---
apiVersion: workload.serving.volcano.sh/v1alpha1
kind: ModelServing
metadata: {{name: chat}}
spec:
  template:
    roles:
    - name: decode
      replicas: {replicas}
      workerReplicas: 0
      entryTemplate: {{spec: {{containers: [{{resources: {{limits: {{nvidia.com/gpu: {each}}}}}}}]}}}}
"
    )
}

#[test]
fn a_rejection_proposes_more_devices_where_they_would_help() {
    let four = cluster().replace("gpu: 8", "gpu: 4");
    let (_, outcome) = outcome(&format!("{}{}", cluster().replacen("gpu: 8", "gpu: 4", 1), gpus(4, 8)));
    assert_eq!(
        outcome.rejection().expect("4 are less than 8").to_string(),
        "group \"chat-0/decode\" needs 4 pods in the cluster, which has room for 3; of 4 nodes 1 have too few free devices, \
         3 could take part. It would fit with 4 more free devices on 1 node of the cluster."
    );
    // More devices of another make would not help.
    let (_, outcome) = self::outcome(&format!("{}{}", four.replace("nvidia.com", "amd.com"), gpus(1, 4)));
    let rejection = outcome.rejection().expect("another make").to_string();
    assert!(
        rejection.contains("4 have too little free nvidia.com/gpu") && !rejection.contains("would fit"),
        "{rejection}"
    );
}

#[test]
fn devices_bound_the_pods_of_a_node_and_their_kind_never_does() {
    for devices in [1, 3, 64] {
        let cluster = cluster().replace("gpu: 8", &format!("gpu: {devices}"));
        let placed = |pods, each| outcome(&format!("{cluster}{}", gpus(pods, each))).1.plan().is_some();
        assert!(placed(4 * devices, 1), "{devices} each");
        assert!(!placed(4 * devices + 1, 1), "{devices} each");
        assert!(placed(4, devices) && !placed(5, devices) && !placed(1, devices + 1), "{devices} each");
    }
}

#[test]
fn pods_without_accelerators_go_beside_those_that_have_them_all() {
    let text = format!("{}{}", cluster(), gpus(4, 8));
    let (manifests, outcome) = outcome(&text);
    let mut inventory = manifests.inventory().expect("an inventory");
    let receipt = outcome.plan().expect("there is room").commit(&mut inventory).expect("nothing changed");
    let plain = read(&format!("{}{}", cluster(), gpus(8, 0)));
    let gang = plain.servings()[0].groups().next().expect("a group").gang(&mut inventory).expect("a gang");
    let outcome = planned(&gang, &inventory);
    assert!(outcome.plan().is_some());
    assert_eq!(inventory.release(receipt), Ok(()));
}

#[test]
fn a_node_takes_so_many_pods() {
    let serving = "
---
apiVersion: workload.serving.volcano.sh/v1alpha1
kind: ModelServing
metadata: {name: chat}
spec:
  template:
    roles: [{name: decode, replicas: 441, workerReplicas: 0, entryTemplate: {spec: {containers: [{}]}}}]
";
    let text = format!("{}{serving}", cluster());
    assert!(outcome(&text).1.rejection().is_some(), "4 nodes take 110 pods each");
    assert!(outcome(&text.replace("441", "440")).1.plan().is_some());
}

#[test]
fn a_level_that_the_cluster_lacks_is_an_error() {
    let manifests = read(KTHENA);
    let flat = Settings::new().with_levels([LevelLabel::new("switch", "example.com/switch")]);
    let mut inventory = Manifests::read([], &flat).expect("nothing").inventory().expect("an inventory");
    let group = manifests.servings()[0].groups().next().expect("a group");
    let error = group.gang(&mut inventory).expect_err("another cluster");
    assert_eq!(
        error.to_string(),
        "group \"llama-0\" names level \"rack\", which the cluster does not have: expected one of switch, node"
    );
}
