//! Names, labels, variables, services, scale and recovery, as Kthena's users know them.

mod small;

use phalanx_serving::{
    Action, Cause, Count, ENTRY, GANG_UNDONE, GROUP_NAME, Part, Phase, ROLE, ROLE_ID, Recovery, Role, Rollout,
    SERVING_NAME, TemplateRef, Value,
};
use small::{Cluster, deep, flat, role, seconds};

#[test]
fn pods_and_services_have_kthenas_names_labels_and_variables() {
    let cluster = Cluster::new(deep(1));
    let done = cluster.look();
    let pods: Vec<_> = done
        .actions
        .iter()
        .filter_map(|action| if let Action::CreatePod(pod) = action { Some(pod) } else { None })
        .collect();
    let names: Vec<_> = pods.iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "chat-0-prefill-0-0",
            "chat-0-prefill-0-1",
            "chat-0-decode-0-0",
            "chat-0-decode-0-1",
            "chat-0-decode-1-0",
            "chat-0-decode-1-1",
        ]
    );
    let worker = pods[5];
    let label = |key: &str| worker.labels.get(key).map(String::as_str);
    let told = [SERVING_NAME, GROUP_NAME, ROLE, ROLE_ID, ENTRY].map(label);
    assert_eq!(told, [Some("chat"), Some("chat-0"), Some("decode"), Some("decode-1"), None]);
    assert_eq!(pods[4].labels.get(ENTRY).map(String::as_str), Some("true"));
    let env: Vec<_> = worker
        .env
        .iter()
        .map(|variable| match &variable.value {
            Value::Text(text) => (variable.name.as_str(), text.as_str()),
            Value::From(_) => panic!("ours are texts"),
        })
        .collect();
    assert_eq!(env, [("GROUP_SIZE", "2"), ("ENTRY_ADDRESS", "chat-0-decode-1-0.default"), ("WORKER_INDEX", "1")]);
    assert_eq!((worker.template.hash, pods[4].template.hash, worker.scheduler.as_str()), (102, 2, "volcano"));
    assert_eq!(worker.annotations.get("scheduling.k8s.io/group-name").map(String::as_str), Some("chat-0"));
    assert_eq!(worker.annotations.get("volcano.sh/task-spec").map(String::as_str), Some("decode-1"));

    let services: Vec<_> = done
        .actions
        .iter()
        .filter_map(|action| if let Action::CreateService(service) = action { Some(service) } else { None })
        .collect();
    let names: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["chat-0-decode-0-0", "chat-0-decode-1-0", "chat-0-prefill-0-0"]);
    let selector: Vec<_> = services[1].selector.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(selector, [(ENTRY, "true"), (GROUP_NAME, "chat-0"), (ROLE, "decode"), (ROLE_ID, "decode-1")]);
}

#[test]
fn a_role_without_workers_has_no_service() {
    assert!(Cluster::settled(flat(2)).services.is_empty());
}

#[test]
fn groups_scale_up_and_down() {
    let mut cluster = Cluster::settled(deep(2));
    assert_eq!((cluster.pods.len(), cluster.services.len()), (12, 6));
    cluster.edit(|spec| spec.replicas = 4);
    cluster.settle();
    assert_eq!((cluster.groups(), cluster.pods.len()), (vec![0, 1, 2, 3], 24));
    assert!(cluster.deleted.is_empty());
    cluster.edit(|spec| spec.replicas = 1);
    cluster.settle();
    assert_eq!((cluster.groups(), cluster.services.len()), (vec![0], 3));
    cluster.edit(|spec| spec.replicas = 0);
    cluster.settle();
    assert_eq!((cluster.pods.len(), cluster.services.len()), (0, 0));
}

#[test]
fn roles_scale_up_and_down_in_every_group() {
    let mut cluster = Cluster::settled(deep(2));
    cluster.edit(|spec| spec.roles[1].replicas = 3);
    cluster.settle();
    let created = ["chat-0-decode-2-0", "chat-0-decode-2-1", "chat-1-decode-2-0", "chat-1-decode-2-1"];
    assert_eq!(cluster.created, created);
    assert!(cluster.deleted.is_empty(), "a change of numbers rolls nothing");
    cluster.forget();
    cluster.edit(|spec| spec.roles[1].replicas = 1);
    cluster.settle();
    assert_eq!(cluster.deleted.len(), 8);
    assert_eq!((cluster.pods.len(), cluster.services.len()), (8, 4));
}

