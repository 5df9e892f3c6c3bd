//! What a plan looks like in the cases that people ask about.

use std::sync::Arc;

use phalanx_gang::{
    Budget, Counterfactual, Gang, GangError, Group, Objective, Options, Outcome, Plan, PodId, Present, Proof, Reason,
    plan,
};
use phalanx_topology::{Demand, Inventory, LevelId, ResourceId, Topology};

/// `b1{r1{n1:8 n2:4} r2{n3:8}} n4:8`: blocks, racks and nodes with their free devices; what is in no rack is outside.
fn cluster(text: &str) -> Inventory {
    let mut builder = Topology::builder(["block", "rack"]);
    let (mut path, mut nodes) = (Vec::new(), Vec::new());
    for word in text.replace('{', "{ ").replace('}', " } ").split_whitespace() {
        if let Some(domain) = word.strip_suffix('{') {
            path.push(domain.to_owned());
        } else if word == "}" {
            path.pop();
        } else {
            let (node, devices) = word.split_once(':').expect("a node has devices");
            let domains: Vec<_> = ["block", "rack"].into_iter().zip(path.iter().map(String::as_str)).collect();
            builder = builder.node(node, &domains);
            nodes.push((node.to_owned(), devices.parse::<u32>().expect("a number of devices")));
        }
    }
    let mut inventory = Inventory::new(Arc::new(builder.build().expect("the rows are sound")));
    for (node, devices) in nodes {
        let node = inventory.topology().node(&node).expect("the node was listed");
        inventory.set_devices(node, devices, "").expect("at most 64 devices");
    }
    inventory
}

const BLOCK: LevelId = LevelId::new(0);
const RACK: LevelId = LevelId::new(1);

fn pods(name: &str, count: u32, devices: u32) -> Group {
    Group::pods(name, count, Demand::devices(devices))
}

fn placed(inventory: &Inventory, root: Group) -> Plan {
    let gang = Gang::new(root).expect("the gang is sound");
    match plan(&gang, inventory, &Options::default()).expect("levels and resources are known") {
        Outcome::Placed(plan) => plan,
        Outcome::Rejected(rejection) => panic!("{rejection}"),
    }
}

fn rejected(inventory: &Inventory, root: Group) -> phalanx_gang::Rejection {
    let gang = Gang::new(root).expect("the gang is sound");
    match plan(&gang, inventory, &Options::default()).expect("levels and resources are known") {
        Outcome::Placed(plan) => panic!("{plan:?}"),
        Outcome::Rejected(rejection) => rejection,
    }
}

/// The nodes by rank.
fn nodes(inventory: &Inventory, plan: &Plan) -> String {
    let names: Vec<_> = plan.placements().map(|pod| inventory.topology().node_name(pod.node())).collect();
    names.join(" ")
}

#[track_caller]
fn check(fixture: &str, root: Group, expected: &str) {
    let inventory = cluster(fixture);
    assert_eq!(nodes(&inventory, &placed(&inventory, root)), expected);
}

#[test]
fn the_fullest_nodes_that_suffice_are_taken() {
    // Greedy best fit would take 5 and 3 here, and leave more unused.
    check("b1{r1{a:5 b:4 c:3}}", pods("g", 7, 1), "b b b b c c c");
    check("b1{r1{a:8 b:4}}", pods("g", 4, 1), "b b b b");
    check("b1{r1{a:8 b:8 c:4}}", pods("g", 10, 1), "a a a a a a a a c c");
}

#[test]
fn the_finest_common_domain_wins() {
    check("b1{r1{a:8} r2{b:4 c:4}}", pods("g", 2, 4), "a a");
    check("b1{r1{a:4 d:4 e:4} r2{b:4 c:4}}", pods("g", 2, 4), "b c");
    check("b1{r1{a:4} r2{b:4}} b2{r3{c:4} r4{d:4} r5{e:4}}", pods("g", 2, 4), "a b");
    check("b1{r1{a:4}} b2{r2{b:4}}", pods("g", 2, 4), "a b");
    check("b1{r1{a:4}} z:4", pods("g", 2, 4), "a z");
}

#[test]
fn ranks_run_along_the_path_and_replicas_stay_together() {
    let replica = Group::of("r", [pods("entry", 1, 2), pods("worker", 2, 4)]);
    check("b1{r1{a:4 b:6} r2{c:4 d:6}}", Group::of("g", [replica.replicas(2).hard(RACK)]), "b a b d c d");
    // The replicas of a group that names no level are dealt out in path order.
    check("b1{r1{a:2 b:2 c:2}}", Group::of("g", [pods("w", 2, 1).replicas(3)]), "a a b b c c");
}

