//! Whether a rejection is true.

use phalanx_gang::{Bound, Budget, Counterfactual, Options, Reason, Rejection, plan};
use phalanx_topology::{Inventory, KindSet};

use super::{Row, Spec};

/// The steps for trying a change again: so many as no gang of a fuzz target takes.
const STEPS: u64 = 1_000_000;

/// Whether a rejection accounts for every node and can be told.
pub(crate) fn check_rejection(spec: &Spec, inventory: &Inventory, rejection: &Rejection) {
    let row = &spec.rows[spec.row(rejection.group_path())];
    let counted: u64 = rejection.reasons().iter().map(|&(_, nodes)| u64::from(nodes)).sum();
    assert_eq!(counted + u64::from(rejection.eligible()), u64::from(rejection.nodes()), "the counts add up");
    assert_eq!(rejection.nodes() as usize, inventory.topology().len());
    // Resources are asked in the inventory's order.
    let order = |(reason, _): &(Reason, u32)| match reason {
        Reason::OutsideTree => (0, 0),
        Reason::Removed => (1, 0),
        Reason::Cordoned => (2, 0),
        Reason::Kind => (3, 0),
        Reason::Devices => (4, 0),
        Reason::Locality => (5, 0),
        Reason::Resource { name } => (6, inventory.find_resource(name).expect("it is asked").index()),
        Reason::Bound => (7, 0),
        Reason::DomainTooSmall { .. } => (8, 0),
        other => panic!("{other:?} is not known here"),
    };
    assert!(rejection.reasons().is_sorted_by_key(order), "as they are asked: {:?}", rejection.reasons());
    assert!(rejection.reasons().iter().all(|&(_, nodes)| nodes > 0));
    let told = rejection.to_string();
    assert!(told.starts_with(&format!("group {:?} needs ", row.path)) && told.ends_with('.'), "{told}");
}

fn unbind(row: &mut Row, bound: Bound) {
    match bound {
        Bound::Slices => row.slices.clear(),
        Bound::Spread => row.spread = None,
        Bound::Exclusive => row.exclusive = None,
        Bound::Key => row.bound = None,
        Bound::PerNode => row.per_node = None,
        Bound::Homogeneous => row.homogeneous = false,
        Bound::Kinds => {
            row.kinds.clear();
            row.pods = row.pods.take().map(|(count, demand)| (count, demand.of_kinds(KindSet::default())));
        }
        other => panic!("{other:?} is not known here"),
    }
}

/// What a rejection says would help does help.
pub(crate) fn check_counterfactual(spec: &Spec, inventory: &Inventory, rejection: &Rejection, options: &Options) {
    let (mut other, mut changed) = (spec.clone(), inventory.fork());
    match rejection.counterfactual() {
        None => return,
        Some(Counterfactual::Level { path, level, .. }) => {
            let row = &mut other.rows[spec.row(path)];
            let topology = inventory.topology();
            let tree = row.hard.map(|level| topology.tree_of(level)).expect("a level is given up");
            let find = |name| topology.level_in(tree, name).expect("the level exists");
            let level = level.as_deref().map(find);
            assert!(level < row.hard, "a coarser level");
            row.hard = level;
        }
        Some(Counterfactual::Without { path, bound, .. }) => {
            let at = spec.row(path);
            // What kinds its pods accept may be said around it.
            let around = if *bound == Bound::Kinds { spec.chain(at) } else { vec![at] };
            around.into_iter().for_each(|at| unbind(&mut other.rows[at], *bound));
        }
        Some(Counterfactual::Uncordon { nodes }) => {
            let all: Vec<_> = inventory.topology().nodes().filter(|&node| inventory.is_cordoned(node)).collect();
            assert_eq!(all.len(), *nodes as usize);
            all.into_iter().for_each(|node| changed.set_cordoned(node, false));
        }
        Some(Counterfactual::Devices { nodes, .. }) => {
            for &(node, more) in nodes {
                let devices = changed.devices(node).len() + more;
                let kind = changed.kind(node).unwrap_or_default().to_owned();
                changed.set_devices(node, devices, &kind).expect("a node can have so many");
            }
        }
        Some(other) => panic!("{other:?} is not known here"),
    }
    let gang = other.gang().expect("less is asked");
    let options = options.clone().budget(Budget::steps(STEPS));
    let outcome = plan(&gang, &changed, &options).expect("every level and resource is known");
    assert!(outcome.plan().is_some(), "it would not help: {rejection}");
}
