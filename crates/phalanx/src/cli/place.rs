//! `phalanx place`: where the gangs of manifests, of one file or of a line go.

use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use phalanx_gang::form::{Case, schema};
use phalanx_gang::{Budget, Gang, Objective, Options, Outcome, Placement, Plan, PodId, Present, plan};
use phalanx_topology::{DeviceSet, Inventory, NodeId, Topology};

use super::Failure;
use super::manifests::FileArgs;
use super::output::{self, Format};

use self::picture::{Drawn, Picture};
pub(super) use self::placements::{Placements, Replica};
pub(super) use self::row::GangRow;
use self::row::{json, rejected};

mod boxes;
mod located;
mod page;
mod picture;
mod placements;
mod row;
mod scenario;
mod svg;
mod warning;

/// Arguments of `phalanx place`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  phalanx place examples/quickstart
  phalanx place examples/placement.yaml --svg placement.svg
  phalanx place --cluster 'b1{r1{n1:8xH100 n2:8xH100} r2{n3:4xA100}}' --gang '2p(8) required=rack' --gang '4p(0.5)'

Plans one gang for each group of each ModelServing, and then for each PodGroup of other origin, in the order of the
manifests, on the Nodes among them; each gang is placed whole or not at all, and takes its room before the next is
planned. Pods among the manifests hold their room, and those of a gang stay where they are: only what is missing is
planned. A PodGroup whose Pods are not all there yet is passed over with a warning. Nothing is started or changed. Exits
1 when a gang has no place, and says why; 2 when the input is wrong, or there is no gang in it. A kind or a resource that no
node has is told as a warning.

A file with `cluster` and `gangs` at its top is a compact form that can say all that the planner knows: several topologies,
patterns of names, islands and NUMA zones, held and running pods, history, every bound of a group, objective and budget.
examples/placement.yaml shows all of it; --schema prints its JSON schema.

A line for --gang is pods, 4p(8), 2..4p(8,cpu=6), 3x4p(8) (replicas of four), 2p(0.5) or 2p(500m) (a share of one device,
500 thousandths of it; `share: 500` in a file), 2p(4,island), 2p(4,numa); slice=LEVEL:SIZE and exclusive=LEVEL[:KEY] for the
pods before them; and for the whole required=LEVEL, preferred=LEVEL, spread=LEVEL:SKEW, bind=LEVEL:KEY, per-node=N, kinds=A,B
and homogeneous. exclusive keeps replicas apart, not the pods of one: 2x1p(8) exclusive=node are two replicas on two nodes,
2p(8) is one replica whose pods may share. With :KEY they keep apart also from all else that has the key, in other gangs too;
what has no key or another one is no matter. per-node=1 keeps pods apart.

A node for --cluster is NAME:DEVICES, then, each where needed, xKIND, /DEVICES-AN-ISLAND, (cpu=32,memory=512) and ! for
cordoned; NUMA zones can be told in a file only. Levels are named by how deep braces are: r1{...} is a rack, b1{r1{...}} a
block of racks, z1{b1{r1{...}}} a zone of blocks; node is always there below them. A node outside all braces is in no
domain, and nothing that asks for a level goes there.

Pods of lines and of a file are called GROUP-REPLICA-POD: their group's name, the ordinal of the replica of each group from
the outermost in, and their own in it, from 0. Words of pods in a line are the groups 0, 1, ... of one gang. Names are told
apart by gang. PODS counts those that have a place or run, of the most there may be. PROOF says how good the answer is:
optimal is the best that there is under the objective; feasible holds all bounds, but a better one may exist.

