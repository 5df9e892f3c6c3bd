//! Plugins, and LeaderWorkerSets served as ModelServings.

mod small;

use std::collections::BTreeMap;

use phalanx_serving::{
    Count, LeaderWorkerSet, Plugin, PluginError, RestartPolicy, Spec, SpecError, Target, TemplateRef, Tweaks, Variable,
};
use small::{Cluster, deep};

fn set() -> LeaderWorkerSet {
    let set = LeaderWorkerSet::new("default", "chat", TemplateRef::new("worker", 2));
    LeaderWorkerSet { replicas: 2, size: 3, leader: Some(TemplateRef::new("leader", 1)), ..set }
}

fn texts(map: &BTreeMap<String, String>) -> Vec<String> {
    map.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

#[test]
fn a_set_has_its_pods_labels_and_status() {
    let mut cluster = Cluster::new(set().spec());
    cluster.settle();
    assert_eq!((cluster.pods.len(), cluster.running()), (6, vec![0, 1]));
    let names: Vec<_> = cluster.services.keys().map(String::as_str).collect();
    assert_eq!(names, ["chat", "chat-0-default-0-0", "chat-1-default-0-0"]);
    let worker = cluster.created_pods.iter().find(|pod| pod.name == "chat-1-default-0-2").expect("it was created");
    let Tweaks { hostname, subdomain, labels, annotations, env, .. } = &worker.tweaks;
    assert_eq!((hostname.as_deref(), subdomain.as_deref()), (Some("chat-1-2"), Some("chat")));
    assert_eq!(
        texts(labels),
        [
            "leaderworkerset.sigs.k8s.io/group-index=1",
            "leaderworkerset.sigs.k8s.io/group-key=7d950197a17347829d2df077143069b12f25c1c8",
            "leaderworkerset.sigs.k8s.io/name=chat",
            "leaderworkerset.sigs.k8s.io/worker-index=2",
        ]
    );
    assert_eq!(
        texts(annotations),
        ["leaderworkerset.sigs.k8s.io/leader-name=chat-1", "leaderworkerset.sigs.k8s.io/size=3"]
    );
    let expected = [("LWS_LEADER_ADDRESS", "chat-1.chat.default"), ("LWS_GROUP_SIZE", "3"), ("LWS_WORKER_INDEX", "2")];
    assert_eq!(*env, expected.map(|(name, value)| Variable::new(name, value)));

    let status = set().status(cluster.status.as_ref().expect("written"));
    assert_eq!((status.replicas, status.ready_replicas, status.updated_replicas), (2, 2, 2));
    assert_eq!(status.selector, "leaderworkerset.sigs.k8s.io/name=chat,leaderworkerset.sigs.k8s.io/worker-index=0");
    assert!(status.conditions.iter().any(|condition| condition.holds));
}

#[test]
fn a_set_recreates_its_groups_or_single_pods() {
    for (restart, created) in [(RestartPolicy::RecreateGroup, 3), (RestartPolicy::None, 1)] {
        let mut cluster = Cluster::settled(LeaderWorkerSet { restart, ..set() }.spec());
        cluster.restart("chat-1-default-0-2");
        cluster.settle();
        assert_eq!((cluster.created.len(), cluster.running()), (created, vec![0, 1]));
    }
}

#[test]
fn a_set_is_rolled_with_its_own_limits() {
    let limits = LeaderWorkerSet { max_unavailable: Count::Number(0), max_surge: Count::Number(1), ..set() };
    let mut cluster = Cluster::settled(limits.spec());
    let changed = LeaderWorkerSet { worker: TemplateRef::new("worker", 9), ..limits };
    cluster.edit(|spec| spec.roles = changed.spec().roles);
    for _ in 0..60 {
        cluster.step();
        assert!(cluster.running().len() >= 2);
        cluster.kubelet();
    }
    cluster.settle();
    assert_eq!((cluster.groups(), cluster.created.len()), (vec![0, 1], 9));
}

#[test]
fn plugins_change_the_pods_that_they_are_for() {
    let mut tweak = Plugin::new("demo-pod-tweaks");
    tweak.config.runtime_class = Some("nvidia".to_owned());
    tweak.config.annotations.insert("team".to_owned(), "search".to_owned());
    tweak.config.env.push(Variable::new("NCCL_DEBUG", "INFO"));
    (tweak.roles, tweak.target) = (vec!["decode".to_owned()], Target::Entry);
    let mut again = Plugin::new("demo-pod-tweaks");
    again.config.annotations.insert("team".to_owned(), "chat".to_owned());
    let mut spec = deep(1);
    spec.plugins = vec![tweak, again, Plugin::new("lws-standard-labels")];
    let mut cluster = Cluster::new(spec);
    cluster.settle();
    let told: Vec<_> = cluster
        .created_pods
        .iter()
        .map(|pod| {
            let team = pod.tweaks.annotations.get("team").map(String::as_str);
            (pod.name.as_str(), pod.tweaks.runtime_class.is_some(), team, pod.tweaks.env.len(), pod.tweaks.labels.len())
        })
        .collect();
    let row = |name, is_for: bool| (name, is_for, Some("chat"), usize::from(is_for), 0);
    let expected = [
        row("chat-0-prefill-0-0", false),
        row("chat-0-prefill-0-1", false),
        row("chat-0-decode-0-0", true),
        row("chat-0-decode-0-1", false),
        row("chat-0-decode-1-0", true),
        row("chat-0-decode-1-1", false),
    ];
    assert_eq!(told, expected);
}

fn told(change: impl FnOnce(&mut Spec)) -> String {
    let mut spec = deep(1);
    change(&mut spec);
    spec.check().expect_err("it is wrong").to_string()
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let unknown = told(|spec| spec.plugins = vec![Plugin::new("lws-standard-labels"), Plugin::new("other")]);
    assert_eq!(
        unknown,
        "spec.plugins[1].name: \"other\" is not known, expected one of demo-pod-tweaks, lws-standard-labels"
    );
    let kind = told(|spec| spec.plugins.push(Plugin { kind: "Webhook".to_owned(), ..Plugin::new("demo-pod-tweaks") }));
    assert_eq!(kind, "spec.plugins[0].type: \"Webhook\" is not known, expected BuiltIn");
    let role = Plugin { roles: vec!["encode".to_owned()], ..Plugin::new("demo-pod-tweaks") };
    let place = SpecError::Plugin { plugin: 0, source: PluginError::Role("encode".to_owned()) };
    assert_eq!(told(|spec| spec.plugins.push(role)), place.to_string());
    assert_eq!(told(|spec| spec.roles.clear()), "spec.template.roles: there is none");
    assert_eq!(
        told(|spec| spec.roles[1].name = "prefill".into()),
        "spec.template.roles[1].name: \"prefill\" names a second role"
    );
    let worker = told(|spec| spec.roles[1].body.worker = None);
    assert_eq!(worker, "spec.template.roles[1].workerTemplate: missing, but there are 1 workers");
    assert!(told(|spec| spec.replicas = u32::MAX).starts_with("spec.replicas: "));
    let doubts = |least| {
        let mut spec = deep(1);
        spec.roles[1].min_replicas = Some(least);
        spec.doubts().len()
    };
    assert_eq!((doubts(2), doubts(3)), (0, 1));
}
