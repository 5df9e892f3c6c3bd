//! The plan of a gang: level by level from the finest, the first that has a place.

use phalanx_topology::{DeviceSet, Inventory, NodeId};

use crate::budget::Steps;
use crate::gang::Content;
use crate::kinds::Kinds;
use crate::plan::{Pod, Replica};
use crate::pod::Located;
use crate::problem::{Found, Problem};
use crate::running::Running;
use crate::tree::Tree;
use crate::verify::{Standing, verify};
use crate::{Gang, GangError, Options, Outcome, Plan, PodId, Present, explain, finish};

/// Plans a gang on an inventory: where every pod of its minimum goes, or why none does. Extras above the minimum are added
/// where there is room and change nothing for the minimum.
///
/// After all hard bounds and the first kinds that have room, the objective decides; unless it is told otherwise it is
/// *tight*: the finest level with one domain for the whole minimum; then preferred levels; then, from that domain down and
/// level by level, the fewest domains and of those the ones with the least free capacity; then path order.
///
/// Equal pods under one bound, in slices or not, are planned exactly, while the steps last. For anything else the largest
/// goes first, with backtracking: whether there is a place is exact while the steps last, and so is the level; what follows
/// in the objective is approached. A gang of more than 1,000 pods and replicas is not searched: where the first try finds no
/// place for it, the answer is that it was cut short. Which devices of a node a pod gets is not searched either. [`Plan::proof`](crate::Plan::proof)
/// and [`Rejection::is_exhausted`](crate::Rejection::is_exhausted) say which.
///
/// Where the inventory keeps an index of a demand ([`Inventory::warm`]), the cost is that of going over the domains from the
/// ancestor down to the nodes that are used; otherwise some nanoseconds a node more. Steps come on top.
///
/// # Errors
///
/// The gang names a level that the topology lacks, levels of two topologies, a kind or resource that the inventory has not
/// interned; or what is said to be there is not.
///
/// ```
/// use phalanx_gang::{Gang, Group, Outcome, Proof, Options, plan};
/// use phalanx_topology::{Demand, Inventory, Topology};
/// use std::sync::Arc;
///
/// let mut builder = Topology::builder(["rack"]);
/// for (node, rack) in [("n1", "r1"), ("n2", "r1"), ("n3", "r2"), ("n4", "r2"), ("n5", "r2")] {
///     builder = builder.node(node, &[("rack", rack)]);
/// }
/// let topology = Arc::new(builder.build()?);
/// let mut inventory = Inventory::new(topology.clone());
/// inventory.set_devices_everywhere(8, "H100")?;
///
/// // Both racks have room; the smaller one is left with less.
/// let gang = Gang::new(Group::pods("train", 2, Demand::devices(8)).prefer(topology.level("rack").unwrap()))?;
/// let Outcome::Placed(plan) = plan(&gang, &inventory, &Options::default())? else { panic!("there is room") };
/// let nodes: Vec<_> = plan.placements().map(|pod| topology.node_path(pod.node())).collect();
/// assert_eq!(nodes, ["r1/n1", "r1/n2"]);
/// assert_eq!((plan.proof(), plan.unmet()), (Proof::Optimal, &[][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan(gang: &Gang, inventory: &Inventory, options: &Options) -> Result<Outcome, GangError> {
    let tree = gang.check(inventory, &options.objective)?;
    options.present.check(gang, inventory)?;
    let tree = Tree { topology: inventory.topology(), id: tree };
    let mut steps = Steps::new(options.budget);
    let planner = Planner { gang, tree, options };
    let running = Running::new(gang, &options.present.running);
    if let Some(plan) = planner.return_to_former(inventory, &running, &mut steps) {
        return Ok(Outcome::Placed(plan));
    }
    Ok(planner.plan(inventory, running, &mut steps))
}

