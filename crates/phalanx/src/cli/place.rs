//! `phalanx place`: where the gangs of some manifests go.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Instant;

use clap::Args as ClapArgs;
use phalanx_gang::{Gang, Options, Outcome, Placement, Plan, plan};
use phalanx_manifest::{Manifests, PodGroup, PodGroupError, ServingGroup};
use phalanx_topology::Inventory;

use super::Failure;
use super::manifests::{self, FileArgs};
use super::output::{self, Format};

pub(super) use self::row::GangRow;
use self::row::{json, page, rejected};

mod row;

/// Arguments of `phalanx place`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  phalanx place examples/quickstart
  phalanx place --cluster 'b1{r1{n1:8 n2:8} r2{n3:4}}' --gang '2p(8) required=rack' --gang '1p(8)'

Plans one gang for each group of each ModelServing, and then for each PodGroup of other origin, in the order of the
manifests, on the Nodes among them; each gang is placed whole or not at all, and takes its room before the next is
planned. Pods among the manifests hold their room, and those of a gang stay where they are: only what is missing is
planned. A PodGroup whose Pods are not all there yet is passed over with a warning. Nothing is started or changed. Exits
1 when a gang has no place, and says why.

JSON is an array with one object a gang: gang (namespace/group, or namespace/PodGroup), placed, decision_us (measured, so never twice the same),
level (the finest that holds the whole minimum in one domain; absent when only the cluster does), proof (optimal or
feasible), min_pods, max_pods, pods (pod, node, path, devices), running (pod, node; absent when none is), unmet (preferences), and when it has no place rejection (message, group, reasons, eligible,
nodes, exhausted, counterfactual). reasons is a list of reason and nodes, in the order in which reasons are asked; with
eligible they make nodes.")]
pub(super) struct Args {
    #[command(flatten)]
    input: FileArgs,
    /// A cluster in one line instead of manifests: `b1{r1{n1:8 n2:8} r2{n3:4}}` is a block with racks and nodes of so many
    /// GPUs; `n3:4(cpu=32)` has other resources too
    #[arg(long, value_name = "NOTATION", requires = "gangs", conflicts_with_all = ["paths", "files", "levels"])]
    cluster: Option<String>,
    /// A gang in one line, placed on that cluster: `4p(8) required=rack preferred=node` is four pods of eight GPUs,
    /// `2..4p(8,cpu=6)` two or up to four; repeat
    #[arg(long = "gang", value_name = "NOTATION", requires = "cluster")]
    gangs: Vec<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// The gangs of some manifests, planned one after the other.
#[derive(Debug)]
pub(super) struct Placements {
    manifests: Manifests,
    rows: Vec<GangRow>,
    replicas: Vec<Replica>,
}

/// A role replica whose pods are all placed.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    pub(super) namespace: String,
    pub(super) serving: String,
    /// The entry pod's name.
    pub(super) pod: String,
    /// The entry pod's labels.
    pub(super) labels: BTreeMap<String, String>,
    /// The entry pod's node.
    pub(super) node: String,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let rows = match &args.cluster {
        Some(cluster) => plan_notation(cluster, &args.gangs)?,
        None => Placements::plan(&args.input)?.rows,
    };
    match args.output {
        Format::Table => output::say(&page(&rows)),
        Format::Json => output::say(&json(&rows)),
    }
    if rejected(&rows) { Err(Failure::No) } else { Ok(()) }
}

impl Placements {
    /// Reads the manifests and plans every gang in them.
    pub(super) fn plan(args: &FileArgs) -> Result<Self, Failure> {
        let manifests = manifests::read_to_act(args)?;
        let mut inventory = manifests.inventory().map_err(|error| Failure::Input(error.to_string()))?;
        let (mut rows, mut replicas) = (Vec::new(), Vec::new());
        for serving in manifests.servings() {
            for group in serving.groups() {
                rows.push(place_group(&manifests, &group, &mut inventory, &mut replicas)?);
            }
        }
        for group in manifests.pod_groups().iter().filter(|group| !manifests.is_of_serving(group)) {
            rows.extend(place_pod_group(&manifests, group, &mut inventory)?);
        }
        Ok(Self { manifests, rows, replicas })
    }

    pub(super) fn manifests(&self) -> &Manifests {
        &self.manifests
    }

    /// Whether some gang has no place.
    pub(super) fn rejected(&self) -> bool {
        rejected(&self.rows)
    }

    /// The role replicas that have a place.
    pub(super) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    pub(super) fn rows(&self) -> Vec<GangRow> {
        self.rows.clone()
    }

    pub(super) fn json(&self) -> String {
        json(&self.rows)
    }

    pub(super) fn page(&self) -> String {
        page(&self.rows)
    }
}

