//! The clusters that a ledger stands on, and is carried between.

use std::sync::Arc;

use phalanx_topology::Topology;

/// How many there are.
pub(crate) const COUNT: usize = 5;

/// Nodes of the large one: more than one page of the ledger's columns holds.
const MANY: usize = 260;

/// One of the clusters. Nodes have the same names in all of them, as far as they have them.
pub(crate) fn tree(choice: usize) -> Arc<Topology> {
    let topology = match choice % COUNT {
        0 => three_trees(),
        1 => one_tree(),
        2 => deep(),
        3 => many(),
        _ => Topology::builder(["rack"]).build().expect("no rows are sound"),
    };
    Arc::new(topology)
}

/// Ragged, with two nodes outside, one of which the second tree has inside; the third has no node of the primary one.
fn three_trees() -> Topology {
    let network = Topology::builder(["block", "rack"])
        .node("n0", &[("block", "a"), ("rack", "1")])
        .node("n1", &[("block", "a"), ("rack", "1")])
        .node("n2", &[("block", "a"), ("rack", "2")])
        .node("n3", &[("block", "b")])
        .node("n4", &[("block", "b"), ("rack", "1")])
        .node("n5", &[("rack", "1")])
        .node("n6", &[("block", "c"), ("rack", "1")])
        .node("n7", &[])
        .node("n8", &[])
        .build();
    let mut power = Topology::builder(["hall", "feed"]);
    for (node, hall, feed) in
        [("n7", "h1", "z"), ("n0", "h2", "y"), ("n1", "h1", "x"), ("n6", "h1", "z"), ("n3", "h2", "y"), ("n2", "", "x")]
    {
        power = power.node(node, &[("hall", hall), ("feed", feed)]);
    }
    let rooms = Topology::builder(["room"]).node("n8", &[("room", "1")]).node("n7", &[("room", "1")]).build();
    let all = network.and_then(|network| network.with_tree("power", &power.build()?)?.with_tree("rooms", &rooms?));
    all.expect("the rows are sound")
}

/// The same nodes in another order, and all in the tree.
fn one_tree() -> Topology {
    let rows = (0..9).map(|node| (format!("n{node}"), format!("r{}", node * 7 % 4)));
    let builder = rows.fold(Topology::builder(["row"]), |rows, (node, row)| rows.node(&node, &[("row", &row)]));
    builder.build().expect("the rows are sound")
}

/// Some of the nodes and a new one, in a chain of eight levels.
fn deep() -> Topology {
    let levels: Vec<String> = (0..8).map(|level| format!("l{level}")).collect();
    let mut builder = Topology::builder(levels.clone());
    for node in [1_usize, 3, 4, 5, 9] {
        let path =
            levels.iter().enumerate().map(|(at, level)| (level.as_str(), if at < node { "same" } else { "own" }));
        builder = builder.node(&format!("n{node}"), &path.collect::<Vec<_>>());
    }
    builder.build().expect("the rows are sound")
}

fn many() -> Topology {
    let mut builder = Topology::builder(["rack"]);
    for node in 0..MANY {
        builder = builder.node(&format!("n{node}"), &[("rack", &format!("r{:02}", node / 16))]);
    }
    builder.build().expect("the rows are sound")
}
