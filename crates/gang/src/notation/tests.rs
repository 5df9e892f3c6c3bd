use proptest::prelude::*;

use phalanx_topology::Demand;

use super::*;
use crate::{Options, Outcome, plan};

/// Plans `gang` on `cluster` and tells the pods as `node` or `node+node`, or the reason.
fn planned(cluster: &str, gang: &str) -> String {
    let mut inventory = Inventory::from_notation(cluster).expect("a cluster");
    let gang = Gang::from_notation(gang, &mut inventory).expect("a gang");
    match plan(&gang, &inventory, &Options::default()).expect("the cluster has its levels") {
        Outcome::Placed(plan) => {
            let name = |node| inventory.topology().node_name(node);
            plan.placements().map(|pod| name(pod.node())).collect::<Vec<_>>().join("+")
        }
        Outcome::Rejected(rejection) => rejection.to_string(),
    }
}

#[test]
fn pods_go_where_they_fit_tightest() {
    let cluster = "b1{r1{n1:8 n2:8} r2{n3:4}} b2{r3{n4:8}}";
    assert_eq!(planned(cluster, "1p(4)"), "n3");
    assert_eq!(planned(cluster, "2p(8) required=rack"), "n1+n2");
    assert_eq!(planned(cluster, "3p(8)"), "n1+n2+n4");
    assert_eq!(planned(cluster, "1p(8) 1p(4) preferred=rack"), "n1+n2");
    assert_eq!(planned(cluster, "2..5p(8) required=block"), "n1+n2");
    assert!(
        planned(cluster, "3p(8) required=rack").starts_with("group \"gang"),
        "{}",
        planned(cluster, "3p(8) required=rack")
    );
    assert_eq!(planned("r{a:0(cpu=5) b:0(cpu=6)}", "1p(0,cpu=6)"), "b");
    assert!(planned("r{a:8}", "1p(0,memory=1)").contains("too little free memory"));
}

#[test]
fn every_bound_can_be_said() {
    let cluster = "b1{r1{n1:8xH100 n2:8xH100} r2{n3:8xH100 n4:8xH100}} b2{r3{n5:8xA100/4 n6:8xA100/4}}";
    let cases = [
        ("4p(8) slice=rack:2", "n1+n2+n3+n4"),
        ("2x2p(8) exclusive=rack", "n1+n2+n3+n4"),
        ("2..3x2p(8) exclusive=rack required=block", "n1+n2+n3+n4"),
        ("2p(4) exclusive=rack:tenant", "n1+n1"),
        ("4p(1) spread=rack:1 required=block kinds=H100", "n1+n1+n3+n3"),
        ("3p(1) per-node=1 required=block", "n1+n2+n3"),
        ("2p(8) kinds=A100,H100", "n5+n6"),
        ("5p(8) kinds=A100,H100", "n1+n2+n3+n4+n5"),
        ("3p(8) kinds=A100,H100 homogeneous", "n1+n2+n3"),
        ("2p(4,island) kinds=A100", "n5+n5"),
        ("2p(0.5) kinds=A100", "n5+n5"),
        ("1p(250m) bind=block:k preferred=node", "n1"),
    ];
    for (gang, nodes) in cases {
        assert_eq!(planned(cluster, gang), nodes, "{gang}");
    }
    let rejected = planned(cluster, "1p(5,island) kinds=A100");
    assert!(rejected.contains("2 have too few free devices together"), "{rejected}");
}

#[test]
fn shares_are_milli() {
    let milli = |text: &str| {
        let mut inventory = Inventory::from_notation("r{n:8}").expect("a cluster");
        let gang = Gang::from_notation(&format!("1p({text})"), &mut inventory);
        gang.map(|gang| (gang.demands()[0].device_count(), gang.demands()[0].milli())).ok()
    };
    let cases = [("0.5", (0, 500)), ("0.05", (0, 50)), ("0.125", (0, 125)), ("7m", (0, 7)), ("1000m", (1, 0))];
    for (text, expected) in cases {
        assert_eq!(milli(text), Some(expected), "{text}");
    }
    for wrong in ["0.", "0.0001", "1.5", "0m", "1001m", "-0.5", ".5", "0.0", "m", "0.5m"] {
        assert_eq!(milli(wrong), None, "{wrong}");
    }
}

