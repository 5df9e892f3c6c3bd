//! Whether the nodes have what a plan gives.

use std::collections::BTreeMap;

use phalanx_gang::Plan;
use phalanx_topology::{DeviceSet, Inventory, Locality, NodeId, ResourceId};

use super::Spec;

/// What is left of one node.
#[derive(Debug)]
struct Left {
    milli: [u32; DeviceSet::MAX as usize],
    amounts: Vec<u64>,
}

/// Every pod gets what it asks, where it may be, and nothing is given twice.
pub(super) fn check_room(spec: &Spec, inventory: &Inventory, plan: &Plan) {
    let mut left: BTreeMap<NodeId, Left> = BTreeMap::new();
    let resources: Vec<ResourceId> = (0..inventory.resources_len()).map(|at| ResourceId::new(at as u16)).collect();
    for pod in plan.placements() {
        let node = pod.node();
        assert!(!inventory.is_cordoned(node) && !inventory.is_removed(node), "{node} takes no pods");
        let left = left.entry(node).or_insert_with(|| Left {
            milli: std::array::from_fn(|device| inventory.left(node, device as u32)),
            amounts: resources.iter().map(|&resource| inventory.free(node, resource)).collect(),
        });
        let (_, asked) = spec.rows[spec.row(plan.group_path(pod.group()))].pods.as_ref().expect("a group of pods");
        let given = pod.demand();
        assert_eq!((given.device_count(), given.milli()), (asked.device_count(), asked.milli()));
        assert_eq!((given.locality(), given.resources()), (asked.locality(), asked.resources()));
        let kinds = given.kinds();
        assert!(kinds.is_empty() || inventory.kind_id(node).is_some_and(|kind| kinds.contains(kind)), "the kind");
        let each = if asked.milli() > 0 { asked.milli() } else { 1000 };
        assert_eq!(pod.devices().len(), if asked.milli() > 0 { 1 } else { asked.device_count() });
        for device in pod.devices().iter() {
            let left = &mut left.milli[device as usize];
            assert!(*left >= each, "device {device} of {node} is exceeded");
            *left -= each;
        }
        for &(resource, amount) in asked.resources() {
            let left = &mut left.amounts[resource.index()];
            assert!(*left >= amount, "resource {resource} of {node} is exceeded");
            *left -= amount;
        }
        let places = match asked.locality() {
            Locality::Node => &[],
            Locality::Island => inventory.islands(node),
            Locality::Numa => inventory.numa(node),
        };
        assert!(places.is_empty() || places.iter().any(|place| place.contains(pod.devices())), "in one place");
    }
}
