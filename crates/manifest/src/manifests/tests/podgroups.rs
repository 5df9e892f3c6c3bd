//! PodGroups and their Pods as gangs, and ServingGroups as PodGroups.

use core::fmt::Write as _;

use phalanx_gang::{Options, Outcome};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::convert::{cluster, planned};
use super::examples::KTHENA;
use crate::{Manifests, PodGroupError, ServingGroup, Settings};

#[track_caller]
fn read(text: &str) -> Manifests {
    match Manifests::read([("f", text)], &Settings::new()) {
        Ok(manifests) => manifests,
        Err(problems) => panic!("{problems}"),
    }
}

/// A PodGroup with this spec.
fn group(spec: &str) -> String {
    format!("---\napiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {{name: g}}\nspec: {{{spec}}}\n")
}

/// A Pod of the PodGroup: its name, its labels, its task, its devices and its node.
fn pod(name: &str, labels: &str, task: &str, devices: u32, node: &str) -> String {
    let node = if node.is_empty() { String::new() } else { format!("nodeName: {node}, ") };
    format!(
        "---\napiVersion: v1\nkind: Pod\n\
         metadata: {{name: {name}, labels: {{{labels}}}, annotations: {{scheduling.k8s.io/group-name: g, volcano.sh/task-spec: '{task}'}}}}\n\
         spec: {{{node}containers: [{{resources: {{limits: {{nvidia.com/gpu: {devices}}}}}}}]}}\n"
    )
}

fn pods(names: impl IntoIterator<Item = &'static str>, devices: u32) -> String {
    names.into_iter().map(|name| pod(name, "", "", devices, "")).collect()
}

type Answer = (Vec<String>, (u32, u32), Vec<String>);

/// What the first PodGroup is: its groups, its minimum and its maximum, and the Pods that are planned on the cluster.
#[track_caller]
fn gang(text: &str) -> Result<Answer, PodGroupError> {
    let manifests = read(&(cluster() + text));
    let mut inventory = manifests.inventory().expect("an inventory");
    let of = manifests.pod_groups()[0].gang(&manifests, &mut inventory)?;
    let gang = of.gang();
    let paths = gang.groups().map(|group| gang.group_path(group).to_owned()).collect();
    let options = Options::new().present(of.present(&inventory));
    let outcome = phalanx_gang::plan(gang, &inventory, &options).expect("the gang's pods");
    let planned = match &outcome {
        Outcome::Placed(plan) => plan.placements().collect(),
        Outcome::Rejected(_) => Vec::new(),
    };
    let name = |pod| of.pod(&pod).expect("every placement is a Pod").name().name().to_owned();
    let mut planned: Vec<_> = planned.into_iter().map(name).collect();
    planned.sort();
    Ok((paths, (gang.min_pods(), gang.max_pods()), planned))
}

#[test]
fn equal_pods_are_one_group_in_the_order_of_their_names() {
    let text = group("minMember: 3") + &pods(["p-10", "p-9", "p-1"], 8);
    let (paths, counts, planned) = gang(&text).expect("a gang");
    assert_eq!((paths, counts, planned.len()), (vec!["g".to_owned(), "g/pods".to_owned()], (3, 3), 3));
    let manifests = read(&(cluster() + &text));
    let mut inventory = manifests.inventory().expect("an inventory");
    let of = manifests.pod_groups()[0].gang(&manifests, &mut inventory).expect("a gang");
    let names: Vec<_> = of.pods().map(|(id, pod)| (id.ordinal(), pod.name().name())).collect();
    assert_eq!(names, [(0, "p-1"), (1, "p-9"), (2, "p-10")]);
}

#[test]
fn pods_beyond_the_minimum_are_extras() {
    // The cluster has four nodes with eight devices each.
    let six = pods(["a", "b", "c", "d", "e", "f"], 8);
    assert_eq!(
        gang(&(group("minMember: 3") + &six)).map(|(_, counts, planned)| (counts, planned.len())),
        Ok(((3, 6), 4))
    );
    assert_eq!(
        gang(&(group("minMember: 5") + &six)).map(|(_, counts, planned)| (counts, planned.len())),
        Ok(((5, 6), 0))
    );
    assert_eq!(gang(&(group("") + &six)).map(|(_, counts, _)| counts), Ok((0, 6)));
    let few = gang(&(group("minMember: 7") + &six)).expect_err("too few");
    assert_eq!(few.to_string(), "PodGroup default/g has 6 pods, expected 7 at least");
    assert_eq!(gang(&group("minMember: 0")).map(|(_, counts, _)| counts), Ok((0, 0)));
}

