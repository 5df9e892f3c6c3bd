//! Bad input: an error that names the field, never a panic and never a weaker bound.

mod small;

use std::sync::Arc;

use phalanx_gang::{Gang, GangError, Group, NotationError, Objective, Options, PodId, Present, plan};
use phalanx_topology::{Demand, Inventory, KindId, LevelId, NodeId, ResourceId, Topology};
use proptest::prelude::*;
use small::config;
use small::spec::{ALL, gang};

const LEVEL: LevelId = LevelId::new(1);

fn inventory() -> Inventory {
    Inventory::from_notation("b1{r1{n1:8 n2:8} r2{n3:4}}").expect("a cluster")
}

fn pods(name: &str) -> Group {
    Group::pods(name, 4, Demand::devices(1))
}

/// What a gang that is sound by itself says on a cluster.
fn on(inventory: &Inventory, group: Group, options: &Options) -> GangError {
    plan(&Gang::new(group).expect("the gang is sound"), inventory, options).expect_err("something is unknown")
}

#[test]
fn an_unknown_level_is_an_error_wherever_it_is_named() {
    let unknown = LevelId::new(7);
    let inner = [
        pods("w").hard(unknown),
        pods("w").prefer(unknown),
        pods("w").slices(unknown, 2),
        pods("w").spread(unknown, 1),
        pods("w").exclusive(unknown),
        pods("w").exclusive_as(unknown, "key"),
        pods("w").bind(unknown, "key"),
    ];
    for group in inner {
        let error = on(&inventory(), Group::of("g", [group]), &Options::new());
        assert_eq!(error, GangError::UnknownLevel { group: "g/w".into(), level: 7, last: 2 });
        assert_eq!(error.to_string(), "group \"g/w\" names level 7, the topology's last level is 2");
    }
    let options = Options::new().objective(Objective::Spread { level: unknown });
    let error = on(&inventory(), Group::of("g", [pods("w")]), &options);
    assert_eq!(error, GangError::UnknownLevel { group: "g".into(), level: 7, last: 2 });
    // Also where no pod would ever be: what is not looked at today is tomorrow.
    let none = Group::of("g", [pods("w").replicas(0).hard(unknown)]);
    assert!(matches!(on(&inventory(), none, &Options::new()), GangError::UnknownLevel { level: 7, .. }));
}

#[test]
fn levels_of_two_topologies_do_not_mix() {
    let tree = |level: &str| Topology::builder([level]).node("n1", &[(level, "x")]).build().expect("a tree");
    let topology = tree("rack").with_tree("power", &tree("feed")).expect("the same nodes");
    let feed = topology.level_in(topology.tree("power").expect("it was added"), "feed").expect("its level");
    let rack = topology.level("rack").expect("its level");
    let inventory = Inventory::new(Arc::new(topology));
    let group = Group::of("g", [pods("w").hard(feed)]).prefer(rack);
    let error = on(&inventory, group, &Options::new());
    assert_eq!(error, GangError::TwoTopologies { group: "g/w".into(), level: feed.index() });
    let error = on(&inventory, pods("g").hard(rack), &Options::new().objective(Objective::Spread { level: feed }));
    assert_eq!(error, GangError::TwoTopologies { group: "g".into(), level: feed.index() });
}

#[test]
fn kinds_and_resources_must_be_known() {
    let known = inventory().kinds().len();
    let error = on(&inventory(), Group::of("g", [pods("w").kinds([KindId::new(9)])]), &Options::new());
    assert_eq!(error, GangError::UnknownKind { group: "g/w".into(), kind: 9, known });
    let demand = Demand::devices(1).with(ResourceId::new(3), 1);
    let error = on(&inventory(), Group::of("g", [Group::pods("w", 1, demand)]), &Options::new());
    assert_eq!(error, GangError::UnknownResource { group: "g/w".into(), resource: 3, known: 0 });
    let demand = Demand::devices(1).of_kinds([KindId::new(9)].into_iter().collect());
    assert!(
        plan(&Gang::new(Group::pods("g", 1, demand)).expect("the gang is sound"), &inventory(), &Options::new())
            .is_ok_and(|outcome| outcome.plan().is_none()),
        "a demand's own kinds are the inventory's matter: no node is of such a kind"
    );
}

#[test]
fn what_is_said_to_be_there_must_be() {
    let group = Group::of("g", [pods("w").between(1, 2)]);
    let gang = Gang::new(group.clone()).expect("the gang is sound");
    let w = gang.group("g/w").expect("it is there");
    let (pod, node) = (|ordinals: [u32; 2], ordinal| PodId::new(w, ordinals, ordinal), NodeId::new(1));
    let say = |present: Present| on(&inventory(), group.clone(), &Options::new().present(present)).to_string();

    let twice = Present::new().running(pod([0, 1], 3), node).running(pod([0, 1], 3), NodeId::new(2));
    assert_eq!(say(twice), "pod g/w [0, 1] 3 is listed twice");
    let twice = Present::new().former(pod([0, 1], 3), node).former(pod([0, 1], 3), node);
    assert_eq!(say(twice), "pod g/w [0, 1] 3 is listed twice");
    for (nobody, told) in [
        (pod([0, 0], 4), "g/w [0, 0] 4"),
        (pod([0, 2], 0), "g/w [0, 2] 0"),
        (pod([1, 0], 0), "g/w [1, 0] 0"),
        (PodId::new(w, [0], 0), "g/w [0] 0"),
        (PodId::new(w, [0, 0, 0], 0), "g/w [0, 0, 0] 0"),
        (PodId::new(gang.group("g").expect("the root"), [0], 0), "g [0] 0"),
    ] {
        assert_eq!(say(Present::new().running(nobody.clone(), node)), format!("pod {told} is none of the gang's"));
        assert_eq!(say(Present::new().former(nobody, node)), format!("pod {told} is none of the gang's"));
    }
    let nowhere = NodeId::new(3);
    for present in [
        Present::new().running(pod([0, 0], 0), nowhere),
        Present::new().former(pod([0, 0], 0), nowhere),
        Present::new().bind("key", nowhere),
        Present::new().exclude("key", nowhere),
    ] {
        assert_eq!(say(present), "node 3 does not exist, the topology has 3 nodes");
    }
}

