//! A cluster and its gangs, as a form has them.

use std::collections::BTreeSet;

use phalanx_topology::form::{Cluster, Field, FormProblem};
use phalanx_topology::{Demand, DeviceSet, Inventory, NodeId};
use serde::{Deserialize, Serialize};

use super::pods::Located;
use super::{Case, Group, Objective, Others, Pods, Request, ScenarioError, objective};
use crate::gang::Content;
use crate::{Budget, Options, PodId, Present};

/// A cluster and the gangs to be placed on it, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(title = "A cluster and the gangs to be placed on it"))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// The cluster.
    pub cluster: Cluster,
    /// The gangs, in the order in which they take their room.
    pub gangs: Vec<Gang>,
    /// The objective of gangs that do not say one; `tight` if this is not there either.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "objective::read")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<objective::Written>"))]
    pub objective: Option<Objective>,
    /// The most steps of search for gangs that do not say; 200,000 if this is not there either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
}

/// A gang: placed as a whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gang {
    /// Its name, unlike that of any other gang; the name of its group if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is made of.
    pub group: Group,
    /// What makes one place better than another.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "objective::read")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<objective::Written>"))]
    pub objective: Option<Objective>,
    /// The most steps of search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
    /// Its pods that run. They hold room, and stay where they are: only what is missing is planned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<Pods>,
    /// Where its pods ran before, and should go back to if they can.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Pods>,
    /// Where pods of gangs that are not in this form are that are bound to a key of this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bound: Vec<Others>,
    /// Where pods of gangs that are not in this form are that a key keeps apart from this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Others>,
}

/// The most gangs that a form may have.
pub const MAX_GANGS: usize = 4_096;

/// The JSON schema of a [`Scenario`], as text.
///
/// ```
/// let schema = phalanx_gang::form::schema();
/// assert!(schema.contains("\"$schema\": \"https://json-schema.org/draft/2020-12/schema\""));
/// ```
#[cfg(feature = "schema")]
#[must_use]
pub fn schema() -> String {
    serde_json::to_string_pretty(&schemars::schema_for!(Scenario)).expect("a schema is plain data")
}

impl Scenario {
    /// The cluster as a ledger, with all that is there taken, and the gangs as the planner has them.
    ///
    /// # Errors
    ///
    /// The first field that is wrong. See the module for an example.
    pub fn build(&self) -> Result<Case, ScenarioError> {
        let gangs = Field::ROOT.name("gangs");
        if self.gangs.len() > MAX_GANGS {
            let (found, max) = (self.gangs.len() as u64, MAX_GANGS as u64);
            return Err(ScenarioError::new(gangs, FormProblem::TooMany { what: "gangs", found, max }));
        }
        let mut requests = Vec::with_capacity(self.gangs.len());
        let inventory = self.cluster.build_with(Field::ROOT.name("cluster"), |inventory| {
            let (mut names, mut located, mut total) = (BTreeSet::new(), Vec::new(), [0; 3]);
            for (at, form) in self.gangs.iter().enumerate() {
                let field = gangs.index(at);
                let (request, running) = self.request(form, field, inventory, &mut total)?;
                if !names.insert(request.name().to_owned()) {
                    let found = format!("{:?} again", request.name());
                    return Err(ScenarioError::expected(field.name("name"), found, "a name of its own"));
                }
                located.push(running);
                requests.push(request);
            }
            // Those that say which devices come first.
            for named in [true, false] {
                for (at, running) in located.iter().enumerate() {
                    let field = gangs.index(at);
                    hold(running, named, field.name("running"), &mut requests[at], inventory)?;
                }
            }
            Ok(())
        })?;
        Ok(Case::new(inventory, requests))
    }