/// Plans gangs in notation on a cluster in notation.
fn plan_notation(cluster: &str, gangs: &[String]) -> Result<Vec<GangRow>, Failure> {
    let wrong = |flag: &str, error: &dyn Display| Failure::Input(format!("{flag}: {error}"));
    let mut inventory = Inventory::from_notation(cluster).map_err(|error| wrong("--cluster", &error))?;
    let mut read = Vec::new();
    for line in gangs {
        let gang =
            Gang::from_notation(line, &mut inventory).map_err(|error| wrong(&format!("--gang '{line}'"), &error))?;
        read.push((line, gang));
    }
    let pod = |plan: &Plan, placement: &Placement<'_>| {
        let group = plan.group_path(placement.group()).rsplit('/').next().unwrap_or_default();
        let ordinals = placement.ordinals().iter().skip(1).copied().chain([placement.ordinal()]);
        let ordinals = ordinals.map(|ordinal| ordinal.to_string());
        format!("{group}-{}", ordinals.collect::<Vec<_>>().join("-"))
    };
    read.iter().map(|(line, gang)| Ok(place(line, gang, &mut inventory, &Options::default(), &pod)?.0)).collect()
}

/// Plans what is missing of the gang of one group of a ModelServing, and adds the role replicas that run or have a place.
fn place_group(
    manifests: &Manifests,
    group: &ServingGroup<'_>,
    inventory: &mut Inventory,
    replicas: &mut Vec<Replica>,
) -> Result<GangRow, Failure> {
    let (namespace, serving) = (group.serving().name().namespace(), group.serving().name().name());
    let name = format!("{namespace}/{}", group.name());
    let gang = group.gang(inventory).map_err(|error| Failure::Input(format!("gang {name}: {error}")))?;
    let pod = |plan: &Plan, placement: &Placement<'_>| {
        group.pod(plan, placement).expect("the plan is of this group's gang").name()
    };
    let options = Options::new().present(manifests.present(group, &gang, inventory));
    let (row, plan) = place(&name, &gang, inventory, &options, &pod)?;
    let replica = |pod: String, labels, node: &str| Replica {
        namespace: namespace.to_owned(),
        serving: serving.to_owned(),
        pod,
        labels,
        node: node.to_owned(),
    };
    let running = manifests.members(group).filter_map(|(pod, there)| Some((pod, there.stays()?.to_owned())));
    let running: Vec<_> = running.collect();
    for (pod, node) in running.iter().filter(|(pod, _)| pod.is_entry()) {
        replicas.push(replica(pod.name(), pod.labels(), node));
    }
    let row = row.running(running.iter().map(|(pod, node)| (pod.name(), node.clone())));
    for (placement, placed) in plan.iter().flat_map(Plan::placements).zip(row.pods()) {
        let pod = plan.as_ref().and_then(|plan| group.pod(plan, &placement)).expect("the plan is of this group's gang");
        if pod.is_entry() {
            replicas.push(replica(placed.pod.clone(), pod.labels(), &placed.node));
        }
    }
    Ok(row)
}

/// Plans what is missing of a PodGroup; nothing while it waits for Pods.
fn place_pod_group(
    manifests: &Manifests,
    group: &PodGroup,
    inventory: &mut Inventory,
) -> Result<Option<GangRow>, Failure> {
    let name = group.name().to_string();
    let of = match group.gang(manifests, inventory) {
        Ok(of) => of,
        Err(error @ (PodGroupError::TooFewPods { .. } | PodGroupError::TooFewSubGroups { .. })) => {
            output::complain(&format!("warning: not planned yet: {error}"));
            return Ok(None);
        }
        Err(error) => return Err(Failure::Input(error.to_string())),
    };
    let pod = |_: &Plan, placement: &Placement<'_>| {
        of.pod(placement).expect("the plan is of this PodGroup's gang").name().name().to_owned()
    };
    let options = Options::new().present(of.present(inventory));
    let (row, _) = place(&name, of.gang(), inventory, &options, &pod)?;
    let running = of.pods().filter_map(|(_, pod)| Some((pod.name().name().to_owned(), pod.stays()?.to_owned())));
    Ok(Some(row.running(running)))
}

/// Plans one gang and, when it has a place, takes its room.
fn place(
    name: &str,
    gang: &Gang,
    inventory: &mut Inventory,
    options: &Options,
    pod_name: &dyn Fn(&Plan, &Placement<'_>) -> String,
) -> Result<(GangRow, Option<Plan>), Failure> {
    let wrong = |error: &dyn Display| Failure::Input(format!("gang {name}: {error}"));
    let start = Instant::now();
    let outcome = plan(gang, inventory, options).map_err(|error| wrong(&error))?;
    let took = start.elapsed();
    let row = GangRow::new(name, gang, took);
    let plan = match outcome {
        Outcome::Rejected(rejection) => {
            return Ok((row.rejected(&rejection), None));
        }
        Outcome::Placed(plan) => plan,
    };
    // Nobody releases what a plan takes here: the receipt has no further use.
    let _ = plan.commit(inventory).map_err(|error| wrong(&error))?;
    let row = row.placed(&plan, inventory.topology(), |placement| pod_name(&plan, placement));
    Ok((row, Some(plan)))
}