#[test]
fn hard_levels_bind_each_replica() {
    let racks = pods("w", 2, 4).replicas(2).hard(RACK);
    check("b1{r1{a:4 b:4} r2{c:4 d:4}}", racks.clone(), "a b c d");
    let rejection = rejected(&cluster("b1{r1{a:4 b:4} r2{c:4} r3{d:4}}"), racks);
    assert_eq!((rejection.group_path(), rejection.wanted(), rejection.times()), ("w", 2, 2));
    assert!(!rejection.is_exhausted());
    assert!(
        matches!(rejection.counterfactual(), Some(Counterfactual::Level { level: Some(level), .. }) if level == "block")
    );
}

#[test]
fn pods_that_run_beside_a_bound_group_do_not_bind_it() {
    let inventory = cluster("b1{r1{a:1} r3{d:2}} b2{r2{c:2}}");
    let gang = Gang::new(Group::of("g", [pods("w", 2, 1).hard(RACK), pods("entry", 1, 0)])).expect("the gang is sound");
    let entry = PodId::new(gang.group("g/entry").expect("it is there"), [0, 0], 0);
    let a = inventory.topology().node("a").expect("the node was listed");
    let options = Options::new().present(Present::new().running(entry, a));
    let outcome = plan(&gang, &inventory, &options).expect("levels are known");
    let plan = outcome.plan().expect("rack r3 has room");
    assert_eq!((nodes(&inventory, plan).as_str(), plan.level()), ("d d", Some(BLOCK)));
}

#[test]
fn the_objective_spread_keeps_to_what_a_coarser_domain_may_hold() {
    let inventory = cluster("b1{r1{a:1}} b2{r2{b:1} r3{c:1}} b3{r4{d:1}}");
    let gang = Gang::new(pods("w", 3, 1).spread(BLOCK, 1)).expect("the gang is sound");
    let options = Options::new().objective(Objective::Spread { level: RACK });
    let outcome = plan(&gang, &inventory, &options).expect("levels are known");
    assert_eq!(nodes(&inventory, outcome.plan().expect("there is room")), "a b d");
}

#[test]
fn replicas_cannot_be_together_and_apart() {
    let inventory = cluster("b1{r1{a:4} r2{b:4} r3{c:4} r4{d:4}}");
    let apart = pods("w", 1, 1).replicas(2).exclusive(RACK);
    let gang = Gang::new(Group::of("g", [apart]).replicas(2).hard(LevelId::new(2))).expect("the gang is sound");
    for objective in [Objective::Tight, Objective::GreedyBestFit, Objective::Spread { level: BLOCK }] {
        let outcome = plan(&gang, &inventory, &Options::new().objective(objective)).expect("levels are known");
        assert!(outcome.rejection().is_some_and(|rejection| !rejection.is_exhausted()));
    }
}

#[test]
fn preferences_are_met_where_there_is_room_and_told_where_not() {
    let inventory = cluster("b1{r1{a:4 b:4} r2{c:4} r3{d:4}}");
    let plan = placed(&inventory, Group::of("g", [pods("w", 2, 4).replicas(2).prefer(RACK)]));
    assert_eq!(nodes(&inventory, &plan), "a b c d");
    let unmet: Vec<_> =
        plan.unmet().iter().map(|u| (plan.group_path(u.group()), u.ordinals().to_vec(), u.level())).collect();
    assert_eq!(unmet, [("g/w", vec![0, 1], RACK)]);
    assert_eq!(plan.level(), Some(BLOCK));
}

#[test]
fn extras_are_whole_and_change_nothing_for_the_minimum() {
    let inventory = cluster("b1{r1{a:4 b:4} r2{c:4 d:4 e:4}}");
    let gang = |max| Group::of("g", [pods("p", 1, 4), pods("w", 2, 4).between(1, max).hard(RACK)]).hard(BLOCK);
    let least = placed(&inventory, gang(1));
    let most = placed(&inventory, gang(3));
    assert!(least.extras().is_empty());
    let [extras] = most.extras() else { panic!("one group has extras") };
    assert_eq!((most.group_path(extras.group()), extras.placed(), extras.pending()), ("g/w", 1, 1));
    let min = |plan: &Plan| plan.placements().take(plan.min_pods()).map(|pod| pod.node()).collect::<Vec<_>>();
    assert_eq!(min(&least), min(&most));
    assert_eq!(nodes(&inventory, &most), "e c d a b");
}

