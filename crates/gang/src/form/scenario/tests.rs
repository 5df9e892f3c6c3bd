use super::*;
use crate::Outcome;

const CLUSTER: &str = "
cluster:
  levels: [block, rack]
  topologies: [{name: power, levels: [feed]}]
  nodes:
    - {names: 'b[1-2]-r[1-2]-n[1-2]', in: {block: 'b{1}', rack: 'r{2}', power/feed: 'f{3}'}, devices: 8, kind: H100}
";

/// The cluster with these gangs, each a mapping in YAML.
fn scenario(gangs: &[&str]) -> Scenario {
    let text = format!("{CLUSTER}gangs:\n{}", gangs.iter().map(|gang| format!("  - {gang}\n")).collect::<String>());
    let scenario: Scenario = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let again: Scenario =
        serde_json::from_str(&serde_json::to_string(&scenario).expect("plain data")).expect("its own text");
    assert_eq!(scenario, again);
    scenario
}

/// Plans gangs one after the other and tells their pods' nodes.
fn planned(gangs: &[&str]) -> Vec<String> {
    let mut case = scenario(gangs).build().unwrap_or_else(|error| panic!("{gangs:?}: {error}"));
    let plan = |at: usize| match case.plan(at).expect("checked") {
        Outcome::Rejected(rejection) => rejection.to_string(),
        Outcome::Placed(plan) => {
            case.settle(at, &plan).expect("nothing changed");
            let name = |node| case.inventory().topology().node_name(node).to_owned();
            plan.placements().map(|pod| name(pod.node())).collect::<Vec<_>>().join(" ")
        }
    };
    (0..gangs.len()).map(plan).collect()
}

#[track_caller]
fn refuse(gang: &str, message: &str) {
    let told = scenario(&[gang]).build().expect_err(gang).to_string();
    assert!(told.starts_with(message), "{gang}: {told}");
}

#[test]
fn keys_are_shared_by_the_gangs_of_a_form() {
    let bound = |name: &str, more: &str| {
        format!("{{group: {{name: {name}, pods: 1, demand: {{devices: 8}}, bind: {{level: block, key: k}}}}, {more}}}")
    };
    let (a, b) = (bound("a", "running: [{nodes: b2-r2-n1}]"), bound("b", ""));
    assert_eq!(planned(&[&b, &a]), ["b2-r1-n1", ""], "what runs counts for gangs before it");
    assert_eq!(planned(&[&bound("c", "bound: [{key: k, nodes: b2-r1-n1}]"), &b]), ["b2-r1-n1", "b2-r1-n2"]);
    let apart = |name: &str, more: &str| {
        format!(
            "{{group: {{name: {name}, pods: 1, demand: {{devices: 1}}, exclusive: {{level: block, key: k}}}}, {more}}}"
        )
    };
    let third = planned(&[&apart("a", ""), &apart("b", ""), &apart("c", "")]);
    assert_eq!(third[..2], ["b1-r1-n1", "b2-r1-n1"]);
    assert!(third[2].contains("where a bound keeps pods off"), "{}", third[2]);
    assert_eq!(planned(&[&apart("a", "excluded: [{key: k, nodes: 'b1-r[1-2]-n1'}]")]), ["b2-r1-n1"]);
}

#[test]
fn running_pods_hold_room_and_former_ones_return() {
    let group = "group: {name: g, min: 1, max: 2, pods: 4, required: rack, demand: {devices: 2}}";
    let running = format!("{{{group}, running: [{{replica: [0], pods: '0,2', nodes: b2-r2-n1, at: '4-7'}}]}}");
    let case = scenario(&[&running]).build().expect("it is sound");
    let held: Vec<String> = case.requests()[0].running().iter().map(|(_, _, devices)| devices.to_string()).collect();
    assert_eq!((held, case.inventory().free_devices_total()), (vec!["4-5".to_owned(), "6-7".to_owned()], 60));
    assert_eq!(planned(&[&running]), ["b2-r2-n1 b2-r2-n1 b2-r2-n2 b2-r2-n2 b2-r2-n2 b2-r2-n2"]);
    let former = format!("{{{}, former: [{{nodes: 'b2-r1-n[1-2]'}}]}}", group.replace("max: 2", "max: 1"));
    assert_eq!(planned(&[&former]), ["b2-r1-n1 b2-r1-n1 b2-r1-n2 b2-r1-n2"]);
}