#[test]
fn unequal_pods_are_parts() {
    let text = group("minMember: 3") + &pods(["a", "b"], 8) + &pods(["c", "d"], 4);
    let (paths, counts, _) = gang(&text).expect("a gang");
    assert_eq!(paths, ["g", "g/pods", "g/pods/part-0", "g/pods/part-1"]);
    assert_eq!(counts, (3, 4), "a, b and c are the minimum");
}

#[test]
fn pods_that_run_stay_and_count_first() {
    let text = group("minMember: 2, networkTopology: {highestTierName: rack}")
        + &pods(["a", "b"], 4)
        + &pod("c", "", "", 4, "n3");
    let (_, counts, planned) = gang(&text).expect("a gang");
    assert_eq!((counts, planned.len()), ((2, 3), 1), "n3 is the only node of its rack and has room for one more");
    // What has ended, is being deleted, or names another group is none of it.
    let ended = text.clone() + "status: {phase: Succeeded}\n";
    assert_eq!(gang(&ended).map(|(_, counts, planned)| (counts, planned.len())), Ok(((2, 2), 2)));
    let other = text.replacen("group-name: g,", "group-name: h,", 1);
    assert_eq!(gang(&other).map(|(_, counts, _)| counts), Ok((2, 2)));
}

#[test]
fn tasks_have_their_own_minima() {
    let text = group("minMember: 4, minTaskMember: {ps: 1, worker: 2}")
        + &pod("ps-0", "", "ps", 1, "")
        + &["w-0", "w-1", "w-2"].map(|name| pod(name, "", "worker", 8, "")).concat();
    let (paths, counts, planned) = gang(&text).expect("a gang");
    assert_eq!(
        (paths, counts),
        (["g", "g/ps", "g/worker"].map(str::to_owned).to_vec(), (4, 4)),
        "minMember asks one more"
    );
    assert_eq!(planned.len(), 4);
    assert_eq!(gang(&text.replace("minMember: 4", "minMember: 1")).map(|(_, counts, _)| counts), Ok((3, 4)));
    let few = gang(&text.replace("worker: 2", "worker: 9")).expect_err("too few");
    assert_eq!(few.to_string(), "PodGroup task \"worker\" of default/g has 3 pods, expected 9 at least");
}

/// A policy that cuts the Pods of a label by another.
const POLICY: &str = "subGroupPolicy: [{name: decode, labelSelector: {matchLabels: {role: decode}}, \
                      matchLabelKeys: [id], subGroupSize: 2, minSubGroups: 1, networkTopology: {highestTierName: rack}}]";

fn decode(id: u32, at: u32, devices: u32, node: &str) -> String {
    pod(&format!("d-{id}-{at}"), &format!("role: decode, id: d-{id}"), "", devices, node)
}

#[test]
fn sub_groups_are_replicas() {
    let all: String = (0..6).map(|at| decode(at / 2, at % 2, 4, "")).collect();
    let (paths, counts, planned) = gang(&(group(&format!("minMember: 2, {POLICY}")) + &all)).expect("a gang");
    assert_eq!((paths, counts, planned.len()), (["g", "g/decode"].map(str::to_owned).to_vec(), (2, 6), 6));
    // minMember asks for more sub-groups than minSubGroups does.
    assert_eq!(gang(&(group(&format!("minMember: 3, {POLICY}")) + &all)).map(|(_, counts, _)| counts), Ok((4, 6)));
    // A sub-group that does not fit into a rack is no sub-group.
    let wide = all.replace("gpu: 4", "gpu: 8");
    assert_eq!(gang(&(group(&format!("minMember: 2, {POLICY}")) + &wide)).map(|(_, _, planned)| planned.len()), Ok(0));
    let soft = POLICY.replace("{highestTierName", "{mode: soft, highestTierName");
    assert_eq!(gang(&(group(&format!("minMember: 2, {soft}")) + &wide)).map(|(_, _, planned)| planned.len()), Ok(4));
}

