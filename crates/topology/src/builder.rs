//! From rows or labels to a topology.

use std::collections::BTreeMap;

use crate::{Topology, TopologyError, tree};

/// Which node label tells the domain at a level.
///
/// ```
/// # use phalanx_topology::LevelLabel;
/// let zone = LevelLabel::new("zone", "topology.kubernetes.io/zone");
/// assert_eq!((zone.level(), zone.label()), ("zone", "topology.kubernetes.io/zone"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelLabel {
    level: String,
    label: String,
}

impl LevelLabel {
    /// The level `level` is read from the label `label`.
    pub fn new(level: impl Into<String>, label: impl Into<String>) -> Self {
        Self { level: level.into(), label: label.into() }
    }

    /// The level's name.
    #[must_use]
    pub fn level(&self) -> &str {
        &self.level
    }

    /// The label's key.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }
}

/// Collects rows, in any order, and builds a [`Topology`] of them.
///
/// ```
/// # use phalanx_topology::Topology;
/// let topology = Topology::builder(["block", "rack"])
///     .node("n2", &[("block", "b1"), ("rack", "r1")])
///     .node("n1", &[("block", "b1"), ("rack", "r1")])
///     .build()?;
/// assert_eq!(topology.node_path(topology.node("n1").unwrap()), "b1/r1/n1");
/// # Ok::<(), phalanx_topology::TopologyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TopologyBuilder {
    name: String,
    levels: Vec<String>,
    rows: Vec<Row>,
    error: Option<TopologyError>,
}

/// A node and its domain names from the coarsest level on; a missing level is an empty name.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) node: String,
    pub(crate) domains: Vec<String>,
}

impl TopologyBuilder {
    pub(crate) fn new(levels: Vec<String>) -> Self {
        let error = check_levels(&levels).err();
        Self { name: Topology::DEFAULT_TREE.to_owned(), levels, rows: Vec::new(), error }
    }

    /// Names the tree; else it is [`Topology::DEFAULT_TREE`]. An empty name, or one with a `/`, is told by
    /// [`build`](Self::build).
    ///
    /// ```
    /// # use phalanx_topology::{Topology, TreeId};
    /// let topology = Topology::builder(["rack"]).named("network").build()?;
    /// assert_eq!(topology.tree_name(TreeId::PRIMARY), "network");
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        if self.error.is_none() {
            self.error = check_tree_name(&self.name).err();
        }
        self
    }

    /// Adds a node with its (level, domain) pairs, in any order. A level that is left out, or has an empty domain name,
    /// is passed through; a node with no domain at all stays outside the tree. Mistakes are told by
    /// [`build`](Self::build).
    ///
    /// ```
    /// # use phalanx_topology::Topology;
    /// let topology = Topology::builder(["zone", "rack"]).node("lone", &[]).build()?;
    /// assert_eq!(topology.outside_len(), 1);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    #[must_use]
    pub fn node(mut self, name: &str, domains: &[(&str, &str)]) -> Self {
        self.push(name, domains.iter().copied());
        self
    }

    /// Builds the topology, or tells the first mistake.
    ///
    /// # Errors
    ///
    /// See [`TopologyError`]. O(n log n) in the number of nodes.
    ///
    /// ```
    /// # use phalanx_topology::{Topology, TopologyError};
    /// let twice = Topology::builder(["rack"]).node("n", &[("rack", "r")]).node("n", &[("rack", "q")]).build();
    /// assert_eq!(twice.unwrap_err(), TopologyError::DuplicateNode { node: "n".into() });
    /// ```
    pub fn build(self) -> Result<Topology, TopologyError> {
        match self.error {
            Some(error) => Err(error),
            None => tree::build(self.name, self.levels, self.rows),
        }
    }

    fn push<'a>(&mut self, name: &str, domains: impl Iterator<Item = (&'a str, &'a str)>) {
        if self.error.is_some() {
            return;
        }
        match self.row(name, domains) {
            Ok(row) => self.rows.push(row),
            Err(error) => self.error = Some(error),
        }
    }

    fn row<'a>(&self, name: &str, domains: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Row, TopologyError> {
        if name.is_empty() {
            return Err(TopologyError::EmptyNodeName);
        }
        check_name(name)?;
        let mut row = Row { node: name.to_owned(), domains: vec![String::new(); self.levels.len()] };
        let mut given = vec![false; self.levels.len()];
        for (level, domain) in domains {
            let Some(at) = self.levels.iter().position(|name| name == level) else {
                return Err(TopologyError::UnknownLevel {
                    node: name.to_owned(),
                    level: level.to_owned(),
                    expected: self.levels.join(", "),
                });
            };
            if std::mem::replace(&mut given[at], true) {
                return Err(TopologyError::TwoDomains { node: name.to_owned(), level: level.to_owned() });
            }
            check_name(domain)?;
            row.domains[at] = domain.to_owned();
        }
        Ok(row)
    }
}

impl Topology {
    /// The name of the level of the nodes themselves.
    pub const NODE_LEVEL: &'static str = "node";

