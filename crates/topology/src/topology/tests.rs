use super::*;

fn ragged() -> Topology {
    Topology::builder(["zone", "block", "rack"])
        .node("n1", &[("zone", "z"), ("rack", "r1")])
        .node("n2", &[("zone", "z"), ("rack", "r1")])
        .node("n3", &[("zone", "z"), ("rack", "r2")])
        .node("n4", &[("zone", "z"), ("block", "b")])
        .node("n5", &[("zone", "z"), ("block", "b")])
        .node("n6", &[("rack", "r1")])
        .node("n7", &[])
        .build()
        .expect("the rows are sound")
}

fn paths(topology: &Topology, level: &str) -> Vec<String> {
    let level = topology.level(level).expect("the level exists");
    topology.domains(level).map(|domain| topology.domain_path(domain)).collect()
}

#[test]
fn a_missing_level_holds_exactly_one_subtree() {
    let topology = ragged();
    assert_eq!(paths(&topology, "zone"), ["", "z"]);
    assert_eq!(paths(&topology, "block"), ["/", "z/", "z/", "z/b"]);
    assert_eq!(paths(&topology, "rack"), ["//r1", "z//r1", "z//r2", "z/b/", "z/b/"]);
    assert_eq!(paths(&topology, "node"), ["//r1/n6", "z//r1/n1", "z//r1/n2", "z//r2/n3", "z/b//n4", "z/b//n5"]);
    let block_of = |name| {
        let node = topology.node(name).expect("the node exists");
        topology.domain_of(node, topology.level("block").expect("the level exists"))
    };
    assert_eq!(block_of("n1"), block_of("n2"));
    assert_ne!(block_of("n1"), block_of("n3"), "two racks without a block do not share one");
    assert_eq!(block_of("n4"), block_of("n5"));
    assert_eq!(block_of("n7"), None);
}

#[test]
fn nodes_outside_the_tree_come_last() {
    let topology = ragged();
    assert_eq!((topology.len(), topology.outside_len()), (7, 1));
    let lone = topology.node("n7").expect("the node exists");
    assert_eq!(lone, NodeId::new(6));
    assert!(!topology.in_tree(lone));
    assert_eq!(topology.node_path(lone), "n7");
    assert_eq!(topology.common_level([lone]), None, "it belongs to no domain, not even at the node level");
}

#[test]
fn common_domains() {
    let topology = ragged();
    let node = |name: &str| topology.node(name).expect("the node exists");
    let level = |names: &[&str]| {
        topology.common_level(names.iter().map(|name| node(name))).map(|level| topology.level_name(level).to_owned())
    };
    assert_eq!(level(&["n1"]).as_deref(), Some("node"));
    assert_eq!(level(&["n1", "n2"]).as_deref(), Some("rack"));
    assert_eq!(level(&["n4", "n5"]).as_deref(), Some("block"));
    assert_eq!(level(&["n1", "n3"]).as_deref(), Some("zone"));
    assert_eq!(level(&["n1", "n6"]), None);
    assert_eq!(level(&["n1", "n7"]), None);
    assert_eq!(level(&[]), None);
}

#[test]
fn paths_order_byte_by_byte_not_name_by_name() {
    // '-' sorts before '/': the rack "a-b" comes before the rack "a", and both stay contiguous.
    let topology = Topology::builder(["rack"])
        .node("n1", &[("rack", "a")])
        .node("n2", &[("rack", "a-b")])
        .node("n3", &[("rack", "a")])
        .build()
        .expect("the rows are sound");
    assert_eq!(paths(&topology, "node"), ["a-b/n2", "a/n1", "a/n3"]);
    assert_eq!(paths(&topology, "rack"), ["a-b", "a"]);
}

#[test]
fn an_empty_topology_is_one() {
    let topology = Topology::builder(["rack"]).build().expect("no rows are sound");
    assert!(topology.is_empty());
    assert_eq!(paths(&topology, "rack"), Vec::<String>::new());
    assert_eq!(topology.node("n"), None);
}