#[test]
fn a_sub_group_that_lacks_pods_waits() {
    let text =
        group(&format!("minMember: 2, {POLICY}")) + &decode(0, 0, 4, "") + &decode(1, 0, 4, "") + &decode(1, 1, 4, "");
    let (_, counts, planned) = gang(&text).expect("a gang");
    assert_eq!((counts, planned), ((2, 2), vec!["d-1-0".to_owned(), "d-1-1".to_owned()]));
    let manifests = read(&(cluster() + &text));
    let mut inventory = manifests.inventory().expect("an inventory");
    let of = manifests.pod_groups()[0].gang(&manifests, &mut inventory).expect("a gang");
    assert_eq!(of.left_out().iter().map(|pod| pod.name().name()).collect::<Vec<_>>(), ["d-0-0"]);
    let two = gang(&text.replace("minSubGroups: 1", "minSubGroups: 2")).expect_err("too few");
    assert_eq!(
        two.to_string(),
        "PodGroup default/g has 1 sub-groups of 2 pods by policy \"decode\", expected 2 at least"
    );
}

#[test]
fn sub_groups_that_differ_are_groups_of_their_own() {
    let text = group(&format!("{POLICY}, networkTopology: {{mode: soft, highestTierAllowed: 2}}"))
        + &decode(0, 0, 2, "")
        + &decode(0, 1, 4, "")
        + &decode(1, 0, 4, "")
        + &decode(1, 1, 4, "")
        + &decode(1, 2, 4, "")
        + &decode(2, 0, 4, "n3")
        + &decode(2, 1, 4, "n3")
        + &pod("other", "", "", 1, "");
    let (paths, counts, planned) = gang(&text).expect("a gang");
    // The sub-group that runs is the one that is needed and comes first. Of three Pods one is an extra, for which its rack
    // has no room.
    let expected = [
        "g",
        "g/decode",
        "g/decode.2",
        "g/decode.2/part-0",
        "g/decode.2/part-1",
        "g/decode.3",
        "g/decode.3/part-0",
        "g/pods",
    ];
    assert_eq!((paths, counts), (expected.map(str::to_owned).to_vec(), (2, 8)));
    assert!(!planned.contains(&"d-2-0".to_owned()) && planned.len() == 5, "{planned:?}");
}

#[test]
fn minima_of_tasks_beside_sub_groups_follow_or_are_refused() {
    let tasks = |min: u32| {
        let spec = format!("minTaskMember: {{d-0: {min}}}, {POLICY}");
        group(&spec)
            + &(0..3).map(|at| pod(&format!("d-0-{at}"), "role: decode, id: d-0", "d-0", 1, "")).collect::<String>()
    };
    assert!(gang(&tasks(2)).is_ok());
    let more = gang(&tasks(3)).expect_err("more than the sub-group").to_string();
    assert!(more.contains("have 2 pods of task \"d-0\" and minTaskMember asks 3"), "{more}");
}

/// The PodGroup of a group and its Pods, as manifests, with everything else but ModelServings.
fn emitted(manifests: &Manifests, group: &ServingGroup<'_>) -> String {
    let mut text = group.pod_group().to_string();
    for node in manifests.nodes() {
        write!(text, "\n---\n{}", node.json()).expect("text");
    }
    for row in manifests.hypernodes() {
        write!(text, "\n---\n{}", row.json()).expect("text");
    }
    for pod in group.pods() {
        let template = pod.template().json();
        let metadata = json!({
            "name": pod.name(),
            "namespace": group.serving().name().namespace(),
            "labels": pod.labels(),
            "annotations": pod.annotations(),
        });
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]});
        write!(text, "\n---\n{object}").expect("text");
    }
    text
}

/// Reads what a group is emitted as, and expects the same gang, Pod by Pod, and the same plan.
#[track_caller]
fn round_trip(text: &str) -> Json {
    let manifests = read(text);
    let group = manifests.servings()[0].groups().next().expect("a group");
    let mut inventory = manifests.inventory().expect("an inventory");
    let gang = group.gang(&mut inventory).expect("a gang");

    let again = read(&emitted(&manifests, &group));
    let pod_group = &again.pod_groups()[0];
    let of = pod_group.gang(&again, &mut inventory).expect("a gang");
    assert_eq!(*of.gang(), gang);
    assert_eq!(of.pods().len(), group.pods().count());
    for pod in group.pods() {
        let id = pod.id(&gang).expect("a pod of the gang");
        let there = of.pods().find(|(other, _)| **other == id).expect("the same pod");
        assert_eq!(there.1.name().name(), pod.name());
    }
    assert_eq!(u64::from(pod_group.min_member()), u64::from(gang.min_pods()));
    assert_eq!(planned(of.gang(), &inventory).plan(), planned(&gang, &inventory).plan());
    group.pod_group()
}

