//! A cluster, as a form has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::demand::resource;
use super::trees::{self, Division};
use super::{Domain, Field, FormError, FormProblem, Held, Pattern, Template, Tree, device_set};
use crate::{Delta, DeviceSet, Inventory, NodeId, Topology, TopologyError};

/// A cluster: how it is divided, its nodes, and what pods hold of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// The first topology's name; `default` if it does not say. Its levels are called by their names alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The first topology's levels above the nodes, coarse to fine. The level `node` is always there, below the last one.
    pub levels: Vec<String>,
    /// The first topology's domains by what they hold; without any, nodes say in which ones they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<Domain>,
    /// Further topologies over the same nodes, where power or cooling divides the cluster differently.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topologies: Vec<Tree>,
    /// The nodes.
    pub nodes: Vec<Nodes>,
    /// What pods hold that are no gang's below. Those that say which devices come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
}

/// Nodes that have the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nodes {
    /// Their names, as a pattern: `gpu-[01-64]` are 64 nodes, `r[1-16]-n[1-64]` are 1024.
    pub names: String,
    /// Their domain at each level: `rack: r7`, `rack: "r{1}"` with what the first bracket of the names stands for, or
    /// `power/feed: a` for a further topology. A level that is left out is passed through; a node without any stands outside
    /// the tree.
    #[serde(default, rename = "in", skip_serializing_if = "BTreeMap::is_empty")]
    pub place: BTreeMap<String, String>,
    /// How many devices each has, 0 to 64.
    #[serde(default)]
    pub devices: u32,
    /// What its devices are, such as H100; of no known kind if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Which devices have a fast link of their own: `["0-3", "4-7"]`. One island if it does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub islands: Vec<String>,
    /// Which devices are in one NUMA zone: `["0-3", "4-7"]`. One zone if it does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numa: Vec<String>,
    /// How much of which resource each has, in whatever unit demands use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, u64>,
    /// Whether they take no new pods.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cordoned: bool,
    /// Whether they are gone, though pods may still hold room there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

/// The most nodes that a form may have.
pub const MAX_NODES: u64 = 1 << 18;

/// One node of a form.
#[derive(Debug)]
pub(super) struct NodeRow {
    pub(super) name: String,
    pub(super) place: Vec<Place>,
}

/// In which domain a node is at one level of one topology.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) tree: usize,
    pub(super) level: Arc<str>,
    pub(super) domain: String,
}

impl Cluster {
    /// The cluster as a ledger, with what is held taken. O(nodes log nodes + held pods).
    ///
    /// # Errors
    ///
    /// The first field that is wrong.
    ///
    /// ```
    /// # use phalanx_topology::form::Cluster;
    /// let cluster: Cluster = serde_json::from_str(
    ///     r#"{"levels": ["rack"], "nodes": [{"names": "n[1-4]", "in": {"rack": "r1"}, "devices": 8, "kind": "H100"}]}"#,
    /// )?;
    /// assert_eq!(cluster.build()?.free_devices_total(), 32);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(&self) -> Result<Inventory, FormError> {
        self.build_with(Field::ROOT, |_| Ok(()))
    }

    /// [`build`](Self::build) for a cluster that stands at a field of something larger, where more pods hold room: `hold`
    /// reserves them, before nodes are cordoned or removed. What is held on devices that are named is taken before it,
    /// what is held on any device after it.
    ///
    /// # Errors
    ///
    /// The first field that is wrong, or what `hold` says.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, form::{Cluster, Field, FormError}};
    /// let cluster: Cluster = serde_json::from_str(
    ///     r#"{"levels": ["rack"], "nodes": [{"names": "n1", "devices": 8, "cordoned": true}]}"#,
    /// )?;
    /// let field = Field::ROOT.name("cluster");
    /// let inventory = cluster.build_with(field, |inventory| {
    ///     let n1 = inventory.topology().node("n1").unwrap();
    ///     let mut transaction = inventory.transaction();
    ///     transaction.reserve(n1, &Demand::devices(2)).map_err(|error| field.wrong(error))?;
    ///     drop(transaction.commit());
    ///     Ok::<_, FormError>(())
    /// })?;
    /// assert_eq!(inventory.free_devices_total(), 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build_with<E: From<FormError>>(
        &self,
        field: Field<'_>,
        hold: impl FnOnce(&mut Inventory) -> Result<(), E>,
    ) -> Result<Inventory, E> {
        let topologies = field.name("topologies");
        let items: Vec<Field<'_>> = (0..self.topologies.len()).map(|at| topologies.index(at)).collect();
        let name = self.name.as_deref().unwrap_or(Topology::DEFAULT_TREE);
        let mut divisions = vec![Division { name, levels: &self.levels, domains: &self.domains, field }];
        divisions.extend(self.topologies.iter().zip(items).map(|(tree, field)| Division {
            name: &tree.name,
            levels: &tree.levels,
            domains: &tree.domains,
            field,
        }));
        if divisions.len() > Topology::MAX_TREES {
            let (found, max) = (divisions.len() as u64, Topology::MAX_TREES as u64);
            return Err(topologies.wrong(FormProblem::TooMany { what: "topologies", found, max }).into());
        }
        let (rows, starts) = self.rows(field.name("nodes"), &divisions)?;
        let topology = Arc::new(trees::build(&divisions, &rows)?);
        let mut inventory = Inventory::new(Arc::clone(&topology));
        let nodes = field.name("nodes");
        let ids: Vec<NodeId> = rows.iter().filter_map(|row| topology.node(&row.name)).collect();
        let of = |at: usize| &ids[starts[at]..starts.get(at + 1).copied().unwrap_or(ids.len())];
        for (at, form) in self.nodes.iter().enumerate() {
            form.equip(nodes.index(at), of(at), &mut inventory)?;
        }
        self.hold(field, true, &mut inventory)?;
        hold(&mut inventory)?;
        self.hold(field, false, &mut inventory)?;
        for (at, form) in self.nodes.iter().enumerate() {
            for &node in of(at) {
                inventory.set_cordoned(node, form.cordoned);
                if form.removed {
                    let removed = inventory.apply(&Delta::Removed { node });
                    removed.map_err(|error| nodes.index(at).name("removed").wrong(error))?;
                }
            }
        }
        Ok(inventory)
    }

    /// Every node by name and place, and where those of each form begin.
    fn rows(&self, field: Field<'_>, divisions: &[Division<'_>]) -> Result<(Vec<NodeRow>, Vec<usize>), FormError> {
        let (mut rows, mut starts, mut known, mut total) = (Vec::new(), Vec::new(), BTreeSet::new(), 0_u64);
        for (at, form) in self.nodes.iter().enumerate() {
            let field = field.index(at);
            let names = field.name("names");
            let pattern = Pattern::parse(&form.names).map_err(|problem| names.wrong(problem))?;
            total = total.saturating_add(pattern.len());
            if total > MAX_NODES {
                return Err(names.wrong(FormProblem::TooMany { what: "nodes", found: total, max: MAX_NODES }));
            }
            starts.push(rows.len());
            let place = field.name("in");
            let templates = form.place.iter().map(|(key, text)| {
                let (tree, level) = division(divisions, key).map_err(|problem| place.wrong(problem))?;
                let template = Template::parse(text, &pattern).map_err(|problem| place.name(key).wrong(problem))?;
                Ok((tree, Arc::<str>::from(level), template))
            });
            let templates = templates.collect::<Result<Vec<_>, FormError>>()?;
            for (name, parts) in pattern.names() {
                if !known.insert(name.clone()) {
                    return Err(names.wrong(TopologyError::DuplicateNode { node: name }));
                }
                let place = |(tree, level, template): &(usize, Arc<str>, Template)| Place {
                    tree: *tree,
                    level: Arc::clone(level),
                    domain: template.fill(&parts),
                };
                rows.push(NodeRow { name, place: templates.iter().map(place).collect() });
            }
        }
        Ok((rows, starts))
    }

    /// Takes what is held, either on devices that are named or on any.
    fn hold(&self, field: Field<'_>, named: bool, inventory: &mut Inventory) -> Result<(), FormError> {
        let (held, mut total) = (field.name("held"), 0);
        let of = self.held.iter().enumerate().filter(|(_, form)| form.at.is_some() == named);
        for (at, form) in of {
            form.hold(held.index(at), inventory, &mut total)?;
        }
        Ok(())
    }
}

