//! The answer for one gang, under the field names that JSON has.

use std::collections::BTreeMap;
use std::time::Duration;

use phalanx_gang::{Extras, Gang, Options, Placement, Plan, PodId, Proof, Rejection, Unmet, Violated, Violation};
use phalanx_topology::Topology;
use serde::Serialize;

use super::picture::Drawn;

/// One gang's answer.
#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct GangRow {
    /// `namespace/group` of manifests, the line of a notation, or the gang's name.
    pub(super) gang: String,
    pub(super) placed: bool,
    /// How long the decision took.
    pub(super) decision_us: f64,
    /// What was planned for.
    objective: &'static str,
    /// The finest level that holds the whole minimum in one domain, node for what is on one node; absent when only the
    /// cluster does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) level: Option<String>,
    /// `optimal` or `feasible`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proof: Option<&'static str>,
    /// Steps of search that were taken.
    steps: u64,
    /// Pods of the gang's minimum, and of its maximum.
    pub(super) min_pods: u32,
    pub(super) max_pods: u32,
    pub(super) pods: Vec<PodRow>,
    /// Pods that run already and stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) running: Vec<RunningRow>,
    /// Preferences that could not be met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unmet: Vec<UnmetRow>,
    /// Replicas above the minimum.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) extras: Vec<ExtrasRow>,
    /// Bounds that running pods break.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) violated: Vec<ViolatedRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rejection: Option<RejectionRow>,
    /// The path of the smallest domain that holds what is placed.
    #[serde(skip)]
    pub(super) within: Option<String>,
}

/// Where one pod goes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PodRow {
    /// Its position among the gang's pods that are somewhere.
    pub(super) rank: u32,
    pub(super) pod: String,
    /// The path of its group, which replica of each group on the path it is in, and its ordinal there.
    pub(super) group: String,
    replica: Vec<u32>,
    ordinal: u32,
    pub(super) node: String,
    /// The node's path.
    pub(super) path: String,
    /// Device indices on the node.
    pub(super) devices: Vec<u32>,
    /// How much it has of its one device.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) milli: u32,
    /// Whether it is above the minimum.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    extra: bool,
}

/// Where one pod runs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RunningRow {
    pub(super) pod: String,
    pub(super) node: String,
    /// Device indices on the node, where they are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    devices: Vec<u32>,
}

/// A preference that one replica does not get.
#[derive(Clone, Debug, Serialize)]
pub(super) struct UnmetRow {
    pub(super) group: String,
    replica: Vec<u32>,
    pub(super) level: String,
}

/// Replicas of one group above the minimum.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ExtrasRow {
    pub(super) group: String,
    /// Of each group around it.
    replica: Vec<u32>,
    pub(super) placed: u32,
    pub(super) pending: u32,
}

/// A bound that pods of one replica break where they run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ViolatedRow {
    pub(super) group: String,
    replica: Vec<u32>,
    pub(super) bound: String,
    pub(super) nodes: Vec<String>,
}

/// Why a gang has no place.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RejectionRow {
    pub(super) message: String,
    /// The first group that fails.
    group: String,
    /// How many of its pods must be together, and how many times.
    wanted: u64,
    times: u64,
    /// In one domain of which level; absent when in the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<String>,
    /// The domain with room for most of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<BestRow>,
    /// Nodes by the first reason that speaks against them, in the order in which reasons are asked; with `eligible` they
    /// make `nodes`.
    pub(super) reasons: Vec<ReasonRow>,
    pub(super) eligible: u32,
    pub(super) nodes: u32,
    /// The search was cut short: there may be a place after all.
    exhausted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    counterfactual: Option<String>,
}

/// The domain that comes closest.
#[derive(Clone, Debug, Serialize)]
struct BestRow {
    domain: String,
    fits: u64,
}

/// How many nodes cannot take part for one reason.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ReasonRow {
    pub(super) reason: String,
    pub(super) nodes: u32,
}

/// Whether some gang has no place.
pub(super) fn rejected(rows: &[GangRow]) -> bool {
    rows.iter().any(|row| !row.placed)
}

pub(super) fn json(rows: &[GangRow]) -> String {
    serde_json::to_string_pretty(rows).expect("plain data")
}

impl GangRow {
    /// A gang of which nothing is known but how it was decided.
    pub(super) fn new(name: &str, gang: &Gang, options: &Options, took: Duration) -> Self {
        Self {
            gang: name.to_owned(),
            placed: false,
            decision_us: micros(took),
            objective: options.planned_for().name(),
            level: None,
            proof: None,
            steps: 0,
            min_pods: gang.min_pods(),
            max_pods: gang.max_pods(),
            pods: Vec::new(),
            running: Vec::new(),
            unmet: Vec::new(),
            extras: Vec::new(),
            violated: Vec::new(),
            rejection: None,
            within: None,
        }
    }

