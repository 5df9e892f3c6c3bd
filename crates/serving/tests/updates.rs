//! Rolling updates: budgets, partitions, surge, broken images, rollback.

mod small;

use phalanx_serving::{Action, Cause, ConditionKind, Count, Options, Recovery, Revision, Rollout, Status};
use small::{Cluster, deep, flat, role, seconds};

fn groups(max_unavailable: Count, partition: u32, max_surge: u32) -> Rollout {
    Rollout::Groups { max_unavailable, partition: Count::Number(partition), max_surge: Count::Number(max_surge) }
}

fn rolling(replicas: u32, rollout: Rollout) -> Cluster {
    let mut spec = flat(replicas);
    spec.rollout = rollout;
    Cluster::settled(spec)
}

/// The images of the groups, by ordinal.
fn images(cluster: &Cluster) -> Vec<u64> {
    cluster.images().into_iter().map(|(_, image)| image).collect()
}

/// Settles, and tells how many groups ran at the least, and were there at the most, when the step that took them was done.
fn extremes(cluster: &mut Cluster) -> (usize, usize) {
    let (mut least, mut most) = (usize::MAX, 0);
    for _ in 0..100 {
        cluster.step();
        least = least.min(cluster.running().len());
        most = most.max(cluster.groups().len());
        cluster.kubelet();
    }
    cluster.settle();
    (least, most)
}

#[test]
fn an_update_keeps_to_what_may_be_unavailable() {
    for (count, least) in
        [(Count::Number(1), 3), (Count::Number(3), 1), (Count::Percent(50), 2), (Count::Percent(1), 3)]
    {
        let mut cluster = rolling(4, groups(count, 0, 0));
        cluster.image(0, 2);
        assert_eq!(extremes(&mut cluster), (least, 4), "{count:?}");
        assert_eq!(images(&cluster), [2; 4]);
        assert_eq!(cluster.deleted.len(), 4, "each once");
        let status = cluster.status.expect("written");
        assert_eq!(status.current_revision, status.update_revision);
    }
}

#[test]
fn an_update_begins_with_the_highest_ordinal() {
    let mut cluster = rolling(3, groups(Count::Number(1), 0, 0));
    cluster.image(0, 2);
    cluster.settle();
    assert_eq!(cluster.deleted_for(Cause::Update), ["chat-2-decode-0-0", "chat-1-decode-0-0", "chat-0-decode-0-0"]);
}

#[test]
fn a_broken_image_stops_and_a_fix_goes_on() {
    for surge in [0, 1] {
        let mut cluster = rolling(4, groups(Count::Number(1), 0, surge));
        cluster.broken.insert(2);
        cluster.image(0, 2);
        let (least, most) = extremes(&mut cluster);
        assert_eq!((least, most), (3, 4 + surge as usize));
        cluster.settle_for(seconds(10_000));
        assert_eq!(cluster.running().len(), 3);
        cluster.image(0, 3);
        assert_eq!(extremes(&mut cluster).0, 3);
        assert_eq!(images(&cluster), [3; 4]);
        assert_eq!(cluster.groups(), [0, 1, 2, 3]);
    }
}

#[test]
fn a_broken_image_can_be_rolled_back_under_its_old_name() {
    let mut cluster = rolling(4, groups(Count::Number(1), 0, 0));
    let old = cluster.status.clone().expect("written").update_revision;
    cluster.broken.insert(2);
    cluster.image(0, 2);
    cluster.settle();
    cluster.image(0, 1);
    cluster.settle();
    let status = cluster.status.clone().expect("written");
    assert_eq!((&status.update_revision, &status.current_revision), (&old, &old));
    assert_eq!((images(&cluster), cluster.revisions.len()), (vec![1; 4], 2));
    assert_eq!(cluster.deleted.len(), 2, "one to try, one to go back");
}

