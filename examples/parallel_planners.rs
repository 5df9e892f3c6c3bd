//! Plans many gangs on several threads at once, on one copy of the ledger, and commits them one after the other: who comes
//! second to the same devices is planned anew. The same input gives the same plans, however many threads there are.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use phalanx_gang::{Gang, Group, Options, Outcome, plan};
use phalanx_topology::{Demand, Inventory, LevelId};

const CLUSTER: &str = "b1{r1{n1:8 n2:8 n3:8} r2{n4:8 n5:8 n6:8}} b2{r3{n7:8 n8:8 n9:8} r4{n10:8 n11:8 n12:8}}";

/// Runs the example; panics if it does not do what it says.
pub fn main() {
    let one = place_all(1);
    for line in &one {
        println!("{line}");
    }
    assert_eq!(one.iter().filter(|line| line.ends_with("no place")).count(), 1, "five racks are asked of four");
    assert!((2..=8).all(|threads| place_all(threads) == one), "threads change nothing");
}

/// Where each gang went.
fn place_all(threads: usize) -> Vec<String> {
    let mut inventory = Inventory::from_notation(CLUSTER).expect("the line is a cluster");
    let rack = inventory.topology().level("rack").expect("the cluster has racks");
    // What is asked again and again is counted once and kept up to date from then on.
    inventory.warm(&Demand::devices(8));
    let gangs: Vec<Gang> = (0..5).map(|number| gang(number, rack)).collect();
    let mut outcomes = plan_all(&gangs, &inventory, threads);

    gangs
        .iter()
        .zip(&mut outcomes)
        .map(|(gang, outcome)| {
            loop {
                let Outcome::Placed(placed) = &*outcome else { return told(gang, "no place") };
                // Only the nodes that the plan names are checked; the rest of the ledger may have changed.
                if placed.commit(&mut inventory).is_ok() {
                    let place = placed.placements().next().map(|pod| inventory.topology().node_path(pod.node()));
                    return told(gang, &place.expect("the gang has pods"));
                }
                *outcome = plan(gang, &inventory, &Options::default()).expect("the cluster has racks");
            }
        })
        .collect()
}

/// A plan for each gang, all on the ledger as it stands, by so many threads.
fn plan_all(gangs: &[Gang], inventory: &Inventory, threads: usize) -> Vec<Outcome> {
    let part = gangs.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let plan_part = |part: &[Gang]| -> Vec<Outcome> {
            part.iter().map(|gang| plan(gang, inventory, &Options::default()).expect("the cluster has racks")).collect()
        };
        let parts: Vec<_> = gangs.chunks(part).map(|part| scope.spawn(move || plan_part(part))).collect();
        parts.into_iter().flat_map(|part| part.join().expect("a planner does not panic")).collect()
    })
}

fn gang(number: u32, rack: LevelId) -> Gang {
    let pods = 2 + number % 2;
    Gang::new(Group::pods(format!("gang-{number}"), pods, Demand::devices(8)).hard(rack)).expect("a sound gang")
}

fn told(gang: &Gang, place: &str) -> String {
    let group = gang.groups().next().expect("a gang has a root");
    format!("{} of {} pods: {place}", gang.group_path(group), gang.min_pods())
}
