//! Clusters whose tree is made of HyperNodes.

use phalanx_topology::{LevelLabel, Member};
use proptest::collection::vec;
use proptest::prelude::*;

use super::convert::cluster;
use crate::{Manifests, Settings, TopologyMode};

fn settings(named: bool) -> Settings {
    let level = |name: &str| LevelLabel::new(name, format!("topology.kubernetes.io/{name}"));
    if named { Settings::new().with_levels(["block", "rack"].map(level)) } else { Settings::new() }
}

fn read(text: &str, named: bool) -> Manifests {
    match Manifests::read([("f", text)], &settings(named)) {
        Ok(manifests) => manifests,
        Err(problems) => panic!("{problems}"),
    }
}

/// The four nodes of the cluster crosswise: n0 and n2 are near each other, as are n1 and n3, whatever the labels say.
fn crosswise() -> String {
    let leaf = |name: &str, nodes: &str, tier_name: &str| {
        format!(
            "---\napiVersion: topology.volcano.sh/v1alpha1\nkind: HyperNode\nmetadata: {{name: {name}}}\n\
             spec: {{tier: 1, {tier_name}members: [{{type: Node, selector: {{regexMatch: {{pattern: '{nodes}'}}}}}}]}}\n"
        )
    };
    let spine = "---\napiVersion: topology.volcano.sh/v1alpha1\nkind: HyperNode\nmetadata: {name: spine}\n\
                 spec: {tier: 2, members: [{type: HyperNode, selector: {regexMatch: {pattern: leaf}}}]}\n";
    [cluster(), leaf("even-leaf", "[02]$", "tierName: leaf, "), leaf("odd-leaf", "[13]$", ""), spine.to_owned()]
        .concat()
}

fn serving(policies: &str) -> String {
    format!(
        "
---
apiVersion: workload.serving.volcano.sh/v1alpha1
kind: ModelServing
metadata: {{name: chat}}
spec:
  template:
    gangPolicy: {{minRoleReplicas: {{decode: 2}}}}
    networkTopology: {{{policies}}}
    roles:
    - name: decode
      replicas: 3
      workerReplicas: 1
      entryTemplate: &pod {{spec: {{containers: [{{resources: {{limits: {{nvidia.com/gpu: 8}}}}}}]}}}}
      workerTemplate: *pod
"
    )
}

#[test]
fn hypernodes_are_the_tree_where_no_levels_are_named() {
    let manifests = read(&crosswise(), false);
    assert_eq!(manifests.hypernodes()[0].members(), [Member::node("n0"), Member::node("n2")]);
    let inventory = manifests.inventory().expect("an inventory");
    let topology = inventory.topology();
    let levels: Vec<_> = topology.levels().map(|level| topology.level_name(level)).collect();
    assert_eq!(levels, ["tier-2", "leaf", "node"]);
    assert_eq!(topology.node_path(topology.node("n2").expect("the node")), "spine/even-leaf/n2");
    assert_eq!(topology.trees().len(), 1);
}

#[test]
fn hypernodes_are_a_second_tree_beside_levels_that_are_named() {
    let manifests = read(&crosswise(), true);
    let inventory = manifests.inventory().expect("an inventory");
    let topology = inventory.topology();
    let n2 = topology.node("n2").expect("the node");
    assert_eq!(topology.node_path(n2), "b1/r2/n2");
    let tree = topology.tree(Manifests::HYPERNODES).expect("a second tree");
    let leaf = topology.level_in(tree, "leaf").expect("a level");
    let domain = topology.domain_of(n2, leaf).expect("a domain");
    assert_eq!(topology.domain_path(domain), "spine/even-leaf");
}

#[test]
fn nodes_in_no_hypernode_are_outside() {
    let text = crosswise().replace("[13]$", "[1]$");
    assert_eq!(read(&text, false).inventory().expect("an inventory").topology().outside_len(), 1);
}