#[test]
fn slices_must_divide_and_nest() {
    let node = LevelId::new(2);
    let say = |group: Group| Gang::new(Group::of("g", [group])).expect_err("it does not divide").to_string();
    assert_eq!(say(pods("w").slices(LEVEL, 3)), "group \"g/w\": slices of 3 do not divide 4 pods");
    assert_eq!(say(pods("w").slices(LEVEL, 0)), "group \"g/w\": slices of 0 do not divide 4 pods");
    assert_eq!(say(pods("w").slices(LEVEL, 8)), "group \"g/w\": slices of 8 do not divide 4 pods");
    let coarser = pods("w").slices(LEVEL, 2).slices(node, 4);
    assert_eq!(say(coarser), "group \"g/w\": slices of 4 do not divide 2 pods");
    assert!(Gang::new(pods("w").slices(node, 1).slices(LEVEL, 2)).is_ok(), "the order given does not matter");
}

#[test]
fn two_levels_under_one_key_are_an_error() {
    let group = Group::of("g", [pods("a").bind(LEVEL, "key"), pods("b").bind(LevelId::new(0), "key")]);
    let error = Gang::new(group).expect_err("one key, two levels");
    assert_eq!(error, GangError::TwoLevelsOfKey { group: "g/b".into(), other: "g/a".into() });
}

#[test]
fn counts_that_overflow_are_an_error() {
    let huge = |group: Group| Gang::new(group).expect_err("it is too large");
    for group in [
        pods("g").replicas(u32::MAX),
        Group::pods("g", u32::MAX, Demand::devices(1)).replicas(2),
        Group::of("g", [pods("w").replicas(1 << 18)]).replicas(2),
        (0..31).fold(pods("g"), |inner, _| Group::of("g", [inner]).replicas(2)),
        pods("g").between(0, u32::MAX),
    ] {
        assert!(matches!(huge(group), GangError::TooLarge { .. }));
    }
    // What one pod asks is the inventory's matter: it never fits.
    let mut inventory = inventory();
    let cpu = inventory.resource("cpu");
    for demand in [Demand::devices(u32::MAX), Demand::devices(1).with(cpu, u64::MAX)] {
        let gang = Gang::new(Group::pods("g", 1000, demand)).expect("the gang is sound");
        let outcome = plan(&gang, &inventory, &Options::new()).expect("all is known");
        assert!(!outcome.rejection().expect("it never fits").is_exhausted());
    }
}

#[test]
fn a_tree_ten_thousand_deep_is_an_error_on_a_small_stack() {
    let deep = || {
        let build = || (0..10_000).fold(pods("w"), |inner, _| Group::of("g", [inner]));
        let group = build();
        assert!(format!("{:?}", Group::of("g", [pods("w")])).contains("\"w\""));
        let copy = group.clone();
        assert!(copy == group, "copies are equal");
        drop(copy);
        let error = Gang::new(group).expect_err("it is too deep");
        assert_eq!(error, GangError::TooDeep { group: "g".into(), depth: 10_001, max: 32 });
        drop(build());
    };
    // As small as a worker's.
    std::thread::Builder::new().stack_size(256 << 10).spawn(deep).expect("a thread").join().expect("it fits the stack");
}

#[test]
fn a_line_that_is_no_gang_names_the_column() {
    let mut inventory = inventory();
    for (line, column) in [("4p(8) 2q(1)", 7), ("2p(8) required=shelf", 7), ("9..1p(8", 1), ("4p(1,cpu=x)", 1)] {
        let error = Gang::from_notation(line, &mut inventory).expect_err("it is no gang");
        let at = match &error {
            NotationError::Syntax { column, .. } | NotationError::UnknownLevel { column, .. } => *column,
            other => panic!("{other}"),
        };
        assert_eq!(at, column, "{line}: {error}");
    }
    assert!(matches!(
        Gang::from_notation("3..1p(8)", &mut inventory),
        Err(NotationError::Gang(GangError::MinAboveMax { min: 3, max: 1, .. }))
    ));
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn min_above_max_is_an_error_that_names_the_group(spec in gang(8, ALL), at in any::<usize>(), more in 1..9u32) {
        let inventory = small::cluster::inventory(&[]);
        let mut wrong = spec.clone();
        let len = spec.lines().len();
        let group = wrong.find(at % len);
        group.min = group.max + more;
        let (min, max) = (group.min, group.max);
        let error = wrong.try_gang(&inventory).expect_err("min is above max");
        prop_assert!(matches!(&error, GangError::MinAboveMax { min: m, max: n, .. } if (*m, *n) == (min, max)), "{}", error);
    }

    #[test]
    fn any_line_is_a_gang_or_an_error(line in "[0-9pg(){}=,. a-z/-]{0,40}") {
        let mut inventory = inventory();
        let _ = Gang::from_notation(&line, &mut inventory);
    }
}
