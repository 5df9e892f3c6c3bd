use super::*;

#[track_caller]
fn check(rows: Vec<HyperNode>, expected: &str) {
    let error = Topology::from_hypernodes(rows, ["n1", "n2"]).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

fn leaf(name: &str, node: &str) -> HyperNode {
    HyperNode::new(name, 1, [Member::node(node)])
}

#[test]
fn tiers_are_levels_by_number_not_by_count() {
    let rows = [
        HyperNode::new("top", 40, [Member::domain("mid"), Member::node("n3")]).named_tier("zone"),
        HyperNode::new("mid", 7, [Member::domain("leaf")]).named_tier(""),
        HyperNode::new("leaf", 0, [Member::node("n2"), Member::node("n1")]),
    ];
    let topology = Topology::from_hypernodes(rows, ["n0", "n1", "n2", "n3"]).expect("the rows are sound");
    let levels: Vec<_> = topology.levels().map(|level| topology.level_name(level)).collect();
    assert_eq!(levels, ["zone", "tier-7", "tier-0", "node"]);
    let paths: Vec<_> = topology.nodes().map(|node| topology.node_path(node)).collect();
    assert_eq!(paths, ["top///n3", "top/mid/leaf/n1", "top/mid/leaf/n2", "n0"]);
}

#[test]
fn mistakes_name_the_thing() {
    check(vec![], "a topology needs at least one level above its nodes");
    check(vec![leaf("a", "n3")], "\"a\" holds node \"n3\", which is not known");
    check(vec![leaf("a", "n1"), leaf("a", "n2")], "domain \"a\" is listed twice");
    check(vec![leaf("a", "n1"), leaf("b", "n1")], "node \"n1\" is in two domains, \"a\" and \"b\"");
    check(
        vec![leaf("a", "n1").named_tier("rack"), leaf("b", "n2").named_tier("leaf")],
        "tier 1 is called \"leaf\" and \"rack\"",
    );
    let named = |name| vec![leaf("a", "n1").named_tier(name), HyperNode::new("b", 2, []).named_tier("rack")];
    check(named("rack"), "level \"rack\" is named twice");
    check(named("tier/1"), "\"tier/1\" contains '/', which separates the parts of a path");
    check(named("node"), "level \"node\" is always there, below the last named one: leave it out");
    check(
        vec![HyperNode::new("a", 1, [Member::domain("b")]), HyperNode::new("b", 1, [])],
        "domain \"b\" of level \"tier-1\" is in \"a\" of level \"tier-1\", expected a coarser level",
    );
    check(
        vec![HyperNode::new("a", 1, [Member::domain("b")]), HyperNode::new("b", 2, [Member::domain("a")])],
        "domain \"a\" holds itself: a > b > a",
    );
    let twice = Topology::from_hypernodes([leaf("a", "n1")], ["n1", "n1"]).unwrap_err();
    assert_eq!(twice.to_string(), "node \"n1\" is listed twice");
}

#[test]
fn no_chain_is_too_long() {
    let rows = (0..10_000).map(|tier| HyperNode::new(tier.to_string(), tier, [Member::domain((tier + 1).to_string())]));
    check(rows.collect(), "10000 levels are named, at most 32 are possible");
}
