//! From a solution to a plan: ranks, devices, extras.

use phalanx_topology::{DeviceSet, Locality, NodeId};

use crate::budget::Steps;
use crate::layout::Layout;
use crate::plan::Pod;
use crate::problem::{Problem, Solution};
use crate::verify::{Standing, verify};
use crate::{Plan, Proof, extras};

/// Makes a plan of a place for what is missing.
pub(crate) fn finish(problem: &Problem<'_>, solution: Solution, steps: &Steps) -> Plan {
    let (gang, inventory) = (problem.gang, problem.inventory);
    let mut layout = Layout::default();
    layout.gang(problem, &solution.filled);
    give_devices(problem, &mut layout);
    let min_pods = layout.pods.len();
    let nodes = layout.pods.iter().map(|pod| pod.node).chain(problem.scope.all_running());
    let level = problem.tree.common(nodes).map(|domain| problem.tree.topology.level_of(domain));
    let mut more = steps.again();
    let extras = extras::add(problem, &mut layout, &mut more);
    let running: Vec<Standing<'_>> = problem.running.pods().collect();
    let violated = if running.is_empty() { Vec::new() } else { verify(problem, &running) };
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
        violated,
        version: inventory.version(),
        steps: steps.taken() + more.taken(),
    }
}

/// Gives devices to the pods that have none yet, which are all alike: the free ones of lowest index, or what the inventory
/// would give.
fn give_devices(problem: &Problem<'_>, layout: &mut Layout) {
    let demand_of = |pod: &Pod| &problem.gang.demands()[layout.replicas[pod.replica as usize].demand];
    let asks = |pod: &Pod| pod.devices.is_empty() && (demand_of(pod).device_count() > 0 || demand_of(pod).milli() > 0);
    let Some(first) = layout.pods.iter().find(|pod| asks(pod)) else { return };
    let demand = demand_of(first).clone();
    if demand.milli() == 0 && demand.locality() == Locality::Node {
        // Equal pods are dealt out in path order: those of one node stand in a row.
        let mut at: Option<(NodeId, DeviceSet)> = None;
        for pod in &mut layout.pods {
            let free = match at {
                Some((node, free)) if node == pod.node => free,
                _ => problem.inventory.free_devices(pod.node),
            };
            pod.devices = free.lowest(demand.device_count()).expect("a pod is placed where it fits");
            at = Some((pod.node, free.without(pod.devices)));
        }
        return;
    }
    let mut fork = problem.inventory.fork();
    let mut transaction = fork.transaction();
    for pod in &mut layout.pods {
        pod.devices = transaction.reserve(pod.node, &demand).expect("a pod is placed where it fits");
    }
}
