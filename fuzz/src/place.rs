//! Any text as the form of a cluster and its gangs, built and planned under every objective.

use phalanx_gang::form::{Group, Scenario};
use phalanx_gang::{Budget, Outcome, plan};
use phalanx_topology::Inventory;
use phalanx_topology::form::{Field, Pattern, level};

use crate::planned::{Row, Spec, check_counterfactual, check_plan, check_rejection, check_room};

/// The longest text that is looked at, in bytes.
const LONGEST: usize = 8192;

/// The most nodes, pods and pods that are there: more only take longer.
const MOST: u64 = 512;

/// The most gangs that are planned.
const GANGS: usize = 4;

/// Reads a text as the form that `phalanx place` takes, and plans each of its gangs in turn for every objective; then the
/// first plan takes its room. A plan keeps every bound; a rejection accounts for every node, and what it says would help
/// does. Of gangs with pods that run or ran, what is added is only held against the room.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(&data[..data.len().min(LONGEST)]) else { return };
    let Ok(form) = serde_saphyr::from_str::<Scenario>(text) else { return };
    if !is_small(&form) {
        return;
    }
    let mut case = match form.build() {
        Ok(case) => case,
        Err(error) => {
            assert!(error.to_string().starts_with(error.field()), "{error}");
            return;
        }
    };
    for (at, gang) in form.gangs.iter().enumerate().take(GANGS) {
        if u64::from(case.requests()[at].gang().max_pods()) > MOST {
            return;
        }
        // The names are known by now.
        let spec = spec(&gang.group, &mut case.inventory().fork());
        let is_new = gang.running.is_empty() && gang.former.is_empty();
        let mut first = None;
        for objective in spec.objectives(case.inventory().topology()) {
            let options = case.options(at).objective(objective.clone()).budget(Budget::steps(1_000));
            let outcome = match plan(case.requests()[at].gang(), case.inventory(), &options) {
                Ok(outcome) => outcome,
                Err(error) => panic!("it was checked when it was built: {error}"),
            };
            match outcome {
                Outcome::Placed(plan) => {
                    match is_new {
                        true => check_plan(&spec, case.inventory(), &plan, &objective),
                        false => check_room(&spec, case.inventory(), &plan),
                    }
                    first.get_or_insert(plan);
                }
                Outcome::Rejected(rejection) => {
                    check_rejection(&spec, case.inventory(), &rejection);
                    check_counterfactual(&spec, case.inventory(), &rejection, &options);
                }
            }
        }
        if let Some(plan) = first {
            case.settle(at, &plan).expect("nothing changed since");
        }
    }
}

/// Whether building the form makes nothing large.
fn is_small(form: &Scenario) -> bool {
    let len = |text: &String| Pattern::parse(text).map_or(0, |pattern| pattern.len());
    let nodes = form.cluster.nodes.iter().map(|nodes| len(&nodes.names));
    let held = form.cluster.held.iter().map(|held| len(&held.nodes).saturating_mul(held.count.unwrap_or(1).into()));
    let others = form.gangs.iter().flat_map(|gang| gang.bound.iter().chain(&gang.excluded));
    let all = nodes.chain(held).chain(others.map(|others| len(&others.nodes)));
    all.fold(0, u64::saturating_add) <= MOST
}

/// The gang as its form says, read anew; the form is known to be sound.
fn spec(root: &Group, inventory: &mut Inventory) -> Spec {
    let mut rows = Vec::new();
    read(root, "", inventory, &mut rows);
    Spec { rows }
}

fn read(group: &Group, around: &str, inventory: &mut Inventory, rows: &mut Vec<Row>) {
    let path = if around.is_empty() { group.name.clone() } else { format!("{around}/{}", group.name) };
    let pods = group.demand.as_ref().map(|demand| {
        let demand = demand.build(Field::ROOT, inventory).expect("it was built before");
        (group.pods.unwrap_or_default(), demand)
    });
    let topology = inventory.topology().clone();
    let find = |name: &String| level(&topology, name).expect("the form is sound");
    let least = group.replicas.or(group.min);
    rows.push(Row {
        path: path.clone(),
        min: least.unwrap_or(1),
        max: group.replicas.or(group.max).or(least).unwrap_or(1),
        pods,
        hard: group.required.as_ref().map(find),
        preferred: group.preferred.iter().map(find).collect(),
        slices: group.slices.iter().map(|slices| (find(&slices.level), slices.size)).collect(),
        spread: group.spread.as_ref().map(|spread| (find(&spread.level), spread.max_skew)),
        exclusive: group.exclusive.as_ref().map(|exclusive| (find(&exclusive.level), exclusive.key.clone())),
        bound: group.bind.as_ref().map(|bind| (find(&bind.level), bind.key.clone())),
        per_node: group.per_node,
        kinds: group.kinds.iter().map(|kind| inventory.find_kind(kind).expect("it was interned")).collect(),
        homogeneous: group.homogeneous,
    });
    group.groups.iter().for_each(|inner| read(inner, &path, inventory, rows));
}