#[test]
fn old_groups_that_do_not_run_block_nothing_and_what_failed_counts_first() {
    let mut cluster = rolling(4, groups(Count::Number(1), 0, 0));
    cluster.broken.insert(1);
    for group in [1, 2] {
        cluster.pod(&format!("chat-{group}-decode-0-0")).ready = false;
    }
    cluster.image(0, 2);
    cluster.step();
    // Only two run where three have to: none of these is touched.
    assert_eq!(cluster.deleted_for(Cause::Update), ["chat-2-decode-0-0"]);
    cluster.kubelet();
    cluster.settle();
    assert_eq!(images(&cluster), [2; 4]);

    // One that a partition keeps is down: those that run have to stay.
    let mut cluster = rolling(4, groups(Count::Number(1), 1, 0));
    cluster.pod("chat-0-decode-0-0").ready = false;
    cluster.image(0, 2);
    cluster.settle();
    assert_eq!(images(&cluster), [1; 4]);
    cluster.pod("chat-0-decode-0-0").ready = true;
    cluster.settle();
    assert_eq!(images(&cluster), [1, 2, 2, 2]);
}

#[test]
fn a_partition_keeps_the_first_groups_and_rebuilds_them_as_they_were() {
    let mut cluster = rolling(5, groups(Count::Number(2), 3, 0));
    cluster.image(0, 2);
    cluster.settle();
    assert_eq!(images(&cluster), [1, 1, 1, 2, 2]);
    let status = cluster.status.clone().expect("written");
    assert_ne!(status.current_revision, status.update_revision);
    assert_eq!((status.current_replicas, status.updated_replicas, status.available_replicas), (3, 2, 5));
    for group in [0, 2, 4] {
        cluster.kill(&format!("chat-{group}-decode-0-0"));
    }
    cluster.settle();
    assert_eq!(images(&cluster), [1, 1, 1, 2, 2]);
    // The partition goes: so do they.
    cluster.edit(|spec| spec.rollout = groups(Count::Number(2), 0, 0));
    cluster.settle();
    assert_eq!(images(&cluster), [2; 5]);
    let status = cluster.status.expect("written");
    assert_eq!((status.current_replicas, status.updated_replicas), (5, 5));
    assert_eq!(status.current_revision, status.update_revision);
}

#[test]
fn a_partition_in_percent_is_rounded_up() {
    let mut spec = flat(5);
    let (max_unavailable, max_surge) = (Count::Number(1), Count::Number(0));
    spec.rollout = Rollout::Groups { max_unavailable, partition: Count::Percent(41), max_surge };
    let mut cluster = Cluster::settled(spec);
    cluster.image(0, 2);
    cluster.settle();
    assert_eq!(images(&cluster), [1, 1, 1, 2, 2]);
}

#[test]
fn with_a_surge_none_goes_before_its_successor_runs() {
    let mut cluster = rolling(3, groups(Count::Number(0), 0, 1));
    cluster.image(0, 2);
    assert_eq!(extremes(&mut cluster), (3, 4));
    assert_eq!((cluster.groups(), images(&cluster)), (vec![0, 1, 2], vec![2; 3]));
    assert!(cluster.pods.values().all(|pod| !pod.surge));

    let mut cluster = rolling(3, groups(Count::Number(1), 0, 2));
    cluster.image(0, 2);
    assert_eq!(extremes(&mut cluster), (2, 5));
    assert_eq!((cluster.groups(), images(&cluster)), (vec![0, 1, 2], vec![2; 3]));
}

#[test]
fn a_surge_is_for_updates_only() {
    let mut cluster = rolling(3, groups(Count::Number(1), 0, 2));
    cluster.kill("chat-1-decode-0-0");
    cluster.edit(|spec| spec.replicas = 5);
    assert_eq!(extremes(&mut cluster).1, 5);
    // Replicas grow into the surge in the middle of an update.
    cluster.image(0, 2);
    cluster.step();
    assert_eq!(cluster.groups(), [0, 1, 2, 3, 4, 5, 6]);
    cluster.edit(|spec| spec.replicas = 7);
    cluster.settle();
    assert_eq!((cluster.groups(), images(&cluster)), (vec![0, 1, 2, 3, 4, 5, 6], vec![2; 7]));
}

