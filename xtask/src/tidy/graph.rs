//! The rooms depend on each other along the arrows of the design, never back up.

use std::collections::BTreeSet;

use super::{Check, Violation};
use crate::error::Error;
use crate::workspace::Workspace;

pub(crate) const CHECK: Check = Check {
    name: "graph",
    holds: "a crate depends on crates further down the arrows only, and every crate has its place in the picture",
    run,
};

/// The arrows: each room and those that it points to. A direct edge to anything that can be reached is allowed.
///
/// The order is a proof that there is no way back: a room points only to rooms of later lines.
const ARROWS: &[(&str, &[&str])] = &[
    ("phalanx", &["phalanx-kube", "phalanx-gateway", "phalanx-picker", "phalanx-emulator", "phalanx-sim"]),
    ("phalanx-kube", &["phalanx-manifest"]),
    ("phalanx-manifest", &["phalanx-serving", "phalanx-autoscale", "phalanx-gang", "phalanx-routing"]),
    ("phalanx-gateway", &["phalanx-signals", "phalanx-admission"]),
    ("phalanx-picker", &["phalanx-signals", "phalanx-admission"]),
    ("phalanx-emulator", &["phalanx-engine", "phalanx-signals"]),
    (
        "phalanx-sim",
        &[
            "phalanx-engine",
            "phalanx-serving",
            "phalanx-autoscale",
            "phalanx-admission",
            "phalanx-gang",
            "phalanx-topology",
            "phalanx-routing",
            "phalanx-kvcache",
        ],
    ),
    ("phalanx-signals", &["phalanx-routing"]),
    ("phalanx-engine", &["phalanx-kvcache"]),
    ("phalanx-routing", &["phalanx-kvcache"]),
    ("phalanx-gang", &["phalanx-topology"]),
    ("phalanx-serving", &[]),
    ("phalanx-autoscale", &[]),
    ("phalanx-admission", &[]),
    ("phalanx-kvcache", &[]),
    ("phalanx-topology", &[]),
];

/// Members that no published crate may depend on, and that may depend on all of them.
const OUTSIDE: &[&str] = &["xtask", "phalanx-benches", "phalanx-examples"];

fn run(workspace: &Workspace) -> Result<Vec<Violation>, Error> {
    let mut found = Vec::new();
    for package in &workspace.packages {
        let name = package.name.as_str();
        let outside = OUTSIDE.contains(&name);
        let allowed = reach(name);
        if !outside && arrows_of(name).is_none() {
            found.push(Violation::of(name, "has no place in the picture: add its arrows to xtask/src/tidy/graph.rs"));
            continue;
        }
        // What tests alone use may point anywhere: cargo itself refuses a circle there that would matter.
        for dependency in package.dependencies.iter().filter(|dependency| dependency.internal && !dependency.for_tests)
        {
            let target = dependency.name.as_str();
            let fine = if outside { !OUTSIDE.contains(&target) } else { allowed.contains(target) };
            if !fine {
                let list = allowed.iter().copied().collect::<Vec<_>>().join(", ");
                let list = if list.is_empty() { "no room".to_owned() } else { list };
                found.push(Violation::of(name, format!("depends on {target}; its arrows lead to {list}")));
            }
        }
    }
    Ok(found)
}

fn arrows_of(name: &str) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(room, _)| *room == name).map(|(_, arrows)| *arrows)
}

/// Every room that the arrows lead to from `name`, itself aside.
fn reach(name: &str) -> BTreeSet<&'static str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&'static str> = arrows_of(name).unwrap_or_default().to_vec();
    while let Some(room) = open.pop() {
        if reached.insert(room) {
            open.extend(arrows_of(room).unwrap_or_default());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::{internal, package, workspace};

    #[test]
    fn every_arrow_points_down_the_table() {
        for (line, (room, arrows)) in ARROWS.iter().enumerate() {
            for arrow in *arrows {
                let place = ARROWS.iter().position(|(room, _)| room == arrow);
                assert!(place.is_some_and(|place| place > line), "{room} points to {arrow}");
            }
        }
    }

    #[test]
    fn an_edge_back_up_is_found_and_one_down_several_arrows_is_not() {
        let down = package("phalanx-manifest", &[internal("phalanx-topology"), internal("phalanx-kvcache")]);
        let up = package("phalanx-topology", &[internal("phalanx-gang")]);
        let across = package("phalanx-gang", &[internal("phalanx-routing")]);
        let found = run(&workspace(&[down, up, across], &[])).expect("nothing to read");
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "phalanx-topology: depends on phalanx-gang; its arrows lead to no room",
                "phalanx-gang: depends on phalanx-routing; its arrows lead to phalanx-topology",
            ]
        );
    }

    #[test]
    fn an_unknown_member_and_an_edge_to_a_chore_are_found() {
        let unknown = package("phalanx-kitchen", &[]);
        let chore = package("phalanx-benches", &[internal("xtask"), internal("phalanx-gang")]);
        assert_eq!(run(&workspace(&[unknown, chore], &[])).expect("nothing to read").len(), 2);
    }

    #[test]
    fn what_tests_alone_use_is_free() {
        let mut edge = internal("phalanx-gang");
        edge.for_tests = true;
        assert_eq!(run(&workspace(&[package("phalanx-topology", &[edge])], &[])).expect("nothing to read"), []);
    }
}
