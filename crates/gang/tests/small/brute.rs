//! The answer by trying everything.

use std::collections::BTreeMap;

use phalanx_topology::{Demand, LevelId, NodeId, Transaction};

use super::definition::{Case, Choice};
use super::spec::{Content, Pod};

/// The first kinds that have room, and the finest level with a domain for the minimum there.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) choice: Choice,
    pub(crate) level: Option<LevelId>,
}

/// Tries every node for every pod that is missing, under each choice of kinds until one has room.
pub(crate) fn answer(case: &Case<'_>) -> Option<Answer> {
    let missing = case.missing();
    let minimum = case.minimum();
    let there: Vec<NodeId> = minimum.iter().filter_map(|pod| case.running.get(pod)).copied().collect();
    let topology = case.inventory.topology();
    for choice in case.choices() {
        let Some(demands) = case.demands(&choice) else { continue };
        let mut best = None;
        every_placement(case, &missing, &demands, &mut |nodes| {
            let level = topology.common_level(nodes.iter().copied().chain(there.iter().copied()));
            best = best.max(Some(level));
            // No level is finer than the nodes'.
            best == Some(Some(topology.node_level()))
        });
        if let Some(level) = best {
            return Some(Answer { choice, level });
        }
    }
    None
}

/// Calls with every placement of these pods that exceeds nothing and breaks no bound, until told to stop: a node for each.
pub(crate) fn every_placement(
    case: &Case<'_>,
    pods: &[Pod],
    demands: &BTreeMap<usize, Demand>,
    found: &mut dyn FnMut(&[NodeId]) -> bool,
) {
    let mut fork = case.inventory.fork();
    let mut transaction = fork.transaction();
    place(case, pods, demands, &mut transaction, &mut Vec::new(), found);
}

fn place(
    case: &Case<'_>,
    pods: &[Pod],
    demands: &BTreeMap<usize, Demand>,
    transaction: &mut Transaction<'_>,
    new: &mut Vec<(Pod, NodeId)>,
    found: &mut dyn FnMut(&[NodeId]) -> bool,
) -> bool {
    let Some(pod) = pods.get(new.len()) else {
        let nodes: Vec<NodeId> = new.iter().map(|&(_, node)| node).collect();
        return case.holds(new, demands, true) && found(&nodes);
    };
    // Pods of one replica, and of one slice, can change places.
    let from = match new.last() {
        Some((last, node)) if alike(case, last, pod) => node.index(),
        _ => 0,
    };
    let topology = case.inventory.topology().clone();
    for node in topology.nodes().skip(from) {
        let mark = transaction.mark();
        if transaction.reserve(node, &demands[&pod.row]).is_err() {
            continue;
        }
        new.push((pod.clone(), node));
        let stop = case.holds(new, demands, false) && place(case, pods, demands, transaction, new, found);
        new.pop();
        transaction.undo_to(mark);
        if stop {
            return true;
        }
    }
    false
}

fn alike(case: &Case<'_>, one: &Pod, other: &Pod) -> bool {
    let slice = |pod: &Pod| {
        let Content::Pods { .. } = case.lines[pod.row].spec.body else { return 0 };
        case.lines[pod.row].spec.bounds.slices.last().map_or(0, |&(_, size)| pod.ordinal / size)
    };
    (one.row, &one.ordinals, slice(one)) == (other.row, &other.ordinals, slice(other))
}