/// Plans gangs one after the other: each takes its room before the next is planned, and where it goes counts for the keys
/// that a later one shares with it, as does what runs of any of them. The inventory stays as it is. The outcomes are in the
/// order of the gangs.
///
/// # Errors
///
/// As [`plan`], of the first gang that has one; nothing is planned past it.
///
/// ```
/// use phalanx_gang::{Gang, Group, Options, plan_many};
/// use phalanx_topology::{Demand, Inventory};
///
/// let inventory = Inventory::from_notation("b1{r1{n1:8}} b2{r2{n2:8 n3:8}}")?;
/// let block = inventory.topology().level("block").unwrap();
/// // Two parts of one replica, which have to be in one block.
/// let base = Gang::new(Group::pods("base", 1, Demand::devices(8)).bind(block, "replica-0"))?;
/// let more = Gang::new(Group::pods("more", 1, Demand::devices(8)).bind(block, "replica-0"))?;
/// let options = Options::default();
/// let outcomes = plan_many([(&base, &options), (&more, &options)], &inventory)?;
/// assert!(outcomes[0].plan().is_some());
/// assert!(outcomes[1].plan().is_none(), "block b1 has room for one");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan_many<'a>(
    gangs: impl IntoIterator<Item = (&'a Gang, &'a Options)>,
    inventory: &Inventory,
) -> Result<Vec<Outcome>, GangError> {
    let gangs: Vec<(&Gang, &Options)> = gangs.into_iter().collect();
    // What runs of each counts for all others, whichever is planned first.
    let run = |&(gang, options): &(&Gang, &Options)| {
        let running = options.present.running.iter().filter(|located| located.pod.group().index() < gang.rows().len());
        Present::new().beside(gang, running.map(|located| (located.pod.group(), located.node)))
    };
    let running: Vec<Present> = gangs.iter().map(run).collect();
    let mut fork = inventory.fork();
    let (mut settled, mut outcomes) = (Present::new(), Vec::new());
    for (at, &(gang, options)) in gangs.iter().enumerate() {
        let mut options = options.clone();
        let others = running.iter().enumerate().filter(|&(other, _)| other != at).map(|(_, present)| present);
        for present in others.chain([&settled]) {
            options.present.bound.extend_from_slice(&present.bound);
            options.present.excluded.extend_from_slice(&present.excluded);
        }
        let outcome = plan(gang, &fork, &options)?;
        if let Outcome::Placed(plan) = &outcome {
            settled = settled.beside(gang, plan.placements().map(|pod| (pod.group(), pod.node())));
            let held = plan.commit(&mut fork).expect("a plan fits the inventory that it was made on");
            // It stays until the fork goes.
            drop(held);
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// A gang to plan on one tree.
#[derive(Clone, Copy, Debug)]
struct Planner<'a> {
    gang: &'a Gang,
    tree: Tree<'a>,
    options: &'a Options,
}

/// A pod that went back to where it was.
#[derive(Clone, Debug)]
struct Returned {
    pod: PodId,
    node: NodeId,
    devices: DeviceSet,
}

impl Planner<'_> {
    fn plan(self, inventory: &Inventory, running: Running, steps: &mut Steps) -> Outcome {
        match self.place(inventory, &running, steps) {
            Ok(plan) => Outcome::Placed(plan),
            Err(cut) => {
                let kinds = Kinds::new(self.gang, inventory, &running);
                let widest = if kinds.is_empty() { None } else { self.gang.on_kinds(&kinds.widest()) };
                let gang = widest.as_ref().unwrap_or(self.gang);
                let problem = Problem::new(gang, inventory, self.tree, self.options, running);
                Outcome::Rejected(explain::explain(&problem, self.gang, cut, steps))
            }
        }
    }

    /// A plan, or whether the search was cut short.
    fn place(self, inventory: &Inventory, running: &Running, steps: &mut Steps) -> Result<Plan, bool> {
        let kinds = Kinds::new(self.gang, inventory, running);
        if kinds.is_empty() {
            return self.place_on(self.gang, inventory, running, steps);
        }
        let mut cut = false;
        for (at, choice) in kinds.choices().enumerate() {
            // The first one is the try that costs nothing.
            if at > 0 && !steps.take(1) {
                return Err(true);
            }
            let Some(gang) = self.gang.on_kinds(&choice) else { continue };
            match self.place_on(&gang, inventory, running, steps) {
                Ok(plan) if !cut => return Ok(plan),
                // Of the kinds before it is not known that they have no place.
                Ok(plan) => return Ok(plan.unproven()),
                Err(short) => cut |= short,
            }
        }
        Err(cut)
    }

    fn place_on(self, gang: &Gang, inventory: &Inventory, running: &Running, steps: &mut Steps) -> Result<Plan, bool> {
        let problem = Problem::new(gang, inventory, self.tree, self.options, running.clone());
        match problem.solve(steps) {
            Found::Placed(solution) => Ok(finish::finish(&problem, solution, steps)),
            Found::Nowhere => Err(false),
            Found::CutShort => Err(true),
        }
    }

    /// A plan with every pod that can go back to its former node there; none if none can, or the rest has no place then.
    fn return_to_former(self, inventory: &Inventory, running: &Running, steps: &mut Steps) -> Option<Plan> {
        let former = &self.options.present.former;
        if former.is_empty() {
            return None;
        }
        let kinds = Kinds::new(self.gang, inventory, running);
        let mut first = if kinds.is_empty() { Some(vec![]) } else { None }.into_iter();
        let mut rest = kinds.choices();
        while let Some(choice) = first.next().or_else(|| if kinds.is_empty() { None } else { rest.next() }) {
            let gang = if kinds.is_empty() { Some(self.gang.clone()) } else { self.gang.on_kinds(&choice) };
            let Some(gang) = gang else { continue };
            let Some((fork, there, returned)) = reserve_former(&gang, inventory, running, former) else { continue };
            // Bounds look at what fits before any pod is back.
            let at_first = Problem::new(&gang, inventory, self.tree, self.options, there.clone());
            let before: Vec<Standing<'_>> = running.pods().collect();
            let before = verify(&at_first, &before);
            if verify(&at_first, &there.pods().collect::<Vec<_>>()) != before {
                continue;
            }
            let problem = Problem::new(&gang, &fork, self.tree, self.options, there);
            if let Found::Placed(solution) = problem.solve(steps) {
                let mut plan = finish::finish(&problem, solution, steps);
                let mut all = problem.running.clone();
                plan.placements().for_each(|pod| {
                    all.add(&gang, &PodId::new(pod.group(), pod.ordinals(), pod.ordinal()), pod.node());
                });
                if verify(&at_first, &all.pods().collect::<Vec<_>>()) != before {
                    continue;
                }
                plan.version = inventory.version();
                self.rejoin(&problem, &mut plan, returned);
                // Elsewhere the gang might be better off.
                return Some(plan.unproven());
            }
        }
        None
    }

    /// Puts pods that went back among those of a plan, by rank.
    fn rejoin(self, problem: &Problem<'_>, plan: &mut Plan, returned: Vec<Returned>) {
        let gang = problem.gang;
        let mut extras = plan.pods.split_off(plan.min_pods);
        for Returned { pod, node, devices } in returned {
            let Content::Pods { demand, .. } = gang.rows()[pod.group().index()].content else { continue };
            let replica = Replica { group: pod.group(), demand, ordinals: pod.ordinals().into() };
            let known = plan.replicas.iter().position(|known| *known == replica);
            let at = known.unwrap_or_else(|| {
                plan.replicas.push(replica);
                plan.replicas.len() - 1
            });
            let list = if problem.running.is_minimum(gang, &pod) { &mut plan.pods } else { &mut extras };
            list.push(Pod { replica: at as u32, ordinal: pod.ordinal(), node, devices });
        }
        for list in [&mut plan.pods, &mut extras] {
            list.sort_by_key(|pod| {
                let replica = &plan.replicas[pod.replica as usize];
                (replica.group, replica.ordinals.clone(), pod.ordinal)
            });
        }
        plan.min_pods = plan.pods.len();
        plan.pods.extend(extras);
    }
}

/// An inventory on which every pod that can go back to its former node is there, with those and what runs; none if none can.
/// Beyond the minimum whole replicas go back.
fn reserve_former(
    gang: &Gang,
    inventory: &Inventory,
    running: &Running,
    former: &[Located],
) -> Option<(Inventory, Running, Vec<Returned>)> {
    let mut former: Vec<&Located> = former.iter().collect();
    former.retain(|at| running.node(at.pod.group().index(), at.pod.ordinals(), at.pod.ordinal()).is_none());
    loop {
        let mut fork = inventory.fork();
        let (mut there, mut returned) = (running.clone(), Vec::new());
        let mut transaction = fork.transaction();
        for located in &former {
            let Content::Pods { demand, .. } = gang.rows()[located.pod.group().index()].content else { continue };
            let (pod, node) = (&located.pod, located.node);
            if let Ok(devices) = transaction.reserve(node, &gang.demands()[demand]) {
                there.add(gang, pod, node);
                returned.push(Returned { pod: pod.clone(), node, devices });
            }
        }
        // It stays until the fork goes.
        drop(transaction.commit());
        let all = former.len();
        former.retain(|located| there.is_minimum(gang, &located.pod) || there.is_in_whole(gang, &located.pod));
        if former.len() == all {
            return (!returned.is_empty()).then_some((fork, there, returned));
        }
    }
}