#[test]
fn a_gang_without_pods_is_placed_nowhere() {
    let plan = placed(&cluster(""), Group::of("g", [pods("w", 4, 8).between(0, 2)]));
    assert_eq!((plan.placements().len(), plan.level(), plan.proof()), (0, None, Proof::Optimal));
    assert_eq!(plan.extras()[0].pending(), 2);
}

#[test]
fn a_rejection_accounts_for_every_node() {
    let mut inventory = cluster("b1{r1{a:8 b:2} r2{c:8 d:8 e:8}} z:8");
    let cpu = inventory.resource("cpu");
    for (node, amount) in [("a", 9), ("c", 9), ("d", 1), ("e", 9)] {
        let node = inventory.topology().node(node).expect("the node was listed");
        inventory.set_capacity(node, cpu, amount).expect("nothing is held yet");
    }
    inventory.set_cordoned(inventory.topology().node("c").expect("the node was listed"), true);
    let demand = Demand::devices(4).with(cpu, 4);
    let rejection = rejected(&inventory, Group::of("g", [Group::pods("w", 5, demand).hard(RACK)]));
    let reason = |reason, nodes| (reason, nodes);
    assert_eq!(
        rejection.reasons(),
        [
            reason(Reason::OutsideTree, 1),
            reason(Reason::Cordoned, 1),
            reason(Reason::Devices, 1),
            reason(Reason::Resource { name: "cpu".into() }, 1),
            reason(Reason::DomainTooSmall { level: "rack".into() }, 2),
        ]
    );
    assert_eq!((rejection.eligible(), rejection.nodes()), (0, 6));
    assert_eq!(
        rejection.to_string(),
        "group \"g/w\" needs 5 pods in one rack, the best is b1/r1 with room for 2; of 6 nodes 1 are outside the tree, \
         1 are cordoned, 1 have too few free devices, 1 have too little free cpu, 2 are in a rack with too little room."
    );
}

#[test]
fn a_counterfactual_is_the_first_change_that_helps() {
    let mut inventory = cluster("b1{r1{a:8 b:8}}");
    inventory.set_cordoned(inventory.topology().node("b").expect("the node was listed"), true);
    let rejection = rejected(&inventory, pods("w", 2, 8));
    assert_eq!(rejection.counterfactual(), Some(&Counterfactual::Uncordon { nodes: 1 }));
    let rejection = rejected(&cluster("b1{r1{a:8 b:5}}"), pods("w", 2, 8).hard(RACK));
    let Some(Counterfactual::Devices { path, nodes, .. }) = rejection.counterfactual() else { panic!("{rejection}") };
    assert_eq!((path.as_str(), nodes.iter().map(|&(_, more)| more).collect::<Vec<_>>()), ("b1/r1", vec![3]));
}

#[test]
fn levels_and_resources_must_be_known() {
    let inventory = cluster("b1{r1{a:8}}");
    let unknown = |group: Group| plan(&Gang::new(group).expect("the gang is sound"), &inventory, &Options::default());
    let error = unknown(Group::of("g", [pods("w", 1, 1).hard(LevelId::new(3))])).unwrap_err();
    assert_eq!(error.to_string(), "group \"g/w\" names level 3, the topology's last level is 2");
    assert!(matches!(unknown(pods("w", 1, 1).prefer(LevelId::new(9))), Err(GangError::UnknownLevel { level: 9, .. })));
    let error = unknown(Group::pods("w", 1, Demand::devices(1).with(ResourceId::new(0), 1))).unwrap_err();
    assert_eq!(error.to_string(), "group \"w\" asks resource 0, the inventory knows 0");
}

#[test]
fn a_search_that_is_cut_short_says_so() {
    // The largest first, on the fullest node that holds it: 5 goes on a, and then one of the 3s has no place.
    let inventory = cluster("b1{r1{a:7 b:8}}");
    let group = Group::of("g", [pods("x", 1, 5), pods("y", 1, 4), pods("z", 2, 3)]);
    assert_eq!(nodes(&inventory, &placed(&inventory, group.clone())), "b a a b");
    let gang = Gang::new(group).expect("the gang is sound");
    let cut = plan(&gang, &inventory, &Options::new().budget(Budget::steps(0))).expect("levels are known");
    let rejection = cut.rejection().expect("without steps there is no second look");
    assert!(rejection.is_exhausted());
    let text = rejection.to_string();
    assert!(text.contains("The search was cut short after 0 steps, so there may be a place after all."), "{text}");
    // What needs no second look is placed without steps, extras included.
    let gang = Gang::new(pods("w", 1, 1).between(1, 2)).expect("the gang is sound");
    assert!(
        plan(&gang, &inventory, &Options::new().budget(Budget::steps(0))).expect("levels are known").plan().is_some()
    );
}