#[test]
fn kthenas_example_is_the_pod_group_that_it_makes() {
    let emitted = round_trip(&format!("{}---{KTHENA}", cluster()));
    let policy = |role: &str, size: u32, min: u32| {
        json!({
            "name": role,
            "labelSelector": {"matchLabels": {"modelserving.volcano.sh/name": "llama", "modelserving.volcano.sh/role": role}},
            "matchLabelKeys": ["modelserving.volcano.sh/role-id"],
            "subGroupSize": size,
            "minSubGroups": min,
            "networkTopology": {"mode": "soft", "highestTierName": "rack"},
        })
    };
    let expected = json!({
        "apiVersion": "scheduling.volcano.sh/v1beta1",
        "kind": "PodGroup",
        "metadata": {
            "name": "llama-0",
            "namespace": "serving",
            "labels": {"modelserving.volcano.sh/name": "llama", "modelserving.volcano.sh/group-name": "llama-0"},
            "annotations": {"scheduling.k8s.io/group-name": "llama-0"},
        },
        "spec": {
            "minMember": 5,
            "minResources": {"cpu": "2", "memory": "256Gi", "nvidia.com/gpu": "24"},
            "queue": "gold",
            "networkTopology": {"mode": "hard", "highestTierAllowed": 2},
            "subGroupPolicy": [policy("prefill", 2, 2), policy("decode", 1, 1)],
        },
    });
    assert_eq!(emitted, expected);
}

#[test]
fn a_pod_group_of_a_serving_is_known_as_such() {
    let manifests = read(KTHENA);
    let group = manifests.servings()[0].groups().next().expect("a group");
    let both = format!("{KTHENA}\n---\n{}", group.pod_group());
    let both = read(&both);
    assert!(both.is_of_serving(&both.pod_groups()[0]));
    assert!(!read(&group.pod_group().to_string()).is_of_serving(&both.pod_groups()[0]));
}

#[test]
fn the_owner_is_named_where_it_has_an_id() {
    let manifests = read(&KTHENA.replace("generation: 3", "uid: 5b0d"));
    let pod_group = manifests.servings()[0].groups().next().expect("a group").pod_group();
    let owner = &pod_group["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["name"], &owner["uid"], &owner["controller"]), (&json!("llama"), &json!("5b0d"), &json!(true)));
}

proptest! {
    #[test]
    fn groups_survive_being_pod_groups(
        roles in prop::collection::vec((0..13_u32, 0..13_u32, 0..4_u32, 0..2_u32, 0..3_u32), 1..4),
        policies in prop::sample::select(vec![
            "", "groupPolicy: {highestTierAllowed: 2}", "rolePolicy: {mode: soft, highestTierAllowed: 1}",
            "groupPolicy: {mode: soft, highestTierName: block}, rolePolicy: {highestTierName: node}",
        ]),
    ) {
        let mut text = cluster();
        let minima: Vec<_> = roles.iter().zip(0..).map(|((a, b, ..), at)| format!("r{at}: {}", a.min(b))).collect();
        write!(
            text,
            "---\napiVersion: workload.serving.volcano.sh/v1alpha1\nkind: ModelServing\nmetadata: {{name: chat}}\n\
             spec:\n  template:\n    gangPolicy: {{minRoleReplicas: {{{}}}}}\n    networkTopology: {{{policies}}}\n    roles:\n",
            minima.join(", ")
        ).expect("text");
        for (at, (a, b, workers, entry, worker)) in roles.iter().enumerate() {
            let template = |devices: u32| format!("{{spec: {{containers: [{{resources: {{limits: {{nvidia.com/gpu: {devices}}}}}}}]}}}}");
            writeln!(
                text,
                "    - {{name: r{at}, replicas: {}, workerReplicas: {workers}, entryTemplate: {}, workerTemplate: {}}}",
                a.max(b), template(*entry), template(*worker)
            ).expect("text");
        }
        // A role without replicas has no Pods to tell of it.
        prop_assume!(roles.iter().all(|(a, b, ..)| a.max(b) > &0));
        round_trip(&text);
    }
}