#[test]
fn roles_of_a_group_that_will_be_replaced_are_not_scaled() {
    for recovery in [Recovery::Role, Recovery::ServingGroup] {
        let mut cluster = Cluster::settled(deep(3)).policy(recovery);
        cluster.edit(|spec| {
            spec.roles[1].replicas = 3;
            spec.roles[1].body.entry.hash = 7;
        });
        assert_eq!(cluster.look().status.available_replicas, 2, "those that stay serve as before");
        cluster.settle();
        assert_eq!(cluster.created.len(), 3 * 8, "{:?}", cluster.created);
        assert_eq!(cluster.deleted_for(Cause::Update).len(), 3 * 6);
        assert_eq!((cluster.deleted.len(), cluster.running()), (3 * 6, vec![0, 1, 2]));
    }

    // Nor are they when it cannot be replaced; but what fails there comes back.
    let mut cluster = Cluster::settled(deep(3));
    cluster.broken.insert(7);
    cluster.edit(|spec| {
        spec.roles[1].replicas = 3;
        spec.roles[1].body.entry.hash = 7;
    });
    cluster.settle();
    cluster.forget();
    cluster.kill("chat-0-decode-1-0");
    cluster.settle();
    assert_eq!(cluster.created, ["chat-0-decode-1-0", "chat-0-decode-1-1"]);
}

#[test]
fn a_role_is_rolled_alone_within_its_budget() {
    let mut spec = deep(2);
    spec.roles[1] = spec.roles[1].clone().replicas(4);
    spec.roles[1].max_unavailable = Count::Percent(50);
    spec.rollout = Rollout::Roles;
    let mut cluster = Cluster::settled(spec);
    cluster.image(1, 7);
    cluster.step();
    let gone: Vec<_> = cluster.deleted.iter().map(|(name, _)| name.as_str()).collect();
    let of = |group: u32| {
        [2, 3].into_iter().flat_map(move |at| (0..2).map(move |pod| format!("chat-{group}-decode-{at}-{pod}")))
    };
    assert_eq!(gone, of(0).chain(of(1)).collect::<Vec<_>>());
    cluster.kubelet();
    cluster.settle();
    let expected = |group: u32| (0..4).map(move |at| (format!("chat-{group}-decode-{at}"), 7));
    let mut expected: Vec<_> = expected(0).chain(expected(1)).collect();
    expected.extend([("chat-0-prefill-0".to_owned(), 1), ("chat-1-prefill-0".to_owned(), 1)]);
    expected.sort();
    assert_eq!(cluster.images(), expected);
    assert_eq!(cluster.deleted.len(), 16, "no other role is touched, and each pod once");
    let status = cluster.status.clone().expect("written");
    assert_eq!((status.updated_replicas, &status.current_revision), (2, &status.update_revision));
    // Another strategy now: they are what they should be, though their labels come from two revisions.
    cluster.forget();
    cluster.edit(|spec| spec.rollout = Rollout::default());
    cluster.settle();
    // Even if somebody deletes the older one.
    let update = cluster.status.clone().expect("written").update_revision;
    cluster.revisions.retain(|name, _| *name == update);
    cluster.settle();
    assert!(cluster.deleted.is_empty());
}

#[test]
fn a_partition_of_a_role_keeps_its_first_replicas() {
    let mut spec = deep(1);
    spec.roles[1] = spec.roles[1].clone().replicas(4);
    spec.roles[1].partition = Count::Number(2);
    spec.rollout = Rollout::Roles;
    let mut cluster = Cluster::settled(spec);
    cluster.image(1, 7);
    cluster.settle();
    let decode = |cluster: &Cluster| cluster.images().into_iter().map(|(_, image)| image).take(4).collect::<Vec<_>>();
    assert_eq!(decode(&cluster), [2, 2, 7, 7]);
    cluster.kill("chat-0-decode-0-0");
    cluster.settle();
    assert_eq!(decode(&cluster), [2, 2, 7, 7]);
}

#[test]
fn a_broken_role_stops_and_a_fix_goes_on() {
    let mut spec = deep(1);
    spec.roles[1] = spec.roles[1].clone().replicas(4);
    spec.rollout = Rollout::Roles;
    let mut cluster = Cluster::settled(spec);
    cluster.broken.insert(7);
    cluster.image(1, 7);
    cluster.settle();
    assert_eq!(cluster.images().iter().filter(|(_, image)| *image == 7).count(), 1);
    cluster.image(1, 8);
    cluster.settle();
    assert_eq!(cluster.images().iter().filter(|(_, image)| *image == 8).count(), 4);
}