#[test]
fn objectives_and_budgets_are_the_gangs_own_or_all_gangs() {
    let mut form = scenario(&["{group: {name: g, pods: 2, demand: {devices: 1}}}"]);
    form.objective = Some(Objective {
        name: super::super::ObjectiveName::Spread,
        level: Some("power/feed".to_owned()),
        mix: Vec::new(),
    });
    form.budget = Some(7);
    let case = form.build().expect("it is sound");
    let feed = phalanx_topology::form::level(case.inventory().topology(), "power/feed").expect("it is there");
    assert_eq!(case.requests()[0].options().objective, crate::Objective::Spread { level: feed });
    assert_eq!(case.requests()[0].options().budget, Budget::steps(7));
    form.gangs[0].objective =
        Some(Objective { name: super::super::ObjectiveName::LeastFree, level: None, mix: Vec::new() });
    let case = form.build().expect("it is sound");
    assert_eq!(case.requests()[0].options().objective, crate::Objective::LeastFree);
}

#[test]
fn mistakes_name_the_field() {
    let cases = [
        ("{group: {name: g}}", "gangs[0].group: found neither pods nor groups"),
        ("{group: {name: g, pods: 1}}", "gangs[0].group: found pods without a demand"),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}, groups: [{name: a}]}}",
            "gangs[0].group: found groups beside",
        ),
        (
            "{group: {name: '', pods: 1, demand: {devices: 1}}}",
            "gangs[0].group.name: a group in \"\" has an empty name",
        ),
        ("{group: {name: a/b, pods: 1, demand: {devices: 1}}}", "gangs[0].group.name: group \"a/b\": '/'"),
        (
            "{group: {name: g, replicas: 1, max: 2, pods: 1, demand: {devices: 1}}}",
            "gangs[0].group: found replicas beside",
        ),
        (
            "{group: {name: g, min: 3, max: 2, pods: 1, demand: {devices: 1}}}",
            "gangs[0].group.min: group \"g\": min 3 exceeds",
        ),
        (
            "{group: {name: g, pods: 4294967295, demand: {devices: 1}}}",
            "gangs[0].group: group \"g\": the gang has more than",
        ),
        (
            "{group: {name: g, preferred: [rack, shelf], pods: 1, demand: {devices: 1}}}",
            "gangs[0].group.preferred[1]: found level \"shelf\"",
        ),
        (
            "{group: {name: g, required: power/feed, preferred: [rack], pods: 1, demand: {devices: 1}}}",
            "gangs[0].group: group \"g\" names level",
        ),
        (
            "{group: {name: g, kinds: [a, a], pods: 1, demand: {devices: 1}}}",
            "gangs[0].group.kinds[1]: found \"a\" again",
        ),
        (
            "{group: {name: g, bind: {level: rack, key: ''}, pods: 1, demand: {devices: 1}}}",
            "gangs[0].group: group \"g\": a key is empty",
        ),
        (
            "{group: {name: g, pods: 4, demand: {devices: 1}, slices: [{level: block, size: 4}, {level: rack, size: 3}]}}",
            "gangs[0].group.slices[1].size: group \"g\": slices of 3 do not divide 4 pods",
        ),
        (
            "{group: {name: g, groups: [{name: a, pods: 1, demand: {devices: 1}}, {name: a, pods: 1, demand: {devices: 1}}]}}",
            "gangs[0].group.groups[1].name: group \"g/a\" is listed twice",
        ),
        (
            "{group: {name: g, groups: [{name: a, pods: 4, demand: {devices: 1}, slices: [{level: rack, size: 3}]}]}}",
            "gangs[0].group.groups[0].slices[0].size: group \"g/a\": slices of 3 do not divide 4 pods",
        ),
        (
            "{group: {name: g, groups: [{name: a, pods: 1, demand: {share: 0}}]}}",
            "gangs[0].group.groups[0].demand.share: a share of 0",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, objective: {name: spread}}",
            "gangs[0].objective.level: found nothing",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, objective: {name: tight, level: rack}}",
            "gangs[0].objective.level: found a level",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, objective: {name: fragmentation}}",
            "gangs[0].objective.mix: a mix has no shape",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, objective: {name: tight, mix: [{demand: {devices: 1}, weight: 1}]}}",
            "gangs[0].objective.mix: found a mix",
        ),
        ("{name: '', group: {name: g, pods: 1, demand: {devices: 1}}}", "gangs[0].name: found \"\""),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, running: [{nodes: n}]}",
            "gangs[0].running[0].nodes: found \"n\", expected the name",
        ),
        (
            "{group: {name: g, pods: 3, demand: {devices: 1}}, running: [{pods: '0-2', nodes: 'b1-r1-n[1-2]'}]}",
            "gangs[0].running[0].nodes: found 3 pods for 2 nodes",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, running: [{pods: '1', nodes: b1-r1-n1}]}",
            "gangs[0].running[0].pods: found pod 1, expected 0, the only one",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, running: [{pods: '0-99999999', nodes: b1-r1-n1}]}",
            "gangs[0].running[0].pods: found 100000000 pods",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, running: [{pods: 'x', nodes: b1-r1-n1}]}",
            "gangs[0].running[0].pods: found \"x\"",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, running: [{replica: [0, 0], nodes: b1-r1-n1}]}",
            "gangs[0].running[0].replica: found 2 ordinals",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, running: [{group: h, nodes: b1-r1-n1}]}",
            "gangs[0].running[0].group: found \"h\"",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, running: [{nodes: b1-r1-n1, at: '0-1'}]}",
            "gangs[0].running[0].at: found \"0-1\"",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 9}}, running: [{nodes: b1-r1-n1}]}",
            "gangs[0].running[0]: node \"b1-r1-n1\" has 8 devices free",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, running: [{nodes: b1-r1-n1}, {nodes: b1-r1-n1}]}",
            "gangs[0]: pod g [0] 0 is listed twice",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, former: [{nodes: b1-r1-n1, at: '0'}]}",
            "gangs[0].former[0].at: found devices",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, bound: [{key: k, nodes: 'b[1-2]-r3-n1'}]}",
            "gangs[0].bound[0].nodes: found \"b1-r3-n1\"",
        ),
        (
            "{group: {name: g, pods: 1, demand: {devices: 1}}, excluded: [{key: '', nodes: b1-r1-n1}]}",
            "gangs[0].excluded[0].key: found \"\"",
        ),
    ];
    for (gang, message) in cases {
        refuse(gang, message);
    }
    let gang = "{group: {name: g, pods: 1, demand: {devices: 1}}}";
    let told = scenario(&[gang, gang]).build().expect_err("twice").to_string();
    assert_eq!(told, "gangs[1].name: found \"g\" again, expected a name of its own");
    let broken = serde_saphyr::from_str::<Scenario>(&format!("{CLUSTER}gangs: [{{group: {{name: g, replica: 3}}}}]"));
    let told = broken.expect_err("no such field").to_string();
    assert!(told.contains("replica") && told.contains("line 7"), "{told}");
}

#[test]
fn groups_nested_too_deep_are_an_error() {
    let leaf = Group { name: "a".to_owned(), pods: Some(1), demand: None, ..Group::default() };
    let deep = (0..40).fold(leaf, |inner, _| Group { name: "a".to_owned(), groups: vec![inner], ..Group::default() });
    let mut form = scenario(&["{group: {name: g, pods: 1, demand: {devices: 1}}}"]);
    form.gangs[0].group = deep;
    let error = form.build().expect_err("too deep");
    assert!(error.to_string().ends_with("nested 33 deep, at most 32 is possible"), "{error}");
    assert_eq!(error.field().matches(".groups[0]").count(), 32);
}
