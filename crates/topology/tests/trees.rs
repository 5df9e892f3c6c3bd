//! Several trees over the same nodes, against a naive model that keeps every node's names.

use std::collections::BTreeMap;

use phalanx_topology::{NodeId, Topology, TreeId};
use proptest::prelude::*;

mod model;

use model::{Model, Names};

const TREES: [(&str, [&str; 3]); 3] =
    [("net", ["zone", "block", "rack"]), ("power", ["hall", "feed", "rack"]), ("cool", ["loop", "pump", "valve"])];

/// For each node, and each tree, its names from the coarsest level on; none if the tree does not have the node at all.
fn rows() -> impl Strategy<Value = Vec<Vec<Option<[usize; 3]>>>> {
    let names = prop::option::weighted(0.8, prop::array::uniform3(0..4usize));
    prop::collection::vec(prop::collection::vec(names, TREES.len()), 0..16)
}

fn model(rows: &[Vec<Option<[usize; 3]>>], tree: usize) -> Model {
    // 0 is a missing level; '-' sorts before '/', letters after it.
    let names = ["", "a", "a-b", "b"];
    let row = |(node, trees): (usize, &Vec<Option<[usize; 3]>>)| {
        // The primary tree has all nodes, if only outside.
        let row = trees[tree].or((tree == 0).then_some([0; 3]))?;
        Some((format!("n{node}"), row.map(|name| names[name].to_owned()).to_vec()))
    };
    Model { levels: TREES[tree].1.len(), nodes: rows.iter().enumerate().filter_map(row).collect() }
}

/// Builds one tree of the model with its rows turned and perhaps reversed.
fn build(model: &Model, tree: usize, turn: usize, reverse: bool) -> Topology {
    let mut rows: Vec<(&String, &Names)> = model.nodes.iter().collect();
    let turn = turn.checked_rem(rows.len()).unwrap_or(0);
    rows.rotate_left(turn);
    if reverse {
        rows.reverse();
    }
    let (name, levels) = TREES[tree];
    let builder = rows.iter().fold(Topology::builder(levels).named(name), |builder, (node, names)| {
        let domains: Vec<(&str, &str)> = levels.iter().copied().zip(names.iter().map(String::as_str)).collect();
        builder.node(node, &domains)
    });
    builder.build().expect("the rows are sound")
}

fn built(models: &[Model], turn: usize, reverse: bool) -> Topology {
    let mut topology = build(&models[0], 0, turn, reverse);
    for (tree, model) in models.iter().enumerate().skip(1) {
        topology =
            topology.with_tree(TREES[tree].0, &build(model, tree, turn + tree, !reverse)).expect("the nodes are known");
    }
    topology
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_tree_is_its_model(rows in rows(), turn in 0..16usize, reverse in any::<bool>()) {
        let models: Vec<Model> = (0..TREES.len()).map(|tree| model(&rows, tree)).collect();
        let topology = built(&models, turn, reverse);
        prop_assert_eq!(&topology, &built(&models, 0, false), "the order of rows does not matter");
        prop_assert_eq!(topology.trees().len(), TREES.len());
        let mut domains = 0;
        for (tree, model) in topology.trees().zip(&models) {
            prop_assert_eq!(topology.tree(topology.tree_name(tree)), Some(tree));
            model.check(&topology, tree)?;
            for domain in topology.tree_domains(tree) {
                prop_assert_eq!(domain.index(), domains, "domains run on over all trees");
                domains += 1;
            }
        }
        prop_assert_eq!(domains, topology.domains_len());
        for node in topology.nodes() {
            let position = topology.in_tree(node).then_some(node.index());
            prop_assert_eq!(topology.position(TreeId::PRIMARY, node), position, "the primary tree numbers the nodes");
        }
    }

    #[test]
    fn a_further_tree_changes_nothing_of_the_first(rows in rows(), turn in 0..16usize) {
        let models: Vec<Model> = (0..TREES.len()).map(|tree| model(&rows, tree)).collect();
        let (alone, topology) = (build(&models[0], 0, turn, false), built(&models, turn, false));
        prop_assert!(alone.levels().eq(topology.levels()));
        prop_assert_eq!(alone.outside_len(), topology.outside_len());
        for level in alone.levels() {
            prop_assert!(alone.domains(level).eq(topology.domains(level)));
            for domain in alone.domains(level) {
                prop_assert_eq!(alone.domain_path(domain), topology.domain_path(domain));
                prop_assert_eq!(alone.node_range(domain), topology.node_range(domain));
                prop_assert!(alone.children(domain).eq(topology.children(domain)));
                prop_assert!(alone.nodes_of(domain).eq(topology.nodes_of(domain)));
            }
        }
        for node in alone.nodes() {
            prop_assert_eq!(alone.node_path(node), topology.node_path(node));
        }
        let ends = [NodeId::new(0), NodeId::new(alone.len().max(1) as u32 - 1)].into_iter().take(alone.len());
        prop_assert_eq!(alone.common_domain(ends.clone()), topology.common_domain(ends));
    }
}

#[test]
fn the_model_knows_a_ragged_tree() {
    // The model itself, on a tree that is easy to check by eye.
    let row = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let nodes = BTreeMap::from([
        ("n1".to_owned(), row(["", "r"])),
        ("n2".to_owned(), row(["", "r"])),
        ("n3".to_owned(), row(["", "q"])),
        ("n4".to_owned(), row(["z", ""])),
        ("n5".to_owned(), row(["", ""])),
    ]);
    let model = Model { levels: 2, nodes };
    assert!(model.share("n1", "n2", 0), "the block without a name holds one rack");
    assert!(!model.share("n1", "n3", 0));
    assert!(
        model.share("n4", "n4", 1) && !model.share("n5", "n5", 2),
        "a node outside shares nothing, even with itself"
    );
    assert_eq!(model.order(), ["n3", "n1", "n2", "n4"]);
}
