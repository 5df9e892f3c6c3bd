//! From a solution to a plan: ranks, devices, extras.

use std::collections::BTreeMap;

use phalanx_topology::{DeviceSet, NodeId};

use crate::budget::Steps;
use crate::layout::Layout;
use crate::problem::{Problem, Solution};
use crate::{Plan, Proof, extras};

pub(crate) fn finish(problem: &Problem<'_>, solution: Solution, steps: &Steps) -> Plan {
    let (gang, inventory) = (problem.gang, problem.inventory);
    let mut layout = Layout::default();
    layout.gang(gang, inventory, &problem.scope, &solution.filled);
    let min_pods = layout.pods.len();
    let level = inventory.topology().common_level(layout.pods.iter().map(|pod| pod.node));
    let mut more = steps.again();
    let extras = extras::add(problem, &mut layout, &mut more);
    give_devices(problem, &mut layout);
    Plan {
        groups: gang.groups().map(|group| gang.group_path(group).to_owned()).collect(),
        demands: gang.demands().to_vec(),
        replicas: layout.replicas,
        pods: layout.pods,
        min_pods,
        level,
        level_proven: solution.level_proven,
        proof: if solution.optimal { Proof::Optimal } else { Proof::Feasible },
        unmet: layout.unmet,
        extras,
        version: inventory.version(),
        steps: steps.taken() + more.taken(),
    }
}

/// Gives each pod the free devices of lowest index that no pod before it got.
fn give_devices(problem: &Problem<'_>, layout: &mut Layout) {
    let mut left = BTreeMap::<NodeId, DeviceSet>::new();
    for pod in &mut layout.pods {
        let demand = layout.replicas[pod.replica as usize].demand;
        let count = problem.gang.demands()[demand].device_count();
        if count > 0 {
            let free = left.entry(pod.node).or_insert_with(|| problem.inventory.free_devices(pod.node));
            pod.devices = free.lowest(count).expect("a pod is placed where it fits");
            *free = free.without(pod.devices);
        }
    }
}