    /// The most levels that can be named above the nodes.
    pub const MAX_LEVELS: usize = 32;

    /// Starts a topology with these levels, coarse to fine. The level of the nodes comes by itself.
    ///
    /// ```
    /// # use phalanx_topology::Topology;
    /// let topology = Topology::builder(["zone", "rack"]).build()?;
    /// assert_eq!(topology.level_name(topology.node_level()), "node");
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    pub fn builder<L: Into<String>>(levels: impl IntoIterator<Item = L>) -> TopologyBuilder {
        TopologyBuilder::new(levels.into_iter().map(Into::into).collect())
    }

    /// Reads the tree from node labels. A node that lacks a label (or has it empty) passes through that level; a node
    /// with none of the labels stays outside the tree.
    ///
    /// # Errors
    ///
    /// See [`TopologyError`].
    ///
    /// ```
    /// # use phalanx_topology::{LevelLabel, Topology};
    /// # use std::collections::BTreeMap;
    /// let levels = [LevelLabel::new("zone", "topology.kubernetes.io/zone"), LevelLabel::new("rack", "example.com/rack")];
    /// let n1 = BTreeMap::from([("example.com/rack".to_string(), "r1".to_string())]);
    /// let topology = Topology::from_labels(&levels, [("n1", &n1)])?;
    /// assert_eq!(topology.node_path(topology.node("n1").unwrap()), "/r1/n1", "the zone is passed through");
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    pub fn from_labels<'a>(
        levels: &[LevelLabel],
        nodes: impl IntoIterator<Item = (&'a str, &'a BTreeMap<String, String>)>,
    ) -> Result<Self, TopologyError> {
        let mut builder = Self::builder(levels.iter().map(LevelLabel::level));
        for (name, labels) in nodes {
            let domains = levels.iter().filter_map(|l| Some((l.level(), labels.get(l.label())?.as_str())));
            builder.push(name, domains);
        }
        builder.build()
    }
}

pub(crate) fn check_levels(levels: &[String]) -> Result<(), TopologyError> {
    if levels.is_empty() {
        return Err(TopologyError::NoLevels);
    }
    if levels.len() > Topology::MAX_LEVELS {
        return Err(TopologyError::TooManyLevels { found: levels.len(), max: Topology::MAX_LEVELS });
    }
    for (position, level) in levels.iter().enumerate() {
        if level.is_empty() {
            return Err(TopologyError::EmptyLevelName { position });
        }
        if level == Topology::NODE_LEVEL {
            return Err(TopologyError::ReservedLevel);
        }
        check_name(level)?;
        if levels[..position].contains(level) {
            return Err(TopologyError::DuplicateLevel { level: level.clone() });
        }
    }
    Ok(())
}

pub(crate) fn check_tree_name(name: &str) -> Result<(), TopologyError> {
    if name.is_empty() { Err(TopologyError::EmptyTreeName) } else { check_name(name) }
}

pub(crate) fn check_name(name: &str) -> Result<(), TopologyError> {
    if name.contains('/') { Err(TopologyError::SlashInName { name: name.to_owned() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(builder: TopologyBuilder, message: &str) {
        assert_eq!(builder.build().unwrap_err().to_string(), message);
    }

    #[test]
    fn mistakes_name_the_thing() {
        check(Topology::builder(Vec::<String>::new()), "a topology needs at least one level above its nodes");
        check(Topology::builder(["rack", ""]), "level 1 has an empty name");
        check(Topology::builder(["rack", "rack"]), "level \"rack\" is named twice");
        check(
            Topology::builder(["zone", "node"]),
            "level \"node\" is always there, below the last named one: leave it out",
        );
        check(Topology::builder(["a/b"]), "\"a/b\" contains '/', which separates the parts of a path");
        check(Topology::builder((0..33).map(|i| i.to_string())), "33 levels are named, at most 32 are possible");
        let racks = || Topology::builder(["zone", "rack"]);
        check(racks().node("", &[]), "a node has an empty name");
        check(racks().node("x/y", &[]), "\"x/y\" contains '/', which separates the parts of a path");
        check(racks().node("n", &[("rack", "r/1")]), "\"r/1\" contains '/', which separates the parts of a path");
        check(racks().node("n", &[("row", "r")]), "node \"n\" names level \"row\", expected one of zone, rack");
        check(racks().node("n", &[("rack", "r"), ("rack", "q")]), "node \"n\" gives two domains for level \"rack\"");
        check(racks().node("n", &[]).node("n", &[("rack", "r")]), "node \"n\" is listed twice");
    }

    #[test]
    fn a_tree_needs_a_name() {
        check(Topology::builder(["rack"]).named(""), "a tree has an empty name");
        check(Topology::builder(["rack"]).named("a/b"), "\"a/b\" contains '/', which separates the parts of a path");
    }

    #[test]
    fn the_first_mistake_is_told() {
        check(Topology::builder(["rack"]).node("", &[]).node("n", &[("row", "r")]), "a node has an empty name");
    }
}
