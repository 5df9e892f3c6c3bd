//! Cases that were wrong once, each with what is right.

use phalanx_gang::{Budget, Gang, Group, Options, PodId, Present, Proof, Reason, plan, plan_many};
use phalanx_topology::{Demand, Inventory, LevelId, NodeId};

fn cluster(line: &str) -> Inventory {
    Inventory::from_notation(line).expect("the line is a cluster")
}

fn level(inventory: &Inventory, name: &str) -> LevelId {
    inventory.topology().level(name).expect("the cluster has the level")
}

fn node(inventory: &Inventory, name: &str) -> NodeId {
    inventory.topology().node(name).expect("the cluster has the node")
}

fn gang(root: Group) -> Gang {
    Gang::new(root).expect("a sound gang")
}

#[test]
fn filling_the_roomiest_nodes_keeps_to_a_spread_over_racks() {
    let inventory = cluster("r1{n1:3 n2:3} r2{n3:2} r3{n4:1}");
    let rack = level(&inventory, "rack");
    let outcome = plan(&gang(Group::pods("w", 7, Demand::devices(1)).spread(rack, 5)), &inventory, &Options::default());
    let plan = outcome.expect("levels are known");
    let plan = plan.plan().expect("5, 2 and 0 is a place");
    let racks = inventory.topology().domains(rack).map(|rack| {
        let inside = |node| inventory.topology().domain_of(node, inventory.topology().level_of(rack)) == Some(rack);
        plan.placements().filter(|pod| inside(pod.node())).count()
    });
    let counts: Vec<usize> = racks.collect();
    assert!(counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0) <= 5, "{counts:?}");
}

#[test]
fn the_first_kinds_cost_no_step() {
    let mut inventory = cluster("r1{n1:8}");
    let kind = inventory.find_kind("gpu").expect("the notation's kind");
    inventory.warm(&Demand::devices(8));
    let one = gang(Group::pods("w", 1, Demand::devices(8)).kinds([kind]));
    let outcome = plan(&one, &inventory, &Options::new().budget(Budget::steps(0))).expect("the kind is known");
    assert!(outcome.plan().is_some());
}

#[test]
fn a_return_proves_nothing_of_the_level() {
    let inventory = cluster("r1{n1:8 n2:8} r2{n3:8}");
    let gang = gang(Group::pods("w", 2, Demand::devices(8)));
    let w = gang.group("w").expect("it is there");
    let former = Present::new().former(PodId::new(w, [0], 0), node(&inventory, "n1"));
    let former = former.former(PodId::new(w, [0], 1), node(&inventory, "n3"));
    let outcome = plan(&gang, &inventory, &Options::new().present(former)).expect("the pods are its own");
    let plan = outcome.plan().expect("both nodes are free");
    assert_eq!((plan.level(), plan.is_level_proven(), plan.proof()), (None, false, Proof::Feasible));
}

#[test]
fn replicas_in_racks_that_are_too_small_are_told_so() {
    let inventory = cluster("r1{a:1 b:1 c:1} r2{d:1 e:1 f:1}");
    let rack = level(&inventory, "rack");
    let two = gang(Group::of("g", [Group::pods("w", 4, Demand::devices(1)).replicas(2).hard(rack)]));
    let outcome = plan(&two, &inventory, &Options::default()).expect("levels are known");
    let rejection = outcome.rejection().expect("a rack has room for three");
    assert_eq!(rejection.best().map(|best| best.fits()), Some(3));
    assert_eq!(rejection.reasons(), [(Reason::DomainTooSmall { level: "rack".to_owned() }, 6)]);
}

#[test]
fn shares_that_are_dealt_out_badly_prove_nothing() {
    let inventory = cluster("r1{n1:2}");
    let shares = [498, 415, 332, 249, 249, 249];
    let pods = shares
        .iter()
        .enumerate()
        .map(|(at, &milli)| Group::pods(format!("p{at}"), 1, Demand::share(milli).expect("a share of one device")));
    let outcome = plan(&gang(Group::of("g", pods)), &inventory, &Options::default()).expect("nothing is unknown");
    assert!(outcome.rejection().is_none_or(|rejection| rejection.is_exhausted()), "they fit: 498 249 249, 415 332 249");
}

#[test]
fn what_runs_of_an_earlier_gang_counts_for_a_later_one() {
    let mut inventory = cluster("r1{n1:8 n2:8} r2{n3:8}");
    let (rack, n1) = (level(&inventory, "rack"), node(&inventory, "n1"));
    let mut transaction = inventory.transaction();
    transaction.reserve(n1, &Demand::devices(8)).expect("it is free");
    drop(transaction.commit());
    let part = |name: &str| gang(Group::pods(name, 1, Demand::devices(8)).exclusive_as(rack, "tenants"));
    let (first, second) = (part("first"), part("second"));
    let runs = Present::new().running(PodId::new(first.group("first").expect("it is there"), [0], 0), n1);
    let (runs, blank) = (Options::new().present(runs), Options::new());
    let outcomes = plan_many([(&first, &runs), (&second, &blank)], &inventory).expect("nothing is unknown");
    let places: Vec<NodeId> = outcomes[1].plan().expect("r2 is free").placements().map(|pod| pod.node()).collect();
    assert_eq!(places, [node(&inventory, "n3")]);
}