impl Nodes {
    /// Gives nodes what they have.
    fn equip(&self, field: Field<'_>, ids: &[NodeId], inventory: &mut Inventory) -> Result<(), FormError> {
        let sets = |list: &[String], field: Field<'_>| -> Result<Vec<DeviceSet>, FormError> {
            list.iter().enumerate().map(|(at, text)| device_set(text, field.index(at))).collect()
        };
        let (islands, numa, resources) = (field.name("islands"), field.name("numa"), field.name("resources"));
        let (island_sets, numa_sets) = (sets(&self.islands, islands)?, sets(&self.numa, numa)?);
        let kind = self.kind.as_deref().unwrap_or_default();
        if self.kind.as_deref() == Some("") {
            return Err(field.name("kind").expected("", "the name of a kind, or no `kind`"));
        }
        let mut amounts = Vec::with_capacity(self.resources.len());
        for (name, &amount) in &self.resources {
            amounts.push((name, resource(inventory, name, resources)?, amount));
        }
        for &node in ids {
            let devices = inventory.set_devices(node, self.devices, kind);
            devices.map_err(|error| field.name("devices").wrong(error))?;
            inventory.set_islands(node, &island_sets).map_err(|error| islands.wrong(error))?;
            inventory.set_numa(node, &numa_sets).map_err(|error| numa.wrong(error))?;
            for &(name, resource, amount) in &amounts {
                let set = inventory.set_capacity(node, resource, amount);
                set.map_err(|error| resources.name(name).wrong(error))?;
            }
        }
        Ok(())
    }
}

/// The topology and level that a key of `in` names.
fn division<'a>(divisions: &[Division<'_>], key: &'a str) -> Result<(usize, &'a str), FormProblem> {
    let (tree, level) = match key.split_once('/') {
        None => (Some(0), key),
        Some((tree, level)) => (divisions.iter().position(|division| division.name == tree), level),
    };
    let found = tree.filter(|&tree| divisions[tree].levels.iter().any(|known| known == level));
    let Some(tree) = found else {
        let names = divisions.iter().enumerate().flat_map(|(at, division)| {
            let outer = if at == 0 { String::new() } else { format!("{}/", division.name) };
            division.levels.iter().map(move |level| format!("{outer}{level}"))
        });
        let expected = names.collect::<Vec<_>>().join(", ");
        return Err(FormProblem::UnknownLevel { found: key.to_owned(), expected });
    };
    if !divisions[tree].domains.is_empty() {
        return Err(FormProblem::PlacedTwice { level: key.to_owned() });
    }
    Ok((tree, level))
}

#[cfg(test)]
mod tests;
