//! `phalanx place`: where the gangs of some manifests go.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use phalanx_gang::{Budget, Outcome, Plan, Proof, Rejection, plan};
use phalanx_manifest::{Manifests, Pod, ServingGroup};
use phalanx_topology::{Inventory, Topology};
use serde::Serialize;

use super::Failure;
use super::manifests::{self, FileArgs};
use super::output::{self, Format};

/// Arguments of `phalanx place`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Plans one gang for each group of each ModelServing, in the order of the manifests, on the Nodes among them; each gang is
placed whole or not at all, and takes its room before the next is planned. Nothing is started or changed. Exits 1 when a
gang has no place, and says why.

JSON is an array with one object a gang: gang (namespace/group), placed, decision_us (measured, so
never twice the same), level (the finest that holds the
whole minimum in one domain; absent when only the cluster does), proof (optimal or feasible), min_pods, max_pods, pods
(pod, node, path, devices), unmet (preferences), and when it has no place rejection (message, group, reasons, eligible,
nodes, exhausted, counterfactual). reasons is a list of reason and nodes, in the order in which reasons are asked; with
eligible they make nodes.")]
pub(super) struct Args {
    #[command(flatten)]
    input: FileArgs,
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

/// One gang's answer, under the field names that JSON has.
#[derive(Clone, Debug, Serialize)]
pub(super) struct GangRow {
    /// `namespace/group`.
    gang: String,
    placed: bool,
    /// How long the decision took.
    decision_us: f64,
    /// The finest level that holds the whole minimum in one domain; absent when only the cluster does.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<String>,
    /// `optimal` or `feasible`.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<&'static str>,
    /// Pods of the gang's minimum, and of its maximum.
    min_pods: u32,
    max_pods: u32,
    pods: Vec<PodRow>,
    /// Preferences that could not be met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unmet: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<RejectionRow>,
}

/// Where one pod goes.
#[derive(Clone, Debug, Serialize)]
struct PodRow {
    pod: String,
    node: String,
    /// The node's path.
    path: String,
    /// Device indices on the node.
    devices: Vec<u32>,
}

/// Why a gang has no place.
#[derive(Clone, Debug, Serialize)]
struct RejectionRow {
    message: String,
    /// The first group that fails.
    group: String,
    /// Nodes by the first reason that speaks against them, in the order in which reasons are asked; with `eligible` they
    /// make `nodes`.
    reasons: Vec<ReasonRow>,
    eligible: u32,
    nodes: u32,
    /// The search was cut short: there may be a place after all.
    exhausted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    counterfactual: Option<String>,
}

/// How many nodes cannot take part for one reason.
#[derive(Clone, Debug, Serialize)]
struct ReasonRow {
    reason: String,
    nodes: u32,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let placements = Placements::plan(&args.input)?;
    match args.output {
        Format::Table => output::say(&placements.page()),
        Format::Json => output::say(&placements.json()),
    }
    if placements.rejected() { Err(Failure::No) } else { Ok(()) }
}

impl Placements {
    /// Reads the manifests and plans every gang in them.
    pub(super) fn plan(args: &FileArgs) -> Result<Self, Failure> {
        let manifests = manifests::read_to_act(args)?;
        let mut inventory = manifests.inventory().map_err(|error| Failure::Input(error.to_string()))?;
        let (mut rows, mut replicas) = (Vec::new(), Vec::new());
        for serving in manifests.servings() {
            for group in serving.groups() {
                rows.push(place(&group, &mut inventory, &mut replicas)?);
            }
        }
        Ok(Self { manifests, rows, replicas })
    }

    pub(super) fn manifests(&self) -> &Manifests {
        &self.manifests
    }

    /// Whether some gang has no place.
    pub(super) fn rejected(&self) -> bool {
        self.rows.iter().any(|row| !row.placed)
    }

    /// The role replicas that have a place.
    pub(super) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    pub(super) fn rows(&self) -> Vec<GangRow> {
        self.rows.clone()
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string_pretty(&self.rows).expect("plain data")
    }

