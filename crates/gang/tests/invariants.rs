//! What always holds for a plan, on random small clusters and gangs, against the definition and against trying everything.

mod small;

use phalanx_gang::{Bound, Budget, Counterfactual, GangError, Objective, Options, Outcome, Proof, plan};
use proptest::prelude::*;
use small::brute::answer;
use small::check::{check_bounds, check_minimum, check_room, placed};
use small::config;
use small::situation::{Ready, Situation, any_objective, fresh, partly};
use small::spec::{ALL, LEVELS, NO_SPREAD, equal, gang};
use small::tight::Holds;

/// From none, which leaves the first try only, to more than any of these gangs needs.
fn budget() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..50u64, Just(200_000)]
}

/// A gang with room to plan, large or small, fresh or partly running.
fn any_situation() -> impl Strategy<Value = Situation> {
    prop_oneof![fresh(1..9, gang(12, ALL)), partly(1..9, gang(12, ALL), true)]
}

fn planned(ready: &Ready, options: Options) -> Result<Outcome, TestCaseError> {
    let before = ready.inventory.state_hash();
    let options = options.present(ready.present());
    let outcome = plan(&ready.gang, &ready.inventory, &options).expect("levels and resources are known");
    prop_assert_eq!(ready.inventory.state_hash(), before, "planning changes nothing");
    Ok(outcome)
}

