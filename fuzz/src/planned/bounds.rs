//! Whether every bound of a gang holds for a plan.

use std::collections::{BTreeMap, BTreeSet};

use phalanx_gang::Plan;
use phalanx_topology::{DomainId, Inventory, KindId, LevelId, NodeId};

use super::ranks::has_pods;
use super::{Replica, Spec};

/// Every bound holds, for extras too.
pub(super) fn check_bounds(spec: &Spec, inventory: &Inventory, plan: &Plan) {
    let topology = inventory.topology();
    // By replica of each group: its pods, each with its ordinal.
    let mut replicas: BTreeMap<Replica, Vec<(u32, NodeId)>> = BTreeMap::new();
    let mut kinds: BTreeMap<usize, BTreeSet<Option<KindId>>> = BTreeMap::new();
    for pod in plan.placements() {
        let kind = inventory.kind_id(pod.node());
        for (depth, row) in spec.chain(spec.row(plan.group_path(pod.group()))).into_iter().enumerate() {
            let replica = (row, pod.ordinals()[..=depth].to_vec());
            replicas.entry(replica).or_default().push((pod.ordinal(), pod.node()));
            kinds.entry(row).or_default().insert(kind);
            let accepted = &spec.rows[row].kinds;
            assert!(accepted.is_empty() || kind.is_some_and(|kind| accepted.contains(&kind)), "the kind");
        }
    }
    for (row, kinds) in kinds {
        let one = kinds.len() == 1 && !kinds.contains(&None);
        assert!(one || !spec.rows[row].homogeneous, "{} is on one kind: {kinds:?}", spec.rows[row].path);
    }
    let mut owners: BTreeMap<(String, DomainId), Replica> = BTreeMap::new();
    let mut bound: BTreeMap<&str, DomainId> = BTreeMap::new();
    for (replica, pods) in &replicas {
        let row = &spec.rows[replica.0];
        let nodes = || pods.iter().map(|&(_, node)| node);
        if let Some(level) = row.hard {
            one_domain(inventory, nodes(), level, &row.path);
        }
        for &(level, size) in &row.slices {
            let mut slices: BTreeMap<u32, Vec<NodeId>> = BTreeMap::new();
            pods.iter().for_each(|&(ordinal, node)| slices.entry(ordinal / size).or_default().push(node));
            for nodes in slices.into_values() {
                one_domain(inventory, nodes.into_iter(), level, &row.path);
            }
        }
        if let Some((level, key)) = &row.bound
            && let Some(domain) = one_domain(inventory, nodes(), *level, &row.path)
        {
            assert_eq!(*bound.entry(key).or_insert(domain), domain, "all of key {key:?} is in one domain");
        }
        if let Some(most) = row.per_node {
            let mut counts: BTreeMap<NodeId, u32> = BTreeMap::new();
            nodes().for_each(|node| *counts.entry(node).or_default() += 1);
            assert!(counts.values().all(|&count| count <= most), "at most {most} pods of {} a node", row.path);
        }
        if let Some((level, key)) = &row.exclusive {
            // Without a key it is the group's own, which no other can have: a path has no line ends.
            let key = key.clone().unwrap_or_else(|| format!("\n{}", row.path));
            for node in nodes() {
                let domain = topology.domain_of(node, *level).expect("an exclusive domain is in the tree");
                let owner = owners.entry((key.clone(), domain)).or_insert_with(|| replica.clone());
                assert_eq!(owner, replica, "{} is exclusive", row.path);
            }
        }
        if let Some((level, skew)) = row.spread {
            check_spread(spec, inventory, replica, (level, skew), nodes());
        }
    }
}

/// The domain of the level that all the nodes are in.
fn one_domain(
    inventory: &Inventory,
    nodes: impl Iterator<Item = NodeId>,
    level: LevelId,
    path: &str,
) -> Option<DomainId> {
    let domains: BTreeSet<Option<DomainId>> = nodes.map(|node| inventory.topology().domain_of(node, level)).collect();
    let one = domains.len() <= 1 && !domains.contains(&None);
    assert!(one, "group {path} is to be in one {}: {domains:?}", inventory.topology().level_name(level));
    domains.into_iter().next().flatten()
}

/// The counts of the domains in which a pod of the group fits or is differ by no more than they may.
fn check_spread(
    spec: &Spec,
    inventory: &Inventory,
    replica: &Replica,
    (level, skew): (LevelId, u32),
    nodes: impl Iterator<Item = NodeId>,
) {
    let topology = inventory.topology();
    let mut counts: BTreeMap<DomainId, u32> = BTreeMap::new();
    let mut some = None;
    for node in nodes {
        let domain = topology.domain_of(node, level).expect("what is spread is in the tree");
        *counts.entry(domain).or_default() += 1;
        some = Some(node);
    }
    // The domain that holds it is the one of the innermost hard level around.
    let hard = spec.chain(replica.0).into_iter().rev().find_map(|row| spec.rows[row].hard);
    let holder = hard.zip(some).and_then(|(hard, node)| topology.domain_of(node, hard));
    let inside =
        |node: NodeId| holder.is_none_or(|holder| topology.domain_of(node, topology.level_of(holder)) == Some(holder));
    // Those of the minimum: what else may be there later is not counted.
    let within = (0..spec.rows.len()).filter(|&row| spec.chain(row).contains(&replica.0) && has_pods(spec, row));
    let pods = within.filter_map(|row| spec.rows[row].pods.as_ref()).filter(|(count, _)| *count > 0);
    for (_, demand) in pods {
        for node in topology.nodes().filter(|&node| inside(node) && inventory.fits(node, demand) > 0) {
            if let Some(domain) = topology.domain_of(node, level) {
                counts.entry(domain).or_default();
            }
        }
    }
    let (least, most) = (counts.values().min().copied(), counts.values().max().copied());
    let apart = most.unwrap_or(0) - least.unwrap_or(0);
    assert!(apart <= skew, "{} is spread over {}: {counts:?}", spec.rows[replica.0].path, topology.level_name(level));
}
