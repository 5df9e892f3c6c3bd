//! The same input, the same bytes: whatever the order in which it is told, the number of threads that plan on one inventory
//! at once, and what the inventory keeps ready.

mod small;

use std::sync::Arc;

use phalanx_gang::{Gang, Options, Outcome, Present, plan};
use phalanx_topology::Inventory;
use proptest::prelude::*;
use small::cluster::{Row, cluster, fill, inventory, topology};
use small::config;
use small::situation::{Situation, any_objective, fresh, partly};
use small::spec::{ALL, Spec, gang};

fn any_situation() -> impl Strategy<Value = Situation> {
    prop_oneof![fresh(1..9, gang(12, ALL)), partly(1..9, gang(12, ALL), true)]
}

/// An outcome as bytes, groups by name.
fn told(gang: &Gang, inventory: &Inventory, options: &Options) -> String {
    let outcome = plan(gang, inventory, options).expect("levels and resources are known");
    format!("{outcome:?}")
}

/// What several gangs come to, planned by so many threads at once on one inventory.
fn by_threads(gangs: &[Gang], inventory: &Inventory, options: &Options, threads: usize) -> Vec<String> {
    let part = |from: usize| -> Vec<(usize, String)> {
        let mine = (from..gangs.len()).step_by(threads);
        mine.map(|at| (at, told(&gangs[at], inventory, options))).collect()
    };
    let mut all: Vec<(usize, String)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|from| scope.spawn(move || part(from))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no planner panics")).collect()
    });
    all.sort();
    all.into_iter().map(|(_, told)| told).collect()
}

fn gangs(specs: &[Spec], inventory: &Inventory) -> Vec<Gang> {
    specs.iter().map(|spec| spec.gang(inventory)).collect()
}

/// Rows with an order to list them in.
fn shuffled() -> impl Strategy<Value = (Situation, Vec<usize>)> {
    any_situation().prop_flat_map(|situation| {
        let order: Vec<usize> = (0..situation.rows.len()).collect();
        (Just(situation), Just(order).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn the_order_of_the_input_does_not_matter((situation, order) in shuffled(), objective in any_objective()) {
        let ready = situation.ready();
        let tree = topology(&situation.rows, &order, "");
        let other = fill(Inventory::new(Arc::new(tree)), &situation.rows, &order, &ready.own, ("", 1));
        prop_assert_eq!(ready.inventory.state_hash(), other.state_hash());
        // What is there is told backwards.
        let mut present = Present::new();
        for (pod, &node) in ready.running.iter().rev() {
            present = present.running(pod.id(&ready.gang), node);
        }
        present = ready.bound.iter().rev().fold(present, |present, (key, node)| present.bind(key, *node));
        present = ready.excluded.iter().rev().fold(present, |present, (key, node)| present.exclude(key, *node));
        let options = Options::new().objective(objective);
        let expected = told(&ready.gang, &ready.inventory, &options.clone().present(ready.present()));
        prop_assert_eq!(told(&situation.spec.gang(&other), &other, &options.present(present)), expected);
    }

    #[test]
    fn an_index_kept_ready_does_not_matter(situation in any_situation(), objective in any_objective()) {
        let ready = situation.ready();
        let options = Options::new().objective(objective).present(ready.present());
        let cold = plan(&ready.gang, &ready.inventory, &options).expect("levels and resources are known");
        let case = ready.case(&situation.spec);
        let mut warm = ready.inventory.fork();
        for choice in case.choices() {
            case.demands(&choice).into_iter().flatten().for_each(|(_, demand)| warm.warm(&demand));
        }
        let warm = plan(&ready.gang, &warm, &options).expect("levels and resources are known");
        prop_assert_eq!(&cold, &warm);
        prop_assert_eq!(format!("{cold:?}"), format!("{warm:?}"));
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn the_number_of_threads_does_not_matter(
        rows in cluster(1..9),
        specs in prop::collection::vec(gang(8, ALL), 8),
        objective in any_objective(),
    ) {
        let inventory = inventory(&rows);
        let (gangs, options) = (gangs(&specs, &inventory), Options::new().objective(objective));
        let alone = by_threads(&gangs, &inventory, &options, 1);
        for threads in [2, 8] {
            prop_assert_eq!(&by_threads(&gangs, &inventory, &options, threads), &alone);
        }
        // All at once plan the same gang.
        let same = vec![gangs[0].clone(); 8];
        prop_assert!(by_threads(&same, &inventory, &options, 8).iter().all(|told| *told == alone[0]));
    }

    #[test]
    fn plans_that_do_not_collide_are_committed_in_any_order(
        rows in cluster(1..9),
        specs in prop::collection::vec(gang(4, ALL), 2),
    ) {
        let mut one = inventory(&rows);
        let gangs = gangs(&specs, &one);
        let plans: Vec<_> = gangs.iter().map(|gang| plan(gang, &one, &Options::new()).expect("levels are known")).collect();
        let [Outcome::Placed(first), Outcome::Placed(second)] = &plans[..] else { return Ok(()) };
        let mut other = one.fork();
        let forwards = (first.commit(&mut one).is_ok(), second.commit(&mut one).is_ok());
        let backwards = (second.commit(&mut other).is_ok(), first.commit(&mut other).is_ok());
        // Each fits alone; both fit in both orders or in none.
        prop_assert!(forwards.0 && backwards.0);
        prop_assert_eq!(forwards.1, backwards.1);
        if forwards.1 {
            prop_assert_eq!(one.state_hash(), other.state_hash());
        }
    }
}

/// The rows of a failure are told in path order.
#[test]
fn rows_are_named_in_order() {
    let row = |rack: usize| Row {
        block: 1,
        rack,
        devices: 1,
        held: 0,
        cpu: 0,
        kind: 0,
        shared: 0,
        cut: 0,
        is_cordoned: false,
        is_removed: false,
    };
    let inventory = inventory(&[row(2), row(1)]);
    assert_eq!(inventory.topology().node_path(small::cluster::node(&inventory, 0)), "b1/r2/n0");
    assert_eq!(small::cluster::node(&inventory, 0).index(), 1);
}