JSON is an array with one object a gang: gang (namespace/group, namespace/PodGroup, name or line), placed, decision_us
(measured, so never twice the same), objective, level (the finest that holds the whole minimum in one domain; absent when only the cluster does),
proof (optimal or feasible), steps (of search), min_pods, max_pods, pods (rank, pod, group, replica, ordinal, node, path,
devices, milli of a share, extra when above the minimum), running (pod, node, devices where known), unmet (group, replica,
level), extras (group, replica, placed, pending), violated (group, replica, bound, nodes), and when it has no place rejection
(message, group, wanted, times, level, best (domain, fits), reasons, eligible, nodes, exhausted, counterfactual). reasons is
a list of reason and nodes, in the order in which reasons are asked; with eligible they make nodes. Lists that are empty are
left out, pods aside.")]
pub(super) struct Args {
    #[command(flatten)]
    input: FileArgs,
    /// A cluster in one line instead of manifests: `b1{r1{n1:8 n2:8} r2{n3:4}}` is a block with racks and nodes of so many
    /// GPUs; `n3:4xA100(cpu=32)` has a kind and other resources too
    #[arg(long, value_name = "NOTATION", requires = "gangs", conflicts_with_all = ["paths", "files", "levels"])]
    cluster: Option<String>,
    /// A gang in one line, placed on that cluster: `4p(8) required=rack preferred=node` is four pods of eight GPUs,
    /// `2..4p(8,cpu=6)` two or up to four; repeat
    #[arg(long = "gang", value_name = "NOTATION", requires = "cluster")]
    gangs: Vec<String>,
    /// What makes one place better than another, for every gang: tight, greedy-best-fit, least-free, balanced, spread:LEVEL
    /// or fragmentation:WEIGHTxDEVICES,... for the pods that are expected [default: tight, or what the file says]
    #[arg(long, value_name = "NAME")]
    objective: Option<String>,
    /// The most steps of search for each gang [default: 200000, or what the file says]
    #[arg(long, value_name = "STEPS")]
    budget: Option<u64>,
    /// Draw the cluster with the gangs' pods into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print the JSON schema of a file with a cluster and gangs, and do nothing else
    #[arg(long, exclusive = true)]
    schema: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Gangs planned on a cluster, which has what they take.
#[derive(Debug)]
struct Planned {
    inventory: Inventory,
    rows: Vec<GangRow>,
    drawn: Vec<Drawn>,
}

/// What the command line says for all gangs.
#[derive(Clone, Debug, Default)]
struct Tuning {
    objective: Option<String>,
    budget: Option<u64>,
}

/// A pod that runs: which one it is, its name, and where.
#[derive(Debug)]
struct Runs {
    id: PodId,
    pod: String,
    node: NodeId,
    /// None where they are not known.
    devices: DeviceSet,
    milli: u32,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.schema {
        output::say(&schema());
        return Ok(());
    }
    let tuning = Tuning { objective: args.objective.clone(), budget: args.budget };
    let planned = match &args.cluster {
        Some(cluster) => plan_notation(cluster, &args.gangs, &tuning)?,
        None => match scenario::find(&args.input.paths())? {
            Some((path, case)) => {
                if args.input.has_levels() {
                    let path = path.display();
                    return Err(Failure::Input(format!("--level: {path} says its levels itself; leave it out")));
                }
                if case.requests().is_empty() {
                    let path = path.display();
                    return Err(Failure::Input(format!("{path}: gangs: found none, expected a gang or more to place")));
                }
                plan_case(case, &tuning)?
            }
            None => {
                let placements = Placements::tuned(&args.input, &tuning)?;
                placements.expect_gangs()?;
                placements.into_planned()
            }
        },
    };
    if let Some(path) = &args.svg {
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg")) {
            let path = path.display();
            output::complain(&format!("warning: --svg {path}: what is drawn is SVG, whatever the file is called"));
        }
        let text = svg::draw(&Picture::new(&planned.inventory, &planned.drawn));
        fs::write(path, text).map_err(|error| Failure::Input(format!("--svg {}: {error}", path.display())))?;
    }
    let rows = &planned.rows;
    match args.output {
        Format::Table => output::say(&page::details(rows)),
        Format::Json => output::say(&json(rows)),
    }
    if rejected(rows) { Err(Failure::No) } else { Ok(()) }
}

impl Tuning {
    /// The options with what the command line says.
    fn apply(&self, mut options: Options, topology: &Topology) -> Result<Options, Failure> {
        if let Some(text) = &self.objective {
            let objective = Objective::from_notation(text, topology);
            options = options.objective(objective.map_err(|error| Failure::Input(format!("--objective: {error}")))?);
        }
        Ok(match self.budget {
            Some(steps) => options.budget(Budget::steps(steps)),
            None => options,
        })
    }
}

/// Plans gangs in notation on a cluster in notation.
fn plan_notation(cluster: &str, gangs: &[String], tuning: &Tuning) -> Result<Planned, Failure> {
    let wrong = |flag: &str, error: &dyn Display| Failure::Input(format!("{flag}: {error}"));
    let mut inventory = Inventory::from_notation(cluster).map_err(|error| wrong("--cluster", &error))?;
    let mut read = Vec::new();
    for line in gangs {
        let gang =
            Gang::from_notation(line, &mut inventory).map_err(|error| wrong(&format!("--gang '{line}'"), &error))?;
        if gang.max_pods() == 0 {
            let nothing = "nothing to place, expected a pod or more, such as 1p(8)";
            return Err(wrong(&format!("--gang '{line}'"), &nothing));
        }
        read.push((line, gang));
    }
    warning::tell(&inventory, read.iter().map(|(line, gang)| (line.as_str(), gang)));
    let options = tuning.apply(Options::new(), inventory.topology())?;
    let mut planned = Planned { inventory, rows: Vec::new(), drawn: Vec::new() };
    let mut others = Present::new();
    for (line, gang) in &read {
        // The gang around the words of a line has one replica, which names need not tell.
        let options = options.clone().present(others.clone());
        let names = |_: &Plan, placement: &Placement<'_>| name(gang, &row::id(placement), 1);
        let plan = planned.place(line, gang, &options, Vec::new(), &names)?;
        others = others.beside(gang, plan.iter().flat_map(Plan::placements).map(|pod| (pod.group(), pod.node())));
    }
    Ok(planned)
}

