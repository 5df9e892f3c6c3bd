//! What only several objects together can get wrong.

use std::collections::BTreeMap;

use super::Reading;
use crate::name::ObjectName;
use crate::policy::{Levels, TopologyPolicy};
use crate::route::ModelRoute;
use crate::server::Phase;

mod hypernodes;
mod pods;

/// Checks that what objects say of each other is there. Objects that could not be read count as there.
pub(super) fn references(reading: &mut Reading<'_>) {
    hypernodes::members(reading);
    levels(reading);
    pods::places(reading);
    targets(reading);
    selectors(reading);
    shared_models(reading);
}

/// Each policy names a level that there is.
fn levels(reading: &mut Reading<'_>) {
    let read = reading.found.hypernodes.len();
    if reading.seen.keys().filter(|(kind, _)| *kind == "HyperNode").count() != read {
        // What tiers there are is not known.
        return;
    }
    let rows: Vec<_> = reading.found.hypernodes.iter().map(|row| row.row()).collect();
    // One tier with two names is told of where it stands.
    let Ok(tiers) = phalanx_topology::HyperNode::tiers(&rows) else { return };
    let levels = Levels::new(reading.settings, tiers);
    for (serving, places) in reading.found.servings.iter_mut().zip(&reading.policies) {
        let policies: Vec<&mut TopologyPolicy> =
            [&mut serving.group_topology, &mut serving.role_topology].into_iter().flatten().collect();
        levels.resolve(policies, places, &mut reading.problems);
    }
    for (group, places) in reading.found.pod_groups.iter_mut().zip(&reading.group_policies) {
        levels.resolve(group.all_policies(), places, &mut reading.problems);
    }
}

/// Each target of a route is a ModelServer of its namespace.
fn targets(reading: &mut Reading<'_>) {
    for (route, places) in reading.found.routes.iter().zip(&reading.routes) {
        for (server, place) in &places.servers {
            let name = ObjectName::new(route.name.namespace(), server);
            if !reading.seen.contains_key(&("ModelServer", name.to_string())) {
                let expected = format!("a ModelServer of namespace {} that is given too", name.namespace());
                reading.problems.push(place.problem(format!("{server:?}, which is not there"), expected));
            }
        }
    }
}

/// Each ModelServer has pods among the ModelServings that are given.
fn selectors(reading: &mut Reading<'_>) {
    for (server, place) in reading.found.servers.iter().zip(&reading.selectors) {
        let mut phases = Vec::new();
        let here = reading.found.servings.iter().filter(|serving| serving.name.namespace() == server.name.namespace());
        // Entries of one role differ in two labels only: where the selector asks for neither, one speaks for all.
        let all = server.selector.names_a_replica();
        let groups = here.flat_map(|serving| serving.groups().take(if all { usize::MAX } else { 1 }));
        let entries =
            groups.flat_map(|group| group.entries().filter(|pod| all || pod.replica() == 0).collect::<Vec<_>>());
        for pod in entries {
            if let Some(part) = server.selector.matches(&pod.labels())
                && !phases.contains(&part.phase)
            {
                phases.push(part.phase);
            }
            let complete = if server.selector.is_disaggregated() { 2 } else { 1 };
            if phases.len() == complete {
                break;
            }
        }
        let message = match (server.selector.is_disaggregated(), &phases[..]) {
            (_, []) => "selects no role of the ModelServings that are given",
            (true, [Phase::Prefill]) => "selects prefill pods but no decode pods",
            (true, [Phase::Decode]) => "selects decode pods but no prefill pods",
            _ => continue,
        };
        reading.found.warnings.push(place.warning(message));
    }
}

/// The oldest route has a model when it takes every request; those that only follow it say so.
fn shared_models(reading: &mut Reading<'_>) {
    let mut owners: BTreeMap<&str, Vec<&ModelRoute>> = BTreeMap::new();
    let mut routes: Vec<_> = reading.found.routes.iter().zip(&reading.routes).collect();
    routes.sort_by_cached_key(|(route, _)| route.age());
    for (route, places) in routes.into_iter().filter(|(route, _)| !route.model.is_empty()) {
        let owners = owners.entry(&route.model).or_default();
        if let Some(owner) = owners.iter().find(|owner| owner.parents == route.parents) {
            let owner = &owner.name;
            let message = match route.adapters[..] {
                [] => "takes no request",
                _ => "takes requests by its adapters only",
            };
            let message = format!("{message}: {owner} has the model {:?} and is older or first by name", route.model);
            reading.found.warnings.push(places.route.warning(message));
        } else if route.takes_every_request() {
            owners.push(route);
        }
    }
}