    pub(super) fn page(&self) -> String {
        let cells = self.rows.iter().map(GangRow::cells);
        let mut page = output::table(&["GANG", "PODS", "TOGETHER IN", "DECIDED IN", "WHERE"], 5, cells);
        for row in &self.rows {
            for unmet in &row.unmet {
                page.push_str(&format!("\n{}: not met: {unmet}", row.gang));
            }
            if let Some(rejection) = &row.rejection {
                page.push_str(&format!("\n{} has no place: {}", row.gang, rejection.message));
            }
        }
        page
    }
}

/// Plans one gang and, when it has a place, takes its room.
fn place(group: &ServingGroup<'_>, inventory: &mut Inventory, replicas: &mut Vec<Replica>) -> Result<GangRow, Failure> {
    let name = format!("{}/{}", group.serving().name().namespace(), group.name());
    let wrong = |error: &dyn std::fmt::Display| Failure::Input(format!("gang {name}: {error}"));
    let gang = group.gang(inventory).map_err(|error| wrong(&error))?;
    let start = Instant::now();
    let outcome = plan(&gang, inventory, Budget::default()).map_err(|error| wrong(&error))?;
    let took = start.elapsed();
    let row = GangRow {
        gang: name.clone(),
        placed: false,
        decision_us: micros(took),
        level: None,
        proof: None,
        min_pods: gang.min_pods(),
        max_pods: gang.max_pods(),
        pods: Vec::new(),
        unmet: Vec::new(),
        rejection: None,
    };
    match outcome {
        Outcome::Rejected(rejection) => Ok(GangRow { rejection: Some(RejectionRow::of(&rejection)), ..row }),
        Outcome::Placed(plan) => {
            // Nobody releases what a plan of manifests takes: the receipt has no further use.
            let _ = plan.commit(inventory).map_err(|error| wrong(&error))?;
            let topology = inventory.topology();
            let pods = placed_pods(group, &plan, topology);
            replicas.extend(pods.iter().filter(|(pod, _)| pod.is_entry()).map(|(pod, row)| Replica {
                namespace: group.serving().name().namespace().to_owned(),
                serving: group.serving().name().name().to_owned(),
                pod: row.pod.clone(),
                labels: pod.labels(),
                node: row.node.clone(),
            }));
            let level = |level| topology.level_name(level).to_owned();
            Ok(GangRow {
                placed: true,
                level: plan.level().map(level),
                proof: Some(match plan.proof() {
                    Proof::Optimal => "optimal",
                    _ => "feasible",
                }),
                pods: pods.into_iter().map(|(_, row)| row).collect(),
                unmet: plan
                    .unmet()
                    .iter()
                    .map(|unmet| format!("{} in one {}", plan.group_path(unmet.group()), level(unmet.level())))
                    .collect(),
                ..row
            })
        }
    }
}

fn placed_pods<'a>(group: &ServingGroup<'a>, plan: &Plan, topology: &Topology) -> Vec<(Pod<'a>, PodRow)> {
    let place = |placement| {
        let pod = group.pod(plan, &placement).expect("the plan is of this group's gang");
        let node = placement.node();
        let row = PodRow {
            pod: pod.name(),
            node: topology.node_name(node).to_owned(),
            path: topology.node_path(node),
            devices: placement.devices().iter().collect(),
        };
        (pod, row)
    };
    plan.placements().map(place).collect()
}

impl GangRow {
    fn cells(&self) -> Vec<String> {
        let pods = if self.placed { self.pods.len() } else { 0 };
        let level = match (&self.level, self.placed) {
            (Some(level), _) => level.clone(),
            (None, true) => "cluster".to_owned(),
            (None, false) => "-".to_owned(),
        };
        // Pods a node, in path order.
        let mut nodes: BTreeMap<&str, usize> = BTreeMap::new();
        for pod in &self.pods {
            *nodes.entry(&pod.path).or_default() += 1;
        }
        let whole = nodes.iter().map(|(path, count)| format!("{path} ×{count}")).collect::<Vec<_>>().join(", ");
        let place = if self.placed { whole } else { "no place".to_owned() };
        vec![
            self.gang.clone(),
            format!("{pods} of {}", self.max_pods),
            level,
            format!("{:.1} µs", self.decision_us),
            place,
        ]
    }
}

impl RejectionRow {
    fn of(rejection: &Rejection) -> Self {
        Self {
            message: rejection.to_string(),
            group: rejection.group_path().to_owned(),
            reasons: rejection
                .reasons()
                .iter()
                .map(|(reason, nodes)| ReasonRow { reason: reason.to_string(), nodes: *nodes })
                .collect(),
            eligible: rejection.eligible(),
            nodes: rejection.nodes(),
            exhausted: rejection.is_exhausted(),
            counterfactual: rejection.counterfactual().map(ToString::to_string),
        }
    }
}

fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e7).round() / 10.0
}
