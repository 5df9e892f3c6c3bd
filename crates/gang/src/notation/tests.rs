use proptest::prelude::*;

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
fn mistakes_are_told_with_their_column() {
    let cases = [
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
    fn no_line_panics(line in "[0-9p(),=. a-e]{0,40}|\\PC{0,40}") {
        let mut inventory = Inventory::from_notation("r{n:8}").expect("a cluster");
        let _ = Gang::from_notation(&line, &mut inventory);
    }
}