/// The nodes of each replica of the first group, with how many pods are placed, or the rejection.
#[track_caller]
fn place(text: &str, named: bool) -> Result<Vec<Vec<String>>, String> {
    let manifests = read(text, named);
    let mut inventory = manifests.inventory().expect("an inventory");
    let group = manifests.servings()[0].groups().next().expect("a group");
    let gang = group.gang(&mut inventory).expect("a gang");
    let outcome = super::convert::planned(&gang, &inventory);
    let Some(plan) = outcome.plan() else { return Err(outcome.rejection().expect("an answer").to_string()) };
    let mut replicas = vec![Vec::new(); 3];
    for placement in plan.placements() {
        let pod = group.pod(plan, &placement).expect("a pod");
        let replica: &mut Vec<_> = &mut replicas[pod.replica() as usize];
        replica.push(inventory.topology().node_name(placement.node()).to_owned());
    }
    replicas.iter_mut().for_each(|nodes| nodes.sort());
    replicas.retain(|nodes| !nodes.is_empty());
    replicas.sort();
    Ok(replicas)
}

/// Which nodes each replica of two nodes gets where it follows the HyperNodes, and where it follows the labels.
fn crossed() -> Result<Vec<Vec<String>>, String> {
    Ok(vec![vec!["n0".to_owned(), "n2".to_owned()], vec!["n1".to_owned(), "n3".to_owned()]])
}

fn straight() -> Result<Vec<Vec<String>>, String> {
    Ok(vec![vec!["n0".to_owned(), "n1".to_owned()], vec!["n2".to_owned(), "n3".to_owned()]])
}

#[test]
fn policies_bind_over_tiers_and_over_labels() {
    // Tier 2 of the labels zone, block and rack is a block.
    assert_eq!(place(&(cluster() + &serving("rolePolicy: {highestTierAllowed: 2}")), false), straight());
    for mode in ["hard", "soft"] {
        let policy = format!("rolePolicy: {{mode: {mode}, highestTierAllowed: 1}}");
        assert_eq!(place(&(crosswise() + &serving(&policy)), false), crossed(), "{mode}");
        let policy = format!("rolePolicy: {{mode: {mode}, highestTierName: leaf}}");
        assert_eq!(place(&(crosswise() + &serving(&policy)), false), crossed(), "{mode}, by name");
    }
    // The whole minimum needs four nodes and a leaf has two.
    let hard = crosswise() + &serving("groupPolicy: {highestTierAllowed: 1}");
    assert!(place(&hard, false).is_err());
    assert!(place(&hard.replace("groupPolicy: {", "groupPolicy: {mode: soft, "), false).is_ok());
    assert!(place(&hard.replace("Allowed: 1", "Allowed: 2"), false).is_ok());
}

#[test]
fn policies_bind_over_a_second_tree() {
    for mode in ["hard", "soft"] {
        let policy = format!("rolePolicy: {{mode: {mode}, highestTierAllowed: 1}}");
        assert_eq!(place(&(crosswise() + &serving(&policy)), true), crossed(), "{mode}");
        let policy = format!("rolePolicy: {{mode: {mode}, highestTierName: block}}");
        assert_eq!(
            place(&(crosswise() + &serving(&policy)), true),
            straight(),
            "{mode}, by the name of a label's level"
        );
    }
    // Both policies at once, and the level of the nodes with the tiers of HyperNodes.
    let both = "groupPolicy: {highestTierName: tier-2}, rolePolicy: {highestTierAllowed: 1}";
    assert_eq!(place(&(crosswise() + &serving(both)), true), crossed());
    let nodes = "groupPolicy: {highestTierName: tier-2}, rolePolicy: {highestTierName: node}";
    assert!(
        place(&(crosswise() + &serving(nodes)), true).is_err(),
        "a node has eight devices, a replica needs sixteen"
    );
}