/// Whether the answer is that of trying everything.
fn equals_brute_force(situation: &Situation, objective: Objective) -> Result<(), TestCaseError> {
    let ready = situation.ready();
    let case = ready.case(&situation.spec);
    let spreads = matches!(objective, Objective::Spread { .. });
    let steps = Budget::steps(2_000_000);
    let outcome = planned(&ready, Options::new().objective(objective).budget(steps))?;
    match (answer(&case), outcome) {
        (Some(answer), Outcome::Placed(plan)) => {
            let demands = case.demands(&answer.choice).expect("the choice has room");
            let kinds = plan.placements().all(|pod| *pod.demand() == demands[&pod.group().index()]);
            prop_assert!(kinds, "the first kinds that have room: {:?}", answer.choice);
            prop_assert!(case.holds(&placed(&plan), &demands, true), "a bound is broken: {:?}", placed(&plan));
            if plan.is_level_proven() && plan.violated().is_empty() {
                prop_assert_eq!(plan.level(), answer.level);
            }
            prop_assert!(plan.proof() != Proof::Optimal || plan.is_level_proven() || spreads);
            check_minimum(&case, &plan)?;
        }
        (None, Outcome::Rejected(rejection)) => {
            prop_assert!(!rejection.is_exhausted(), "small gangs are searched to the end")
        }
        (Some(answer), Outcome::Rejected(rejection)) => {
            prop_assert!(false, "there is a place: {answer:?}, {rejection}")
        }
        (None, Outcome::Placed(plan)) => prop_assert!(false, "there is no place: {:?}", placed(&plan)),
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn invariant_7_feasibility_and_level_equal_brute_force(situation in fresh(1..7, gang(5, LEVELS)), objective in any_objective()) {
        equals_brute_force(&situation, objective)?;
    }

    #[test]
    fn invariant_7_under_every_bound(situation in fresh(1..6, gang(5, ALL)), objective in any_objective()) {
        equals_brute_force(&situation, objective)?;
    }

    #[test]
    fn invariant_7_equal_pods_get_the_best_objective(situation in fresh(1..7, equal(10, NO_SPREAD))) {
        let ready = situation.ready();
        let case = ready.case(&situation.spec);
        let outcome = planned(&ready, Options::default())?;
        let demand = outcome.plan().and_then(|plan| plan.placements().next()).map(|pod| pod.demand().clone());
        let (Outcome::Placed(plan), Some(demand)) = (outcome, demand) else { return Ok(()) };
        if plan.proof() == Proof::Optimal {
            let nodes: Vec<_> = plan.placements().map(|pod| pod.node()).collect();
            prop_assert!(nodes.is_sorted(), "ranks run along the path");
            let holds = Holds::new(&case, &demand);
            prop_assert_eq!(Some(holds.cost(&nodes)), holds.best(), "{:?} {:?}", nodes, holds);
        }
    }

    #[test]
    fn invariant_7_beside_running_pods(situation in partly(1..6, gang(6, ALL), true), objective in any_objective()) {
        equals_brute_force(&situation, objective)?;
    }

    #[test]
    fn invariant_1_all_of_the_minimum_is_placed_or_no_pod(
        situation in any_situation(),
        objective in any_objective(),
        steps in budget(),
    ) {
        let ready = situation.ready();
        let options = Options::new().objective(objective).budget(Budget::steps(steps));
        let outcome = planned(&ready, options.clone())?;
        if let Outcome::Placed(plan) = &outcome {
            check_minimum(&ready.case(&situation.spec), plan)?;
        }
        prop_assert_eq!(outcome, planned(&ready, options)?, "the same input, the same plan");
    }

    #[test]
    fn invariant_2_no_node_or_device_is_given_out_twice(
        situation in any_situation(),
        objective in any_objective(),
        steps in budget(),
    ) {
        let ready = situation.ready();
        let options = Options::new().objective(objective).budget(Budget::steps(steps));
        if let Outcome::Placed(plan) = planned(&ready, options)? {
            check_room(&ready.case(&situation.spec), &plan)?;
        }
    }

    #[test]
    fn invariant_3_every_bound_holds_and_an_unknown_level_is_an_error(
        situation in any_situation(),
        objective in any_objective(),
        steps in budget(),
    ) {
        let ready = situation.ready();
        let options = Options::new().objective(objective).budget(Budget::steps(steps));
        if let Outcome::Placed(plan) = planned(&ready, options.clone())? {
            check_bounds(&ready.case(&situation.spec), &plan)?;
        }
        let mut unknown = situation.clone();
        unknown.spec.bounds.hard = Some(3);
        let planned = plan(&unknown.spec.gang(&ready.inventory), &ready.inventory, &options);
        prop_assert!(matches!(planned, Err(GangError::UnknownLevel { level: 3, last: 2, .. })), "{:?}", planned);
    }

    #[test]
    fn invariant_4_a_failed_commit_changes_nothing(situation in fresh(1..9, gang(8, ALL)), victim in any::<usize>()) {
        let mut ready = situation.ready();
        let Outcome::Placed(plan) = planned(&ready, Options::default())? else { return Ok(()) };
        let inventory = &mut ready.inventory;
        // Somebody cordons the node of one of its pods in between.
        let pod = plan.placements().nth(victim % plan.placements().len()).expect("the position is in range");
        inventory.set_cordoned(pod.node(), true);
        let before = inventory.state_hash();
        prop_assert!(plan.commit(inventory).is_err());
        prop_assert_eq!(inventory.state_hash(), before);
        inventory.set_cordoned(pod.node(), false);
        let before = inventory.state_hash();
        let receipt = plan.commit(inventory).expect("nothing else has changed");
        prop_assert!(inventory.release(receipt).is_ok());
        prop_assert_eq!(inventory.state_hash(), before);
    }

    #[test]
    fn invariant_5_more_room_never_makes_a_gang_fail(
        situation in prop_oneof![fresh(1..7, gang(5, NO_SPREAD)), partly(1..7, gang(5, NO_SPREAD), true)],
        at in any::<usize>(),
        (devices, cpu) in (0..4u32, 0..4u64),
        new in small::cluster::cluster(1..2),
    ) {
        let placed = |situation: &Situation| -> Result<_, TestCaseError> {
            let outcome = planned(&situation.ready(), Options::default())?;
            Ok(outcome.plan().map(|plan| plan.level()))
        };
        let Some(level) = placed(&situation)? else { return Ok(()) };
        let mut more = situation.clone();
        let len = more.rows.len();
        let row = &mut more.rows[at % len];
        (row.devices, row.cpu) = (row.devices + devices, row.cpu + cpu);
        let with_more = placed(&more)?;
        // With room for kinds that come first the others are not asked.
        let kinds = |spec: &small::spec::Spec| {
            spec.lines().iter().any(|line| line.spec.bounds.homogeneous || !line.spec.bounds.kinds.is_empty())
        };
        let never_coarser = with_more.is_some_and(|now| now >= level || kinds(&situation.spec));
        prop_assert!(never_coarser, "a finer level never becomes out of reach: {level:?}, {with_more:?}");
        more.grow(new[0].clone());
        prop_assert!(placed(&more)?.is_some());
    }

    #[test]
    fn invariant_6_reasons_add_up_and_a_counterfactual_helps(
        situation in prop_oneof![fresh(1..6, gang(5, ALL)), partly(1..6, gang(6, ALL), true)],
    ) {
        let ready = situation.ready();
        let Outcome::Rejected(rejection) = planned(&ready, Options::default())? else { return Ok(()) };
        let counted: u32 = rejection.reasons().iter().map(|&(_, nodes)| nodes).sum();
        prop_assert_eq!(counted + rejection.eligible(), situation.rows.len() as u32);
        prop_assert!(rejection.reasons().is_sorted(), "in the order in which they are asked");
        prop_assert!(rejection.reasons().iter().all(|&(_, nodes)| nodes > 0));
        let (mut changed, mut other) = (situation.spec.clone(), ready.inventory.fork());
        match rejection.counterfactual() {
            None => return Ok(()),
            Some(Counterfactual::Level { group, level, .. }) => {
                let topology = ready.inventory.topology();
                let level = level.as_ref().map(|name| topology.level(name).expect("the level exists"));
                changed.find(group.index()).bounds.hard = level.map(|level| level.index() as u8);
            }
            Some(Counterfactual::Without { group, bound, .. }) => {
                let bounds = &mut changed.find(group.index()).bounds;
                match bound {
                    Bound::Slices => bounds.slices.clear(),
                    Bound::Spread => bounds.spread = None,
                    Bound::Exclusive => bounds.exclusive = None,
                    Bound::Key => bounds.bind = None,
                    Bound::PerNode => bounds.per_node = None,
                    Bound::Kinds => bounds.kinds = Vec::new(),
                    Bound::Homogeneous => bounds.homogeneous = false,
                    unknown => prop_assert!(false, "{unknown:?} is not tested"),
                }
            }
            Some(Counterfactual::Uncordon { .. }) => {
                ready.inventory.topology().nodes().for_each(|node| other.set_cordoned(node, false));
            }
            Some(Counterfactual::Devices { nodes, .. }) => {
                for &(node, more) in nodes {
                    let kind = other.kind(node).unwrap_or("").to_owned();
                    other.set_devices(node, other.devices(node).len() + more, &kind).expect("a node can have so many");
                }
            }
            Some(unknown) => prop_assert!(false, "{unknown:?} is not tested"),
        }
        prop_assert!(answer(&ready.case_on(&changed, &other)).is_some(), "{rejection}");
    }
}