#[test]
fn under_group_recovery_a_role_scales_down_without_its_group() {
    for long in [false, true] {
        let mut spec = deep(2);
        spec.recovery = Recovery::ServingGroup;
        let mut cluster = Cluster::settled(spec);
        cluster.edit(|spec| spec.roles[1].replicas = 1);
        // Half of it is done, then the controller is gone, for a while or for longer than pods take to end.
        let done = cluster.look();
        let half = done.actions.iter().position(|action| matches!(action, Action::DeletePod(_))).expect("some go") + 1;
        done.actions[..half].iter().for_each(|action| cluster.act(action));
        if long {
            cluster.kubelet();
        }
        cluster.settle();
        assert_eq!(cluster.deleted.len(), 4, "{:?}", cluster.deleted);
        assert_eq!((cluster.pods.len(), cluster.created.len()), (8, 0));
    }
}

#[test]
fn the_cheapest_groups_go_first_and_those_that_do_not_run_before_them() {
    let mut cluster = Cluster::settled(flat(4));
    for group in 0..4 {
        cluster.pod(&format!("chat-{group}-decode-0-0")).deletion_cost = i64::from(group) * 100;
    }
    let mut other = cluster.clone();
    cluster.edit(|spec| spec.replicas = 1);
    cluster.settle();
    assert_eq!(cluster.groups(), [3]);

    other.pod("chat-3-decode-0-0").ready = false;
    other.edit(|spec| spec.replicas = 3);
    other.step();
    assert_eq!(other.deleted_for(Cause::Scale), ["chat-3-decode-0-0"]);
}

#[test]
fn a_partition_is_scaled_down_last() {
    let mut cluster = Cluster::settled(flat(4));
    cluster.pod("chat-0-decode-0-0").deletion_cost = -5;
    cluster.edit(|spec| {
        spec.replicas = 3;
        let (max_unavailable, max_surge) = (Count::Number(1), Count::Number(0));
        spec.rollout = Rollout::Groups { max_unavailable, partition: Count::Number(2), max_surge };
    });
    cluster.settle();
    assert_eq!(cluster.groups(), [0, 1, 2]);
}

fn recovered(recovery: Recovery, hurt: impl FnOnce(&mut Cluster)) -> Vec<String> {
    let mut spec = deep(2);
    spec.recovery = recovery;
    let mut cluster = Cluster::settled(spec);
    hurt(&mut cluster);
    cluster.settle();
    assert_eq!(cluster.running(), [0, 1]);
    assert_eq!((cluster.pods.len(), cluster.services.len()), (12, 6));
    cluster.created.sort();
    cluster.created
}

const GROUP: [&str; 6] = [
    "chat-1-decode-0-0",
    "chat-1-decode-0-1",
    "chat-1-decode-1-0",
    "chat-1-decode-1-1",
    "chat-1-prefill-0-0",
    "chat-1-prefill-0-1",
];
const WORKER: &str = "chat-1-decode-0-1";

#[test]
fn what_is_lost_is_made_anew_as_the_policy_says() {
    let ways: [fn(&mut Cluster); 6] = [
        |cluster| cluster.kill(WORKER),
        |cluster| cluster.fail(WORKER),
        |cluster| cluster.restart(WORKER),
        |cluster| cluster.pod(WORKER).device_failed = true,
        |cluster| cluster.pod(WORKER).phase = Phase::Succeeded,
        // Gone before anybody saw it go.
        |cluster| {
            cluster.pods.remove(WORKER);
        },
    ];
    for (at, way) in ways.into_iter().enumerate() {
        assert_eq!(recovered(Recovery::ServingGroup, way), GROUP, "way {at}");
        assert_eq!(recovered(Recovery::Role, way), GROUP[..2], "way {at}");
        assert_eq!(recovered(Recovery::Pod, way), [WORKER], "way {at}");
    }
}

#[test]
fn a_whole_replica_that_is_gone_takes_its_group_along_when_the_policy_says_so() {
    let gone = |cluster: &mut Cluster| cluster.pods.retain(|name, _| !name.starts_with("chat-1-decode-0"));
    assert_eq!(recovered(Recovery::ServingGroup, gone), GROUP);
    assert_eq!(recovered(Recovery::Role, gone), GROUP[..2]);
}

#[test]
fn a_pod_that_is_missing_while_its_group_is_formed_was_not_lost() {
    for recovery in [Recovery::ServingGroup, Recovery::Role, Recovery::Pod] {
        let mut cluster = Cluster::new(deep(1)).policy(recovery);
        let done = cluster.look();
        let entries = |action: &&Action| !matches!(action, Action::CreatePod(pod) if !pod.key.is_entry());
        done.actions.iter().filter(entries).for_each(|action| cluster.act(action));
        cluster.kubelet();
        cluster.settle();
        assert_eq!((cluster.pods.len(), cluster.deleted.len()), (6, 0));
    }
}

