//! What always holds for a plan, on random small clusters and gangs, against the definition and against trying everything.

mod small;

use phalanx_gang::{Budget, Counterfactual, Gang, GangError, Group, Options, Outcome, Proof, plan};
use phalanx_topology::{Demand, Inventory, LevelId};
use proptest::prelude::*;
use small::{check_bounds, check_minimum, check_room, cluster, every_placement, gang, inventory, tight};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        max_local_rejects: 1_000_000,
        max_global_rejects: 1_000_000,
        ..ProptestConfig::with_cases(cases)
    }
}

/// From none, which leaves the first try only, to more than any of these gangs needs.
fn budget() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..50u64, Just(200_000)]
}

/// A gang's plan within so many steps; planning changes nothing.
fn planned(rows: &[small::Row], spec: &small::Spec, steps: u64) -> Result<(Inventory, Outcome), TestCaseError> {
    let mut inventory = inventory(rows);
    let gang = spec.gang(&mut inventory);
    let before = inventory.state_hash();
    let outcome =
        plan(&gang, &inventory, &Options::new().budget(Budget::steps(steps))).expect("levels and resources are known");
    prop_assert_eq!(inventory.state_hash(), before);
    Ok((inventory, outcome))
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn invariant_7_feasibility_and_level_equal_brute_force(rows in cluster(1..6), spec in gang(5)) {
        let mut inventory = inventory(&rows);
        let gang = spec.gang(&mut inventory);
        let mut best = None;
        every_placement(&spec.pods(), &inventory, |nodes| {
            best = best.max(Some(inventory.topology().common_level(nodes.iter().copied())));
        });
        match plan(&gang, &inventory, &Options::default()).expect("levels and resources are known") {
            Outcome::Placed(plan) => {
                prop_assert!(best.is_some(), "there is no place");
                prop_assert!(plan.is_level_proven(), "small gangs are searched to the end");
                prop_assert_eq!(Some(plan.level()), best);
            }
            Outcome::Rejected(rejection) => {
                prop_assert!(!rejection.is_exhausted(), "small gangs are searched to the end");
                prop_assert_eq!(best, None, "there is a place");
            }
        }
    }

    #[test]
    fn invariant_1_all_of_the_minimum_is_placed_or_no_pod(
        rows in cluster(1..9),
        spec in gang(12),
        steps in budget(),
    ) {
        let (inventory, outcome) = planned(&rows, &spec, steps)?;
        if let Outcome::Placed(plan) = &outcome {
            check_minimum(&spec, plan)?;
            if plan.proof() == Proof::Optimal {
                prop_assert!(plan.is_level_proven());
            }
        }
        let mut again = inventory.fork();
        let gang = spec.gang(&mut again);
        prop_assert_eq!(Ok(outcome), plan(&gang, &inventory, &Options::new().budget(Budget::steps(steps))), "the same input, the same plan");
    }

    #[test]
    fn invariant_2_no_node_or_device_is_given_out_twice(
        rows in cluster(1..9),
        spec in gang(12),
        steps in budget(),
    ) {
        let (inventory, outcome) = planned(&rows, &spec, steps)?;
        if let Outcome::Placed(plan) = &outcome {
            check_room(&spec, &inventory, plan)?;
        }
    }

    #[test]
    fn invariant_3_every_hard_level_holds_and_an_unknown_one_is_an_error(
        rows in cluster(1..9),
        spec in gang(12),
        steps in budget(),
    ) {
        let (mut inventory, outcome) = planned(&rows, &spec, steps)?;
        if let Outcome::Placed(plan) = &outcome {
            check_bounds(&spec, &inventory, plan)?;
        }
        let unknown = small::Spec { hard: Some(3), ..spec };
        let planned = plan(&unknown.gang(&mut inventory), &inventory, &Options::new().budget(Budget::steps(steps)));
        prop_assert!(matches!(planned, Err(GangError::UnknownLevel { level: 3, last: 2, .. })), "{:?}", planned);
    }

    #[test]
    fn invariant_4_a_failed_commit_changes_nothing(rows in cluster(1..9), spec in gang(8), victim in any::<usize>()) {
        let mut inventory = inventory(&rows);
        let gang = spec.gang(&mut inventory);
        let outcome = plan(&gang, &inventory, &Options::default()).expect("levels and resources are known");
        let Outcome::Placed(plan) = outcome else { return Ok(()) };
        // Somebody cordons the node of one of its pods in between.
        let pod = plan.placements().nth(victim % plan.placements().len()).expect("the position is in range");
        inventory.set_cordoned(pod.node(), true);
        let before = inventory.state_hash();
        prop_assert!(plan.commit(&mut inventory).is_err());
        prop_assert_eq!(inventory.state_hash(), before);
        inventory.set_cordoned(pod.node(), false);
        let before = inventory.state_hash();
        let receipt = plan.commit(&mut inventory).expect("nothing else has changed");
        prop_assert!(inventory.release(receipt).is_ok());
        prop_assert_eq!(inventory.state_hash(), before);
    }

    #[test]
    fn invariant_5_more_room_never_makes_a_gang_fail(
        rows in cluster(1..7),
        spec in gang(5),
        at in any::<usize>(),
        (devices, cpu) in (0..4u32, 0..4u64),
        new in cluster(1..2),
    ) {
        let placed = |rows: &[small::Row]| {
            let mut inventory = inventory(rows);
            let gang = spec.gang(&mut inventory);
            let outcome = plan(&gang, &inventory, &Options::default()).expect("levels and resources are known");
            outcome.plan().map(|plan| plan.level())
        };
        let Some(level) = placed(&rows) else { return Ok(()) };
        let mut more = rows.clone();
        let row = &mut more[at % rows.len()];
        (row.2, row.4) = (row.2 + devices, row.4 + cpu);
        let with_more = placed(&more);
        prop_assert!(with_more.is_some_and(|now| now >= level), "a finer level never becomes out of reach");
        more.extend(new);
        prop_assert!(placed(&more).is_some());
    }

    #[test]
    fn invariant_6_reasons_add_up_and_a_counterfactual_helps(rows in cluster(1..7), spec in gang(6)) {
        let mut inventory = inventory(&rows);
        let gang = spec.gang(&mut inventory);
        let outcome = plan(&gang, &inventory, &Options::default()).expect("levels and resources are known");
        let Outcome::Rejected(rejection) = outcome else { return Ok(()) };
        let counted: u32 = rejection.reasons().iter().map(|&(_, nodes)| nodes).sum();
        prop_assert_eq!(counted + rejection.eligible(), rows.len() as u32);
        prop_assert!(rejection.reasons().is_sorted(), "in the order in which they are asked");
        prop_assert!(rejection.reasons().iter().all(|&(_, nodes)| nodes > 0));
        let (mut changed, mut other) = (spec.clone(), inventory.fork());
        match rejection.counterfactual() {
            None => return Ok(()),
            Some(Counterfactual::Level { path, level, .. }) => {
                let level = level.as_ref().map(|name| inventory.topology().level(name).expect("the level exists"));
                changed.find(path).hard = level.map(|level| level.index() as u8);
            }
            Some(Counterfactual::Uncordon { .. }) => {
                inventory.topology().nodes().for_each(|node| other.set_cordoned(node, false));
            }
            Some(Counterfactual::Devices { nodes, .. }) => {
                for &(node, more) in nodes {
                    other.set_devices(node, other.devices(node).len() + more, "").expect("a node can have so many");
                }
            }
            Some(unknown) => prop_assert!(false, "{unknown:?} is not tested"),
        }
        let mut possible = false;
        every_placement(&changed.pods(), &other, |_| possible = true);
        prop_assert!(possible, "{rejection}");
    }

    #[test]
    fn invariant_7_equal_pods_get_the_best_objective(
        rows in cluster(1..7),
        want in 1..8u32,
        devices in 0..3u32,
        cpu in 0..3u64,
        hard in prop::option::of(0..3u8),
    ) {
        let mut inventory = inventory(&rows);
        let demand = Demand::devices(devices).with(inventory.resource("cpu"), cpu);
        prop_assume!(!demand.is_empty());
        let mut group = Group::pods("g", want, demand.clone());
        if let Some(level) = hard {
            group = group.hard(LevelId::new(level));
        }
        let gang = Gang::new(group).expect("the gang is sound");
        // Every way to split the pods over the nodes.
        let topology = inventory.topology().clone();
        let mut splits: Vec<Vec<phalanx_topology::NodeId>> = vec![Vec::new()];
        for node in topology.nodes() {
            let fits = inventory.fits(node, &demand) as usize;
            splits = splits
                .into_iter()
                .flat_map(|split| {
                    (0..=fits.min(want as usize - split.len())).map(move |more| {
                        let mut split = split.clone();
                        split.extend((0..more).map(|_| node));
                        split
                    })
                })
                .collect();
        }
        let hard = hard.map(LevelId::new);
        let best = splits
            .iter()
            .filter(|split| split.len() == want as usize)
            .map(|split| tight(&inventory, &demand, split))
            .filter(|(level, _)| hard.is_none_or(|hard| *level >= Some(hard)))
            .map(|(level, costs)| (std::cmp::Reverse(level), costs))
            .min();
        match plan(&gang, &inventory, &Options::default()).expect("levels and resources are known") {
            Outcome::Placed(plan) => {
                let nodes: Vec<_> = plan.placements().map(|pod| pod.node()).collect();
                prop_assert!(nodes.is_sorted(), "ranks run along the path");
                let (level, costs) = tight(&inventory, &demand, &nodes);
                prop_assert_eq!(plan.proof(), Proof::Optimal);
                prop_assert_eq!(Some((std::cmp::Reverse(level), costs)), best);
                // In descending capacity, so at most one node, the smallest, is left partly filled.
                let mut used = nodes.clone();
                used.dedup();
                let part = used.iter().filter(|&&node| {
                    nodes.iter().filter(|&&other| other == node).count() < inventory.fits(node, &demand) as usize
                });
                prop_assert!(part.count() <= 1 || level.is_none_or(|level| level < topology.node_level()));
            }
            Outcome::Rejected(rejection) => {
                prop_assert!(!rejection.is_exhausted());
                prop_assert_eq!(best, None);
            }
        }
    }
}
