//! Whether a plan is one.

use std::collections::{BTreeMap, BTreeSet};

use phalanx_gang::Plan;
use phalanx_topology::{DeviceSet, NodeId};
use proptest::prelude::*;

use super::cluster::cpu;
use super::definition::{Case, Choice};
use super::spec::{Content, Pod};

/// The pods of a plan and their nodes.
pub(crate) fn placed(plan: &Plan) -> Vec<(Pod, NodeId)> {
    let pod = |pod: phalanx_gang::Placement<'_>| Pod {
        row: pod.group().index(),
        ordinals: pod.ordinals().to_vec(),
        ordinal: pod.ordinal(),
    };
    plan.placements().map(|at| (pod(at), at.node())).collect()
}

/// Whether a plan has what is missing of the minimum, once, and whole replicas above it.
pub(crate) fn check_minimum(case: &Case<'_>, plan: &Plan) -> Result<(), TestCaseError> {
    let pods: Vec<Pod> = placed(plan).into_iter().map(|(pod, _)| pod).collect();
    let set: BTreeSet<&Pod> = pods.iter().chain(case.running.keys()).collect();
    prop_assert_eq!(set.len(), pods.len() + case.running.len(), "a pod is placed twice, or runs already");
    let (missing, found): (BTreeSet<Pod>, BTreeSet<Pod>) =
        (case.missing().into_iter().collect(), pods[..plan.min_pods()].iter().cloned().collect());
    prop_assert_eq!(found, missing, "all that is missing of the minimum and nothing else");
    for pod in &pods {
        let mut at = Some(pod.row);
        while let Some(row) = at {
            let ordinals = &pod.ordinals[..case.lines[row].depth];
            prop_assert!(is_whole(case, &set, row, ordinals), "replica {ordinals:?} of group {row} is not whole");
            at = case.lines[row].parent;
        }
    }
    let mut pending = 0;
    for extras in plan.extras() {
        let line = &case.lines[extras.group().index()];
        prop_assert_eq!(extras.placed() + extras.pending(), line.spec.max - line.spec.min);
        pending += extras.pending();
    }
    prop_assert!(pending > 0 || plan.extras().is_empty() || plan.min_pods() <= pods.len());
    Ok(())
}

/// Whether a replica has all of its minimum among these pods.
fn is_whole(case: &Case<'_>, pods: &BTreeSet<&Pod>, row: usize, ordinals: &[u32]) -> bool {
    match &case.lines[row].spec.body {
        Content::Pods { count, .. } => {
            (0..*count).all(|ordinal| pods.contains(&Pod { row, ordinals: ordinals.to_vec(), ordinal }))
        }
        Content::Groups(_) => {
            (0..case.lines.len()).filter(|&child| case.lines[child].parent == Some(row)).all(|child| {
                let spec = case.lines[child].spec;
                let whole = (0..spec.max).filter(|&ordinal| {
                    let inner: Vec<u32> = ordinals.iter().copied().chain([ordinal]).collect();
                    // Groups without pods in a replica have nothing to show.
                    is_whole(case, pods, child, &inner)
                });
                spec.min_pods() == 0 || whole.count() as u32 >= spec.min
            })
        }
    }
}

/// Whether every pod of a plan has what it asks, nothing is given out twice, and a commit takes all of it and gives it back.
pub(crate) fn check_room(case: &Case<'_>, plan: &Plan) -> Result<(), TestCaseError> {
    let mut fork = case.inventory.fork();
    let cpu = cpu(&fork);
    let mut left: BTreeMap<NodeId, (DeviceSet, u64)> = BTreeMap::new();
    let mut shares: BTreeMap<(NodeId, DeviceSet), u32> = BTreeMap::new();
    for pod in plan.placements() {
        let node = pod.node();
        let Content::Pods { ask, .. } = &case.lines[pod.group().index()].spec.body else {
            return Err(TestCaseError::fail("a group of groups has no pods of its own"));
        };
        prop_assert!(!case.inventory.is_cordoned(node) && !case.inventory.is_removed(node));
        let (devices, amount) =
            left.entry(node).or_insert_with(|| (case.inventory.free_devices(node), case.inventory.free(node, cpu)));
        prop_assert!(ask.cpu <= *amount, "a resource is exceeded");
        *amount -= ask.cpu;
        if ask.milli == 0 {
            prop_assert_eq!(pod.devices().len(), ask.devices);
            prop_assert!(pod.devices().without(*devices).is_empty(), "a device is not free, or given out twice");
            *devices = devices.without(pod.devices());
            let parts = match ask.locality {
                0 => &[],
                1 => case.inventory.islands(node),
                _ => case.inventory.numa(node),
            };
            let inside = parts.is_empty() || parts.iter().any(|&part| pod.devices().without(part).is_empty());
            prop_assert!(inside, "its devices are not together");
        } else {
            prop_assert_eq!(pod.devices().len(), 1);
            let taken = shares.entry((node, pod.devices())).or_default();
            *taken += ask.milli;
            let device = pod.devices().iter().next().expect("it has one");
            prop_assert!(*taken <= case.inventory.left(node, device), "a device is exceeded");
        }
    }
    let before = fork.state_hash();
    let committed = plan.commit(&mut fork);
    prop_assert!(committed.is_ok(), "{:?}", committed);
    fork.release(committed.expect("it was just checked")).expect("it was committed here");
    prop_assert_eq!(fork.state_hash(), before);
    Ok(())
}

/// Whether every bound holds for a plan together with what runs, for extras too, on one of the choices of kinds.
pub(crate) fn check_bounds(case: &Case<'_>, plan: &Plan) -> Result<(), TestCaseError> {
    let pods = placed(plan);
    let is_choice = |choice: &Choice| {
        case.demands(choice).is_some_and(|demands| {
            plan.placements().all(|pod| *pod.demand() == demands[&pod.group().index()])
                && case.holds(&pods, &demands, true)
        })
    };
    prop_assert!(case.choices().iter().any(is_choice), "a bound is broken: {:?}", pods);
    Ok(())
}