#[test]
fn many_replicas_do_not_exhaust_the_machine() {
    let inventory = cluster("b1{r1{a:64 b:64}}");
    let plan = placed(&inventory, Group::of("g", [pods("w", 1, 0).between(0, 1 << 19)]).hard(RACK));
    let [extras] = plan.extras() else { panic!("one group has extras") };
    assert_eq!(extras.placed() + extras.pending(), 1 << 19);
    let deep = (0..30).fold(pods("w", 0, 1), |inner, _| Group::of("g", [inner]).replicas(1 << 20));
    assert_eq!(placed(&inventory, deep).placements().len(), 0);
}

#[test]
fn thousands_of_unlike_racks_fit_the_stack_of_a_worker() {
    // The search weighs one rack after the other, and each may lead to another state.
    for (racks, pods) in [(4_000, 150), (4_000, 240), (1_000, 150), (512, 150), (511, 240), (400, 150)] {
        let plan_it = move || {
            let rack = |r: u32| format!("r{r:04}{{a{r}:{} b{r}:{}}}", r * 7 % 61 + 1, r / 61 % 64);
            let line: Vec<String> = (0..racks).map(rack).collect();
            let mut inventory = Inventory::from_notation(&line.join(" ")).expect("a cluster");
            let gang = Gang::from_notation(&format!("{pods}p(1)"), &mut inventory).expect("a gang");
            let outcome =
                plan(&gang, &inventory, &Options::new().budget(Budget::steps(u64::MAX))).expect("no level is named");
            assert_eq!(outcome.plan().expect("there is room").proof(), Proof::Optimal, "{racks} racks, {pods} pods");
        };
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(plan_it).expect("a thread");
        thread.join().expect("it fits the stack");
    }
}

#[test]
fn what_binds_missing_pods_does_not_bind_those_that_run_around_them() {
    let inventory = cluster("r1{n1:8 n2:0}");
    let [n1, n2] = ["n1", "n2"].map(|name| inventory.topology().node(name).expect("the node is there"));
    let node = inventory.topology().node_level();
    let gang = Gang::new(Group::of("g", [pods("a", 1, 1).hard(node), pods("b", 1, 0)])).expect("a sound gang");
    let present = Present::new().running(PodId::new(gang.group("g/b").expect("it is there"), [0, 0], 0), n2);
    let outcome = plan(&gang, &inventory, &Options::new().present(present)).expect("levels are known");
    let places: Vec<_> = outcome.plan().expect("there is room").placements().map(|pod| pod.node()).collect();
    assert_eq!(places, [n1]);
}

#[test]
fn spread_keeps_to_what_is_exclusive() {
    // Two nodes of block b1 pass through the level of racks: each is in a rack of its own.
    let inventory = Inventory::from_notation("b1{n1:8 n2:8} b2{r2{n3:8}}").expect("the line is a cluster");
    let level = |name: &str| inventory.topology().level(name).expect("the cluster has the level");
    let (block, rack, node) = (level("block"), level("rack"), level("node"));
    let root = Group::of("g", [pods("a", 1, 0)]).replicas(2).hard(node).exclusive(block);
    let gang = Gang::new(root).expect("a sound gang");
    let options = Options::new().objective(Objective::Spread { level: rack }).budget(Budget::steps(0));
    let outcome = plan(&gang, &inventory, &options).expect("levels are known");
    assert_eq!(nodes(&inventory, outcome.plan().expect("there is room")), "n1 n3");
}

#[test]
fn extras_of_a_spread_group_go_where_it_stays_even() {
    let inventory = cluster("b1{r1{a:8 b:8} r2{c:8}}");
    let node = inventory.topology().node_level();
    let root = Group::of("g", [pods("w", 1, 1).between(2, 9)]).spread(node, 1);
    for objective in [Objective::Tight, Objective::LeastFree, Objective::Spread { level: RACK }] {
        let options = Options::new().objective(objective.clone());
        let gang = Gang::new(root.clone()).expect("a sound gang");
        let outcome = plan(&gang, &inventory, &options).expect("levels are known");
        assert_eq!(outcome.plan().expect("there is room").placements().len(), 9, "{}", objective.name());
    }
}