#[test]
fn objectives_are_one_word() {
    let inventory = Inventory::from_notation("b{r{n:8}}").expect("a cluster");
    let read = |text: &str| Objective::from_notation(text, inventory.topology());
    for name in ["tight", "greedy-best-fit", "least-free", "balanced"] {
        assert_eq!(read(name).expect("it is one").name(), name);
    }
    assert_eq!(read("spread:block").expect("it is one").name(), "spread");
    let mix = phalanx_topology::ShapeMix::new([(Demand::devices(8), 3), (Demand::devices(1), 7)]).expect("a mix");
    assert_eq!(read("fragmentation:3x8,7x1").expect("it is one"), Objective::Fragmentation(Fragmentation::new(mix)));
    assert!(read("fragmentation:0x8").expect_err("nothing").to_string().contains("weight above 0"));
    assert!(read("fragmentation:8").expect_err("no weight").to_string().contains("fragmentation:WEIGHTxDEVICES"));
    for wrong in ["", "best", "spread", "fragmentation", "tight:rack"] {
        assert!(read(wrong).expect_err(wrong).to_string().contains("one of tight"), "{wrong}");
    }
    assert!(read("spread:shelf").expect_err("no level").to_string().contains("block, rack, node"));
}

#[test]
fn mistakes_are_told_with_their_column() {
    let cases = [
        ("slice=rack:1 1p(1)", "at column 1: found \"slice=rack:1\", expected pods before slice="),
        ("1p(1) slice=rack", "slice=LEVEL:SIZE"),
        ("1p(1) slice=rack:-1", "slice=LEVEL:SIZE"),
        ("3p(1) slice=rack:2", "slices of 2 do not divide 3 pods"),
        ("exclusive=rack 1p(1)", "pods before exclusive="),
        ("1p(1) exclusive=rack:", "exclusive=LEVEL:KEY"),
        ("1p(1) exclusive=rack exclusive=node", "once for the same pods"),
        ("1p(1) exclusive=shelf", "found level \"shelf\""),
        ("1p(1) spread=rack", "spread=LEVEL:SKEW"),
        ("1p(1) spread=rack:1 spread=node:1", "spread=LEVEL:SKEW once"),
        ("1p(1) bind=rack", "bind=LEVEL:KEY"),
        ("1p(1) bind=rack:", "bind=LEVEL:KEY"),
        ("1p(1) per-node=x", "per-node=N"),
        ("1p(1) kinds=", "kinds=A,B"),
        ("1p(1) kinds=a,a", "each kind once"),
        ("1p(1) homogeneous=1", "expected pods, such as"),
        ("1p(1) required", "expected pods, such as"),
        ("1x2..3p(1)", "a number of pods"),
        ("1p(1,isle)", "island or numa"),
        ("", "no pods: expected something like 4p(8)"),
        ("required=rack", "no pods"),
        ("1p(1) four", "at column 7: found \"four\", expected pods, such as"),
        ("p(8)", "at column 1: found \"p(8)\", expected a number of pods"),
        ("-1p(8)", "a number of pods"),
        ("99999999999p(8)", "a number of pods"),
        ("1p()", "a number of devices"),
        ("1p(8", "`)`"),
        ("1p(8,cpu)", "RESOURCE=AMOUNT"),
        ("1p(8,cpu=-1)", "RESOURCE=AMOUNT"),
        ("1p(8,=1)", "RESOURCE=AMOUNT"),
        ("1p(8)  required=shelf", "at column 8: found level \"shelf\", expected one of rack, node"),
        ("1p(8) required=rack required=node", "at column 21: found \"required=node\", expected required=LEVEL once"),
        ("3..2p(8)", "min 3 exceeds max 2"),
        ("4000000000p(8)", "more than"),
    ];
    for (line, message) in cases {
        let mut inventory = Inventory::from_notation("r{n:8}").expect("a cluster");
        let error = Gang::from_notation(line, &mut inventory).expect_err(line).to_string();
        assert!(error.contains(message), "{line}: {error}");
    }
}

proptest! {
    #[test]
    fn no_line_panics(line in "[0-9px(),=.:m a-e]{0,40}|(([0-9]{1,2}p\\([0-9,]{1,3}\\)|spread=rack:1|slice=node:[0-9]|kinds=[a-c,]{0,4}|bind=[a-z:]{0,6}) ?){0,6}|\\PC{0,40}") {
        let mut inventory = Inventory::from_notation("r{n:8}").expect("a cluster");
        let _ = Gang::from_notation(&line, &mut inventory);
    }
}