#[test]
fn a_pod_in_error_has_its_time_of_grace() {
    let mut spec = deep(1);
    spec.restart_grace = seconds(60);
    let mut cluster = Cluster::settled(spec);
    cluster.restart("chat-0-decode-0-1");
    let wake = cluster.now + seconds(60);
    assert_eq!(cluster.look().wake, Some(wake));
    cluster.settle();
    assert!(cluster.deleted.is_empty());

    let mut well = cluster.clone();
    well.pod("chat-0-decode-0-1").ready = true;
    well.now = wake;
    well.settle();
    assert!(well.deleted.is_empty(), "it came back");

    cluster.now = wake;
    cluster.settle();
    assert_eq!(cluster.created, ["chat-0-decode-0-0", "chat-0-decode-0-1"]);
}

#[test]
fn a_lost_node_is_given_up_after_a_while_and_its_pods_by_force() {
    let mut cluster = Cluster::settled(deep(1));
    let lost = cluster.now;
    cluster.pod("chat-0-decode-0-1").node_lost_since = Some(lost);
    assert_eq!(cluster.look().wake, Some(lost + seconds(30)));
    cluster.settle();
    assert!(cluster.deleted.is_empty());
    cluster.now = lost + seconds(30);
    cluster.settle();
    // The entry is gone; the pod on the lost node cannot say that it is.
    assert_eq!(cluster.pods.len(), 5);
    let until = cluster.look().wake.expect("it is waited for");
    cluster.now = until;
    cluster.settle();
    assert_eq!(cluster.deleted_for(Cause::Stuck), ["chat-0-decode-0-1"]);
    assert_eq!((cluster.running(), cluster.pods.len()), (vec![0], 6));
}

#[test]
fn a_node_that_comes_back_in_time_costs_nothing() {
    let mut cluster = Cluster::settled(deep(1));
    cluster.pod("chat-0-decode-0-1").node_lost_since = Some(cluster.now);
    cluster.settle();
    cluster.pod("chat-0-decode-0-1").node_lost_since = None;
    cluster.settle_for(seconds(120));
    assert!(cluster.deleted.is_empty() && cluster.created.is_empty());
}

#[test]
fn what_fails_again_and_again_waits_longer_each_time() {
    let mut cluster = Cluster::settled(flat(1));
    let name = "chat-0-decode-0-0";
    let mut waits = Vec::new();
    for _ in 0..9 {
        cluster.fail(name);
        let failed = cluster.now;
        cluster.step();
        cluster.kubelet();
        // A restart of the controller changes nothing: it knows from the status.
        if let Some(wake) = cluster.look().wake {
            cluster.settle();
            assert!(cluster.pods.is_empty());
            cluster.now = wake;
            waits.push((wake - failed).as_secs());
        }
        cluster.settle();
        assert!(cluster.pods[name].is_running());
        assert!(cluster.status.as_ref().expect("written").ledger.setbacks.is_empty(), "it is back");
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300, 300]);
    // After a calm time it begins anew.
    cluster.settle_for(seconds(600));
    cluster.fail(name);
    cluster.step();
    cluster.kubelet();
    assert_eq!(cluster.look().wake, None);
    cluster.settle();
    assert_eq!(cluster.pods[name].attempt, 1);
}

#[test]
fn a_failure_is_counted_once_however_often_it_is_seen() {
    let mut cluster = Cluster::settled(flat(1));
    cluster.fail("chat-0-decode-0-0");
    let failed = cluster.now;
    for _ in 0..5 {
        // Only the status is written; the deletion is lost each time.
        cluster.now += seconds(1);
        let done = cluster.look();
        assert!(done.actions.iter().any(|action| matches!(action, Action::DeletePod(_))));
        cluster.status = Some(done.status);
    }
    let setbacks = &cluster.status.as_ref().expect("written").ledger.setbacks;
    let counted: Vec<_> =
        setbacks.iter().map(|(part, setback)| (part.to_string(), setback.failures, setback.until)).collect();
    assert_eq!(counted, [("0/decode/0".to_owned(), 1, failed + seconds(1))]);
}

