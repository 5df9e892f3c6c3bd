//! Pods of a gang that are somewhere, as a form has them.

use phalanx_topology::form::{Field, FormProblem, Pattern, device_set};
use phalanx_topology::{Demand, DeviceSet, Inventory, NodeId};
use serde::{Deserialize, Serialize};

use super::{ScenarioError, ScenarioProblem};
use crate::gang::Content;
use crate::{Gang, GroupId, PodId};

/// Pods of one replica of a group, dealt out to nodes: in order of ordinal, as many to each node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pods {
    /// The path of the group of pods, `serving/decode`; not needed where the gang has no more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Which replica of each group on the path, from the outermost in: `[0, 2]`. All 0 if it does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replica: Vec<u32>,
    /// Which pods of the replica, by ordinal: `0-3,6`. All of them if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<String>,
    /// The nodes, as a pattern: `n[1-4]`.
    pub nodes: String,
    /// The devices that they hold on each node, in order of ordinal: `0-7`. The first ones that are free if it does not say.
    /// Only for pods that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Pods of gangs that are not in the form, which share a key with this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Others {
    /// The key.
    pub key: String,
    /// The nodes, as a pattern: `n[1-4]`.
    pub nodes: String,
}

/// The most pods of gangs that a form may have running, and the most that ran before; and the most nodes of other gangs.
pub const MAX_PRESENT: u64 = 1 << 18;

/// A pod, its node and the devices that are named for it.
pub(super) type Located = (PodId, NodeId, Option<DeviceSet>);

impl Pods {
    /// The pods one by one; how many there are in all is counted in `total`.
    pub(super) fn locate(
        &self,
        field: Field<'_>,
        gang: &Gang,
        inventory: &Inventory,
        total: &mut u64,
    ) -> Result<Vec<Located>, ScenarioError> {
        let (group, demand, count) = self.group(field, gang)?;
        let depth = gang.depth(group.index());
        let replica = if self.replica.is_empty() { vec![0; depth] } else { self.replica.clone() };
        if replica.len() != depth {
            let found = format!("{} ordinals", replica.len());
            let expected = "an ordinal for each group on the path";
            return Err(ScenarioError::expected(field.name("replica"), found, expected));
        }
        let mut row = Some(group.index());
        for (at, &found) in replica.iter().enumerate().rev() {
            let Some(of) = row.map(|row| &gang.rows()[row]) else { break };
            if found >= of.max {
                let problem = ScenarioProblem::UnknownReplica { group: of.path.to_string(), found, count: of.max };
                return Err(ScenarioError::new(field.name("replica").index(at), problem));
            }
            row = of.parent;
        }
        let ordinals = match &self.pods {
            None => (0..u64::from(count)).collect(),
            Some(text) => ordinals(text, field.name("pods"))?,
        };
        if let Some(&found) = ordinals.iter().find(|&&ordinal| ordinal >= u64::from(count)) {
            return Err(ScenarioError::new(field.name("pods"), ScenarioProblem::UnknownPod { found, count }));
        }
        let nodes = nodes(&self.nodes, field.name("nodes"), ordinals.len() as u64, inventory)?;
        add(total, ordinals.len() as u64, field)?;
        let each = ordinals.len() / nodes.len().max(1);
        if each * nodes.len() != ordinals.len() {
            let found = format!("{} pods for {} nodes", ordinals.len(), nodes.len());
            return Err(ScenarioError::expected(field.name("nodes"), found, "as many pods on each node"));
        }
        let named = self.at.as_deref().map(|at| dealt(at, field.name("at"), demand, each)).transpose()?;
        let mut pods = Vec::with_capacity(ordinals.len());
        for (&node, ordinals) in nodes.iter().zip(ordinals.chunks(each.max(1))) {
            for (at, &ordinal) in ordinals.iter().enumerate() {
                let too_large = || ScenarioError::expected(field.name("pods"), ordinal, "the ordinal of a pod");
                let ordinal = u32::try_from(ordinal).map_err(|_| too_large())?;
                let devices = named.as_ref().map(|named| named[at]);
                pods.push((PodId::new(group, replica.as_slice(), ordinal), node, devices));
            }
        }
        Ok(pods)
    }

