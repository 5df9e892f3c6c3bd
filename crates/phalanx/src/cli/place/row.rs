//! The answer for one gang, as a table and as JSON have it.

use std::collections::BTreeMap;
use std::time::Duration;

use phalanx_gang::{Gang, Placement, Plan, Proof, Rejection, Unmet};
use phalanx_topology::Topology;
use serde::Serialize;

use crate::cli::output;

/// One gang's answer, under the field names that JSON has.
#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct GangRow {
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
    /// Pods that run already and stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    running: Vec<RunningRow>,
    /// Preferences that could not be met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unmet: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<RejectionRow>,
}

/// Where one pod goes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PodRow {
    pub(super) pod: String,
    pub(super) node: String,
    /// The node's path.
    path: String,
    /// Device indices on the node.
    devices: Vec<u32>,
}

/// Where one pod runs.
#[derive(Clone, Debug, Serialize)]
struct RunningRow {
    pod: String,
    node: String,
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

/// Whether some gang has no place.
pub(super) fn rejected(rows: &[GangRow]) -> bool {
    rows.iter().any(|row| !row.placed)
}

pub(super) fn json(rows: &[GangRow]) -> String {
    serde_json::to_string_pretty(rows).expect("plain data")
}

pub(super) fn page(rows: &[GangRow]) -> String {
    let cells = rows.iter().map(GangRow::cells);
    let mut page = output::table(&["GANG", "PODS", "TOGETHER IN", "DECIDED IN", "WHERE"], 5, cells);
    for row in rows {
        for unmet in &row.unmet {
            page.push_str(&format!("\n{}: not met: {unmet}", row.gang));
        }
        if let Some(rejection) = &row.rejection {
            page.push_str(&format!("\n{} has no place: {}", row.gang, rejection.message));
        }
    }
    page
}

impl GangRow {
    /// A gang of which nothing is known but how long it took to decide.
    pub(super) fn new(name: &str, gang: &Gang, took: Duration) -> Self {
        Self {
            gang: name.to_owned(),
            placed: false,
            decision_us: micros(took),
            level: None,
            proof: None,
            min_pods: gang.min_pods(),
            max_pods: gang.max_pods(),
            pods: Vec::new(),
            running: Vec::new(),
            unmet: Vec::new(),
            rejection: None,
        }
    }

    pub(super) fn rejected(self, rejection: &Rejection) -> Self {
        Self { rejection: Some(RejectionRow::of(rejection)), ..self }
    }

    pub(super) fn placed(self, plan: &Plan, topology: &Topology, pod_name: impl Fn(&Placement<'_>) -> String) -> Self {
        let level = |level| topology.level_name(level).to_owned();
        let pod = |placement: Placement<'_>| PodRow {
            pod: pod_name(&placement),
            node: topology.node_name(placement.node()).to_owned(),
            path: topology.node_path(placement.node()),
            devices: placement.devices().iter().collect(),
        };
        let unmet = |unmet: &Unmet| format!("{} in one {}", plan.group_path(unmet.group()), level(unmet.level()));
        Self {
            placed: true,
            level: plan.level().map(level),
            proof: Some(if plan.proof() == Proof::Optimal { "optimal" } else { "feasible" }),
            pods: plan.placements().map(pod).collect(),
            unmet: plan.unmet().iter().map(unmet).collect(),
            ..self
        }
    }

    /// With pods that run already, and their nodes.
    pub(super) fn running(self, pods: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { running: pods.into_iter().map(|(pod, node)| RunningRow { pod, node }).collect(), ..self }
    }

    pub(super) fn pods(&self) -> &[PodRow] {
        &self.pods
    }

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
            match self.running.len() {
                0 => format!("{pods} of {}", self.max_pods),
                running => format!("{pods} of {}, {running} run", self.max_pods),
            },
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