#[test]
fn roles_come_and_go_when_roles_are_rolled() {
    let mut spec = deep(2);
    spec.rollout = Rollout::Roles;
    let mut cluster = Cluster::settled(spec);
    cluster.edit(|spec| spec.roles[0] = role("encode", 9));
    cluster.step();
    assert_eq!(cluster.deleted.len(), 4);
    assert!(cluster.deleted.iter().all(|(name, _)| name.contains("prefill")));
    cluster.kubelet();
    cluster.settle();
    assert_eq!((cluster.running(), cluster.pods.len(), cluster.services.len()), (vec![0, 1], 10, 4));
    assert_eq!(cluster.created.len(), 2);
}

#[test]
fn a_role_more_is_an_update_when_groups_are_rolled() {
    let mut cluster = Cluster::settled(deep(2));
    cluster.edit(|spec| spec.roles.push(role("encode", 9)));
    cluster.settle();
    assert_eq!((cluster.deleted.len(), cluster.created.len(), cluster.running()), (12, 14, vec![0, 1]));
}

#[test]
fn under_group_recovery_an_update_replaces_each_group_once() {
    let mut spec = deep(3);
    spec.recovery = Recovery::ServingGroup;
    let mut cluster = Cluster::settled(spec);
    cluster.image(1, 7);
    cluster.settle();
    assert_eq!((cluster.deleted.len(), cluster.created.len()), (18, 18));
}

#[test]
fn revisions_in_use_are_kept_and_others_as_the_history_says() {
    let mut cluster = rolling(2, groups(Count::Number(1), 0, 0));
    cluster.options = Options { history: 1, ..Options::default() };
    for image in 2..6 {
        cluster.image(0, image);
        cluster.settle();
    }
    let mut numbers: Vec<_> = cluster.revisions.values().map(|revision| revision.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [4, 5]);
    cluster.options.history = 0;
    cluster.settle();
    assert_eq!(cluster.revisions.len(), 1);
    let deleted = |action: &Action| matches!(action, Action::DeleteRevision { .. });
    assert!(!cluster.look().actions.iter().any(deleted));
}

#[test]
fn what_decides_is_the_content_of_a_template() {
    let spec = flat(1);
    let mut other = spec.clone();
    other.roles[0].body.entry.id = "elsewhere".to_owned();
    other.roles[0].max_unavailable = Count::Percent(10);
    assert_eq!(Revision::new(&spec.roles, 1), Revision::new(&other.roles, 1));
}

fn holds(status: &Status) -> Vec<&str> {
    status.conditions.iter().filter(|condition| condition.holds).map(|condition| condition.kind.as_str()).collect()
}

#[test]
fn the_conditions_follow_an_update() {
    let mut cluster = Cluster::new(flat(2));
    cluster.step();
    let status = cluster.status.clone().expect("written");
    assert_eq!((holds(&status), status.replicas, status.available_replicas), (vec!["Progressing"], 0, 0));
    let progressing = status.condition(ConditionKind::Progressing).expect("it is there");
    assert_eq!(
        (progressing.reason.as_str(), progressing.message.as_str()),
        ("GroupProgressing", "Groups that do not run: 0, 1")
    );
    cluster.settle();
    let status = cluster.status.clone().expect("written");
    assert_eq!((holds(&status), status.replicas, status.available_replicas), (vec!["Available"], 2, 2));
    assert_eq!(
        status.label_selector,
        "modelserving.volcano.sh/name=chat,modelserving.volcano.sh/role=decode,\
         modelserving.volcano.sh/role-id=decode-0,modelserving.volcano.sh/entry=true"
    );
    let since = status.condition(ConditionKind::Available).expect("it is there").since;
    cluster.now += seconds(100);
    cluster.edit(|spec| spec.replicas = 2);
    cluster.settle();
    let status = cluster.status.clone().expect("written");
    assert_eq!(status.condition(ConditionKind::Available).expect("it is there").since, since, "nothing changed");
    assert_eq!(status.observed_generation, 2);
    cluster.image(0, 2);
    cluster.step();
    let status = cluster.status.clone().expect("written");
    assert_eq!(holds(&status), ["UpdateInProgress"]);
    let updating = status.condition(ConditionKind::UpdateInProgress).expect("it is there");
    assert_eq!(updating.message, "Groups that do not run: 1; 0 of 2 groups are updated");
    cluster.kubelet();
    cluster.settle();
    assert_eq!(holds(&cluster.status.expect("written")), ["Available"]);
}