    /// The group of pods, what each of them asks, and how many a replica has.
    fn group<'a>(&self, field: Field<'_>, gang: &'a Gang) -> Result<(GroupId, &'a Demand, u32), ScenarioError> {
        let rows = || gang.rows().iter().enumerate();
        let pods = |(at, row): (usize, &'a crate::gang::Row)| match row.content {
            Content::Pods { demand, count } => Some((gang.id(at), &gang.demands()[demand], count)),
            Content::Groups(_) => None,
        };
        let found = match &self.group {
            Some(path) => rows().find(|(_, row)| row.path == *path).and_then(pods),
            None => {
                let mut all = rows().filter_map(pods);
                all.next().filter(|_| all.next().is_none())
            }
        };
        found.ok_or_else(|| {
            let found = self.group.as_ref().map_or("nothing".to_owned(), |group| format!("{group:?}"));
            ScenarioError::expected(field.name("group"), found, "the path of a group of pods, such as serving/decode")
        })
    }
}

impl Others {
    pub(super) fn nodes(
        &self,
        field: Field<'_>,
        inventory: &Inventory,
        total: &mut u64,
    ) -> Result<Vec<NodeId>, ScenarioError> {
        if self.key.is_empty() {
            return Err(ScenarioError::expected(field.name("key"), "\"\"", "a key that is not empty"));
        }
        let nodes = nodes(&self.nodes, field.name("nodes"), MAX_PRESENT, inventory)?;
        add(total, nodes.len() as u64, field)?;
        Ok(nodes)
    }
}

/// Counts what is there, within bounds.
fn add(total: &mut u64, count: u64, field: Field<'_>) -> Result<(), ScenarioError> {
    *total += count;
    if *total > MAX_PRESENT {
        let problem = FormProblem::TooMany { what: "pods that are there", found: *total, max: MAX_PRESENT };
        return Err(ScenarioError::new(field, problem));
    }
    Ok(())
}

/// The nodes of a pattern, of which there are no more than `max`.
fn nodes(text: &str, field: Field<'_>, max: u64, inventory: &Inventory) -> Result<Vec<NodeId>, ScenarioError> {
    let pattern = Pattern::parse(text).map_err(|problem| ScenarioError::new(field, problem))?;
    if pattern.len() > max {
        return Err(ScenarioError::new(field, FormProblem::TooMany { what: "nodes", found: pattern.len(), max }));
    }
    let node = |name: String| {
        let node = inventory.topology().node(&name);
        node.ok_or_else(|| ScenarioError::new(field, FormProblem::UnknownNode { found: name }))
    };
    pattern.names().map(|(name, _)| node(name)).collect()
}

/// The numbers of a list such as `0-3,6`, in the order in which it has them.
fn ordinals(text: &str, field: Field<'_>) -> Result<Vec<u64>, ScenarioError> {
    let mut ordinals = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = first.parse().ok().zip(last.parse().ok()).filter(|(first, last): &(u64, u64)| first <= last);
        let wrong = || ScenarioError::expected(field, format!("{text:?}"), "pods by ordinal, such as 0-3,6");
        let (first, last) = range.ok_or_else(wrong)?;
        let found = (ordinals.len() as u64).saturating_add((last - first).saturating_add(1));
        if found > MAX_PRESENT {
            let problem = FormProblem::TooMany { what: "pods", found, max: MAX_PRESENT };
            return Err(ScenarioError::new(field, problem));
        }
        ordinals.extend(first..=last);
    }
    Ok(ordinals)
}

/// The devices of each of `each` pods on a node.
fn dealt(text: &str, field: Field<'_>, demand: &Demand, each: usize) -> Result<Vec<DeviceSet>, ScenarioError> {
    let mut rest = device_set(text, field)?;
    if demand.milli() > 0 {
        return Ok(vec![rest; each]);
    }
    let mut devices = Vec::with_capacity(each);
    for _ in 0..each {
        let next = rest.lowest(demand.device_count());
        let wrong = || ScenarioError::expected(field, format!("{text:?}"), "as many devices as the pods on a node ask");
        let next = next.ok_or_else(wrong)?;
        rest = rest.without(next);
        devices.push(next);
    }
    if !rest.is_empty() {
        return Err(ScenarioError::expected(field, format!("{text:?}"), "as many devices as the pods on a node ask"));
    }
    Ok(devices)
}