#[test]
fn a_gang_that_the_scheduler_undid_has_not_failed() {
    assert_eq!(GANG_UNDONE, "phalanx/gang-undone");
    for recovery in [Recovery::ServingGroup, Recovery::Role, Recovery::Pod] {
        let mut cluster = Cluster::new(deep(1)).policy(recovery);
        cluster.step();
        cluster.step();
        // Two were bound, one of them started; then the others could not be.
        for (name, phase) in [("chat-0-decode-0-0", Phase::Running), ("chat-0-decode-1-1", Phase::Pending)] {
            cluster.kill(name);
            let pod = cluster.pod(name);
            (pod.gang_undone, pod.scheduled, pod.phase) = (true, true, phase);
        }
        // What started beside it stays.
        let beside = cluster.pod("chat-0-decode-0-1");
        (beside.phase, beside.ready) = (Phase::Running, true);
        cluster.step();
        cluster.kubelet();
        cluster.settle();
        assert!(cluster.deleted.is_empty(), "{recovery:?} {:?}", cluster.deleted);
        assert_eq!((cluster.running(), cluster.pods.len(), cluster.created.len()), (vec![0], 6, 8));
        assert!(cluster.pods.values().all(|pod| pod.attempt == 0));
    }
}

#[test]
fn pods_that_wait_for_a_node_are_replaced_alone() {
    let mut cluster = Cluster::new(deep(1)).policy(Recovery::ServingGroup);
    cluster.step();
    cluster.step();
    // One, and one whole replica.
    cluster.step();
    cluster.pods.retain(|name, _| name != "chat-0-decode-0-1" && !name.starts_with("chat-0-decode-1"));
    cluster.settle();
    assert!(cluster.deleted.is_empty());
    assert_eq!(cluster.created.len(), 9);
}

#[test]
fn a_service_that_is_deleted_comes_back() {
    let mut cluster = Cluster::settled(deep(1));
    cluster.services.remove("chat-0-decode-1-0");
    cluster.settle();
    assert!(cluster.services.contains_key("chat-0-decode-1-0"));
    assert!(cluster.deleted.is_empty() && cluster.created.is_empty());
}

#[test]
fn a_replica_keeps_its_service_while_it_is_made_anew() {
    let mut cluster = Cluster::settled(deep(1));
    let before = cluster.services.clone();
    cluster.kill("chat-0-decode-1-0");
    for _ in 0..4 {
        cluster.step();
        assert_eq!(cluster.services, before);
        cluster.kubelet();
    }
    assert_eq!(cluster.created.len(), 2);
}

#[test]
fn a_restarted_controller_leaves_everything_as_it_is() {
    let mut cluster = Cluster::settled(deep(3));
    assert_eq!(cluster.look().actions, []);
    // Even without the status, which somebody deleted.
    cluster.status = None;
    cluster.settle();
    assert!(cluster.deleted.is_empty() && cluster.created.is_empty());
}

#[test]
fn pods_of_another_controllers_revision_stay_when_its_snapshot_is_the_spec() {
    let mut cluster = Cluster::settled(deep(2));
    let name = cluster.revisions.keys().next().cloned().expect("one");
    let mut revision = cluster.revisions.remove(&name).expect("it is there");
    revision.name = "6b5d8f7c9".to_owned();
    for pod in cluster.pods.values_mut() {
        (pod.revision, pod.role_hash) = (revision.name.clone(), "5f4d".to_owned());
    }
    cluster.revisions.insert(revision.name.clone(), revision);
    cluster.status = None;
    cluster.settle();
    assert!(cluster.deleted.is_empty() && cluster.created.is_empty());
    assert_eq!(cluster.status.expect("written").update_revision, "6b5d8f7c9");
}

#[test]
fn events_say_what_happens() {
    let mut cluster = Cluster::new(Spec::one());
    cluster.settle();
    cluster.kill("chat-0-decode-0-0");
    cluster.settle();
    let reasons: Vec<_> = cluster.events.iter().map(|event| event.split(' ').next().expect("a reason")).collect();
    assert_eq!(reasons, ["RoleCreating", "RoleRunning", "RoleDeleting", "RoleCreating", "RoleRunning"]);
    assert_eq!(
        cluster.events[2],
        "RoleDeleting pod chat-0-decode-0-0 is being deleted; recoveryPolicy RoleRecreate replaces role replica chat-0-decode-0"
    );
}

/// One group of an entry and a worker.
struct Spec;

impl Spec {
    fn one() -> phalanx_serving::Spec {
        let role: Role = role("decode", 1).workers(1, TemplateRef::new("worker", 2));
        phalanx_serving::Spec::new("default", "chat", [role])
    }
}

#[test]
fn a_part_that_waits_is_named_in_the_status() {
    let mut cluster = Cluster::settled(flat(2)).policy(Recovery::ServingGroup);
    for _ in 0..2 {
        cluster.fail("chat-1-decode-0-0");
        cluster.settle();
    }
    let status = cluster.status.expect("written");
    assert!(status.ledger.setbacks.contains_key(&Part::Group(1)));
    let message = &status.conditions.iter().find(|condition| condition.holds).expect("one holds").message;
    assert_eq!(message, "Groups that do not run: 1; 1 parts wait before they are created again after failures");
}
