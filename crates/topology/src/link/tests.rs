use super::*;

/// Racks in blocks, and feeds that cross them.
fn topology() -> Arc<Topology> {
    let rows = |levels: [&'static str; 2]| {
        move |rows: [(&str, [&str; 2]); 5]| {
            let builder = rows.iter().fold(Topology::builder(levels), |builder, (node, [wide, narrow])| {
                builder.node(node, &[(levels[0], wide), (levels[1], narrow)])
            });
            builder.build().expect("the rows are sound")
        }
    };
    let network = rows(["block", "rack"])([
        ("n1", ["b", "r1"]),
        ("n2", ["b", "r1"]),
        ("n3", ["b", "r2"]),
        ("n4", ["c", "r3"]),
        ("n5", ["", ""]),
    ]);
    let power = rows(["hall", "feed"])([
        ("n1", ["h", "f1"]),
        ("n2", ["h", "f2"]),
        ("n3", ["", ""]),
        ("n4", ["h", "f1"]),
        ("n5", ["", "f9"]),
    ]);
    Arc::new(network.with_tree("power", &power).expect("the nodes are known"))
}

fn level(topology: &Topology, tree: &str, name: &str) -> LevelId {
    topology.level_in(topology.tree(tree).expect("the tree exists"), name).expect("the level exists")
}

/// The costs from n1 to n1, n2, ... n5.
fn from_n1(costs: &LinkCosts) -> Vec<u64> {
    let node = |name: &str| costs.topology().node(name).expect("the node exists");
    ["n1", "n2", "n3", "n4", "n5"].iter().map(|name| costs.cost(node("n1"), node(name))).collect()
}

#[test]
fn distance_is_taken_in_the_tree_of_the_levels() {
    let topology = topology();
    let network = [(level(&topology, "default", "rack"), 1), (level(&topology, "default", "block"), 2)];
    let power = [(level(&topology, "power", "hall"), 20), (level(&topology, "power", "feed"), 10)];
    let costs = |given: [(LevelId, u64); 2]| LinkCosts::new(Arc::clone(&topology), given, 99).expect("they rise");
    assert_eq!(from_n1(&costs(network)), [0, 1, 2, 99, 99]);
    assert_eq!(from_n1(&costs(power)), [0, 20, 99, 10, 99]);
    let n3 = topology.node("n3").expect("the node exists");
    assert_eq!(costs(power).cost(n3, n3), 0, "outside the tree, but at home");
    assert_eq!(costs(power).tree(), topology.tree("power").expect("the tree exists"));
}

#[test]
fn a_level_without_a_cost_has_that_of_the_next_wider_one() {
    let topology = topology();
    let [block, rack, node] = ["block", "rack", "node"].map(|name| level(&topology, "default", name));
    let costs = |given: &[(LevelId, u64)]| {
        from_n1(&LinkCosts::new(Arc::clone(&topology), given.iter().copied(), 99).expect("they rise"))
    };
    assert_eq!(costs(&[]), [0, 99, 99, 99, 99]);
    assert_eq!(costs(&[(block, 5)]), [0, 5, 5, 99, 99]);
    assert_eq!(costs(&[(rack, 5)]), [0, 5, 99, 99, 99]);
    assert_eq!(costs(&[(node, 3), (rack, 5)]), [3, 5, 99, 99, 99]);
}

#[test]
fn mistakes_name_the_level() {
    let topology = topology();
    let [block, rack, node] = ["block", "rack", "node"].map(|name| level(&topology, "default", name));
    let told = |given: &[(LevelId, u64)]| {
        LinkCosts::new(Arc::clone(&topology), given.iter().copied(), 99).unwrap_err().to_string()
    };
    assert_eq!(told(&[(LevelId::new(6), 1)]), "level 6 has a cost, but the topology has only 6 levels");
    assert_eq!(told(&[(rack, 1), (rack, 1)]), "level \"rack\" has two costs");
    assert_eq!(
        told(&[(rack, 1), (level(&topology, "power", "feed"), 1)]),
        "level \"rack\" is of tree \"default\", level \"feed\" of tree \"power\": expected one tree"
    );
    assert_eq!(
        told(&[(block, 100)]),
        "inside one \"block\" the cost is 100, expected at most 99, as it is beyond the tree"
    );
    assert_eq!(
        told(&[(node, 6), (block, 5)]),
        "inside one \"node\" the cost is 6, expected at most 5, as it is inside one \"block\""
    );
}