/// Plans the gangs of a file.
fn plan_case(mut case: Case, tuning: &Tuning) -> Result<Planned, Failure> {
    for request in case.requests().iter().filter(|request| request.gang().max_pods() == 0) {
        output::complain(&format!("warning: gang {}: nothing to place, it has no pods", request.name()));
    }
    warning::tell(case.inventory(), case.requests().iter().map(|request| (request.name(), request.gang())));
    let (mut rows, mut drawn) = (Vec::new(), Vec::new());
    for at in 0..case.requests().len() {
        let request = &case.requests()[at];
        let wrong = |error: &dyn Display| Failure::Input(format!("gang {}: {error}", request.name()));
        let gang = request.gang();
        let options = tuning.apply(case.options(at), case.inventory().topology())?;
        let start = Instant::now();
        let outcome = plan(gang, case.inventory(), &options).map_err(|error| wrong(&error))?;
        let took = start.elapsed();
        let runs = request.running().iter().map(|(id, node, devices)| {
            let milli = request.demand(id.group()).map_or(0, phalanx_topology::Demand::milli);
            Runs { id: id.clone(), pod: name(gang, id, 0), node: *node, devices: *devices, milli }
        });
        let names = |_: &Plan, placement: &Placement<'_>| name(gang, &row::id(placement), 0);
        let head = (request.name(), gang, &options, took);
        let (row, picture) = answer(head, &outcome, case.inventory().topology(), runs.collect(), &names);
        if let Outcome::Placed(plan) = &outcome {
            case.settle(at, plan).map_err(|error| Failure::Input(error.to_string()))?;
        }
        rows.push(row);
        drawn.push(picture);
    }
    Ok(Planned { inventory: case.inventory().fork(), rows, drawn })
}

/// A pod's name: its group's, the ordinals of replicas but for some outer ones, and its own.
fn name(gang: &Gang, id: &PodId, skip: usize) -> String {
    let group = gang.group_path(id.group()).rsplit('/').next().unwrap_or_default();
    let ordinals = id.ordinals().iter().skip(skip).copied().chain([id.ordinal()]);
    let ordinals = ordinals.map(|ordinal| ordinal.to_string());
    format!("{group}-{}", ordinals.collect::<Vec<_>>().join("-"))
}

impl Planned {
    /// Plans one gang and, when it has a place, takes its room.
    fn place(
        &mut self,
        name: &str,
        gang: &Gang,
        options: &Options,
        runs: Vec<Runs>,
        pod_name: &dyn Fn(&Plan, &Placement<'_>) -> String,
    ) -> Result<Option<Plan>, Failure> {
        let wrong = |error: &dyn Display| Failure::Input(format!("gang {name}: {error}"));
        let start = Instant::now();
        let outcome = plan(gang, &self.inventory, options).map_err(|error| wrong(&error))?;
        let head = (name, gang, options, start.elapsed());
        let (row, drawn) = answer(head, &outcome, self.inventory.topology(), runs, pod_name);
        self.rows.push(row);
        self.drawn.push(drawn);
        let Outcome::Placed(plan) = outcome else { return Ok(None) };
        // Nobody releases what a plan takes here: the receipt has no further use.
        let _ = plan.commit(&mut self.inventory).map_err(|error| wrong(&error))?;
        Ok(Some(plan))
    }
}

/// What is to be told and drawn of one gang's outcome: its name, the gang, how it was planned and how long that took.
fn answer(
    (name, gang, options, took): (&str, &Gang, &Options, Duration),
    outcome: &Outcome,
    topology: &Topology,
    runs: Vec<Runs>,
    pod_name: &dyn Fn(&Plan, &Placement<'_>) -> String,
) -> (GangRow, Drawn) {
    let running = runs.iter().map(|runs| (runs.id.clone(), runs.node, runs.devices, runs.milli));
    let drawn = Drawn::new(name, gang, outcome.plan(), running);
    let node = |node: NodeId| topology.node_name(node).to_owned();
    let running = runs.into_iter().map(|runs| (runs.pod, node(runs.node), runs.devices.iter().collect()));
    let row = GangRow::new(name, gang, options, took).running(running);
    let row = match outcome {
        Outcome::Rejected(rejection) => row.rejected(rejection),
        Outcome::Placed(plan) => row.placed(plan, topology, &drawn, |placement| pod_name(plan, placement)),
    };
    (row, drawn)
}
