use super::*;

fn racks(nodes: &[&str]) -> Topology {
    let rows = nodes.iter().fold(Topology::builder(["rack"]), |rows, node| rows.node(node, &[("rack", "r")]));
    rows.build().expect("the rows are sound")
}

#[test]
fn mistakes_name_the_tree_and_the_node() {
    let told = |name, other: &Topology| racks(&["n1", "n2"]).with_tree(name, other).unwrap_err().to_string();
    assert_eq!(told("", &racks(&["n1"])), "a tree has an empty name");
    assert_eq!(told("a/b", &racks(&["n1"])), "\"a/b\" contains '/', which separates the parts of a path");
    assert_eq!(told("default", &racks(&["n1"])), "tree \"default\" is named twice");
    assert_eq!(told("power", &racks(&["n1", "n3"])), "\"power\" holds node \"n3\", which is not known");
    let outside = Topology::builder(["feed"]).node("n4", &[]).build().expect("the rows are sound");
    assert_eq!(told("power", &outside), "\"power\" holds node \"n4\", which is not known");
}

#[test]
fn trees_are_bounded() {
    let levels = || Topology::builder((0..Topology::MAX_LEVELS).map(|level| format!("l{level}")));
    let deep = levels().node("n", &[("l0", "a"), ("l31", "b")]).build().expect("the rows are sound");
    let mut topology = deep.clone();
    for tree in 1..Topology::MAX_TREES {
        topology = topology.with_tree(&format!("t{tree}"), &deep).expect("there is room");
    }
    let last = topology.trees().next_back().expect("there are trees");
    assert_eq!(topology.node_of(topology.tree_domains(last).next_back().expect("a node")), topology.node("n"));
    assert_eq!(
        topology.with_tree("t7", &deep).unwrap_err().to_string(),
        "tree \"t7\" is one too many: at most 7 are possible"
    );
}

#[test]
fn a_tree_is_taken_from_a_topology_of_several() {
    let (a, b) = (racks(&["n1"]), racks(&["n1"]).with_tree("other", &racks(&["n1"])).expect("they fit"));
    assert_eq!(a.clone().with_tree("t", &b).expect("they fit"), a.clone().with_tree("t", &a).expect("they fit"));
}