#[test]
fn one_object_names_levels_of_one_tree() {
    let both = "groupPolicy: {highestTierName: block}, rolePolicy: {highestTierAllowed: 1}";
    let text = crosswise() + &serving(both);
    let problems = Manifests::read([("f", text.as_str())], &settings(true)).expect_err("two trees").to_string();
    assert!(
        problems.ends_with(
            "rolePolicy.highestTierAllowed: found 1, a level that HyperNodes make, expected a level that node labels make, \
             as \"block\" is"
        ),
        "{problems}"
    );
}

#[test]
fn a_policy_tells_its_level_and_tier() {
    let manifests = read(&(crosswise() + &serving("groupPolicy: {mode: soft, highestTierAllowed: 2}")), false);
    let policy = manifests.servings()[0].group_topology().expect("a policy");
    assert_eq!((policy.mode(), policy.level(), policy.tier()), (TopologyMode::Soft, "tier-2", Some(2)));
}

proptest! {
    /// What was read without a problem is a tree; nothing is left for the inventory to refuse.
    #[test]
    fn hypernodes_that_are_read_make_an_inventory(
        rows in vec((1..5_u32, vec((any::<bool>(), 0..8_usize, 0..3_usize), 1..4), 0..4_usize), 0..8),
        named in any::<bool>(),
    ) {
        let mut text = cluster();
        for (at, (tier, members, name)) in rows.iter().enumerate() {
            let members: Vec<_> = members.iter().map(|(node, which, how)| {
                let name = if *node { format!("n{}", which % 4) } else { format!("h{which}") };
                let kind = if *node { "Node" } else { "HyperNode" };
                let selector = match how {
                    0 => format!("{{exactMatch: {{name: {name}}}}}"),
                    1 => format!("{{regexMatch: {{pattern: {name}}}}}"),
                    _ => format!("{{labelMatch: {{matchLabels: {{topology.kubernetes.io/rack: r{}}}}}}}", which % 4),
                };
                format!("{{type: {kind}, selector: {selector}}}")
            }).collect();
            let name = ["", "tierName: leaf, ", "tierName: tier-2, ", "tierName: '', "][*name];
            text += &format!(
                "---\napiVersion: topology.volcano.sh/v1alpha1\nkind: HyperNode\nmetadata: {{name: h{at}}}\n\
                 spec: {{tier: {tier}, {name}members: [{}]}}\n",
                members.join(", "),
            );
        }
        if let Ok(manifests) = Manifests::read([("f", text.as_str())], &settings(named)) {
            let inventory = manifests.inventory();
            prop_assert!(inventory.is_ok(), "{:?}", inventory.map(|_| ()));
        }
    }
}

#[test]
fn a_large_cluster_is_read_by_pattern_and_by_label() {
    use core::fmt::Write as _;
    let mut text = String::new();
    for n in 0..3000 {
        let rack = n / 10;
        writeln!(text, "---\n{{apiVersion: v1, kind: Node, metadata: {{name: gpu-{rack}-{n}, labels: {{rack: r{rack}}}}}, status: {{capacity: {{cpu: 1}}}}}}").expect("text");
    }
    for rack in 0..300 {
        let selector = if rack % 2 == 0 {
            format!("regexMatch: {{pattern: '^gpu-{rack}-[0-9]+$'}}")
        } else {
            format!("labelMatch: {{matchLabels: {{rack: r{rack}}}}}")
        };
        writeln!(text, "---\n{{apiVersion: topology.volcano.sh/v1alpha1, kind: HyperNode, metadata: {{name: leaf-{rack}}}, spec: {{tier: 1, members: [{{type: Node, selector: {{{selector}}}}}]}}}}").expect("text");
    }
    let manifests = read(&text, false);
    assert!(manifests.hypernodes().iter().all(|row| row.members().len() == 10));
    assert_eq!(manifests.inventory().expect("an inventory").topology().outside_len(), 0);
}