    pub(super) fn rejected(self, rejection: &Rejection) -> Self {
        Self { rejection: Some(RejectionRow::of(rejection)), steps: rejection.steps(), ..self }
    }

    pub(super) fn placed(
        self,
        plan: &Plan,
        topology: &Topology,
        drawn: &Drawn,
        pod_name: impl Fn(&Placement<'_>) -> String,
    ) -> Self {
        let level = |level| topology.level_name(level).to_owned();
        let path = |group| plan.group_path(group).to_owned();
        let ranks = drawn.ranks();
        let pod = |(at, placement): (usize, Placement<'_>)| PodRow {
            rank: ranks.get(&id(&placement)).copied().unwrap_or_default(),
            pod: pod_name(&placement),
            group: path(placement.group()),
            replica: placement.ordinals().to_vec(),
            ordinal: placement.ordinal(),
            node: topology.node_name(placement.node()).to_owned(),
            path: topology.node_path(placement.node()),
            devices: placement.devices().iter().collect(),
            milli: placement.demand().milli(),
            extra: at >= plan.min_pods(),
        };
        let unmet = |unmet: &Unmet| UnmetRow {
            group: path(unmet.group()),
            replica: unmet.ordinals().to_vec(),
            level: level(unmet.level()),
        };
        let extras = |extras: &Extras| ExtrasRow {
            group: path(extras.group()),
            replica: extras.ordinals().to_vec(),
            placed: extras.placed(),
            pending: extras.pending(),
        };
        let violated = |violated: &Violated| ViolatedRow {
            group: path(violated.group()),
            replica: violated.ordinals().to_vec(),
            bound: told(violated.violation(), topology),
            nodes: violated.nodes().iter().map(|&node| topology.node_name(node).to_owned()).collect(),
        };
        let mut nodes = drawn.pods.iter().map(|pod| pod.node);
        let on_one_node = nodes.next().is_some_and(|first| nodes.all(|node| node == first));
        Self {
            placed: true,
            // Nodes outside the tree are in no domain, but what is on one of them is together there.
            level: plan.level().or(on_one_node.then(|| topology.node_level())).map(level),
            proof: Some(if plan.proof() == Proof::Optimal { "optimal" } else { "feasible" }),
            steps: plan.steps(),
            pods: plan.placements().enumerate().map(pod).collect(),
            unmet: plan.unmet().iter().map(unmet).collect(),
            extras: plan.extras().iter().map(extras).collect(),
            violated: plan.violated().iter().map(violated).collect(),
            within: topology.common_domain(plan.placements().map(|pod| pod.node())).map(|it| topology.domain_path(it)),
            ..self
        }
    }

    /// With pods that run already: their names, nodes and devices.
    pub(super) fn running(self, pods: impl IntoIterator<Item = (String, String, Vec<u32>)>) -> Self {
        let running = pods.into_iter().map(|(pod, node, devices)| RunningRow { pod, node, devices });
        Self { running: running.collect(), ..self }
    }

    pub(super) fn pods(&self) -> &[PodRow] {
        &self.pods
    }

    /// Pods a node, by path.
    pub(super) fn by_node(&self) -> BTreeMap<&str, usize> {
        let mut nodes: BTreeMap<&str, usize> = BTreeMap::new();
        for pod in &self.pods {
            *nodes.entry(&pod.path).or_default() += 1;
        }
        nodes
    }
}

impl RejectionRow {
    fn of(rejection: &Rejection) -> Self {
        Self {
            message: rejection.to_string(),
            group: rejection.group_path().to_owned(),
            wanted: rejection.wanted(),
            times: rejection.times(),
            level: rejection.level().map(str::to_owned),
            best: rejection.best().map(|best| BestRow { domain: best.path().to_owned(), fits: best.fits() }),
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

/// Which pod it is.
pub(super) fn id(placement: &Placement<'_>) -> PodId {
    PodId::new(placement.group(), placement.ordinals(), placement.ordinal())
}

/// A bound that is broken, in words.
fn told(violation: Violation, topology: &Topology) -> String {
    let name = |level| topology.level_name(level);
    match violation {
        Violation::Level { level } => format!("not in one {}", name(level)),
        Violation::Key { level } => format!("not in the {} of what is bound to the same key", name(level)),
        Violation::Exclusive { level } => format!("in a {} with another that keeps apart", name(level)),
        Violation::PerNode { most } => format!("more than {most} on a node"),
        Violation::Spread { level, max_skew } => {
            format!("{} counts that differ by more than {max_skew}", name(level))
        }
        _ => "a bound is broken".to_owned(),
    }
}

fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e7).round() / 10.0
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
