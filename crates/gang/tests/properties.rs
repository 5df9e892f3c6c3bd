//! What holds between plans: of a cluster that is scaled, renamed or told as another tree, of a gang that is there already, and
//! of ranks along a ring.

mod small;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use phalanx_gang::{Budget, Options, Outcome, Plan, PodId, Present, Violated, Violation, plan, plan_many};
use phalanx_topology::{Inventory, LevelId, NodeId, Topology};
use proptest::prelude::*;
use small::brute::answer;
use small::check::{check_bounds, check_minimum, check_room, placed};
use small::cluster::{fill, topology};
use small::config;
use small::situation::{Ready, Situation, any_objective, fresh, partly};
use small::spec::{ALL, Content, KEYS, Pod, Spec, equal, gang};

fn any_situation() -> impl Strategy<Value = Situation> {
    prop_oneof![fresh(1..9, gang(12, ALL)), partly(1..9, gang(12, ALL), true)]
}

fn planned(ready: &Ready, options: Options) -> Outcome {
    plan(&ready.gang, &ready.inventory, &options).expect("levels and resources are known")
}

/// Pods, nodes and devices.
fn rows(plan: &Plan) -> Vec<String> {
    let row =
        |((pod, node), at): ((Pod, NodeId), phalanx_gang::Placement<'_>)| format!("{pod:?} {node} {}", at.devices());
    placed(plan).into_iter().zip(plan.placements()).map(row).collect()
}

/// The same with all cpu asked times `by`.
fn scale(spec: &mut Spec, by: u64) {
    match &mut spec.body {
        Content::Pods { ask, .. } => ask.cpu *= by,
        Content::Groups(groups) => groups.iter_mut().for_each(|group| scale(group, by)),
    }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn property_9_all_cpu_times_k_gives_the_same_plan(situation in any_situation(), by in 2..1000u64) {
        let ready = situation.ready();
        let mut spec = situation.spec.clone();
        scale(&mut spec, by);
        let own: Vec<_> = (ready.own.iter())
            .map(|(row, demand)| {
                let cpu = small::cluster::cpu(&ready.inventory);
                (*row, demand.clone().with(cpu, demand.amount(cpu) * by))
            })
            .collect();
        let order: Vec<usize> = (0..situation.rows.len()).collect();
        let tree = Arc::new(topology(&situation.rows, &order, ""));
        let other = fill(Inventory::new(tree), &situation.rows, &order, &own, ("", by));
        let options = Options::new().present(ready.present());
        let scaled = plan(&spec.gang(&other), &other, &options).expect("levels and resources are known");
        let plain = planned(&ready, options);
        prop_assert_eq!(plain.plan().map(rows), scaled.plan().map(rows));
    }

    #[test]
    fn property_9_names_in_the_same_order_give_the_same_plan(situation in any_situation(), objective in any_objective()) {
        let ready = situation.ready();
        let order: Vec<usize> = (0..situation.rows.len()).collect();
        let tree = Arc::new(topology(&situation.rows, &order, "other-"));
        let other = fill(Inventory::new(tree), &situation.rows, &order, &ready.own, ("other-", 1));
        let options = Options::new().objective(objective).present(ready.present());
        let renamed = plan(&ready.gang, &other, &options).expect("levels and resources are known");
        let plain = planned(&ready, options);
        prop_assert_eq!(plain.plan(), renamed.plan());
        let reasons = |outcome: &Outcome| outcome.rejection().map(|rejection| rejection.reasons().to_vec());
        prop_assert_eq!(reasons(&plain), reasons(&renamed));
    }

    #[test]
    fn the_tree_is_planned_alike_as_the_second_of_a_topology(situation in any_situation(), objective in any_objective()) {
        let ready = situation.ready();
        let order: Vec<usize> = (0..situation.rows.len()).collect();
        // The first tree has all nodes in one hall, by name.
        let mut flat = Topology::builder(["hall"]);
        for at in &order {
            flat = flat.node(&format!("n{at}"), &[("hall", "h")]);
        }
        let second = topology(&situation.rows, &order, "");
        let both = flat.build().expect("nodes").with_tree("second", &second).expect("the same nodes");
        let levels = both.tree_levels(both.tree("second").expect("it was added")).next().expect("it has levels").index();
        let other = fill(Inventory::new(Arc::new(both)), &situation.rows, &order, &ready.own, ("", 1));
        let at = |node: NodeId| other.topology().node(ready.inventory.topology().node_name(node)).expect("the same nodes");
        let gang = situation.spec.gang_on(&other, levels as u8);
        let mut present = Present::new();
        for (pod, &node) in &ready.running {
            present = present.running(pod.id(&gang), at(node));
        }
        present = ready.bound.iter().fold(present, |present, (key, node)| present.bind(key, at(*node)));
        present = ready.excluded.iter().fold(present, |present, (key, node)| present.exclude(key, at(*node)));
        let shifted = match &objective {
            phalanx_gang::Objective::Spread { level } => {
                phalanx_gang::Objective::Spread { level: LevelId::new(level.index() as u8 + levels as u8) }
            }
            other => other.clone(),
        };
        // A gang that names no level is planned on the first tree.
        prop_assume!(names_a_level(&situation.spec) || matches!(objective, phalanx_gang::Objective::Spread { .. }));
        let twin = plan(&gang, &other, &Options::new().objective(shifted).present(present)).expect("all is known");
        let plain = planned(&ready, Options::new().objective(objective).present(ready.present()));
        let names = |outcome: &Outcome, of: &Inventory| {
            outcome.plan().map(|plan| {
                let name = |(pod, node): (Pod, NodeId)| (pod, of.topology().node_name(node).to_owned());
                placed(plan).into_iter().map(name).collect::<Vec<_>>()
            })
        };
        prop_assert_eq!(names(&plain, &ready.inventory), names(&twin, &other));
    }

    #[test]
    fn property_14_a_second_round_places_nothing(situation in any_situation(), objective in any_objective()) {
        let mut ready = situation.ready();
        let options = Options::new().objective(objective).budget(Budget::steps(2_000_000));
        let Outcome::Placed(first) = planned(&ready, options.clone().present(ready.present())) else { return Ok(()) };
        let before = ready.inventory.state_hash();
        let held = first.commit(&mut ready.inventory).expect("a plan fits the inventory that it was made on");
        ready.running.extend(placed(&first));
        let case = ready.case(&situation.spec);
        prop_assert_eq!(case.missing(), []);
        match planned(&ready, options.present(ready.present())) {
            Outcome::Placed(second) => {
                prop_assert_eq!(&placed(&second)[..second.min_pods()], &[]);
                let known = |violated: &Violated| {
                    let mut before = first.violated().iter();
                    let of = |of: &Violated| (of.group(), of.ordinals().to_vec(), of.violation());
                    before.any(|before| of(before) == of(violated))
                };
                // Which domains count for a spread depends on the kinds that are planned for.
                let eased = eased(&situation.spec);
                prop_assert!(eased || second.violated().iter().all(known), "{:?}", second.violated());
                // What is full now is no longer counted where pods are spread, and with nothing missing the first kinds will do:
                // both can leave room for more.
                prop_assert!(eased || placed(&second).is_empty(), "extras were tried: {second:?}");
            }
            Outcome::Rejected(rejection) => prop_assert!(false, "{rejection}"),
        }
        ready.inventory.release(held).expect("it was committed here");
        prop_assert_eq!(ready.inventory.state_hash(), before);
    }

    #[test]
    fn property_16_a_ring_of_ranks_crosses_a_level_as_often_as_it_uses_domains(
        situation in fresh(1..9, gang(12, ALL)),
        objective in any_objective(),
    ) {
        let ready = situation.ready();
        let Outcome::Placed(plan) = planned(&ready, Options::new().objective(objective).present(ready.present())) else {
            return Ok(());
        };
        let mut rings: BTreeMap<(usize, Vec<u32>), Vec<NodeId>> = BTreeMap::new();
        placed(&plan).into_iter().for_each(|(pod, node)| rings.entry((pod.row, pod.ordinals)).or_default().push(node));
        let topology = ready.inventory.topology();
        for ((row, _), nodes) in &rings {
            // Slices go along the path, and the pods in each.
            let lines = situation.spec.lines();
            prop_assert!(nodes.is_sorted() || !lines[*row].spec.bounds.slices.is_empty(), "{:?}", nodes);
            for level in topology.levels() {
                // A node outside the tree is a domain of its own.
                let at = |node: NodeId| topology.domain_of(node, level).ok_or(node);
                let used: BTreeSet<_> = nodes.iter().map(|&node| at(node)).collect();
                let next = nodes.iter().cycle().skip(1);
                let crossings = nodes.iter().zip(next).filter(|&(&one, &other)| at(one) != at(other)).count();
                prop_assert!(crossings <= if used.len() == 1 { 0 } else { used.len() }, "{:?}", nodes);
            }
        }
    }

    #[test]
    fn what_breaks_a_bound_already_is_told_and_the_rest_joins_the_majority(situation in partly(1..6, gang(6, ALL), false)) {
        let mut situation = situation;
        // Levels, slices and caps: for keys and kinds it is not said who has to give way.
        only_levels_and_caps(&mut situation.spec);
        let ready = situation.ready();
        let case = ready.case(&situation.spec);
        let outcome = planned(&ready, Options::new().budget(Budget::steps(2_000_000)).present(ready.present()));
        match (answer(&case), outcome) {
            (Some(_), Outcome::Placed(plan)) => {
                check_minimum(&case, &plan)?;
                check_room(&case, &plan)?;
                check_bounds(&case, &plan)?;
                prop_assert_eq!(plan.violated().is_empty(), case.is_sound(), "{:?}", plan.violated());
                for violated in plan.violated() {
                    let spec = case.lines[violated.group().index()].spec;
                    let asked = match violated.violation() {
                        Violation::Level { level } => {
                            let level = level.index() as u8;
                            spec.bounds.hard == Some(level) || spec.bounds.slices.iter().any(|&(at, _)| at == level)
                        }
                        Violation::PerNode { most } => spec.bounds.per_node == Some(most),
                        _ => false,
                    };
                    prop_assert!(asked, "{:?}", violated);
                    let replica = case.running.iter().filter(|(pod, _)| {
                        case.is_in(pod, violated.group().index(), violated.ordinals())
                    });
                    let nodes: BTreeSet<NodeId> = replica.map(|(_, &node)| node).collect();
                    prop_assert!(violated.nodes().iter().all(|node| nodes.contains(node)));
                }
            }
            (None, Outcome::Rejected(rejection)) => prop_assert!(!rejection.is_exhausted()),
            (found, outcome) => prop_assert!(false, "{found:?}, {outcome:?}"),
        }
    }

    #[test]
    fn pods_return_to_their_nodes_where_they_all_can(
        situation in partly(1..6, gang(6, ALL), true),
        objective in any_objective(),
    ) {
        // What would run has run: nothing is held now, and the room is there.
        let ready = situation.ready();
        let former = ready.running.clone();
        let gone = Ready { running: BTreeMap::new(), ..situation.ready_without_running() };
        let mut present = gone.present();
        for (pod, &node) in &former {
            present = present.former(pod.id(&gone.gang), node);
        }
        let options = Options::new().objective(objective).budget(Budget::steps(2_000_000));
        let outcome = planned(&gone, options.present(present));
        let case = gone.case(&situation.spec);
        let Outcome::Placed(plan) = outcome else {
            prop_assert!(answer(&case).is_none(), "history never makes a gang fail");
            return Ok(());
        };
        check_room(&case, &plan)?;
        check_bounds(&case, &plan)?;
        let found: BTreeMap<Pod, NodeId> = placed(&plan).into_iter().collect();
        // On the inventory where they run, is there a place for the rest?
        let back = ready.case(&situation.spec);
        let mut fork = gone.inventory.fork();
        let mut transaction = fork.transaction();
        let demands = back.choices().first().and_then(|choice| back.demands(choice));
        let fits = demands.is_some_and(|demands| {
            former.iter().all(|(pod, &node)| transaction.reserve(node, &demands[&pod.row]).is_ok())
        });
        let free = situation.spec.lines().iter().all(|line| line.spec.bounds.kinds.is_empty() && !line.spec.bounds.homogeneous);
        drop(transaction.commit());
        let rest = small::definition::Case { inventory: &fork, ..back.clone() };
        let even = !spreads(&situation.spec);
        // Of a replica beyond the minimum no part goes back alone.
        let minimum = back.minimum();
        let needed = former.keys().all(|pod| minimum.contains(pod));
        if fits && free && even && needed && answer(&rest).is_some() {
            for (pod, node) in &former {
                prop_assert_eq!(found.get(pod), Some(node), "{:?}", found);
            }
        }
    }

    #[test]
    fn gangs_one_after_the_other_are_as_planned_and_committed_each(
        situations in (fresh(1..8, gang(5, KEYS)), prop::collection::vec(gang(5, KEYS), 1..4)),
    ) {
        let (situation, more) = situations;
        let ready = situation.ready();
        let specs: Vec<&Spec> = std::iter::once(&situation.spec).chain(&more).collect();
        let gangs: Vec<_> = specs.iter().map(|spec| spec.gang(&ready.inventory)).collect();
        let options = Options::new().present(ready.present());
        let all = plan_many(gangs.iter().map(|gang| (gang, &options)), &ready.inventory).expect("all is known");
        prop_assert_eq!(all.len(), gangs.len());
        let (mut inventory, mut present) = (ready.inventory.fork(), ready.present());
        for ((gang, spec), outcome) in gangs.iter().zip(&specs).zip(&all) {
            let options = Options::new().present(present.clone());
            let alone = plan(gang, &inventory, &options).expect("all is known");
            prop_assert_eq!(alone.plan().map(rows), outcome.plan().map(rows));
            let Outcome::Placed(plan) = alone else { continue };
            drop(plan.commit(&mut inventory).expect("it was planned on this"));
            let lines = spec.lines();
            for (pod, node) in placed(&plan) {
                for line in std::iter::successors(Some(lines[pod.row]), |line| Some(lines[line.parent?])) {
                    if let Some(level) = line.spec.bounds.bind {
                        present = present.bind(small::spec::bind_key(level), node);
                    }
                    if let Some((level, true)) = line.spec.bounds.exclusive {
                        present = present.exclude(small::spec::exclusive_key(level), node);
                    }
                }
            }
        }
    }

    #[test]
    fn shares_islands_and_zones_are_never_exceeded(situation in fresh(1..8, equal(12, ALL)), objective in any_objective()) {
        let ready = situation.ready();
        let case = ready.case(&situation.spec);
        if let Outcome::Placed(plan) = planned(&ready, Options::new().objective(objective).present(ready.present())) {
            check_minimum(&case, &plan)?;
            check_room(&case, &plan)?;
            check_bounds(&case, &plan)?;
            let one = plan.placements().next().map(|pod| PodId::new(pod.group(), pod.ordinals(), pod.ordinal()));
            prop_assert!(one.is_some());
        }
    }
}

fn eased(spec: &Spec) -> bool {
    spreads(spec) || spec.lines().iter().any(|line| line.spec.bounds.kinds.len() > 1 || line.spec.bounds.homogeneous)
}

fn spreads(spec: &Spec) -> bool {
    spec.lines().iter().any(|line| line.spec.bounds.spread.is_some())
}

fn names_a_level(spec: &Spec) -> bool {
    spec.lines().iter().any(|line| {
        let of = &line.spec.bounds;
        of.hard.is_some()
            || !of.preferred.is_empty()
            || !of.slices.is_empty()
            || of.spread.is_some()
            || of.exclusive.is_some()
            || of.bind.is_some()
    })
}

fn only_levels_and_caps(spec: &mut Spec) {
    let of = &mut spec.bounds;
    (of.spread, of.exclusive, of.bind, of.homogeneous) = (None, None, None, false);
    of.kinds.clear();
    if let Content::Groups(groups) = &mut spec.body {
        groups.iter_mut().for_each(only_levels_and_caps);
    }
}
