//! Pods that are there: on which nodes, and which of the ModelServings' pods they are.

use std::collections::BTreeMap;

use super::Reading;
use crate::name::ObjectName;
use crate::problem::Place;
use crate::resources;
use crate::serving::{Member, SERVING_NAME};

/// Finds each Pod's node and its place in its ModelServing.
pub(super) fn places(reading: &mut Reading<'_>) {
    if reading.found.pods.is_empty() {
        return;
    }
    members(reading);
    nodes(reading);
}

fn members(reading: &mut Reading<'_>) {
    let found = &mut reading.found;
    let servings: BTreeMap<&ObjectName, usize> =
        found.servings.iter().zip(0..).map(|(serving, at)| (&serving.name, at)).collect();
    for (at, (pod, places)) in found.pods.iter().zip(&reading.pods).enumerate() {
        if let Some(group) = pod.pod_group() {
            let name = ObjectName::new(pod.name().namespace(), group);
            found.grouped.entry(name).or_default().push(at);
        }
        let Some(name) = pod.labels().get(SERVING_NAME) else { continue };
        let Some(&serving) = servings.get(&ObjectName::new(pod.name().namespace(), name)) else { continue };
        if let Some(member) = Member::of(&found.servings[serving], pod) {
            found.members.entry((serving, member.group)).or_default().push((at, member));
        } else if pod.holds().is_some() {
            let message = "not one of the pods that its ModelServing makes as it is given: holds its room and no more";
            found.warnings.push(places.pod.warning(message));
        }
    }
}

fn nodes(reading: &mut Reading<'_>) {
    let found = &mut reading.found;
    let nodes: BTreeMap<&str, usize> = found.nodes.iter().zip(0..).map(|(node, at)| (node.name(), at)).collect();
    let members: Vec<usize> = found.members.values().flatten().map(|(pod, _)| *pod).collect();
    let mut is_member = vec![false; found.pods.len()];
    members.into_iter().for_each(|pod| is_member[pod] = true);
    let mut asked: Vec<BTreeMap<&str, (u64, &Place)>> = vec![BTreeMap::new(); found.nodes.len()];
    for ((pod, places), is_member) in found.pods.iter().zip(&reading.pods).zip(is_member) {
        let (Some(name), Some(place)) = (pod.holds(), &places.node) else { continue };
        let Some(&node) = nodes.get(name) else {
            if reading.seen.contains_key(&("Node", name.to_owned())) {
                // It is there and could not be read.
            } else if is_member {
                reading
                    .problems
                    .push(place.problem(format!("{name:?}, which is not there"), "a Node that is given too"));
            } else {
                found.warnings.push(place.warning(format!("Node {name} is not given: the pod holds no room")));
            }
            continue;
        };
        let ones = [("pods", 1)];
        for (resource, amount) in pod.requests().iter().map(|(name, amount)| (name.as_str(), *amount)).chain(ones) {
            let sum = asked[node].entry(resource).or_insert((0, place));
            *sum = (sum.0.saturating_add(amount), place);
        }
    }
    for (node, asked) in found.nodes.iter().zip(asked) {
        for (resource, (amount, place)) in asked {
            let has = node.amounts().get(resource).copied().unwrap_or(0);
            if amount > has {
                let unit = if resource == "cpu" { " thousandths" } else { "" };
                let left = if resources::is_accelerator(resource) {
                    "all of them count as held"
                } else {
                    "all of it counts as held"
                };
                let message = format!(
                    "the pods on Node {} ask {amount}{unit} of {resource} and it has {has}: {left}",
                    node.name()
                );
                found.warnings.push(place.warning(message));
            }
        }
    }
}