    /// A gang as the planner has it, and its running pods by entry.
    fn request(
        &self,
        form: &Gang,
        field: Field<'_>,
        inventory: &mut Inventory,
        total: &mut [u64; 3],
    ) -> Result<(Request, Vec<Vec<Located>>), ScenarioError> {
        let group = field.name("group");
        let gang = crate::Gang::new(form.group.build(group, 1, inventory)?);
        let gang = gang.map_err(|error| ScenarioError::new(form.group.place_of(group, &error), error))?;
        let (own, common) = (field.name("objective"), Field::ROOT.name("objective"));
        let objective = match (&form.objective, &self.objective) {
            (Some(objective), _) => objective.build(own, inventory)?,
            (None, Some(objective)) => objective.build(common, inventory)?,
            (None, None) => crate::Objective::default(),
        };
        let checked = gang.check(inventory, &objective);
        checked.map_err(|error| ScenarioError::new(form.group.place_of(group, &error), error))?;

        let (mut present, mut running) = (Present::new(), Vec::with_capacity(form.running.len()));
        let [runs, ran, others] = total;
        let list = field.name("running");
        for (at, pods) in form.running.iter().enumerate() {
            let field = list.index(at);
            let pods = pods.locate(field, &gang, inventory, runs)?;
            present = put(present, &pods, Present::running, field, &gang, inventory)?;
            running.push(pods);
        }
        let list = field.name("former");
        for (at, pods) in form.former.iter().enumerate() {
            let field = list.index(at);
            if pods.at.is_some() {
                return Err(ScenarioError::expected(
                    field.name("at"),
                    "devices",
                    "none: what ran before holds nothing",
                ));
            }
            let pods = pods.locate(field, &gang, inventory, ran)?;
            present = put(present, &pods, Present::former, field, &gang, inventory)?;
        }
        // Each pod is in a list once: told for the list as a whole.
        present.check(&gang, inventory).map_err(|error| ScenarioError::new(field, error))?;
        let (bound, excluded) = (field.name("bound"), field.name("excluded"));
        for (at, form) in form.bound.iter().enumerate() {
            let nodes = form.nodes(bound.index(at), inventory, others)?;
            present = nodes.into_iter().fold(present, |present, node| present.bind(&form.key, node));
        }
        for (at, form) in form.excluded.iter().enumerate() {
            let nodes = form.nodes(excluded.index(at), inventory, others)?;
            present = nodes.into_iter().fold(present, |present, node| present.exclude(&form.key, node));
        }
        let budget = form.budget.or(self.budget).map_or(Budget::default(), Budget::steps);
        let options = Options::new().objective(objective).budget(budget).present(present);
        let name = form.name.clone().unwrap_or_else(|| form.group.name.clone());
        if name.is_empty() {
            return Err(ScenarioError::expected(field.name("name"), "\"\"", "a name that is not empty"));
        }
        Ok((Request::new(name, gang, options), running))
    }
}

/// Adds pods to what is there, each of which has to be one of the gang's.
fn put(
    mut present: Present,
    pods: &[Located],
    add: fn(Present, PodId, NodeId) -> Present,
    field: Field<'_>,
    gang: &crate::Gang,
    inventory: &Inventory,
) -> Result<Present, ScenarioError> {
    for (pod, node, _) in pods {
        let alone = add(Present::new(), pod.clone(), *node).check(gang, inventory);
        alone.map_err(|error| ScenarioError::new(field, error))?;
        present = add(present, pod.clone(), *node);
    }
    Ok(present)
}

/// Takes the room of a gang's running pods, either of those whose devices are named or of the others.
fn hold(
    running: &[Vec<Located>],
    named: bool,
    field: Field<'_>,
    request: &mut Request,
    inventory: &mut Inventory,
) -> Result<(), ScenarioError> {
    let mut transaction = inventory.transaction();
    for (at, pods) in running.iter().enumerate() {
        for (pod, node, devices) in pods.iter().filter(|(_, _, devices)| devices.is_some() == named) {
            let demand = held(request.gang(), pod);
            let taken: Result<DeviceSet, _> = match devices {
                Some(devices) => transaction.claim(*node, *devices, &demand).map(|()| *devices),
                None => transaction.reserve(*node, &demand),
            };
            let taken = taken.map_err(|error| ScenarioError::new(field.index(at), FormProblem::from(error)))?;
            request.note(pod.clone(), *node, taken);
        }
    }
    // They stay where they are.
    drop(transaction.commit());
    Ok(())
}

/// What a pod that runs holds: what it asks, wherever it came to be.
fn held(gang: &crate::Gang, pod: &PodId) -> Demand {
    let Content::Pods { demand, .. } = gang.rows()[pod.group().index()].content else { return Demand::devices(0) };
    let asked = &gang.demands()[demand];
    let whole = Demand::devices(asked.device_count());
    let bare = if asked.milli() > 0 { Demand::share(asked.milli()).unwrap_or(whole) } else { whole };
    asked.resources().iter().fold(bare, |demand, &(resource, amount)| demand.with(resource, amount))
}

#[cfg(test)]
mod tests;
