//! How the cluster is divided, as a form has it.

use serde::{Deserialize, Serialize};

use super::cluster::NodeRow;
use super::{Field, FormError, FormProblem, MAX_NODES, Pattern};
use crate::{DomainRow, LevelId, Member, Topology};

/// A further topology over the same nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tree {
    /// Its name: levels of it are called `NAME/LEVEL` elsewhere.
    pub name: String,
    /// Its levels above the nodes, coarse to fine.
    pub levels: Vec<String>,
    /// Its domains by what they hold; without any, nodes say in which ones they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<Domain>,
}

/// A domain by what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Domain {
    /// Its name, unlike that of any other domain of the topology.
    pub name: String,
    /// Its level.
    pub level: String,
    /// The domains of finer levels directly in it, as patterns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// The nodes directly in it, as patterns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
}

/// A topology of a form and where it stands there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Division<'a> {
    pub(super) name: &'a str,
    pub(super) levels: &'a [String],
    pub(super) domains: &'a [Domain],
    pub(super) field: Field<'a>,
}

/// A level by name: one of the first topology, or `TOPOLOGY/LEVEL`.
///
/// # Errors
///
/// There is no such level; the problem names those that there are.
///
/// ```
/// # use phalanx_topology::{Topology, form::level};
/// let power = Topology::builder(["feed"]).build()?;
/// let topology = Topology::builder(["block", "rack"]).build()?.with_tree("power", &power)?;
/// assert_eq!(level(&topology, "rack")?, topology.level("rack").unwrap());
/// assert_eq!(topology.level_name(level(&topology, "power/feed")?), "feed");
/// let error = level(&topology, "shelf").unwrap_err();
/// assert_eq!(error.to_string(), "found level \"shelf\", expected one of block, rack, node, power/feed, power/node");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn level(topology: &Topology, name: &str) -> Result<LevelId, FormProblem> {
    let found = match name.split_once('/') {
        None => topology.level(name),
        Some((tree, level)) => topology.tree(tree).and_then(|tree| topology.level_in(tree, level)),
    };
    found.ok_or_else(|| {
        let names = topology.trees().enumerate().flat_map(|(at, tree)| {
            let outer = if at == 0 { String::new() } else { format!("{}/", topology.tree_name(tree)) };
            topology.tree_levels(tree).map(move |level| format!("{outer}{}", topology.level_name(level)))
        });
        FormProblem::UnknownLevel { found: name.to_owned(), expected: names.collect::<Vec<_>>().join(", ") }
    })
}

/// The topology of all divisions over these nodes, the first being the primary one.
pub(super) fn build(divisions: &[Division<'_>], rows: &[NodeRow]) -> Result<Topology, FormError> {
    let mut whole: Option<Topology> = None;
    for (at, division) in divisions.iter().enumerate() {
        let tree = division.build(at, rows)?;
        whole = Some(match whole {
            None => tree,
            Some(whole) => whole.with_tree(division.name, &tree).map_err(|error| division.field.wrong(error))?,
        });
    }
    whole.ok_or_else(|| Field::ROOT.expected("nothing", "a topology"))
}

impl Division<'_> {
    /// The tree; a primary one has all nodes, another those that have a place in it.
    fn build(&self, at: usize, rows: &[NodeRow]) -> Result<Topology, FormError> {
        let levels = || self.levels.iter().map(String::as_str);
        // Without nodes: what is wrong then is wrong with the levels.
        let name = if at == 0 { self.name } else { Topology::DEFAULT_TREE };
        let bare = Topology::builder(levels()).build();
        bare.map_err(|error| self.field.name("levels").wrong(error))?;
        let named = Topology::builder(levels()).named(self.name).build();
        named.map_err(|error| self.field.name("name").wrong(error))?;

        let explicit = if self.domains.is_empty() { None } else { Some(self.explicit(rows)?) };
        let mut builder = Topology::builder(levels()).named(name);
        for row in rows {
            let place = row.place.iter().filter(|place| place.tree == at);
            let mut place: Vec<(&str, &str)> = place.map(|place| (&*place.level, &*place.domain)).collect();
            if let Some((tree, node)) = explicit.as_ref().and_then(|tree| Some((tree, tree.node(&row.name)?))) {
                let domains = tree.levels().take(self.levels.len()).filter_map(|level| tree.domain_of(node, level));
                place = levels().zip(domains.map(|domain| tree.domain_name(domain))).collect();
            }
            if at == 0 || !place.is_empty() {
                builder = builder.node(&row.name, &place);
            }
        }
        builder.build().map_err(|error| self.field.name("nodes").wrong(error))
    }

    /// The tree of the domains by what they hold, all of whose nodes are known.
    fn explicit(&self, rows: &[NodeRow]) -> Result<Topology, FormError> {
        let domains = self.field.name("domains");
        let mut known: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        known.sort_unstable();
        let (mut total, mut list) = (0_u64, Vec::with_capacity(self.domains.len()));
        for (at, domain) in self.domains.iter().enumerate() {
            let field = domains.index(at);
            let mut members = Vec::new();
            for (kind, patterns) in [("domains", &domain.domains), ("nodes", &domain.nodes)] {
                let field = field.name(kind);
                for (at, pattern) in patterns.iter().enumerate() {
                    let field = field.index(at);
                    let pattern = Pattern::parse(pattern).map_err(|problem| field.wrong(problem))?;
                    total = total.saturating_add(pattern.len());
                    // A domain and a node for each node is more than a tree can need.
                    let max = 2 * MAX_NODES;
                    if total > max {
                        return Err(field.wrong(FormProblem::TooMany {
                            what: "members of domains",
                            found: total,
                            max,
                        }));
                    }
                    for (name, _) in pattern.names() {
                        if kind == "nodes" && known.binary_search(&name.as_str()).is_err() {
                            return Err(field.wrong(FormProblem::UnknownNode { found: name }));
                        }
                        members.push(if kind == "nodes" { Member::Node(name) } else { Member::Domain(name) });
                    }
                }
            }
            list.push(DomainRow::new(&domain.name, &domain.level, members));
        }
        Topology::from_domains(self.levels.iter().map(String::as_str), list).map_err(|error| domains.wrong(error))
    }
}
