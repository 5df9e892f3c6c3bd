//! Which pods a plan has.

use std::collections::{BTreeMap, BTreeSet};

use phalanx_gang::Plan;

use super::{Replica, Row, Spec};

/// Every replica is whole, the minimum is there, and no pod is there twice.
pub(super) fn check_ranks(spec: &Spec, plan: &Plan) {
    assert_eq!(plan.min_pods() as u64, spec.min_pods(), "the minimum is whole");
    let mut pods: BTreeMap<Replica, BTreeSet<u32>> = BTreeMap::new();
    let mut replicas: BTreeSet<Replica> = BTreeSet::new();
    for (at, pod) in plan.placements().enumerate() {
        let row = spec.row(plan.group_path(pod.group()));
        let chain = spec.chain(row);
        let (count, _) = spec.rows[row].pods.as_ref().expect("a pod is of a group of pods");
        assert_eq!(pod.ordinals().len(), chain.len(), "an ordinal for each group around the pod");
        assert!(pod.ordinal() < *count);
        let within = |bound: fn(&Row) -> u32| {
            chain.iter().zip(pod.ordinals()).all(|(&row, &ordinal)| ordinal < bound(&spec.rows[row]))
        };
        assert!(within(|row| row.max), "no more replicas than the maximum");
        assert_eq!(within(|row| row.min), at < plan.min_pods(), "the minimum comes first");
        assert!(pods.entry((row, pod.ordinals().to_vec())).or_default().insert(pod.ordinal()), "a pod is there twice");
        for (depth, &row) in chain.iter().enumerate() {
            replicas.insert((row, pod.ordinals()[..=depth].to_vec()));
        }
    }
    for ((row, ordinals), pods) in &pods {
        let count = spec.rows[*row].pods.as_ref().map(|pods| pods.0);
        assert_eq!(Some(pods.len() as u32), count, "replica {ordinals:?} of {} is whole", spec.rows[*row].path);
    }
    for (row, ordinals) in &replicas {
        let path = &spec.rows[*row].path;
        for (inner, child) in spec.rows.iter().enumerate() {
            let name = child.path.strip_prefix(path.as_str()).and_then(|rest| rest.strip_prefix('/'));
            if name.is_none_or(|name| name.contains('/')) || !has_pods(spec, inner) {
                continue;
            }
            for ordinal in 0..child.min {
                let replica = (inner, [ordinals.as_slice(), &[ordinal]].concat());
                assert!(replicas.contains(&replica), "replica {:?} of {} is missing", replica.1, child.path);
            }
        }
    }
}

/// Whether one replica of the row has pods at its minimum.
pub(super) fn has_pods(spec: &Spec, row: usize) -> bool {
    let depth = spec.chain(row).len();
    spec.rows.iter().enumerate().any(|(inner, group)| {
        let chain = spec.chain(inner);
        let below = chain.get(depth..).unwrap_or_default();
        chain.contains(&row)
            && group.pods.as_ref().is_some_and(|&(count, _)| count > 0)
            && below.iter().all(|&row| spec.rows[row].min > 0)
    })
}
