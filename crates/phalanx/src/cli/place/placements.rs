//! The gangs of manifests, planned one after the other.

use std::collections::BTreeMap;

use phalanx_gang::{Options, Placement, Plan};
use phalanx_manifest::{Manifests, PodGroup, PodGroupError, ServingGroup};
use phalanx_topology::DeviceSet;

use super::row::{GangRow, json, rejected};
use super::{Planned, Runs, Tuning, page};
use crate::cli::manifests::{self, FileArgs};
use crate::cli::{Failure, output};

/// The gangs of some manifests, planned one after the other.
#[derive(Debug)]
pub(in crate::cli) struct Placements {
    manifests: Manifests,
    planned: Planned,
    replicas: Vec<Replica>,
}

/// A role replica whose pods are all placed.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Replica {
    pub(in crate::cli) namespace: String,
    pub(in crate::cli) serving: String,
    /// The entry pod's name.
    pub(in crate::cli) pod: String,
    /// The entry pod's labels.
    pub(in crate::cli) labels: BTreeMap<String, String>,
    /// The entry pod's node.
    pub(in crate::cli) node: String,
}

impl Placements {
    /// Reads the manifests and plans every gang in them.
    pub(in crate::cli) fn plan(args: &FileArgs) -> Result<Self, Failure> {
        Self::tuned(args, &Tuning::default())
    }

    pub(super) fn tuned(args: &FileArgs, tuning: &Tuning) -> Result<Self, Failure> {
        let manifests = manifests::read_to_act(args)?;
        let inventory = manifests.inventory().map_err(|error| Failure::Input(error.to_string()))?;
        let mut planned = Planned { inventory, rows: Vec::new(), drawn: Vec::new() };
        let mut replicas = Vec::new();
        for serving in manifests.servings() {
            for group in serving.groups() {
                place_group(&manifests, &group, &mut planned, &mut replicas, tuning)?;
            }
        }
        for group in manifests.pod_groups().iter().filter(|group| !manifests.is_of_serving(group)) {
            place_pod_group(&manifests, group, &mut planned, tuning)?;
        }
        Ok(Self { manifests, planned, replicas })
    }

    /// Whether there is something to place at all: an answer to nothing would read as a yes.
    pub(super) fn expect_gangs(&self) -> Result<(), Failure> {
        if !self.manifests.servings().is_empty() || !self.manifests.pod_groups().is_empty() {
            return Ok(());
        }
        let nodes = self.manifests.nodes().len();
        Err(Failure::Input(format!(
            "nothing to place: found no ModelServing and no PodGroup beside {nodes} Nodes; expected manifests with one of \
             them, or a file with `cluster` and `gangs` at its top, such as examples/placement.yaml"
        )))
    }

    /// What was planned, without the manifests.
    pub(super) fn into_planned(self) -> Planned {
        self.planned
    }

    pub(in crate::cli) fn manifests(&self) -> &Manifests {
        &self.manifests
    }

    /// Whether some gang has no place.
    pub(in crate::cli) fn rejected(&self) -> bool {
        rejected(&self.planned.rows)
    }

    /// The role replicas that have a place.
    pub(in crate::cli) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    pub(in crate::cli) fn rows(&self) -> Vec<GangRow> {
        self.planned.rows.clone()
    }

    pub(in crate::cli) fn json(&self) -> String {
        json(&self.planned.rows)
    }

    pub(in crate::cli) fn page(&self) -> String {
        page::page(&self.planned.rows)
    }
}

/// Plans what is missing of the gang of one group of a ModelServing, and adds the role replicas that run or have a place.
fn place_group(
    manifests: &Manifests,
    group: &ServingGroup<'_>,
    planned: &mut Planned,
    replicas: &mut Vec<Replica>,
    tuning: &Tuning,
) -> Result<(), Failure> {
    let (namespace, serving) = (group.serving().name().namespace(), group.serving().name().name());
    let name = format!("{namespace}/{}", group.name());
    let inventory = &mut planned.inventory;
    let gang = group.gang(inventory).map_err(|error| Failure::Input(format!("gang {name}: {error}")))?;
    let options = Options::new().present(manifests.present(group, &gang, inventory));
    let options = tuning.apply(options, inventory.topology())?;
    let running: Vec<_> =
        manifests.members(group).filter_map(|(pod, there)| Some((pod, there.stays()?.to_owned()))).collect();
    // Which devices they hold is not told outside their nodes.
    let runs = running.iter().filter_map(|(pod, node)| {
        let node = inventory.topology().node(node)?;
        Some(Runs { id: pod.id(&gang)?, pod: pod.name(), node, devices: DeviceSet::default(), milli: 0 })
    });
    let runs = runs.collect();
    let replica = |pod: String, labels, node: &str| Replica {
        namespace: namespace.to_owned(),
        serving: serving.to_owned(),
        pod,
        labels,
        node: node.to_owned(),
    };
    for (pod, node) in running.iter().filter(|(pod, _)| pod.is_entry()) {
        replicas.push(replica(pod.name(), pod.labels(), node));
    }
    let pod =
        |plan: &Plan, placement: &Placement<'_>| group.pod(plan, placement).expect("the plan is of this group's gang");
    let plan = planned.place(&name, &gang, &options, runs, &|plan, placement| pod(plan, placement).name())?;
    let placed = planned.rows.last().map_or(&[][..], GangRow::pods);
    if let Some(plan) = &plan {
        for (placement, placed) in plan.placements().zip(placed) {
            let pod = pod(plan, &placement);
            if pod.is_entry() {
                replicas.push(replica(placed.pod.clone(), pod.labels(), &placed.node));
            }
        }
    }
    Ok(())
}

/// Plans what is missing of a PodGroup; nothing while it waits for Pods.
fn place_pod_group(
    manifests: &Manifests,
    group: &PodGroup,
    planned: &mut Planned,
    tuning: &Tuning,
) -> Result<(), Failure> {
    let inventory = &mut planned.inventory;
    let name = group.name().to_string();
    let of = match group.gang(manifests, inventory) {
        Ok(of) => of,
        Err(error @ (PodGroupError::TooFewPods { .. } | PodGroupError::TooFewSubGroups { .. })) => {
            output::complain(&format!("warning: not planned yet: {error}"));
            return Ok(());
        }
        Err(error) => return Err(Failure::Input(error.to_string())),
    };
    let pod = |_: &Plan, placement: &Placement<'_>| {
        of.pod(placement).expect("the plan is of this PodGroup's gang").name().name().to_owned()
    };
    let options = tuning.apply(Options::new().present(of.present(inventory)), inventory.topology())?;
    let runs = of.pods().filter_map(|(id, pod)| {
        let node = inventory.topology().node(pod.stays()?)?;
        Some(Runs { id: id.clone(), pod: pod.name().name().to_owned(), node, devices: DeviceSet::default(), milli: 0 })
    });
    let runs = runs.collect();
    planned.place(&name, of.gang(), &options, runs, &pod).map(drop)
}
